"""The memory that --dry-run prints is what a training takes, per rank and per node: within 10 % and 16 MiB."""
import os
import re
import sys

from common import fashion_mnist, run, scratch

UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
# prints the largest resident set of the program that it runs, in bytes
MEASURE = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); " \
          "print('peak_bytes', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, flush=True); sys.exit(code)"

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
    done = run(ranks, config, *words, prefix=[sys.executable, "-c", MEASURE])
    peaks = sorted(int(value) for value in re.findall(r"^peak_bytes (\d+)$", done.stdout, re.M))
    assert len(peaks) == ranks, done.stdout
    data = figure(plan, "data, one copy shared by its ranks")
    measured = {"rank": peaks[-1], "node": sum(peaks) - (ranks - 1) * data}
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
