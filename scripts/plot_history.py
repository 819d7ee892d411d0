#!/usr/bin/env python3
"""Draw the curves of one or more nnmpi runs: loss and accuracy (or another metric) over epochs, and every step.

    nnmpi-plot runs/a runs/b -o curves.png
    nnmpi-plot runs/a --weights -o weights.png       every weight and bias; needs history.weights: true

In a clone nnmpi-plot is scripts/plot_history.py.
Reads history.h5 (h5py), metrics.csv and summary.json of a run; works while the run is going on.
Exit codes: 2 the command line or a missing package, 4 a run that cannot be read, 6 an output that cannot be written.
"""

import csv
import importlib
import json
import math
import pathlib
import sys

import plotting
from plotting import COLOURS, GREY, Failure, can_import, one_line

PROG = "nnmpi-plot"
WEIGHTS_MAX = 2000  # parameters that can be told apart at all
METRICS = [  # name in files, title, words at the axis, drawn in per cent
    ("accuracy", "Accuracy", "accuracy (%)", True),
    ("rmse", "RMSE", "RMSE (units of the targets)", False),
    ("mae", "MAE", "MAE (units of the targets)", False),
    ("r2", "R²", "R²", False),
]


def warn(message):
    print(f"{PROG}: warning: {message}", file=sys.stderr)


# ---- reading -----------------------------------------------------------------------------------------


class Run:
    """What is known of a run: columns by epoch and by step, the last figures, histories of weights."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.label = self.folder.resolve().name
        self.epochs, self.steps, self.weights, self.summary = {}, {}, {}, {}
        if not self.folder.is_dir():
            raise Failure(4, f"{folder}: there is no such run folder")
        if not (self.folder / "history.h5").exists() and not (self.folder / "metrics.csv").exists():
            raise Failure(4, f"{folder}: is not the folder of a run: neither history.h5 nor metrics.csv is there")
        self.read_history()
        self.read_metrics()
        self.read_summary()

    def read_history(self):
        path = self.folder / "history.h5"
        if not path.exists():
            return
        if not can_import("h5py"):
            warn(f"{path} is not read: h5py is missing (Debian: python3-h5py); metrics.csv has the epochs alone")
            return
        h5py = importlib.import_module("h5py")
        try:
            with h5py.File(path, "r") as file:
                self.epochs = read_columns(file, "epochs", "epoch")
                self.steps = read_columns(file, "steps", "step")
                self.weights = read_columns(file, "weights", "epochs")
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise Failure(4, f"{path}: cannot be read: {one_line(error)}") from error

    def read_metrics(self):
        """metrics.csv is ahead of history.h5 while a run is going on."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            columns = {column_name(name): [number(row[name]) for row in rows] for name in (rows[0] if rows else {})}
            if rows and "epoch" not in columns:
                raise ValueError("there is no column epoch")
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise Failure(4, f"{path}: cannot be read: {one_line(error)}") from error
        if len(rows) > len(self.epochs.get("epoch", [])):
            self.epochs = columns

    def read_summary(self):
        try:
            text = (self.folder / "summary.json").read_text(encoding="utf-8")
            summary = json.loads(text)
        except (OSError, ValueError):
            return  # written at the start and at the end; only adds to the picture
        if isinstance(summary, dict):
            self.summary = summary

    def column(self, name, source=None):
        """A column of the epochs (or of `source`) as finite numbers or NaN; None where it says nothing."""
        values = (self.epochs if source is None else source).get(name)
        if values is None:
            return None
        values = [float(v) if math.isfinite(v) else math.nan for v in values]
        return values if any(not math.isnan(v) for v in values) else None

    def epoch_count(self):
        return len(self.epochs.get("epoch", []))

    def figure(self, part, name):
        """A number of summary.json, None where it has none."""
        part = self.summary.get(part)
        value = part.get(name) if isinstance(part, dict) else None
        return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def read_columns(file, group, first):
    """The datasets of a group: numbers, as many rows each as the column `first`."""
    columns = {name: item[()] for name, item in file[group].items()} if group in file else {}
    if not columns:
        return columns
    if first not in columns:
        raise ValueError(f"there is no dataset {group}/{first}")
    for name, values in columns.items():
        if values.dtype.kind not in "iuf" or values.shape[:1] != columns[first].shape:
            raise ValueError(f"{group}/{name} does not fit {group}/{first}")
    return columns


