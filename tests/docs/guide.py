#!/usr/bin/env python3
"""Does what a guide tells its reader to do, in a folder of its own, and compares what is printed with what is shown.

    guide.py docs/tutorial.md [--torch] [--section TITLE] [--pictures]

In the guide
  ```console     lines that begin with "$ " are commands (a backslash continues them), run in order by bash; below each
                 stands what it prints. "…" in a line is any text, "…" alone any lines. Numbers with a point may differ
                 by one in the last place shown, or by a hundred-thousandth; everything else must be as shown, but for
                 the width of gaps.
                 A command whose shown text has a line "nnmpi: error: …" must fail, and say so; any other must not.
  ```sh          commands, of which only success is asked
  ```yaml … with a first line "# NAME" is a file that the reader is to make, before the commands that follow

The folder looks like a clone after its build: build/nnmpi, configs/ and scripts/. In PATH, `nnmpi` is the program,
`nnmpi-plot…` its scripts, `mpirun` the launcher with the options that tests need, `python3` the Python that the tests use, or
with --torch one that has PyTorch, too: $NNMPI_TORCH_PYTHON, or the first that is found; where there is none, the guide is skipped.
--section: only what stands under that title. --pictures: with small pictures in train-images.gz and train-labels.gz.
"""

import argparse
import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))

import program  # noqa: E402

SOURCE = program.SOURCE
PYTHON = os.environ.get("NNMPI_PYTHON", sys.executable)
ERROR = "nnmpi: error: "

# ---- comparing ------------------------------------------------------------------------------------------------------

REAL = r"[-+]?\d+\.\d+(?:e[-+]?\d+)?|[-+]?\d+e[-+]?\d+"  # what is shown: whole numbers are compared as text
ANY_NUMBER = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
PIECE = re.compile(rf"(?P<real>(?<![\w.])(?:{REAL})(?![\w.]))|(?P<gap>\s+)|(?P<any>…)")


def tolerance(shown):
    """One in the last place shown, or a hundred-thousandth of the number."""
    mantissa, _, exponent = shown.partition("e")
    places = len(mantissa.partition(".")[2])
    return max(1.01 * 10.0 ** (int(exponent or 0) - places), 1e-5 * abs(float(shown)))


def line_matches(shown, printed):
    pattern, numbers, end = "", [], 0
    shown, printed = shown.strip(), printed.strip()
    for piece in PIECE.finditer(shown):
        pattern += re.escape(shown[end:piece.start()])
        end = piece.end()
        if piece["real"]:
            numbers.append(piece["real"])
            pattern += ANY_NUMBER
        else:
            pattern += r"\s+" if piece["gap"] else ".*?"
    match = re.fullmatch(pattern + re.escape(shown[end:]), printed)
    return match is not None and all(abs(float(got) - float(want)) <= tolerance(want)
                                     for want, got in zip(numbers, match.groups()))


def first_difference(shown, printed):
    """None where the printed lines are those shown; else the first shown line that finds none, or what is left over."""
    reached = {0}  # how many printed lines may be accounted for
    for line in shown:
        if line.strip() == "…":
            reached = set(range(min(reached), len(printed) + 1))
            continue
        following = {at + 1 for at in reached if at < len(printed) and line_matches(line, printed[at])}
        if not following:
            return f"nothing is printed like\n    {line}"
        reached = following
    return None if len(printed) in reached else f"more is printed than is shown, from\n    {printed[max(reached)]}\non"


# ---- reading a guide ------------------------------------------------------------------------------------------------

FILE_NAME = re.compile(r"^# ([\w-]+\.(?:yaml|py))\b")


class Command:
    def __init__(self, line, text):
        self.line, self.text, self.shown, self.compared = line, text, [], True


def blocks(text, section):
    """(line number, language, lines) of every fenced block, or of those under a title."""
    inside, wanted, start, language, held = False, section is None, 0, "", []
    for number, line in enumerate(text.splitlines(), 1):
        if inside and line.rstrip() == "```":
            inside = False
            if wanted:
                yield start, language, held
        elif inside:
            held.append(line)
        elif line.startswith("```"):
            inside, start, language, held = True, number, line[3:].strip(), []
        elif section is not None and line.startswith("## "):
            wanted = line[3:].strip() == section


def read_commands(start, language, lines):
    commands, continues = [], False
    for number, line in enumerate(lines, start + 1):
        if continues:
            commands[-1].text += "\n" + line
        elif language == "sh" and line.strip():
            commands.append(Command(number, line))
            commands[-1].compared = False
        elif language == "console" and line.startswith("$ "):
            commands.append(Command(number, line[2:]))
        elif language == "console" and commands:
            commands[-1].shown.append(line)
        elif language == "console":
            sys.exit(f"line {number}: a block of commands begins with \"$ \", not with: {line}")
        continues = line.endswith("\\") and bool(commands) and not commands[-1].shown
    return commands


