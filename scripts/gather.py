#!/usr/bin/env python3
"""Gather the results of many runs into one table, best first: from the summary.json of every run below a folder.

    gather.py runs/fashion_mnist_mlp                     the table as text
    gather.py runs --sort test.loss --csv results.csv    sorted by another figure; as a file, too

A run named as jobs/sweep.sbatch does, "train.optimizer.lr=0.1+model.hidden=64", gets a column for each of its values.
"""

import argparse
import csv
import json
import math
import re
import sys
from pathlib import Path

# The figure that a sweep is about, in this order; a larger one is better where the second word says so.
WATCHED = [("best.valid_accuracy", True), ("best.valid_loss", False), ("valid.accuracy", True), ("valid.loss", False),
           ("train.loss", False)]
LARGER_IS_BETTER = ("accuracy", "top_k", "r2")
SET_ASIDE = re.compile(r"\.old-\d+$")  # what --restart left
LAST = ("exit_code", "checkpoint", "message")
FILE_ONLY = re.compile(r"saves\.|checkpoint$|message$")  # too wide, or of no use beside the others, in the text


def flatten(value, prefix=""):
    """{"best": {"epoch": 3}} as {"best.epoch": 3}."""
    flat = {}
    for key, entry in value.items():
        flat.update(flatten(entry, f"{prefix}{key}.") if isinstance(entry, dict) else {f"{prefix}{key}": entry})
    return flat


def values_in(name):
    """What the name of a run says was set in it; empty where it is an ordinary name."""
    words = [word.partition("=") for word in name.split("+")]
    return {key: value for key, equals, value in words} if all(equals for _, equals, _ in words) else {}


def read_run(path):
    """One run as a row; None where its summary cannot be read."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        row = flatten(summary)
    except (OSError, ValueError, AttributeError) as problem:
        print(f"gather: {path}: {problem}", file=sys.stderr)
        return None
    values = values_in(str(row.get("name", path.parent.name)))
    if values:
        row.pop("name", None)
    return {**values, **row}


def columns_of(rows):
    """All columns in the order in which they first appear; those that only a few want at the end."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return [key for key in columns if key not in LAST] + [key for key in LAST if key in columns]


def sort_rows(rows, wanted):
    """Best first; runs without the figure last."""
    if wanted is None:
        wanted = next((key for key, _ in WATCHED if any(key in row for row in rows)), None)
    sign = -1 if wanted is not None and wanted.endswith(LARGER_IS_BETTER) else 1

    def rank(row):
        value = row.get(wanted)
        return sign * value if isinstance(value, (int, float)) else math.inf

    return sorted(rows, key=rank)


def cell(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def print_table(columns, rows):
    table = [columns] + [[cell(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the runs are, at any depth")
    parser.add_argument("--sort", metavar="COLUMN", help="sort by this figure; default: the one of the validation set")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table, with all columns, here")
    arguments = parser.parse_args()
    found = [path for path in sorted(arguments.folder.rglob("summary.json")) if not SET_ASIDE.search(path.parent.name)]
    rows = [row for path in found if (row := read_run(path)) is not None]
    if not rows:
        sys.exit(f"gather: {arguments.folder}: no run is below it (no summary.json)")
    columns = columns_of(rows)
    if arguments.sort is not None and arguments.sort not in columns:
        sys.exit(f"gather: no column '{arguments.sort}'; there are {', '.join(columns)}")
    rows = sort_rows(rows, arguments.sort)
    print_table([column for column in columns if not FILE_ONLY.match(column)], rows)
    if arguments.csv is not None:
        try:
            with open(arguments.csv, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            sys.exit(f"gather: {arguments.csv}: cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
