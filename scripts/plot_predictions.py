#!/usr/bin/env python3
"""Draw what a trained network makes of pictures: samples with predicted and true class, or a confusion matrix.

    nnmpi-plot-predictions runs/a/checkpoints/best.h5 a.h5 -o samples.png            the first pictures of the test set
    nnmpi-plot-predictions runs/a/checkpoints/best.h5 a.h5 --wrong --count 12        those that are told wrong
    nnmpi-plot-predictions runs/a/checkpoints/best.h5 a.h5 --rows 3,14,15            these (counted from 0)
    nnmpi-plot-predictions runs/a/checkpoints/best.h5 a.h5 --confusion               how often each class is taken for which

A confusion matrix can be drawn of any classifier, pictures or not. In a clone nnmpi-plot-predictions is
scripts/plot_predictions.py.
Exit codes: 2 the command line or a missing package, 4 a network or data that cannot be drawn, 6 an output that cannot be
written.
"""

import math
import pathlib
import sys

import plotting
from plotting import COLOURS, Failure

PROG = "nnmpi-plot-predictions"
COUNT = 24
PICTURES_MAX = 400
CLASSES_MAX = 100  # rows of a matrix that can be told apart
NUMBERED_MAX = 30  # classes up to which every cell has its number
COLUMNS = 6


# ---- reading -----------------------------------------------------------------------------------------


class Answers:
    """Predicted and true classes of a set, and where its pictures are."""

    def __init__(self, options):
        split = ["--split", options.split] if options.split else []
        found = plotting.predict(options.nnmpi, options.checkpoint, options.data, *split)
        self.x_name, self.y_name = found["dataset"], found["targets"]
        self.classes, self.probability = found["class"], found["probability"]
        with plotting.open_h5(options.data) as file:
            self.shape = file[self.x_name].shape
            self.true = file[self.y_name][()].ravel() if self.y_name in file else None
            count = 1 + max(int(self.classes.max()), -1 if self.true is None else int(self.true.max()),
                            found["outputs"].shape[1] - 1, 1)
            names = found.get("class_names", file.get("class_names", []))
            self.names = plotting.class_names({"class_names": names}, count)
        if self.true is not None and (self.true.shape != self.classes.shape or self.true.dtype.kind not in "iu"):
            raise Failure(4, f"{options.data}: {self.y_name} is not one class for each sample")


def picture_shape(shape, data):
    """[height, width] or [height, width, 3] of samples of this shape; a flat row may be a square."""
    if len(shape) == 1 and math.isqrt(shape[0]) ** 2 == shape[0] and shape[0] >= 16:
        return (math.isqrt(shape[0]),) * 2
    if len(shape) == 3 and shape[2] == 1:
        return shape[:2]
    if (len(shape) == 2 and min(shape) > 1) or (len(shape) == 3 and shape[2] == 3):
        return shape
    raise Failure(4, f"{data}: its samples, {' x '.join(map(str, shape))}, are no pictures; --confusion draws any classes")


def choose_rows(options, answers):
    count = len(answers.classes)
    if options.rows is not None:
        beyond = [row for row in options.rows if row >= count]
        if beyond:
            raise Failure(2, f"--rows: there is no row {beyond[0]} in {answers.x_name}, whose last is {count - 1}")
        return options.rows
    if not options.wrong:
        return list(range(min(count, options.count)))
    if answers.true is None:
        raise Failure(4, f"{options.data}: without {answers.y_name} nobody can say what is wrong")
    wrong = [int(row) for row in (answers.classes != answers.true).nonzero()[0]]
    if not wrong:
        raise Failure(4, f"{options.data}: all {count} samples of {answers.x_name} are told right; there is nothing to draw")
    return wrong[:options.count]


def read_pictures(options, answers, rows):
    """Pictures [rows, height, width(, 3)], each from its darkest to its brightest value where they are not bytes."""
    shape = picture_shape(answers.shape[1:], options.data)
    with plotting.open_h5(options.data) as file:
        pictures = [file[answers.x_name][row].reshape(shape) for row in rows]
    if pictures[0].ndim == 3 and pictures[0].dtype.kind == "f":
        low, high = min(p.min() for p in pictures), max(p.max() for p in pictures)
        pictures = [(p - low) / (high - low if high > low else 1) for p in pictures]
    return pictures


# ---- drawing -----------------------------------------------------------------------------------------


def per_cent(share):
    """Never 100 % of what is not quite sure."""
    return f"{min(100 * share, 99.99):.2f} %" if 0.9995 <= share < 1 else f"{100 * share:.3g} %"


def title(answers):
    """"test set: 8,692 of 10,000 right (86.92 %)"."""
    name = answers.x_name[:-2] + " set" if answers.x_name.endswith("/x") else answers.x_name
    if answers.true is None:
        return name
    right, count = int((answers.classes == answers.true).sum()), len(answers.true)
    return f"{name}: {right:,} of {count:,} right ({100 * right / count:.4g} %)"


