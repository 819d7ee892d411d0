#!/usr/bin/env python3
"""Train one configuration on Iris with many seeds, each with its own held-out fifth, and average.

    iris_sweep.py --out iris-sweep                           ten seeds
    iris_sweep.py --seeds 5 --out s -- --hidden 32 --lr 0.02  options behind -- go to nnmpi

Prints a line a seed and the mean; writes <out>/sweep.csv.
"""

import argparse
import csv
import json
import statistics
import sys
from pathlib import Path

import plotting

ROOT = Path(__file__).resolve().parent.parent


def train(arguments, seed):
    data = arguments.out / f"iris-{seed}.h5"
    plotting.run(arguments.nnmpi, "import", "csv", ROOT / "configs/cases/iris.csv", "--target", "species", "--test-fraction", "0.2",
                 "--seed", seed, "-o", data)
    plotting.run(arguments.nnmpi, ROOT / "configs/cases/iris.yaml", "--set", f"run.seed={seed}", "--set", f"run.name=seed-{seed}",
                 "--set", f"run.folder={arguments.out / 'runs'}", "--set", f"data.file={data}", "--restart", *arguments.options)
    summary = json.loads((arguments.out / "runs" / f"seed-{seed}" / "summary.json").read_text(encoding="utf-8"))
    return summary["train"]["accuracy"], summary["test"]["accuracy"]


def sweep(arguments):
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    print("seed  train accuracy  test accuracy")
    for seed in range(1, arguments.seeds + 1):
        rows.append((seed, *train(arguments, seed)))
        print("{:4d}  {:14.4f}  {:13.4f}".format(*rows[-1]), flush=True)
    print("mean  {:14.4f}  {:13.4f}".format(*(statistics.mean(column) for column in list(zip(*rows))[1:])))
    with open(arguments.out / "sweep.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("seed", "train_accuracy", "test_accuracy"), *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="how many (10)")
    parser.add_argument("--out", type=Path, default=Path("iris-sweep"), help="folder for data, runs and sweep.csv")
    parser.add_argument("--nnmpi", help="the program; default: build/nnmpi, or the one in PATH")
    parser.add_argument("options", nargs="*", help="behind --: options of nnmpi")
    return plotting.call("iris_sweep", sweep, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
