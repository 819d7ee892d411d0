"""What the peer programs share: the task on the command line, data as one array in memory, what they report."""
import argparse
import json
import os
import pathlib
import time

import numpy

RANK, RANKS = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


class Task:
    """A network, its data and how it is trained; see WORKS in bench.py."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("data", type=pathlib.Path, help="folder with x.bin [samples, inputs] and y.bin, bytes")
        parser.add_argument("task", type=json.loads)
        parser.add_argument("--compile", action="store_true")
        options = parser.parse_args()
        self.compile, task = options.compile, options.task
        self.samples, self.batch = task["samples"], task["batch"]  # of an epoch; of a step and rank
        self.hidden, self.activation, self.lstm = task["hidden"], task["activation"], task["lstm"]
        self.threads, self.epochs, self.lr = task["threads"], task["epochs"], task["lr"]
        self.steps = self.samples // (self.batch * RANKS)
        self.inputs, self.classes = 784, 10
        x = numpy.fromfile(options.data / "x.bin", "u1").reshape(-1, self.inputs)[:self.samples]
        self.x = x.astype("f4") / 255  # once: no conversion in a step
        self.y = numpy.fromfile(options.data / "y.bin", "u1")[:self.samples]


def report(what, value):
    if RANK == 0:
        print(what, value, flush=True)


def report_first_steps(steps):
    """So many steps are done, the first ones; the clock is that of the whole machine."""
    report("first_steps", f"{time.monotonic()} {steps}")
