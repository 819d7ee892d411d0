#!/usr/bin/env python3
"""Class regions and decision boundaries of a network with two inputs.

    plot_regions.py CHECKPOINT.h5 [CONFIG.yaml or DATA.h5] -o regions.png     with the training samples, if given
    plot_regions.py CHECKPOINT.h5 --range -4 4 -o regions.png

Left: the class that the network answers at every point; right: where each unit of the first hidden layer changes sign,
and how many of them are silent (0 or less).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy

ROOT = Path(__file__).resolve().parent.parent
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999"]
POINTS = 301


def fail(message):
    sys.exit(f"plot_regions: {message}")


def read_samples(path):
    """Training samples of a data set, or of data.inline in a configuration."""
    if path is None:
        return None, None
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return file["train/x"][()], file["train/y"][()].ravel()
    try:
        import yaml
    except ImportError:
        fail("PyYAML is missing, by which samples in a configuration are read; on Debian: apt install python3-yaml")
    inline = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["inline"]
    return numpy.array(inline["x"], float), numpy.array(inline["y"]).ravel()


def predict(program, checkpoint, points):
    with tempfile.TemporaryDirectory() as folder:
        with h5py.File(f"{folder}/grid.h5", "w") as file:
            file["test/x"] = points.astype(numpy.float32)
        done = subprocess.run([str(program), "predict", str(checkpoint), f"{folder}/grid.h5", "--activations", "-o",
                               f"{folder}/out.h5"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            fail(done.stdout.strip())
        with h5py.File(f"{folder}/out.h5") as file:
            if "class" not in file:
                fail(f"{checkpoint}: the network answers with values, not with classes")
            return file["class"][()], {name: item[()] for name, item in file["activations"].items()}


def first_hidden(checkpoint):
    """Name of the first layer with a weight."""
    with h5py.File(checkpoint) as file:
        names = [name[:-len(".weight")] for name in file["parameters"] if name.endswith(".weight")]
        names = [name for name in names if file[f"parameters/{name}.weight"].shape[1] == 2]
    return names[0] if names else None


def draw(arguments, axis, x, y, classes, hidden):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import colors, pyplot
    figure, panels = pyplot.subplots(1, 2, figsize=(11, 5), constrained_layout=True)
    extent = (axis[0], axis[-1], axis[0], axis[-1])
    count = max(2, int(classes.max()) + 1, int(y.max()) + 1 if y is not None else 0)
    palette = [COLOURS[i % len(COLOURS)] for i in range(count)]
    picture = classes.reshape(POINTS, POINTS)
    panels[0].imshow(picture, origin="lower", extent=extent, cmap=colors.ListedColormap(palette), vmin=-0.5,
                     vmax=count - 0.5, alpha=0.35, interpolation="nearest", aspect="auto")
    panels[0].contour(axis, axis, picture, levels=numpy.arange(count - 1) + 0.5, colors="black", linewidths=1.2)
    for k in range(count):
        inside = y == k if y is not None else numpy.zeros(0, bool)
        shown = x[inside] if y is not None else numpy.zeros((0, 2))
        panels[0].scatter(shown[:, 0], shown[:, 1], s=70, color=palette[k], edgecolor="white", label=f"class {k}", zorder=3)
    panels[0].legend(loc="upper right", framealpha=0.9)
    panels[0].set_title("Class of every point")
    if hidden is not None:
        silent = (hidden <= 0).sum(1).reshape(POINTS, POINTS)
        shades = panels[1].imshow(silent, origin="lower", extent=extent, cmap="Greys", vmin=0, vmax=hidden.shape[1] * 1.4,
                                  interpolation="nearest", aspect="auto")
        figure.colorbar(shades, ax=panels[1], label="silent hidden units", ticks=range(hidden.shape[1] + 1),
                        boundaries=numpy.arange(hidden.shape[1] + 2) - 0.5)
        for k in range(hidden.shape[1]):
            plane = hidden[:, k].reshape(POINTS, POINTS)
            if plane.min() < 0 < plane.max():
                panels[1].contour(axis, axis, plane, levels=[0], colors=[COLOURS[k % len(COLOURS)]], linewidths=1.6)
            panels[1].plot([], [], color=COLOURS[k % len(COLOURS)], label=f"unit {k}")
        if hidden.shape[1] <= 12:
            panels[1].legend(loc="upper right", framealpha=0.9, fontsize=8)
        panels[1].set_title("Where hidden units change sign")
    for panel in panels:
        panel.set_xlabel("x1")
        panel.set_ylabel("x2")
        panel.set_xlim(axis[0], axis[-1])
        panel.set_ylim(axis[0], axis[-1])
    figure.savefig(arguments.output, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("samples", type=Path, nargs="?", help="data set, or configuration with data.inline")
    parser.add_argument("--range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of both inputs")
    parser.add_argument("--nnmpi", default=ROOT / "build/nnmpi", help="the program")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    x, y = read_samples(arguments.samples)
    if x is not None and (x.ndim != 2 or x.shape[1] != 2):
        fail(f"{arguments.samples}: samples have the shape {x.shape[1:]}, not two inputs")
    if arguments.range:
        low, high = arguments.range
    elif x is not None:
        margin = 0.5 * (x.max() - x.min())
        low, high = x.min() - margin, x.max() + margin
    else:
        low, high = -2, 2
    axis = numpy.linspace(low, high, POINTS)
    points = numpy.stack(numpy.meshgrid(axis, axis), -1).reshape(-1, 2)
    classes, layers = predict(arguments.nnmpi, arguments.checkpoint, points)
    name = first_hidden(arguments.checkpoint)
    draw(arguments, axis, x, y, classes, layers.get(name))
    print(arguments.output)


if __name__ == "__main__":
    main()
