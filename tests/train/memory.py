"""The memory that --dry-run prints is what a training takes, per rank and per node: within 10 % and 16 MiB."""
import os
import pathlib
import re
import sys

from common import fashion_mnist, run, scratch

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
# Runs the program behind its first argument; writes its largest resident set, in bytes, to a file of its own in that folder:
# lines of several ranks on one standard output may run into each other. Read while it runs: afterwards the system tells the
# largest of it and of what it started, and nnmpi has a process of its own look at files first.
MEASURE = """
import os, re, subprocess, sys, time
child, peak = subprocess.Popen(sys.argv[2:]), 0
while child.poll() is None:
    with open(f"/proc/{child.pid}/status") as file:
        found = re.search(r"VmHWM:\\s+(\\d+) kB", file.read())
    peak = int(found.group(1)) * 1024 if found else peak
    time.sleep(0.01)
with open(f"{sys.argv[1]}/peak-{os.getpid()}", "w") as file:
    file.write(str(peak))
sys.exit(child.returncode)
"""

CASES = [
    ("small", 1, "model.hidden=32", "train.optimizer=adam", "train.batch_size=64"),
    ("small", 2, "model.hidden=32", "train.optimizer=adam", "train.batch_size=64"),
    ("wide", 1, "model.hidden=2048,2048", "train.optimizer=adam", "train.batch_size=512"),
    ("wide", 2, "model.hidden=2048,2048", "train.optimizer=adam", "train.batch_size=512"),
    ("pieces", 1, "model.hidden=1024", "train.optimizer=adam", "train.batch_size=512", "parallel.virtual_ranks=8"),
]

CONFIG = """
data: {{file: {data}, scale: 255, valid: test, train_x: test/x, train_y: test/y}}
model: {{hidden: [32]}}
train: {{loss: cross_entropy, epochs: 1, batch_size: 64, optimizer: adam}}
run: {{folder: {folder}}}
"""


def figure(text, line):
    value, unit = re.search(rf"^\s*{line}\s+([\d.]+) (\w+)$", text, re.M).groups()
    return float(value) * UNITS[unit]


def check(config, name, ranks, *sets):
    words = [word for value in sets for word in ("--set", value)] + ["--set", f"run.name={name}-{ranks}"]
    plan = run(0, config, "--dry-run", "--ranks", ranks, *words).stdout
    with scratch() as peaks_folder:
        run(ranks, config, *words, prefix=[sys.executable, "-c", MEASURE, peaks_folder])
        peaks = sorted(int(path.read_text()) for path in pathlib.Path(peaks_folder).iterdir())
    assert len(peaks) == ranks, peaks
    assert ("parameters and optimizer state, one copy" in plan) == (ranks > 1), plan
    # what ranks share is counted with each of them: but of the optimizer's state each touches its part alone
    shared = figure(plan, "data, one copy shared by its ranks") + figure(plan, "parameters")
    measured = {"rank": peaks[-1], "node": sum(peaks) - (ranks - 1) * shared}
    planned = {"rank": figure(plan, "rank 0, with the data of its node"), "node": figure(plan, "a node")}
    for what in ("rank", "node"):
        print(f"{name}, {ranks} ranks: {what} {measured[what] / 2**20:.0f} MiB, planned {planned[what] / 2**20:.0f} MiB")
    for what in ("rank", "node"):
        assert abs(measured[what] - planned[what]) <= 0.1 * planned[what] + 2**24, what


with scratch() as folder:
    config = os.path.join(folder, "memory.yaml")
    with open(config, "w") as file:
        file.write(CONFIG.format(data=fashion_mnist(folder), folder=folder))
    for case in CASES:
        check(config, *case)
