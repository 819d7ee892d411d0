"""For the tests of the worked systems: nnmpi on a configuration of configs/cases, its trace as arrays, comparison."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))

import h5py  # noqa: E402
import numpy  # noqa: E402
import program  # noqa: E402
from program import SOURCE, skip  # noqa: E402,F401

CASES = SOURCE / "configs" / "cases"


def close(got, wanted):
    """Does float32 agree with an exact figure: |a - b| <= 2e-6 max(1, |b|), or 1e-5 |b| for values below 1e-3?"""
    got, wanted = numpy.asarray(got, float), numpy.asarray(wanted, float)
    size = numpy.abs(wanted)
    small = (size < 1e-3) & (size > 0)
    return got.shape == wanted.shape and bool(
        numpy.all(numpy.abs(got - wanted) <= numpy.where(small, 1e-5 * size, 2e-6 * numpy.maximum(1, size))))


NUMBERS = re.compile(r"^  (.*?)\s*\[ (.*) \]$")
LAYER = re.compile(r"^  (\S+) \((\w+)\):$")


def parse_trace(text):
    """The steps of a trace: [{"hidden: z": array, "hidden: delta": array, "dW hidden.weight": array, …}]."""
    steps, name, layer = [], None, None
    for line in text.splitlines():
        if re.match(r"step \d+ ", line):
            steps.append({})
            continue
        if not steps:
            continue
        if match := LAYER.match(line):
            layer = match[1]
        elif match := NUMBERS.match(line):
            if match[1]:
                name = re.sub(r" \(\w+\)", "", match[1])
                if name.startswith(("delta", "dL/da")):
                    name = f"{layer}: {name.split()[0]}"
                steps[-1][name] = []
            steps[-1][name].append([float(word) for word in match[2].split()])
        elif match := re.match(r"^  mean of them +(\S+)$", line):
            steps[-1]["mean loss"] = float(match[1])
    return [{key: numpy.array(value) for key, value in step.items()} for step in steps]


class CaseTest(program.TestCase):
    """A test that runs configurations of configs/cases in a folder of its own."""

    def assert_close(self, got, wanted, what=""):
        self.assertTrue(close(got, wanted), f"{what}: got\n{got}\nwanted\n{wanted}")

    def train(self, name, *options, **more):
        return self.run_ok(CASES / f"{name}.yaml", *options, **more)

    def trace(self, name, steps, *options, **more):
        return parse_trace(self.train(name, "--trace", steps, *options, **more).out)

    def run_script(self, name, *words, **environment):
        """A script of scripts/, or a program by its path: what it came to."""
        words = [sys.executable, SOURCE / "scripts" / name] if name.endswith(".py") else [name], words
        words = [str(word) for part in words for word in part]
        done = subprocess.run(words, cwd=self.folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=program.environment(**environment), check=False)
        return program.Result(done.returncode, done.stdout, done.stderr)

    def script(self, name, *words):
        """What a script prints; it must succeed."""
        result = self.run_script(name, *words)
        self.assertEqual(result.code, 0, result)
        return result.out

    def picture(self, name):
        data = (self.folder / name).read_bytes()
        self.assertTrue(data.startswith(b"\x89PNG"), name)
        self.assertGreater(len(data), 5000, name)

    def checkpoint(self, name, step):
        return self.folder / "runs" / name / "checkpoints" / f"step-{step:09d}.h5"

    def weights(self, name, step):
        with h5py.File(self.checkpoint(name, step)) as file:
            return {key: value[()] for key, value in file["parameters"].items()}

    def answer(self, name, row, step=0):
        """What `predict --row --activations` prints: outputs by layer, and the text."""
        text = self.run_ok("predict", self.checkpoint(name, step), "--row", row, "--activations").out
        layers = dict(re.findall(r"^(\S+) \(\w+\): (.*)$", text, re.MULTILINE))
        return {key: numpy.array([float(word) for word in value.split()]) for key, value in layers.items()}, text