def steps_of(text, section):
    """Commands, and files to write as (name, text), in their order."""
    for start, language, lines in blocks(text, section):
        name = FILE_NAME.match(lines[0]) if lines else None
        if language in ("console", "sh"):
            yield from read_commands(start, language, lines)
        elif name:
            yield name[1], "\n".join(lines) + "\n"


# ---- the reader's machine -------------------------------------------------------------------------------------------


def find_torch():
    named = os.environ.get("NNMPI_TORCH_PYTHON")
    for python in [named] if named else ["python3", "/usr/bin/python3", PYTHON]:
        path = shutil.which(python)
        if path and subprocess.run([path, "-c", "import h5py, torch"], capture_output=True, check=False).returncode == 0:
            return path
    if named:
        sys.exit(f"NNMPI_TORCH_PYTHON={named}: no Python with PyTorch and h5py")
    return program.skip("no Python with PyTorch and h5py here (NNMPI_TORCH_PYTHON may name one)")


def write_script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def prepare(folder, python):
    """A clone after its build. The program is copied: it looks for the scripts beside itself."""
    for name in ("configs", "scripts"):
        shutil.copytree(SOURCE / name, folder / name)
    (folder / "build").mkdir()
    (folder / ".bin").mkdir()
    shutil.copy2(program.NNMPI, folder / "build/nnmpi")
    write_script(folder / ".bin/nnmpi", f'exec "{folder}/build/nnmpi" "$@"')
    launcher = [shutil.which(program.LAUNCHER[0]) or program.LAUNCHER[0], *program.LAUNCHER[1:]]
    once = " ".join(launcher).replace(" --bind-to none", "")  # Open MPI 5 takes an option once
    write_script(folder / ".bin/mpirun", f'case " $* " in *" --bind-to "*) exec {once} "$@" ;; esac\nexec {" ".join(launcher)} "$@"')
    write_script(folder / ".bin/python3", f'exec "{python}" "$@"')
    for name, script in [("plot", "history"), ("plot-predictions", "predictions"), ("plot-regions", "regions")]:
        write_script(folder / f".bin/nnmpi-{name}", f'exec "{PYTHON}" "{SOURCE}/scripts/plot_{script}.py" "$@"')


def write_pictures(folder, count=100, size=28):
    """Two kinds of pictures: bright above, or bright below."""
    pixels = b"".join(bytes([200 if (row < size // 2) == (i % 2 == 0) else i % 50] * size)
                      for i in range(count) for row in range(size))
    with gzip.open(folder / "train-images.gz", "wb") as file:
        file.write(struct.pack(">4B3I", 0, 0, 8, 3, count, size, size) + pixels)
    with gzip.open(folder / "train-labels.gz", "wb") as file:
        file.write(struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 2 for i in range(count)))


def run(command, folder):
    """What is wrong, or None."""
    environment = program.environment(PATH=f"{folder}/.bin:{os.environ['PATH']}", MPLBACKEND="Agg")
    try:
        done = subprocess.run(["bash", "-c", command.text], cwd=folder, env=environment, timeout=2 * program.TIMEOUT,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {2 * program.TIMEOUT} s"
    errors = [line for line in done.stderr.splitlines() if line.startswith(ERROR)]
    printed = done.stdout.replace("\r", "").rstrip().splitlines() + errors
    fails = any(line.startswith(ERROR) for line in command.shown)
    wrong = None
    if fails != (done.returncode != 0):
        wrong = f"exit code {done.returncode}, but the guide shows {'an' if fails else 'no'} error"
    elif command.compared:
        wrong = first_difference("\n".join(command.shown).rstrip().splitlines(), printed)
    if wrong is None:
        return None
    return "\n".join([wrong, "--- printed", *printed, "--- standard error", done.stderr])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("guide")
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--section")
    parser.add_argument("--pictures", action="store_true")
    arguments = parser.parse_args()
    python = find_torch() if arguments.torch else PYTHON
    steps = list(steps_of((SOURCE / arguments.guide).read_text(encoding="utf-8"), arguments.section))
    commands = sum(isinstance(step, Command) for step in steps)
    if commands == 0:
        sys.exit(f"{arguments.guide}: no commands")
    with tempfile.TemporaryDirectory(prefix="nnmpi-guide-") as name:
        folder = Path(name)
        prepare(folder, python)
        if arguments.pictures:
            write_pictures(folder)
        for step in steps:
            if not isinstance(step, Command):
                (folder / step[0]).write_text(step[1], encoding="utf-8")
                continue
            wrong = run(step, folder)
            if wrong is not None:
                sys.exit(f"{arguments.guide}:{step.line}: $ {step.text}\n{wrong}")
    print(f"{arguments.guide}: {commands} commands do as it says")


if __name__ == "__main__":
    main()
