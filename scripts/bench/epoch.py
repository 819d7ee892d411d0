#!/usr/bin/env python3
"""Share of the FMA peak that a training reaches, over whole epochs, with everything that a user has by default.

    scripts/bench/epoch.py [CONFIG.yaml] [--epochs N] [--runs R] [--build build]

One core, one rank. The peak is measured before and after each training, in the same run (build/scripts/bench/peak, target `bench`);
a ratio is a training's rate over the mean of the two. Printed: every run, then the median. The operations of a sample are those of the
matrix products alone: 2 for each weight going forward, 2 for its gradient, and 2 for the gradient of its input, which
the first layer does not need.
"""
import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile

arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
arguments.add_argument("config", nargs="?", default="configs/fashion_mnist_mlp.yaml")
arguments.add_argument("--epochs", type=int, default=5)
arguments.add_argument("--runs", type=int, default=5)
arguments.add_argument("--build", default="build")
arguments.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
options = arguments.parse_args()

one_core = {**os.environ, "OMP_NUM_THREADS": "1"}
pin = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


def run(*command):
    done = subprocess.run([*pin, *command], env=one_core, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}")
    return done.stdout


def peak():
    return float(re.search(r"^peak_gflops_per_core ([\d.]+)", run(f"{options.build}/scripts/bench/peak"), re.M).group(1))


def operations(plan):
    """Of a sample, from the table of layers that --dry-run prints."""
    shape = re.search(r"^  input +([\dx ]+?)\s*$", plan, re.M).group(1)
    width, total, first = 1, 0, True
    for size in shape.split("x"):
        width *= int(size)
    for line in re.findall(r"^  \S+ +dense +(\d+) +[\d,]+$", plan, re.M):
        weights = width * int(line)
        total += (4 if first else 6) * weights
        width, first = int(line), False
    return total


sets = [word for value in [*options.sets, f"train.epochs={options.epochs}"] for word in ("--set", value)]
plan = run(f"{options.build}/nnmpi", options.config, "--dry-run", *sets)
flops, samples = operations(plan), int(re.search(r"(\d+) training samples", plan).group(1))
ratios = []
for number in range(options.runs):
    with tempfile.TemporaryDirectory(prefix="nnmpi-bench-") as folder:
        before = peak()
        run(f"{options.build}/nnmpi", options.config, "--quiet", *sets, "--set", f"run.folder={folder}", "--set", "run.name=bench")
        after = peak()
        with open(f"{folder}/bench/metrics.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    seconds = statistics.median(float(row["seconds"]) for row in rows)
    rate, limit = flops * samples / seconds / 1e9, (before + after) / 2
    ratios.append(rate / limit)
    print(f"run {number + 1}: {samples / seconds:,.0f} samples/s, {rate:.1f} GFLOP/s, peak {before:.1f} and {after:.1f}: {rate / limit:.1%}")
print(f"median {statistics.median(ratios):.1%} of the measured peak of one core, {options.epochs} epochs a run")