def draw_sample(axes, answers, row, picture):
    axes.imshow(picture, cmap="gray_r" if picture.ndim == 2 else None, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    probability, answer = float(answers.probability[row]), answers.names[answers.classes[row]]
    sure = "" if math.isnan(probability) else f" {per_cent(probability)}"
    if answers.true is None:
        axes.set_title(f"{answer}{sure}", fontsize=9)
        return
    right = answers.classes[row] == answers.true[row]
    axes.set_title(f"{'✓' if right else '✗'} {answer}{sure}", fontsize=9, color=COLOURS[0 if right else 1],
                   fontweight="normal" if right else "bold")
    axes.set_xlabel(f"true: {answers.names[answers.true[row]]}", fontsize=9)
    for spine in axes.spines.values():
        spine.set(visible=True, color=COLOURS[0 if right else 1], linewidth=1 if right else 2.5)


def draw_samples(options, answers):
    rows = choose_rows(options, answers)
    pictures = read_pictures(options, answers, rows)
    pyplot = plotting.new_pyplot()
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    figure, panels = pyplot.subplots(lines, columns, squeeze=False, figsize=(max(4, 2 * columns), 0.7 + 2.35 * lines))
    for panel in panels.flat[len(rows):]:
        panel.set_visible(False)
    for panel, row, picture in zip(panels.flat, rows, pictures):
        draw_sample(panel, answers, row, picture)
    figure.suptitle(title(answers), fontsize=12)
    return figure


def count_pairs(answers):
    """[true, predicted] numbers of samples."""
    import numpy
    pairs = numpy.zeros((len(answers.names),) * 2, int)
    numpy.add.at(pairs, (answers.true, answers.classes), 1)
    return pairs


def write_numbers(axes, pairs, share):
    size = 10 if len(pairs) <= 12 else 9 - 0.2 * (len(pairs) - 12)
    for true in range(len(pairs)):
        for answer in range(len(pairs)):
            if pairs[true, answer] > 0:
                axes.text(answer, true, f"{pairs[true, answer]}", ha="center", va="center", fontsize=size,
                          color="white" if share[true, answer] > 0.6 else "black")


def draw_confusion(options, answers):
    if answers.true is None:
        raise Failure(4, f"{options.data}: has no {answers.y_name}; a confusion matrix needs the true classes")
    count = len(answers.names)
    if count > CLASSES_MAX:
        raise Failure(4, f"{options.checkpoint}: has {count} classes; at most {CLASSES_MAX} can be drawn as a matrix")
    pairs = count_pairs(answers)
    share = pairs / pairs.sum(1, keepdims=True).clip(1)
    pyplot = plotting.new_pyplot()
    side = max(4.5, min(0.62 * count, 14) + 1.2)
    figure, axes = pyplot.subplots(figsize=(side + 1.6, side + 0.6))
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    if count <= NUMBERED_MAX:
        write_numbers(axes, pairs, share)
    size = min(10, max(4, 320 / count))
    long = max(len(name) for name in answers.names) > 4
    axes.set_xticks(range(count), answers.names, rotation=45 if long else 0, ha="right" if long else "center",
                    rotation_mode="anchor" if long else None, fontsize=size)
    axes.set_yticks(range(count), answers.names, fontsize=size)
    axes.grid(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title(answers))
    figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true class")
    return figure


def draw(options):
    answers = Answers(options)
    return draw_confusion(options, answers) if options.confusion else draw_samples(options, answers)


# ---- the command line --------------------------------------------------------------------------------


def arguments():
    parser = plotting.new_parser(PROG, __doc__, "predictions.png")
    parser.add_argument("checkpoint", metavar="CHECKPOINT.h5", help="the trained network")
    parser.add_argument("data", type=pathlib.Path, metavar="DATA.h5", help="data set, as nnmpi predict takes it")
    parser.add_argument("--split", choices=["train", "valid", "test"], help="set; default: test, else what there is")
    parser.add_argument("--confusion", action="store_true", help="a confusion matrix of the whole set")
    parser.add_argument("--wrong", action="store_true", help="only samples that are told wrong")
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help="most pictures; default: %(default)s")
    parser.add_argument("--rows", metavar="N,N,...", help="these rows of the set, counted from 0")
    parser.add_argument("--nnmpi", help="the program; default: found beside this one, in build/, or in PATH")
    options = parser.parse_args()
    if options.confusion and (options.wrong or options.rows is not None):
        parser.error("--confusion counts the whole set: it takes neither --wrong nor --rows")
    if options.wrong and options.rows is not None:
        parser.error("--rows and --wrong exclude each other")
    if options.rows is not None:
        words = options.rows.split(",")
        if not all(word.strip().isdecimal() for word in words):
            parser.error(f"--rows: '{options.rows}' is not a list of rows, as 3,14,15")
        options.rows = [int(word) for word in words]
    if not 1 <= (options.count if options.rows is None else len(options.rows)) <= PICTURES_MAX:
        parser.error(f"1 to {PICTURES_MAX} pictures can be drawn")
    return options


if __name__ == "__main__":
    sys.exit(plotting.main(PROG, draw, arguments()))