def number(text):
    return float(text) if text else math.nan


def column_name(name):
    """The name that history.h5 has for a column of metrics.csv."""
    if name.startswith("val_"):
        return "valid_" + name[4:]
    return name if name in ("epoch", "step", "lr", "seconds") else "train_" + name


def read_runs(folders, weights):
    runs = [Run(folder) for folder in folders]
    if weights:
        return runs
    begun = [run for run in runs if run.epoch_count() > 0]
    if not begun:
        names = ", ".join(str(run.folder) for run in runs)
        raise Failure(4, f"{names}: no epoch is complete yet; nothing to draw")
    for run in runs:
        if run not in begun:
            warn(f"{run.folder}: no epoch is complete yet; left out")
    labels = [run.label for run in begun]
    for run in begun:
        if labels.count(run.label) > 1:
            run.label = str(run.folder)
    return begun


# ---- drawing curves ----------------------------------------------------------------------------------


def choose_metric(runs):
    """The first that any of the runs has; None for none."""
    for metric in METRICS:
        if any(run.column(f"{part}_{metric[0]}") for run in runs for part in ("train", "valid")):
            return metric
    return None


def whole_numbers(most):
    """Ticks at whole, round numbers."""
    return importlib.import_module("matplotlib.ticker").MaxNLocator(integer=True, nbins=most, steps=[1, 2, 5, 10])


def make_logarithmic(axes):
    """Labels as people write numbers: 0.2, 0.5, 1."""
    ticker = importlib.import_module("matplotlib.ticker")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def colour_of(runs, index):
    """Named colours while they last; then a scale from dark to light that all can read."""
    if len(runs) <= len(COLOURS):
        return COLOURS[index]
    return importlib.import_module("matplotlib.pyplot").get_cmap("cividis")(0.9 * index / (len(runs) - 1))


def colours_of(runs, index):
    """(train, valid, test) of a run: three colours for one run, one for each of several."""
    if len(runs) == 1:
        return COLOURS[0], COLOURS[1], COLOURS[2]
    return (colour_of(runs, index),) * 3


def draw_metric(axes, runs, name, per_cent):
    """Train solid, valid dashed, test a diamond at the last epoch; labels for a single run only."""
    factor, unit = (100, " %") if per_cent else (1, "")
    alone = len(runs) == 1
    for index, run in enumerate(runs):
        epochs, colours = run.column("epoch"), colours_of(runs, index)
        for part, colour, dashes in zip(("train", "valid"), colours, ("-", "--")):
            values = run.column(f"{part}_{name}")
            if values is not None:
                axes.plot(epochs, [factor * v for v in values], color=colour, linestyle=dashes, linewidth=1.6,
                          marker="o" if len(epochs) <= 12 else None, markersize=3.5, label=part if alone else None)
        test = run.figure("test", name)
        if test is not None:
            axes.plot(epochs[-1:], [factor * test], color=colours[2], marker="D", markersize=7, markeredgecolor="white",
                      linestyle="none", label=f"test {factor * test:.4g}{unit}" if alone else None, clip_on=False,
                      zorder=5)


def smooth(values, width):
    """Mean of the last `width` values that are there."""
    out, window, total = [], [], 0.0
    for value in values:
        if not math.isnan(value):
            window.append(value)
            total += value
            if len(window) > width:
                total -= window.pop(0)
        out.append(total / len(window) if window else math.nan)
    return out


