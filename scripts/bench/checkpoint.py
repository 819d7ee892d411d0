#!/usr/bin/env python3
"""What checkpoints cost a training: the pause for one, and how much slower steps are while one is written.

    scripts/bench/checkpoint.py [--units N] [--steps S] [--every K] [--threads T] [--build build]

A dense network of two hidden layers of N units (7000: 200 MB of parameters) with Adam, on one rank, saved every K steps.
The pause is compared with one copy of parameters and optimizer state, by one thread, into memory that was touched before. Steps
beside a save are those that begin and end while it is written; they are compared with the other steps up to the next save, so
that both are of the same seconds. All the time, whatever nobody else wants of the cores is used up by processes of the lowest priority
that compute in their registers: so the other steps show what the cores left to them allow. With as many threads as cores, a save
shares a core with them; the default leaves it one.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import plotting  # noqa: E402

try:
    plotting.find_interpreter(("h5py", "numpy"), ("h5py", "numpy"))
except plotting.Failure as failure:
    sys.exit(f"checkpoint: {failure}")
import h5py  # noqa: E402
import numpy  # noqa: E402

arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
arguments.add_argument("--units", type=int, default=7000)
arguments.add_argument("--steps", type=int, default=360)
arguments.add_argument("--every", type=int, default=30)
arguments.add_argument("--batch", type=int, default=16)
arguments.add_argument("--threads", type=int, default=max(1, len(os.sched_getaffinity(0)) - 1))
arguments.add_argument("--build", default="build")
arguments.add_argument("--folder", help="where the run is kept meanwhile; default: a temporary folder")
options = arguments.parse_args()


SPIN = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"


@contextlib.contextmanager
def busy_cores():
    spinners = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(max(1, len(os.sched_getaffinity(0)) - options.threads))]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def seconds_of_a_copy(count):
    source, target = numpy.ones(count, numpy.float32), numpy.zeros(count, numpy.float32)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        numpy.copyto(target, source)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def train(folder, every):
    rows = options.steps * options.batch
    random = numpy.random.default_rng(1)
    config = {
        "run": {"name": "saves", "folder": folder, "progress": "off"},
        "data": {"inline": {"x": random.random((rows, 4)).round(3).tolist(), "y": [r % 4 for r in range(rows)]}},
        "model": {"hidden": [options.units, options.units]},
        "train": {"loss": "cross_entropy", "epochs": 1, "batch_size": options.batch, "optimizer": "adam"},
        "checkpoint": {"every_epochs": 0, "every_steps": every, "best": False},
        "history": {"every": 1},
    }
    path = os.path.join(folder, "saves.yaml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    done = subprocess.run([f"{options.build}/nnmpi", path, "--quiet"], check=False,
                          env={**os.environ, "OMP_NUM_THREADS": str(options.threads)})
    if done.returncode != 0:
        sys.exit(done.returncode)
    run = os.path.join(folder, "saves")
    with open(os.path.join(run, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    with h5py.File(os.path.join(run, "history.h5")) as file:
        steps = sum(file["steps"][name][()] for name in ("seconds_compute", "seconds_reduce", "seconds_load"))
    with h5py.File(summary["checkpoint"]) as file:
        parameters = sum(tensor.size for tensor in file["parameters"].values())
    return parameters, steps, summary["saves"]


def sort_steps(steps, seconds):
    """For every save but the last, which has not as many steps behind it: the times of the steps beside it, and of the others until
    the next. Saves do not all take the same time: a step that an average save ends in, and the one after it, are neither."""
    sorted_steps = []
    for first in range(options.every, len(steps) - options.every, options.every):
        beside, others, left = [], [], seconds
        for step in steps[first:first + options.every]:
            if left >= step:
                beside.append(step)
            elif left <= -step:
                others.append(step)
            left -= step
        if beside and others:
            sorted_steps.append((beside, others))
    return sorted_steps


with tempfile.TemporaryDirectory(prefix="nnmpi-bench-", dir=options.folder) as scratch, busy_cores():
    parameters, steps, saves = train(scratch, options.every)
copy = seconds_of_a_copy(3 * parameters)
pause, each = saves["pause_seconds"] / saves["count"], saves["seconds"] / saves["count"]
print(f"{parameters:,} parameters ({4e-6 * parameters:.0f} MB), Adam, {options.threads} threads, {saves['count']} saves of {each:.1f} s")
print(f"pause for a save: {pause:.3f} s; a copy of the state: {copy:.3f} s; ratio {pause / copy:.2f}")
pairs = sort_steps(steps, each)
if pairs:
    slower = sorted(100 * (statistics.median(beside) / statistics.median(others) - 1) for beside, others in pairs)
    beside, others = (statistics.median(step for pair in pairs for step in pair[i]) for i in range(2))
    print(f"steps, median: {others:.3f} s beside busy cores, {beside:.3f} s beside a save")
    print(f"beside a save against the others around it: {statistics.median(slower):+.1f} % (median of {len(pairs)} saves; quartiles "
          f"{slower[len(slower) // 4]:+.1f} and {slower[3 * len(slower) // 4]:+.1f})")
else:
    print("no save has steps beside it and others before the next: give another --every")
