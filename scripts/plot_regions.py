#!/usr/bin/env python3
"""Draw the class regions and decision boundaries of a trained network with two inputs.

    nnmpi-plot-regions runs/a/checkpoints/best.h5 a.yaml -o regions.png        with the training samples
    nnmpi-plot-regions runs/a/checkpoints/best.h5 --range -4 4 -o regions.png

Left: the class that the network answers at every point; right: where the units of its first hidden layer change sign,
and how many of them are at 0 or less: silent, with ReLU. In a clone nnmpi-plot-regions is scripts/plot_regions.py.
Exit codes: 2 the command line or a missing package, 4 a network or data that cannot be drawn, 6 an output that cannot be
written.
"""

import pathlib
import sys
import tempfile

import plotting
from plotting import COLOURS, Failure

PROG = "nnmpi-plot-regions"
POINTS = 301  # along each axis
CLASSES_MAX = 20
UNITS_NAMED = 12
DASHES = ["-", "--", ":", "-."]


# ---- reading -----------------------------------------------------------------------------------------


class Samples:
    """Training samples [count, 2] with their classes, and what the axes are called."""

    def __init__(self, x=(), y=(), features=("x1", "x2"), names=None):
        import numpy
        self.x, self.y = numpy.asarray(x, float), numpy.asarray(y).ravel()
        self.features, self.names = features, names


def read_h5(path):
    with plotting.open_h5(path) as file:
        if "train/x" not in file or "train/y" not in file:
            raise Failure(4, f"{path}: has no train/x and train/y")
        features = [name.decode() for name in file.get("feature_names", [])]
        samples = Samples(file["train/x"][()], file["train/y"][()], features if len(features) == 2 else ("x1", "x2"))
        if "class_names" in file:
            samples.names = plotting.class_names(file, 0)
    return samples


