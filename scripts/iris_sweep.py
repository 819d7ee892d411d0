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
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*words):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(f"iris_sweep: {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}")


def train(arguments, seed):
    data = arguments.out / f"iris-{seed}.h5"
    run(arguments.nnmpi, "import", "csv", ROOT / "configs/cases/iris.csv", "--target", "species", "--test-fraction", "0.2",
        "--seed", seed, "-o", data)
    run(arguments.nnmpi, ROOT / "configs/cases/iris.yaml", "--set", f"run.seed={seed}", "--set", f"run.name=seed-{seed}",
        "--set", f"run.folder={arguments.out / 'runs'}", "--set", f"data.file={data}", "--restart", *arguments.options)
    summary = json.loads((arguments.out / "runs" / f"seed-{seed}" / "summary.json").read_text(encoding="utf-8"))
    return summary["train"]["accuracy"], summary["test"]["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="how many (10)")
    parser.add_argument("--out", type=Path, default=Path("iris-sweep"), help="folder for data, runs and sweep.csv")
    parser.add_argument("--nnmpi", default=ROOT / "build/nnmpi", help="the program")
    parser.add_argument("options", nargs="*", help="behind --: options of nnmpi")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    print("seed  train accuracy  test accuracy")
    for seed in range(1, arguments.seeds + 1):
        rows.append((seed, *train(arguments, seed)))
        print("{:4d}  {:14.4f}  {:13.4f}".format(*rows[-1]), flush=True)
    print("mean  {:14.4f}  {:13.4f}".format(*(statistics.mean(column) for column in list(zip(*rows))[1:])))
    with open(arguments.out / "sweep.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("seed", "train_accuracy", "test_accuracy"), *rows])


if __name__ == "__main__":
    main()
