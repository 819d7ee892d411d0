#!/usr/bin/env python3
"""The benchmarks with a few samples: do they run, and do tables, files and pictures say what was measured? Speeds are not judged.

PyTorch and JAX are stood in for by a program that reports rates that are known beforehand.
"""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = pathlib.Path(os.environ["NNMPI_SOURCE"]), pathlib.Path(os.environ["NNMPI_BUILD"])

# Without -c it is a peer: 512 samples, 4 s an epoch (the first is slower), 100 ms or so after its start 8 steps are done.
STAND_IN = r"""#!/bin/sh
case "$*" in
  *"import jax"*) echo "PyTorch 0 and JAX 0"; exit 0 ;;
  *torch_train.py*--compile*) echo "no compiler" >&2; exit 3 ;;
  *torch_train.py*) seconds=4.0 ;;
  *) seconds=2.0 ;;
esac
read up idle < /proc/uptime
printf 'epoch 9.0\nprocessor 8\nfirst_steps %s 1\nepoch %s\nprocessor 1\nloss 2.3\n' "$up" "$seconds"
"""


def run(script, *words, expect=0):
    command = [sys.executable, SOURCE / "scripts/bench" / script, "--build", BUILD, "--quick", *words]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != expect:
        raise AssertionError(f"{script} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(text):
    """Cells of the table at the end, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def can_draw():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


class Tiny(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="nnmpi-test-")
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def picture(self):
        """Arguments, and a check to make afterwards."""
        path = self.folder / "picture.png"
        if not can_draw():
            return [], lambda: None
        return ["--plot", path], lambda: self.assertEqual(path.read_bytes()[:4], b"\x89PNG")

    def test_nnmpi_alone_is_measured_and_written_down(self):
        plot, check = self.picture()
        run("compare_peers.py", "--works", "W2", "--systems", "nnmpi", "--layouts", "1x1", "--csv", self.folder / "a.csv", *plot)
        check()
        own, limit = rows(self.folder / "a.csv")
        self.assertEqual((own["work"], own["layout"], own["system"], limit["system"]), ("W2", "1x1", "nnmpi", "limit"))
        share = float(own["samples_per_second"]) / float(limit["samples_per_second"])
        self.assertAlmostEqual(float(own["share_of_peak"]), share, delta=0.001)
        self.assertGreater(float(own["first_step_s"]), 0)
        self.assertGreater(float(own["rss_mib"]), 1)

    def test_peers_are_compared_and_one_that_fails_is_left_out(self):
        python = self.folder / "venv/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN, encoding="ascii")
        python.chmod(0o755)
        done = run("compare_peers.py", "--works", "W2", "--layouts", "1x1", "--venv", self.folder / "venv", "--csv",
                   self.folder / "a.csv", "--markdown")
        self.assertIn("PyTorch, compiled is left out", done.stderr)
        self.assertIn("no compiler", done.stderr)
        by_system = {row["system"]: row for row in rows(self.folder / "a.csv")}
        self.assertEqual(list(by_system), ["nnmpi", "torch", "jax", "limit"])
        self.assertEqual(by_system["torch"]["samples_per_second"], "128.0")
        self.assertEqual(by_system["jax"]["samples_per_second"], "256.0")
        self.assertLess(float(by_system["jax"]["first_step_s"]), 60)
        [cells] = table(done.stdout)
        self.assertEqual(cells[5], "JAX 256")
        rate = float(by_system["nnmpi"]["samples_per_second"])
        self.assertAlmostEqual(float(cells[6]), rate / 256, delta=0.01 + rate / 1e4)

    def test_processor_time_is_for_one_core(self):
        python = self.folder / "venv/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN, encoding="ascii")
        python.chmod(0o755)
        run("compare_peers.py", "--works", "W2", "--systems", "nnmpi,jax", "--processor-time", "--venv", self.folder / "venv",
            "--csv", self.folder / "a.csv")
        own, jax, _ = rows(self.folder / "a.csv")
        self.assertEqual((own["layout"], jax["samples_per_second"]), ("1x1", "512.0"))
        self.assertGreater(float(own["samples_per_second"]), 0)
        run("compare_peers.py", "--works", "W2", "--processor-time", "--layouts", "2x1", expect=2)

    def test_more_cores_than_there_are_is_no_layout(self):
        done = run("compare_peers.py", "--works", "W2", "--systems", "nnmpi", "--layouts", "999x1", expect=1)
        self.assertIn("999 cores", done.stdout)

    def test_scaling_says_how_much_of_the_ideal_is_reached(self):
        plot, check = self.picture()
        run("scaling.py", "--works", "W2", "--kinds", "strong,threads", "--csv", self.folder / "a.csv", *plot)
        check()
        lines = rows(self.folder / "a.csv")
        self.assertEqual({row["kind"] for row in lines}, {"strong", "threads"})
        first = {row["kind"]: row for row in lines if row["cores"] == "1"}
        for row in lines:
            ideal = float(first[row["kind"]]["samples_per_second"]) * int(row["cores"])
            self.assertAlmostEqual(float(row["efficiency"]), float(row["samples_per_second"]) / ideal, delta=0.001)

    def test_the_cost_of_the_same_bits_is_one_table(self):
        lines = table(run("same_bits.py", "--ranks", "2").stdout)
        figures = [cells[0] for cells in lines]
        self.assertTrue(any("pieces of 8 rows" in figure for figure in figures), figures)
        if len(os.sched_getaffinity(0)) > 1:
            self.assertTrue(any("against MPI_Allreduce, 2 ranks" in figure for figure in figures), figures)
        for cells in lines:
            low, high = map(float, cells[3].split(" to "))
            self.assertTrue(0 < low <= float(cells[2]) <= high, cells)


if __name__ == "__main__":
    unittest.main(verbosity=2)
