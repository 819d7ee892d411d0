#!/usr/bin/env python3
"""Damaged checkpoints: named, put aside, the one before is used, and the run ends as if nothing had been. Files that become too
large for a limit are a warning, an exit code, and no loss."""

import resource
import shutil
import signal
import time
import unittest

from survive import Survival

KEPT = ("checkpoint.every_epochs=5", "checkpoint.keep=3")


def words(*sets):
    return [word for value in sets for word in ("--set", value)]


class Damaged(Survival):
    def setUp(self):
        super().setUp()
        self.run_ok("it.yaml", *words(*KEPT))
        self.wanted = self.digest()
        self.kept = self.folder / "kept"
        self.run.rename(self.kept)

    def again(self, count=1, **how):
        """The same command over a copy in which the newest checkpoints are damaged; its standard output."""
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self.kept, self.run)
        damaged = [self.run / f"checkpoints/step-{step:09}.h5" for step in self.steps()[-count:]]
        for path in damaged:
            self.change(path, **how)
        done = self.run_ok("it.yaml", *words(*KEPT))
        for path in damaged:
            self.assertRegex(done.err.replace("\n", " "),
                             rf"{path.name}: is (damaged|truncated)[^;]*; renamed to \S*{path.name}\.damaged")
            self.assertTrue(path.with_name(path.name + ".damaged").exists())
        told = "the one before is continued, of step " if count < 3 else "no checkpoint is left: the run begins anew"
        self.assertIn(f"nnmpi: warning: {told}", done.err)
        self.assertEqual(self.digest(), self.wanted)
        return done.out

    def change(self, path, position=None, length=None):
        data = bytearray(path.read_bytes()[:length])
        if position is not None:
            data[position] ^= 0x10
        path.write_bytes(data)

    def test_flipped_and_truncated_ones_are_named_and_the_one_before_is_used(self):
        size = (self.kept / "checkpoints/step-000000080.h5").stat().st_size
        flips = [0, *[size * quarter // 4 for quarter in range(1, 4)], size - 33, size - 1]
        cases = [{"position": position} for position in flips]
        cases += [{"length": length} for length in (0, 1, size // 2, size - 32, size - 1)]
        for how in cases:
            with self.subTest(**how):
                self.assertIn("continued at epoch 36, step 70", self.again(**how))

    def test_when_all_are_damaged_each_is_named_and_the_run_starts_anew(self):
        out = self.again(3, position=1000)
        self.assertNotIn("continued", out)
        self.assertIn("finished after 40 epochs, 80 steps", out)

    def test_files_beyond_a_limit_cost_nothing_but_the_newest_steps(self):
        shutil.rmtree(self.kept)
        running = self.start("train.epochs=1000000", "checkpoint.every_epochs=20")
        self.wait_for(lambda: len(self.steps()) >= 2, running)
        # bytes: less than any checkpoint. Only now, as MPI makes larger files when it starts
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        before = self.epochs()
        time.sleep(0.5)
        steps = self.steps()
        running.send_signal(signal.SIGTERM)
        out = self.end(running, 6)
        self.assertIn("File too large; training goes on, earlier checkpoints are untouched", out)
        self.assertIn("error: the run is stopped, but its last checkpoint could not be written", out)
        self.assertGreaterEqual(self.epochs(), before)
        self.assertEqual(self.steps(), steps)
        epochs = steps[-1] // 2 + 30
        self.run_ok("it.yaml", *words(f"train.epochs={epochs}"))
        self.assertEqual(self.digest(), self.undisturbed(f"train.epochs={epochs}"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