def draw_steps(loss_axes, rate_axes, runs):
    for index, run in enumerate(runs):
        steps = run.column("step", run.steps)
        loss, rate = run.column("loss", run.steps), run.column("lr", run.steps)
        colour = colour_of(runs, index)
        if loss is not None:
            noisy, dot = len(loss) > 60, "o" if len(loss) == 1 else None
            faint = 0.35 if len(runs) == 1 else 0.15
            loss_axes.plot(steps, loss, color=colour, linewidth=0.6 if noisy else 1.2, alpha=faint if noisy else 1,
                           marker=dot, markersize=3.5)
            if noisy:
                loss_axes.plot(steps, smooth(loss, max(10, len(loss) // 50)), color=colour, linewidth=1.4)
        if rate is not None:
            rate_axes.plot(steps, rate, color=colour, linewidth=1.4, marker="o" if len(rate) == 1 else None, markersize=3.5)


def finish_epoch_axes(axes, runs, words):
    longest = max(run.column("epoch")[-1] for run in runs)
    axes.set_xlabel("epoch")
    axes.set_ylabel(words)
    axes.set_xlim(left=min(1, longest - 1), right=max(longest, 2))
    axes.xaxis.set_major_locator(whole_numbers(8))


def mark_best(axes, run):
    """Where best.h5 is from, if that is not the last epoch."""
    best = run.figure("best", "epoch")
    if best and best < run.column("epoch")[-1]:
        axes.axvline(best, color=GREY, linewidth=1, linestyle=":", label=f"best: epoch {best}")


def legend_handles(runs, lines):
    """A colour for each of several runs, a look for each set."""
    handles = [lines.Line2D([], [], color=colour_of(runs, i), linewidth=2, label=r.label) for i, r in enumerate(runs)]
    looks = [("train", {"linestyle": "-"}), ("valid", {"linestyle": "--"})]
    if any(run.figure("test", "loss") is not None for run in runs):
        looks.append(("test", {"linestyle": "none", "marker": "D", "markersize": 6}))
    return handles + [lines.Line2D([], [], color=GREY, label=name, **look) for name, look in looks]


def add_legends(axes, below, runs):
    """In the panels for one run; for several, one below all of them."""
    if len(runs) == 1:
        for one in axes:
            if one.get_legend_handles_labels()[0]:
                one.legend(loc="best")
        return
    handles = legend_handles(runs, importlib.import_module("matplotlib.lines"))
    below.axis("off")
    below.legend(handles=handles, loc="center", ncol=legend_columns(runs), borderaxespad=0)


def legend_columns(runs):
    longest = max(len(run.label) for run in runs)
    return max(1, min(len(runs) + 3, 150 // (longest + 6)))


def draw_step_panels(figure, top, bottom, runs, log_scale):
    loss_axes = figure.add_subplot(top)
    rate_axes = figure.add_subplot(bottom, sharex=loss_axes)
    draw_steps(loss_axes, rate_axes, runs)
    loss_axes.set_title("Single steps")
    loss_axes.set_ylabel("loss of the minibatch")
    loss_axes.tick_params(labelbottom=False)
    if log_scale:
        make_logarithmic(loss_axes)
    rate_axes.set_xlabel("step")
    rate_axes.set_ylabel("learning rate")
    rate_axes.set_ylim(bottom=0)
    rate_axes.xaxis.set_major_locator(whole_numbers(4))
    low, high = rate_axes.get_xlim()
    if high - low < 1:  # a single step
        rate_axes.set_xlim(round(low) - 1, round(low) + 1)


def draw_curves(runs, log_scale):
    pyplot = plotting.new_pyplot()
    panels = [("loss", "Loss", "loss, mean over the epoch", False)]
    metric = choose_metric(runs)
    if metric:
        panels.append(metric)
    with_steps = any(run.column("loss", run.steps) for run in runs)
    widths = [1.25] * len(panels) + [1] * with_steps
    legend = 0 if len(runs) == 1 else 0.25 * -(-(len(runs) + 3) // legend_columns(runs))
    figure = pyplot.figure(figsize=(max(7, 3.43 * sum(widths)), 5 + legend))
    grid = figure.add_gridspec(3 if legend else 2, len(widths), width_ratios=widths,
                               height_ratios=[2.8, 1.5] + ([legend] if legend else []))
    axes = []
    for index, (name, title, words, per_cent) in enumerate(panels):
        axes.append(figure.add_subplot(grid[:2, index]))
        draw_metric(axes[-1], runs, name, per_cent)
        axes[-1].set_title(title)
        finish_epoch_axes(axes[-1], runs, words)
        if len(runs) == 1:
            mark_best(axes[-1], runs[0])
    if log_scale:
        make_logarithmic(axes[0])
    if with_steps:
        draw_step_panels(figure, grid[0, -1], grid[1, -1], runs, log_scale)
    add_legends(axes, figure.add_subplot(grid[2, :]) if legend else None, runs)
    figure.suptitle(runs[0].label if len(runs) == 1 else f"{len(runs)} runs", fontsize=13)
    return figure


# ---- drawing weights ---------------------------------------------------------------------------------


def tensor_order(name):
    """Layers by number, a weight before its bias."""
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split(".")]
    return parts[:-1], not name.split(".")[-1].startswith("weight"), parts[-1:]


def check_weights(run):
    tensors = {name: run.weights[name] for name in sorted(run.weights, key=tensor_order) if name != "epochs"}
    if not tensors:
        raise Failure(4, f"{run.folder}: there are no histories of weights; set history.weights: true and train again")
    count = sum(math.prod(values.shape[1:]) for values in tensors.values())
    if count > WEIGHTS_MAX:
        raise Failure(4, f"{run.folder}: has {count} weights and biases; at most {WEIGHTS_MAX} can be drawn")
    return tensors


def draw_tensor(axes, name, epochs, values):
    """A line for every element; few of them are named."""
    shape, flat = values.shape[1:], values.reshape(len(epochs), -1)
    few = flat.shape[1] <= 8
    for i in range(flat.shape[1]):
        index, rest = [], i
        for size in reversed(shape):
            index.insert(0, str(rest % size))
            rest //= size
        axes.plot(epochs, flat[:, i], color=COLOURS[i % len(COLOURS)], linewidth=1.4 if few else 0.9,
                  linestyle=("-", "--")[i // len(COLOURS) % 2], label="[" + ", ".join(index) + "]",
                  alpha=1 if few else 0.7)
    axes.set_title(f"{name} [{', '.join(str(n) for n in shape)}]")
    if few:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1.4)


def draw_weights(run):
    tensors = check_weights(run)
    pyplot = plotting.new_pyplot()
    columns = 1 if len(tensors) == 1 else 2
    rows = -(-len(tensors) // columns)
    figure, axes = pyplot.subplots(rows, columns, sharex=True, squeeze=False, figsize=(6 * columns, 0.6 + 2.6 * rows))
    flat = list(axes.flat)
    for one, (name, values) in zip(flat, tensors.items()):
        draw_tensor(one, name, run.weights["epochs"], values)
        one.set_ylabel("value")
        one.xaxis.set_major_locator(whole_numbers(8))
    for one in flat[len(tensors):]:
        one.set_visible(False)
    for one in flat[max(0, len(tensors) - columns):len(tensors)]:
        one.set_xlabel("epoch (0: before training)")
        one.tick_params(labelbottom=True)
    figure.suptitle(f"{run.label}: every weight and bias", fontsize=13)
    return figure


# ---- the command line --------------------------------------------------------------------------------


def arguments():
    parser = plotting.new_parser(PROG, __doc__, "curves.png")
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR", help="folder of a run, e.g. runs/fashion")
    parser.add_argument("--weights", action="store_true", help="every weight and bias, of one small network")
    parser.add_argument("--log", action="store_true", help="logarithmic loss axes")
    options = parser.parse_args()
    if options.weights and len(options.runs) > 1:
        parser.error("--weights takes one run")
    return options


def draw(options):
    runs = read_runs(options.runs, options.weights)
    return draw_weights(runs[0]) if options.weights else draw_curves(runs, options.log)


if __name__ == "__main__":
    sys.exit(plotting.main(PROG, draw, arguments(), needed=["matplotlib"]))
