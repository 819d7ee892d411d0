#!/usr/bin/env python3
"""A disk that fills up: the training goes on to its end, warns, ends with its own code, and leaves older checkpoints as they were.
With room made, the same command completes what is missing."""

import os
import subprocess
import sys
import unittest

from survive import Survival, program

LARGER = ("model.hidden=64,64", "train.epochs=30", "checkpoint.every_epochs=0", "checkpoint.every_steps=1")


def enter_namespace():
    """Starts this script once more where its mounts are its own; skips where that, or mounting, is not possible."""
    if "NNMPI_DISK_INSIDE" in os.environ:
        return
    inside = ["unshare", "--mount", "--propagation", "private"]
    trial = subprocess.run([*inside, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.PIPE, text=True, check=False)
    if trial.returncode != 0:
        program.skip(f"no file system of a few MiB can be mounted here: {trial.stderr.strip()}")
    os.environ["NNMPI_DISK_INSIDE"] = "1"
    os.execvp(inside[0], [*inside, sys.executable, *sys.argv])


class FullDisk(Survival):
    def setUp(self):
        super().setUp()
        self.disk = self.folder / "runs"
        self.disk.mkdir()

    def mount(self, kib):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)

    def train(self, *sets, ranks=0, options=()):
        words = [word for value in (*LARGER, *sets) for word in ("--set", value)]
        return program.nnmpi("it.yaml", *words, *options, ranks=ranks, folder=self.folder)

    def fills_up(self, *sets, ranks=0):
        done = self.train(*sets, ranks=ranks)
        self.assertEqual(done.code, 6, done)
        self.assertIn("No space left on device; training goes on, earlier checkpoints are untouched", done.err)
        self.assertIn("the run is complete, but its last checkpoint could not be written", done.err)
        kept = self.steps()
        self.assertLess(kept[-1], 60)
        for step in kept:
            self.run_ok("inspect", self.run / f"checkpoints/step-{step:09}.h5")
        self.assertEqual(list(self.run.glob("**/*.tmp")), [])
        subprocess.run(["mount", "-o", "remount,size=50m", self.disk], check=True)
        done = self.train(*sets, ranks=ranks)
        self.assertEqual(done.code, 0, done)
        self.assertIn(f"continued at epoch {kept[-1] // 2 + 1}, step {kept[-1]}", done.out)
        self.assertEqual(self.train("run.name=other", "checkpoint.keep=1").code, 0)
        self.assertEqual(self.digest(), self.digest("other"))
        return kept

    def test_many_checkpoints_fill_it(self):
        self.mount(2000)
        self.assertGreater(len(self.fills_up("checkpoint.keep=1000", ranks=2)), 5)

    def test_there_is_room_for_two_but_not_for_three(self):
        self.assertEqual(self.train("train.epochs=1", "checkpoint.best=false").code, 0)
        size = max(path.stat().st_size for path in self.run.glob("checkpoints/*.h5"))
        self.mount(2 * size * 5 // 4 // 1024 + 60)
        self.assertEqual(self.fills_up("checkpoint.keep=2", "checkpoint.best=false"), [1, 2])

    def test_it_is_full_from_the_beginning(self):
        self.mount(1000)
        self.assertEqual(self.train("train.epochs=3", "checkpoint.keep=1").code, 0)
        with open(self.disk / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        done = self.train("train.epochs=9", "checkpoint.keep=1")
        self.assertEqual(done.code, 6, done)
        self.assertIn("No space left on device", done.err)
        self.assertEqual(self.steps(), [6])
        done = self.train("train.epochs=9", options=["--restart"])
        self.assertEqual(done.code, 6, done)
        self.assertIn("the old run is back in runs/it", done.out)
        self.assertEqual(sorted(path.name for path in self.disk.iterdir()), ["filler", "it"])
        self.assertEqual(self.steps(), [6])
        (self.disk / "filler").unlink()
        self.assertEqual(self.train("train.epochs=9", "checkpoint.keep=1").code, 0)
        self.assertEqual(self.steps(), [18])


if __name__ == "__main__":
    enter_namespace()
    unittest.main(verbosity=2)
