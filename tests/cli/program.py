"""Running nnmpi as a user does, for all tests in Python."""

import os
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

NNMPI = os.path.abspath(os.environ.get("NNMPI", "build/nnmpi"))
LAUNCHER = shlex.split(os.environ.get("NNMPI_MPIRUN", "mpirun --oversubscribe --bind-to none"))
SOURCE = Path(os.environ.get("NNMPI_SOURCE", Path(__file__).resolve().parents[2]))
SKIPPED = 77  # CTest's exit code for it
TIMEOUT = 60 * int(os.environ.get("NNMPI_TIMEOUT_FACTOR", "1"))


# A shell for ranks that are to differ: in it, $rank is the rank and "$@" the program with its arguments.
RANK = 'rank=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}; '


def skip(reason):
    print("skipped:", reason, flush=True)
    sys.exit(SKIPPED)


class Result:
    """What a run came to."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def lines(self, start="nnmpi: "):
        """Lines of standard error that begin so: a launcher may add its own."""
        return [line for line in self.err.splitlines() if line.startswith(start)]

    def __str__(self):
        return f"exit code {self.code}\n--- standard output\n{self.out}\n--- standard error\n{self.err}"


def command(*args, ranks=0, shell=None):
    """ranks: 0 without a launcher. shell: what each rank runs instead of "$@"."""
    launcher = [*LAUNCHER, "-np", str(ranks)] if ranks else []
    wrapper = ["bash", "-c", RANK + shell, "bash"] if shell else []
    return [*launcher, *wrapper, NNMPI, *map(str, args)]


def environment(**more):
    # nothing of a launcher or of the user's settings, unless a test asks for it
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_COMM", "PMI", "SLURM_", "NNMPI_FAULT"))}
    return {**kept, "OMP_NUM_THREADS": "1", "TERM": "xterm", **more}


def nnmpi(*args, ranks=0, shell=None, folder=None, **more):
    """Run the program to its end; a hang fails the test."""
    done = subprocess.run(command(*args, ranks=ranks, shell=shell), cwd=folder, env=environment(**more), timeout=TIMEOUT, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


class TestCase(unittest.TestCase):
    """A test with a folder of its own, `self.folder`, in which the program runs."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="nnmpi-cli-")
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def run_ok(self, *args, **more):
        result = nnmpi(*args, folder=self.folder, **more)
        self.assertEqual(result.code, 0, result)
        return result

    def run_fails(self, code, *args, parts=(), **more):
        """It ends with this code and one message, which holds all of the parts."""
        result = nnmpi(*args, folder=self.folder, **more)
        self.assertEqual(result.code, code, result)
        messages = result.lines("nnmpi: error: ")
        self.assertEqual(len(messages), 1, result)
        for part in parts:
            self.assertIn(part, result.err)
        return result
