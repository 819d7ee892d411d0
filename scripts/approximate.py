#!/usr/bin/env python3
"""Networks with one hidden layer of several widths approximate a smooth function of one or two inputs.

    approximate.py 1 --out approximation-1d       sin(2 pi x) + x / 2 on [-1, 1]
    approximate.py 2 --out approximation-2d       sin(pi x) cos(pi y) on [-1, 1] x [-1, 1]

Trains configs/cases/function-<n>d.yaml at each width. Prints a table, writes <out>/table.csv and <out>/plot.png.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import plotting

ROOT = Path(__file__).resolve().parent.parent


def function(x):
    import numpy
    if x.shape[1] == 1:
        return numpy.sin(2 * numpy.pi * x) + x / 2
    return numpy.sin(numpy.pi * x[:, :1]) * numpy.cos(numpy.pi * x[:, 1:])


def grid(inputs, count):
    import numpy
    axis = numpy.linspace(-1, 1, count)
    if inputs == 1:
        return axis[:, None]
    return numpy.stack(numpy.meshgrid(axis, axis), -1).reshape(-1, 2)


def write_samples(path, inputs):
    import h5py
    with h5py.File(path, "w") as file:
        for part, count in [("train", (256, 32)), ("test", (301, 41))]:
            x = grid(inputs, count[inputs - 1])
            file[f"{part}/x"], file[f"{part}/y"] = x.astype("float32"), function(x).astype("float32")


def train(arguments, data, width):
    name, runs = f"width-{width}", arguments.out / "runs"
    plotting.run(arguments.nnmpi, ROOT / f"configs/cases/function-{arguments.inputs}d.yaml", "--hidden", width,
                 "--set", f"data.file={data}", "--set", f"run.name={name}", "--set", f"run.folder={runs}", "--restart",
                 "--quiet", *(["--epochs", arguments.epochs] if arguments.epochs else []))
    summary = json.loads((runs / name / "summary.json").read_text(encoding="utf-8"))
    newest = max((runs / name / "checkpoints").glob("step-*.h5"))
    answers = arguments.out / f"{name}.h5"
    plotting.run(arguments.nnmpi, "predict", newest, data, "-o", answers)
    with plotting.open_h5(answers) as file:
        outputs = file["outputs"][()]
    return summary["train"]["rmse"], summary["test"]["rmse"], outputs


def draw(inputs, rows):
    from matplotlib import ticker
    pyplot = plotting.new_pyplot()
    figure, axes = pyplot.subplots(1, len(rows) + 1, figsize=(3.4 * (len(rows) + 1), 3.6))
    x = grid(inputs, (301, 41)[inputs - 1])
    for axis, (width, _, test, outputs) in zip(axes, rows):
        axis.set_title(f"{width} hidden units\nRMSE {test:.2g}", fontsize=10)
        axis.set_xlabel("x")
        axis.grid(False)
        if inputs == 1:
            axis.plot(x, function(x), color="#999999", linewidth=4, label="function")
            axis.plot(x, outputs, color="#D55E00", linewidth=1.5, label="network")
            axis.set_ylabel("f(x)")
        else:
            picture = axis.imshow(outputs.reshape(41, 41), origin="lower", extent=(-1, 1, -1, 1), vmin=-1.1, vmax=1.1,
                                  cmap="RdBu_r")
            axis.contour(outputs.reshape(41, 41), levels=[-0.5, 0, 0.5], extent=(-1, 1, -1, 1), colors="black",
                         linewidths=0.7)
            axis.set_ylabel("y")
    if inputs == 1:
        axes[0].legend(fontsize=8)
    else:
        figure.colorbar(picture, ax=axes[-2], shrink=0.8, label="output")
    widths = [row[0] for row in rows]
    axes[-1].loglog(widths, [row[1] for row in rows], "o-", color="#0072B2", label="train")
    axes[-1].loglog(widths, [row[2] for row in rows], "D--", color="#D55E00", label="test")
    axes[-1].set_title("Error falls with width", fontsize=10)
    axes[-1].set_xlabel("hidden units")
    axes[-1].set_ylabel("RMSE")
    axes[-1].set_xticks(widths, [str(width) for width in widths])
    axes[-1].minorticks_off()
    axes[-1].yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes[-1].yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes[-1].legend(fontsize=8)
    return figure


def compare(arguments):
    plotting.find_interpreter(["h5py", "matplotlib"], ["h5py", "matplotlib"])
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = arguments.out / f"function-{arguments.inputs}d.h5"
    write_samples(data, arguments.inputs)
    rows = []
    print("hidden units  train RMSE   test RMSE")
    for width in arguments.widths:
        rows.append((width, *train(arguments, data, width)))
        print("{:12d}  {:10.5f}  {:10.5f}".format(*rows[-1][:3]), flush=True)
    with open(arguments.out / "table.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("hidden", "train_rmse", "test_rmse"), *(row[:3] for row in rows)])
    plotting.save(draw(arguments.inputs, rows), arguments.out / "plot.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", type=int, choices=[1, 2], help="inputs of the function")
    parser.add_argument("--widths", type=int, nargs="+", default=[2, 8, 32, 128], help="hidden units (2 8 32 128)")
    parser.add_argument("--epochs", type=int, help="instead of those of the configuration")
    parser.add_argument("--out", type=Path, required=True, help="folder for data, runs, table.csv and plot.png")
    parser.add_argument("--nnmpi", help="the program; default: build/nnmpi, or the one in PATH")
    return plotting.call("approximate", compare, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
