"""For tests that train with all cores: whole runs, Fashion-MNIST."""
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))

from program import LAUNCHER as MPIRUN, NNMPI, SOURCE, skip  # noqa: E402,F401

FASHION = "/usr/share/datasets/fashion-mnist"


def run(ranks, *arguments, expect=0, prefix=(), **options):
    """The program on so many ranks (0: without a launcher); standard output and error as text."""
    command = (MPIRUN + ["-n", str(ranks)] if ranks > 0 else []) + list(prefix) + [NNMPI] + [str(a) for a in arguments]
    return must(command, expect, **options)


def must(command, expect=0, **options):
    """A command that ends with the exit code `expect` (None: any)."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, **options)
    if expect is not None and done.returncode != expect:
        sys.exit(f"{shlex.join(command)}\nended with {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return done


def fashion_mnist(folder):
    """Fashion-MNIST as a data set in `folder`."""
    if not os.path.isdir(FASHION):
        skip(f"{FASHION} is not here (Debian package dataset-fashion-mnist)")
    path = os.path.join(folder, "fashion-mnist.h5")
    names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
    options = ["--images", "--labels", "--test-images", "--test-labels"]
    files = [f"{FASHION}/{name}-ubyte.gz" for name in names]
    run(0, "import", "idx", *[word for pair in zip(options, files) for word in pair], "-o", path)
    return path


def scratch():
    return tempfile.TemporaryDirectory(prefix="nnmpi-test-")
