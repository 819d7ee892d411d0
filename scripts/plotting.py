"""What the scripts that draw have in common: an interpreter that can, errors of one line, predictions, colours.

No program of its own: other scripts import it.
"""

import argparse
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Okabe and Ito's colours: apart for all kinds of colour vision; pale ones left out.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
GREY = "#555555"
SYSTEM_PYTHON = "/usr/bin/python3"
REEXEC = "NNMPI_PLOT_REEXEC"
PACKAGES = {"h5py": "python3-h5py", "numpy": "python3-numpy", "matplotlib": "python3-matplotlib", "yaml": "python3-yaml"}  # Debian's


class Failure(Exception):
    """One line for the user, and the exit code: 2 the command line or a missing package, 4 input, 6 output."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def one_line(error):
    return " ".join(str(error).split())


# ---- an interpreter that can draw --------------------------------------------------------------------


def can_import(*modules):
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError:
        return False
    return True


def system_can_import(*modules):
    probe = [SYSTEM_PYTHON, "-c", f"import {', '.join(modules)}"]
    return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def find_interpreter(wanted, needed):
    """Go on with the system's Python where it has more of the wanted modules; fail where a needed one is missing."""
    if can_import(*wanted):
        return
    if not os.environ.get(REEXEC) and os.access(SYSTEM_PYTHON, os.X_OK):
        better = system_can_import(*wanted) or (not can_import(*needed) and system_can_import(*needed))
        if better:
            os.environ[REEXEC] = "1"
            os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, os.path.abspath(sys.argv[0]), *sys.argv[1:]])
    if not can_import(*needed):
        missing = [module for module in wanted if not can_import(module)]
        raise Failure(2, f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; on Debian: apt install "
                         f"{' '.join(PACKAGES[module] for module in missing)}")


# ---- trained networks and data -----------------------------------------------------------------------


def find_program(given):
    """nnmpi: as the user says, beside an installed script, in build/ of a clone, or in PATH."""
    if given:
        return given
    script = pathlib.Path(os.path.abspath(sys.argv[0]))
    for candidate in (script.parent / "nnmpi", script.parent.parent / "build/nnmpi"):
        if candidate.is_file():
            return str(candidate)
    program = shutil.which("nnmpi")
    if program is None:
        raise Failure(2, "there is no program nnmpi here; --nnmpi says where it is")
    return program


def run(program, *words, **environment):
    """nnmpi with these arguments, which must succeed."""
    words = [find_program(program), *map(str, words)]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, env={**os.environ, **environment})
    except OSError as error:
        raise Failure(2, f"{words[0]}: cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.startswith("nnmpi: error: ")]
        raise Failure(4, one_line(lines[0][len("nnmpi: error: "):] if lines else done.stdout))


def open_h5(path):
    """An HDF5 file for reading, as `with` takes it."""
    if not pathlib.Path(path).exists():
        raise Failure(4, f"{path}: there is no such file")
    try:
        return importlib.import_module("h5py").File(path, "r")
    except OSError as error:
        raise Failure(4, f"{path}: cannot be read: {one_line(error)}") from error


def predict(program, checkpoint, data, *options):
    """What `nnmpi predict` answers: {"outputs": …, "class": …, "probability": …, "activations/…": …, "dataset": "test/x", "targets": "test/y"}."""
    with tempfile.TemporaryDirectory(prefix="nnmpi-plot-") as folder:
        answers = pathlib.Path(folder) / "answers.h5"
        run(program, "predict", checkpoint, data, "-o", answers, *options)
        found = {}
        with open_h5(answers) as file:
            file.visititems(lambda name, item: found.update({name: item[()]} if hasattr(item, "dtype") else {}))
            found.update({name: bytes(file.attrs[name]).decode() for name in ("dataset", "targets")})
    if "class" not in found:
        raise Failure(4, f"{checkpoint}: the network answers with values, not with classes")
    return found


def class_names(file, count):
    """Of a data set or of answers; the numbers where it has none."""
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in file.get("class_names", [])]
    return names + [str(k) for k in range(len(names), count)]


# ---- drawing -----------------------------------------------------------------------------------------


def style(pyplot):
    """The look of all pictures: open axes with a grid."""
    pyplot.rcParams.update({
        "figure.constrained_layout.use": True,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.dpi": 100,
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "axes.titlesize": 11,
        "legend.frameon": False,
        "legend.fontsize": 9,
    })


def new_pyplot():
    """matplotlib.pyplot for files, styled; areas (images, matrices) want `axes.grid(False)`."""
    importlib.import_module("matplotlib").use("Agg")
    pyplot = importlib.import_module("matplotlib.pyplot")
    style(pyplot)
    return pyplot


def save(figure, path):
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise Failure(6, f"{path}: cannot be written: {one_line(error)}") from error


# ---- the command line --------------------------------------------------------------------------------


def new_parser(prog, documentation, output):
    """From a script's documentation: its first line is the description, the rest stands below the options."""
    first, _, rest = documentation.partition("\n\n")
    parser = argparse.ArgumentParser(prog=prog, description=first, epilog=rest,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", default=output, metavar="FILE",
                        help="picture to write (.png, .svg, .pdf); default: %(default)s")
    return parser


def call(prog, work, *arguments):
    """The exit code of work(*arguments), a Failure of which is told in one line."""
    try:
        work(*arguments)
    except Failure as failure:
        print(f"{prog}: error: {failure}", file=sys.stderr)
        return failure.code
    return 0


def draw_and_save(draw, options, wanted, needed):
    find_interpreter(wanted, needed)
    save(draw(options), options.output)
    print(options.output)


def main(prog, draw, options, wanted=("h5py", "matplotlib"), needed=("h5py", "matplotlib")):
    """Draw, save, say where; the exit code."""
    return call(prog, draw_and_save, draw, options, wanted, needed)
