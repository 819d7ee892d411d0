#!/usr/bin/env python3
"""What the same bits on any number of ranks cost: ratios of seconds per epoch, both sides taken in turn in one run.

    scripts/bench/same_bits.py [--build build] [--rounds 5] [--epochs 4] [--ranks 2,4] [--large]

pieces     one rank, one thread: 8 virtual ranks against 1, with 8 and with 64 rows in each piece
reduction  N ranks, V = N, 64 rows each: the fixed tree against MPI_Allreduce; only for N up to the cores there are
           (on two ranks with one piece each, the tree's bits are MPI_Allreduce's own, and that is what is used)

The networks are 784-256-128-64-10 and, with --large, 784-2048-2048-10, on random bytes. A round trains both sides; its ratio is
that of their fastest epochs, printed with the load of the machine. At the end: the median of the rounds, the lowest, the highest.
"""
import argparse
import csv
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy

parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
parser.add_argument("--build", default="build")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--ranks", default="2,4")
parser.add_argument("--large", action="store_true")
parser.add_argument("--mpirun", default=os.environ.get("NNMPI_MPIRUN", "mpirun --bind-to none"))
options = parser.parse_args()

CONFIG = """
data: {{file: {data}, scale: 255}}
model: {{hidden: {hidden}}}
train: {{loss: cross_entropy, epochs: {epochs}, batch_size: {batch}, optimizer: {{name: sgd, lr: 0.01}}}}
parallel: {{threads: 1, virtual_ranks: {virtual}, reduction: {reduction}}}
checkpoint: {{every_epochs: 0, best: false}}
run: {{name: run, folder: {folder}}}
"""
NETWORKS = {"784-256-128-64-10": "[256, 128, 64]"}
if options.large:
    NETWORKS["784-2048-2048-10"] = "[2048, 2048]"


def fastest_epoch(folder, ranks, **settings):
    """Seconds; the first epoch does not count."""
    config = folder / "run.yaml"
    config.write_text(CONFIG.format(data=folder / "data.h5", folder=folder, epochs=options.epochs + 1, **settings))
    launcher = shlex.split(options.mpirun) + ["-np", str(ranks)] if ranks > 1 else []
    command = [*launcher, f"{options.build}/nnmpi", str(config), "--quiet", "--restart"]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        sys.exit(f"failed: {shlex.join(command)}")
    with open(folder / "run/metrics.csv", encoding="utf-8") as file:
        return min(float(row["seconds"]) for row in list(csv.DictReader(file))[1:])


def compare(what, folder, ranks, this, other):
    ratios = []
    for number in range(options.rounds):
        mine, theirs = fastest_epoch(folder, ranks, **this), fastest_epoch(folder, ranks, **other)
        ratios.append(mine / theirs)
        print(f"  round {number + 1}: {mine:.4f} s / {theirs:.4f} s = {ratios[-1]:.3f}   load {os.getloadavg()[0]:.1f}",
              flush=True)
    print(f"{what}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


with tempfile.TemporaryDirectory(prefix="nnmpi-bench-") as temporary:
    place = Path(temporary)
    random = numpy.random.default_rng(1)
    with h5py.File(place / "data.h5", "w") as file:
        file["train/x"] = random.integers(0, 256, (16384, 784), dtype="u1")
        file["train/y"] = random.integers(0, 10, 16384, dtype="u1")
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f}")
    for network, hidden in NETWORKS.items():
        for rows in (8, 64):
            common = {"hidden": hidden, "batch": 8 * rows, "reduction": "auto"}
            compare(f"{network}, 1 rank, 8 pieces of {rows} rows against 1 of {8 * rows}", place, 1,
                    {**common, "virtual": 8}, {**common, "virtual": 1})
        for count in map(int, options.ranks.split(",")):
            if count > cores:
                print(f"{network}, {count} ranks: left out, there are only {cores} cores")
                continue
            common = {"hidden": hidden, "batch": 64 * count, "virtual": count}
            compare(f"{network}, {count} ranks, tree against MPI_Allreduce", place, count,
                    {**common, "reduction": "tree"}, {**common, "reduction": "allreduce"})
