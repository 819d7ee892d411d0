#!/usr/bin/env python3
"""Trainings on MNIST, whose four IDX files lie in $NNMPI_MNIST_DIR. One argument: which of them, for CTest."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import CASES, SOURCE, program, skip

WANTED = {  # configuration: least accuracy in training and in the test
    "mnist-linear": (0.92, 0.915),
    "mnist-larger": (0.99, 0.96),
    "mnist-140": (0.99995, 0.975),
    "mnist-sigmoid": (0, 0.97),
}


def run(folder, *words):
    words = [program.NNMPI, *map(str, words)]
    done = subprocess.run(words, cwd=folder, env={**program.environment(), "OMP_NUM_THREADS": "2"}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def results(folder, name):
    summary = json.loads((folder / "runs" / name / "summary.json").read_text(encoding="utf-8"))
    return summary.get("train"), summary["test"]


def batch_1(folder):
    """Exact before training; then chaotic, so only a bound."""
    script = SOURCE / "scripts" / "numpy_weights.py"
    subprocess.run([sys.executable, script, "--seed", "80085", "784", "32", "32", "10", "-o", "data/mnist-batch-1.h5"],
                   cwd=folder, check=True)
    run(folder, CASES / "mnist-batch-1.yaml", "--epochs", 0)
    _, test = results(folder, "mnist-batch-1")
    assert abs(test["accuracy"] - 0.0880) < 5e-5 and abs(test["loss"] - 2.3735) < 5e-5, test
    run(folder, CASES / "mnist-batch-1.yaml")
    _, test = results(folder, "mnist-batch-1")
    assert test["accuracy"] >= 0.85, test


def main():
    source, which = os.environ.get("NNMPI_MNIST_DIR"), sys.argv[1]
    if not source:
        skip("NNMPI_MNIST_DIR does not name a folder with the four IDX files of MNIST")
    with tempfile.TemporaryDirectory(prefix="nnmpi-mnist-") as name:
        folder = Path(name)
        files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
        options = ["--images", "--labels", "--test-images", "--test-labels"]
        run(folder, "import", "idx", *[word for option, file in zip(options, files)
                                       for word in (option, Path(source) / f"{file}-ubyte.gz")], "-o", "data/mnist.h5")
        if which == "mnist-batch-1":
            batch_1(folder)
            return
        run(folder, CASES / f"{which}.yaml")
        train, test = results(folder, which)
        least_train, least_test = WANTED[which]
        assert train["accuracy"] >= least_train and test["accuracy"] >= least_test, (train, test)


if __name__ == "__main__":
    main()