def read_configuration(path):
    """Samples in the configuration itself, or those of its data set."""
    import yaml
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]
        if "file" in data:
            return read_h5(pathlib.Path(data["file"]))
        return Samples(data["inline"]["x"], data["inline"]["y"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Failure(4, f"{path}: cannot be read: {plotting.one_line(error)}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(4, f"{path}: has neither data.file nor samples as data.inline") from error


def read_samples(path):
    if path is None:
        return Samples()
    samples = read_h5(path) if path.suffix == ".h5" else read_configuration(path)
    if samples.x.ndim != 2 or samples.x.shape[1] != 2:
        shape = " x ".join(str(size) for size in samples.x.shape[1:]) or "1"
        raise Failure(4, f"{path}: a sample has {shape} numbers; regions can be drawn of two inputs")
    if len(samples.y) != len(samples.x) or samples.y.dtype.kind not in "iu":
        raise Failure(4, f"{path}: its targets are not one class for each sample")
    return samples


def make_grid(options, samples):
    """The points of each of the two axes."""
    import numpy
    if options.range:
        return [numpy.linspace(*options.range, POINTS)] * 2
    if not len(samples.x):
        return [numpy.linspace(-2, 2, POINTS)] * 2
    low, high = samples.x.min(0), samples.x.max(0)
    margin = 0.3 * numpy.where(high > low, high - low, 1)
    return [numpy.linspace(low[i] - margin[i], high[i] + margin[i], POINTS) for i in range(2)]


def ask_network(options, axes):
    import h5py
    import numpy
    points = numpy.stack(numpy.meshgrid(*axes), -1).reshape(-1, 2)
    with tempfile.TemporaryDirectory(prefix="nnmpi-plot-") as folder:
        with h5py.File(f"{folder}/grid.h5", "w") as file:
            file["test/x"] = points.astype(numpy.float32)
        return plotting.predict(options.nnmpi, options.checkpoint, f"{folder}/grid.h5", "--activations")


def first_layer(options, answers):
    """Outputs of the first of several dense layers, before its activation: [units, points, points]; None for none."""
    with plotting.open_h5(options.checkpoint) as file:
        layers = bytes(file["signature"][()]).decode().splitlines()[1:]  # "name kind shape: weight …", in their order
    learning = [line.split()[0] for line in layers if " dense " in line and ": weight" in line]
    return answers[f"activations/{learning[0]}"].T.reshape(-1, POINTS, POINTS) if len(learning) > 1 else None


# ---- drawing -----------------------------------------------------------------------------------------


def legend_below(panel, columns):
    """Where it hides nothing."""
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncol=columns)


def draw_classes(panel, axes, classes, samples, names):
    import numpy
    from matplotlib import colors
    count = len(names)
    palette = [COLOURS[k % len(COLOURS)] for k in range(count)]
    levels = numpy.arange(count + 1) - 0.5
    panel.contourf(*axes, classes, levels=levels, cmap=colors.ListedColormap(palette), vmin=-0.5, vmax=count - 0.5, alpha=0.35)
    panel.contour(*axes, classes, levels=levels[1:-1], colors="black", linewidths=1.2)
    for k in range(count):
        shown = samples.x[samples.y == k] if len(samples.x) else numpy.zeros((0, 2))
        panel.scatter(shown[:, 0], shown[:, 1], s=70 if len(samples.x) < 50 else 25, color=palette[k], edgecolor="white",
                      linewidth=0.8, label=f"class {names[k]}", zorder=3)
    panel.set_title("Class of every point" + (", training samples" if len(samples.x) else ""))
    legend_below(panel, columns=3)


def draw_units(figure, panel, axes, planes):
    import numpy
    from matplotlib import colors
    silent = (planes <= 0).sum(0)
    levels = numpy.arange(silent.min(), silent.max() + 2) - 0.5
    greys = colors.LinearSegmentedColormap.from_list("greys", ["#ffffff", "#777777"])
    shades = panel.pcolormesh(*axes, silent, cmap=greys, norm=colors.BoundaryNorm(levels, greys.N), shading="nearest",
                              rasterized=True)
    bar = figure.colorbar(shades, ax=panel, label="hidden units at 0 or less")
    ticks = numpy.arange(silent.min(), silent.max() + 1)
    bar.set_ticks(ticks[::-(-len(ticks) // 10)])
    bar.minorticks_off()
    crossing = [k for k, plane in enumerate(planes) if plane.min() < 0 < plane.max()]
    for k in crossing:
        look = {"colors": [COLOURS[k % len(COLOURS)]], "linestyles": [DASHES[k // len(COLOURS) % len(DASHES)]]}
        panel.contour(*axes, planes[k], levels=[0], linewidths=1.6, **look)
        panel.plot([], [], color=look["colors"][0], linestyle=look["linestyles"][0], label=f"unit {k}")
    panel.set_title(f"Where hidden units change sign ({len(crossing)} of {len(planes)} do here)")
    if 0 < len(crossing) <= UNITS_NAMED:
        legend_below(panel, columns=4)


def draw(options):
    samples = read_samples(options.samples)
    axes = make_grid(options, samples)
    answers = ask_network(options, axes)
    classes = answers["class"].reshape(POINTS, POINTS)
    count = max(answers["outputs"].shape[1], 2)
    if count > CLASSES_MAX:
        raise Failure(4, f"{options.checkpoint}: has {count} classes; at most {CLASSES_MAX} can be told apart in a picture")
    names = plotting.class_names({"class_names": samples.names or answers.get("class_names", [])}, count)
    planes = first_layer(options, answers)
    pyplot = plotting.new_pyplot()
    figure, panels = pyplot.subplots(1, 1 if planes is None else 2, squeeze=False, figsize=(5.4 if planes is None else 11.5, 5.5))
    draw_classes(panels[0, 0], axes, classes, samples, names)
    if planes is not None:
        draw_units(figure, panels[0, 1], axes, planes)
    for panel in panels[0]:
        panel.set_xlabel(samples.features[0])
        panel.set_ylabel(samples.features[1])
        panel.set_xlim(axes[0][0], axes[0][-1])
        panel.set_ylim(axes[1][0], axes[1][-1])
        panel.grid(False)
    return figure


def arguments():
    parser = plotting.new_parser(PROG, __doc__, "regions.png")
    parser.add_argument("checkpoint", metavar="CHECKPOINT.h5", help="the trained network")
    parser.add_argument("samples", nargs="?", type=pathlib.Path, metavar="DATA.h5|CONFIG.yaml",
                        help="data set, or configuration, whose training samples are drawn")
    parser.add_argument("--range", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        help="of both inputs; default: around the samples, -2 to 2 without")
    parser.add_argument("--nnmpi", help="the program; default: found beside this one, in build/, or in PATH")
    options = parser.parse_args()
    if options.range and not options.range[0] < options.range[1]:
        parser.error("--range: LOW must be below HIGH")
    return options


if __name__ == "__main__":
    given = arguments()
    is_yaml = given.samples is not None and given.samples.suffix != ".h5"
    modules = ["h5py", "matplotlib"] + ["yaml"] * is_yaml
    sys.exit(plotting.main(PROG, draw, given, wanted=modules, needed=modules))
