#!/usr/bin/env python3
"""A training that is disturbed: saves take long, ranks die or hang, time runs out, numbers go to pieces. Whatever happens, it ends
in time and says why, and the same command goes on to the same final state."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
import program  # noqa: E402
from program import command, environment  # noqa: E402

CONFIG = """
run: {name: it, progress: off}
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [2, 0]], y: [0, 1, 1, 0, 1, 1],
                valid_x: [[0, 0], [1, 1]], valid_y: [0, 0]}}
model: {hidden: [8], activation: tanh}
train: {loss: cross_entropy, epochs: 40, batch_size: 3, optimizer: {name: adam, lr: 0.01}}
parallel: {virtual_ranks: 3}
"""


class Survival(program.TestCase):
    def setUp(self):
        super().setUp()
        (self.folder / "it.yaml").write_text(CONFIG, encoding="utf-8")
        self.run = self.folder / "runs/it"

    def start(self, *sets, ranks=0, shell=None, **more):
        words = [word for value in sets for word in ("--set", value)]
        running = subprocess.Popen(command("it.yaml", *words, ranks=ranks, shell=shell), cwd=self.folder, env=environment(**more),
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(running.communicate)
        self.addCleanup(running.kill)
        return running

    def wait_for(self, what, running=None):
        end = time.monotonic() + program.TIMEOUT
        while not what():
            self.assertLess(time.monotonic(), end)
            if running is not None:
                self.assertIsNone(running.poll(), "it ended too early")
            time.sleep(0.02)

    def end(self, running, code):
        out, err = running.communicate(timeout=program.TIMEOUT)
        self.assertEqual(running.returncode, code, f"{out}\n{err}")
        return out + err

    def epochs(self, run="it"):
        path = self.folder / f"runs/{run}/metrics.csv"
        return path.read_text().count("\n") - 1 if path.is_file() else 0

    def steps(self):
        return sorted(int(path.stem[5:]) for path in self.run.glob("checkpoints/step-*.h5"))

    def summary(self):
        return json.loads((self.run / "summary.json").read_text())

    def digest(self, run="it"):
        path = sorted((self.folder / f"runs/{run}/checkpoints").glob("step-*.h5"))[-1]
        return path.name, re.search(r"state +(\w{16})", self.run_ok("inspect", path).out)[1]

    def undisturbed(self, *sets):
        """The final state of a run that nobody touched."""
        words = [word for value in (*sets, "run.name=other") for word in ("--set", value)]
        self.run_ok("it.yaml", *words)
        return self.digest("other")


class Start(Survival):
    def test_a_run_that_does_not_begin_leaves_nothing_behind(self):
        for ranks in (0, 2):
            self.run_fails(5, "it.yaml", "--set", "model.init_from=none.h5", ranks=ranks, parts=["none.h5: no such file"])
            self.assertEqual(list((self.folder / "runs").iterdir()), [])
        self.run_ok("it.yaml")
        before = self.digest()
        again = self.run_fails(5, "it.yaml", "--restart", "--set", "model.init_from=none.h5")
        self.assertNotIn("old run", again.out)  # it was never moved
        self.assertEqual([path.name for path in (self.folder / "runs").iterdir()], ["it"])
        self.assertEqual(self.digest(), before)

    def test_a_run_that_was_moved_goes_on(self):
        self.run_ok("it.yaml", "--set", "train.epochs=30")
        self.run.rename(self.run.with_name("moved"))
        done = self.run_ok("it.yaml", "--set", "run.name=moved")
        self.assertIn("continued at epoch 31", done.out)
        self.assertEqual(self.digest("moved"), self.undisturbed())
        for path in (self.folder / "runs/moved/checkpoints").iterdir():
            path.unlink()
        done = self.run_ok("it.yaml", "--set", "run.name=moved")
        self.assertIn("runs/moved has a history, but no checkpoint: the run begins anew", done.out)

    def test_another_configuration_is_refused_old_and_new(self):
        self.run_ok("it.yaml")
        self.run_fails(5, "it.yaml", "--set", "train.optimizer.lr=0.5", "--set", "model.hidden=9", ranks=2,
                       parts=["train.optimizer.lr: 0.01 -> 0.5", "model.hidden: [8] -> [9]", "--restart", "run.name"])
        self.run_ok("it.yaml", "--set", "train.epochs=41", "--set", "run.stall_seconds=0", "--set", "parallel.threads=2")


class Saving(Survival):
    SLOW = {"NNMPI_FAULT": "slow-save@0"}  # five seconds more
    LONG = ("train.epochs=1000000", "checkpoint.every_epochs=0", "checkpoint.best=false", "checkpoint.every_steps=10")

    def test_training_goes_on_while_a_checkpoint_is_written(self):
        running = self.start(*self.LONG, **self.SLOW)
        self.wait_for(lambda: self.epochs() > 9, running)  # steps 11 to 20: the next save waits for the first
        self.assertEqual(self.steps(), [])
        self.wait_for(lambda: self.steps() == [10], running)
        running.send_signal(signal.SIGTERM)
        self.assertIn("stopped on request after step", self.end(running, 85))
        self.assertEqual(self.summary()["exit_code"], 85)
        saves = self.summary()["saves"]
        self.assertLess(saves["pause_seconds"], 1)
        self.assertGreater(saves["wait_seconds"], 1)
        self.assertGreater(saves["seconds"], 5 * saves["count"])
        self.assertEqual(self.steps()[-1], self.summary()["steps"])

    def test_waiting_for_a_save_is_no_time_of_a_step(self):
        try:
            import h5py
        except ImportError:
            self.skipTest("no Python with h5py (Debian: python3-h5py)")
        sets = ("parallel.virtual_ranks=1", "train.batch_size=1", "train.epochs=1", "checkpoint.every_steps=2", "history.every=1")
        self.run_ok("it.yaml", *(word for value in sets for word in ("--set", value)), NNMPI_FAULT="slow-save:2@0")
        self.assertGreater(self.summary()["saves"]["wait_seconds"], 4)  # behind step 4, in the middle of the epoch
        with h5py.File(self.run / "history.h5") as file:
            seconds = file["steps/seconds_compute"][()]
        self.assertEqual(len(seconds), 6)
        self.assertLess(max(seconds), 2)

    def test_killed_while_saving_it_goes_on_to_the_same_state(self):
        running = self.start(*self.LONG, "checkpoint.every_steps=39", "checkpoint.keep=3", ranks=2)
        self.wait_for(lambda: self.steps() and self.steps()[-1] >= 80, running)
        running.kill()
        self.end(running, -signal.SIGKILL)
        self.wait_for(lambda: program.nnmpi("it.yaml", "--set", "train.epochs=0", "--set", "checkpoint.keep=3",
                                            folder=self.folder).code != 10)
        while self.steps()[-1] % 2 == 0:  # from the middle of an epoch is harder
            (self.run / f"checkpoints/step-{self.steps()[-1]:09}.h5").unlink()
        sets = ("checkpoint.every_epochs=7", f"train.epochs={self.steps()[-1] // 2 + 10}")
        again = [word for value in sets for word in ("--set", value)]
        self.assertIn("continued at epoch", self.run_ok("it.yaml", *again, ranks=3).out)
        self.assertEqual(self.digest(), self.undisturbed(*sets))
        mine, other = ((self.folder / f"runs/{run}/metrics.csv").read_text().splitlines() for run in ("it", "other"))
        self.assertEqual([line.rsplit(",", 1)[0] for line in mine], [line.rsplit(",", 1)[0] for line in other])


class TimeLimit(Survival):
    ENDLESS = ("train.epochs=1000000",)
    LIMIT = "stopped before the time limit after step"

    def fake_squeue(self, script):
        path = self.folder / "bin/squeue"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        return {"PATH": f"{path.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "4711"}

    def ends_within(self, seconds, code, *sets, **more):
        start = time.monotonic()
        said = self.end(self.start(*self.ENDLESS, *sets, **more), code)
        took = time.monotonic() - start
        self.assertLess(took, seconds, said)
        return said

    def goes_on(self):
        reached = self.summary()["steps"]
        self.assertEqual(self.steps()[-1], reached)
        epochs = f"train.epochs={reached // 2 + 1}"
        self.run_ok("it.yaml", "--set", epochs)
        self.assertEqual(self.digest(), self.undisturbed(epochs))

    def test_a_limit_of_its_own_leaves_time_for_slow_saves(self):
        sets = ("run.max_minutes=0.4", "checkpoint.every_steps=300", "checkpoint.every_epochs=0", "checkpoint.best=false")
        said = self.ends_within(24, 85, *sets, NNMPI_FAULT="slow-save@0")
        self.assertIn(self.LIMIT, said)
        self.assertIn("24 s are left (run.max_minutes)", said)
        self.assertGreaterEqual(self.summary()["saves"]["count"], 2)
        self.assertEqual((self.summary()["status"], self.steps()[-1]), ("stopped", self.summary()["steps"]))

    def test_slurm_says_when_the_job_ends(self):
        # for the ranks alone: mpirun would ask SLURM for nodes
        said = self.ends_within(10, 85, ranks=2, shell=f'SLURM_JOB_ID=1 SLURM_JOB_END_TIME={int(time.time()) + 10} "$@"')
        self.assertIn(self.LIMIT, said)
        self.assertIn("(SLURM)", said)
        self.goes_on()

    def test_squeue_is_asked_where_the_environment_does_not_say(self):
        asked = self.fake_squeue('echo "$@" > "$0.asked"; echo 0:06')
        for over in ({}, {"SLURM_JOB_END_TIME": str(int(time.time()) - 5)}):  # the job was given more time since
            with self.subTest(over=over):
                self.assertIn(self.LIMIT, self.ends_within(6, 85, **asked, **over))
                self.assertIn("--jobs 4711", (self.folder / "bin/squeue.asked").read_text())
                (self.folder / "bin/squeue.asked").unlink()

    def test_a_squeue_without_an_answer_is_no_limit_and_does_not_hold_up(self):
        for number, script in enumerate(["echo UNLIMITED", "exit 1", "sleep 600"]):
            with self.subTest(script=script):
                (self.folder / "bin").is_dir() and shutil.rmtree(self.folder / "bin")
                done = self.run_ok("it.yaml", "--set", f"run.name=run-{number}", **self.fake_squeue(script))
                self.assertNotIn("time limit", done.out)


class LostRanks(Survival):
    ENDLESS = ("train.epochs=1000000", "checkpoint.every_steps=50", "checkpoint.every_epochs=0")
    NUMBERED = 'echo $$ > pid-$rank; exec "$@"'

    def start_three(self, *sets, **more):
        running = self.start(*self.ENDLESS, *sets, ranks=3, shell=self.NUMBERED, **more)
        self.wait_for(lambda: self.steps() and self.steps()[-1] >= 100, running)
        return running, [int((self.folder / f"pid-{rank}").read_text()) for rank in range(3)]

    def ends(self, running, seconds):
        """It ends by itself, in time and not as if all were well; what it said."""
        start = time.monotonic()
        out, err = running.communicate(timeout=program.TIMEOUT)
        self.assertLess(time.monotonic() - start, seconds, f"{out}\n{err}")
        self.assertNotIn(running.returncode, (0, 85), f"{out}\n{err}")
        return out + err

    def goes_on(self, ranks):
        epochs = f"train.epochs={self.steps()[-1] // 2 + 30}"
        self.assertIn("continued at epoch", self.run_ok("it.yaml", "--set", epochs, ranks=ranks).out)
        self.assertEqual(self.digest(), self.undisturbed(epochs))

    def test_any_rank_is_killed(self):
        for rank in range(3):
            with self.subTest(rank=rank):
                running, processes = self.start_three("run.stall_seconds=0")
                os.kill(processes[rank], signal.SIGKILL)
                said = self.ends(running, 10)
                if "Open MPI" in said:
                    self.assertRegex(said, rf"rank {rank} with PID \d+ on node")
                self.goes_on(ranks=rank)
                shutil.rmtree(self.folder / "runs")

    def test_any_rank_hangs(self):
        for rank in (0, 2):
            with self.subTest(rank=rank):
                running, processes = self.start_three("run.stall_seconds=2")
                os.kill(processes[rank], signal.SIGSTOP)
                said = self.ends(running, 2 + 2 + 10)
                self.assertRegex(said, rf"nnmpi: error: no progress for 2 s, in step \d+: no sign of life from rank {rank} "
                                       rf"\(process {processes[rank]} on host {re.escape(socket.gethostname())}\); ")
                self.assertEqual(said.count("no sign of life"), 1)
                self.goes_on(ranks=2)
                self.assertFalse((self.run / "stalled").exists())
                shutil.rmtree(self.folder / "runs")

    def test_a_job_that_is_suspended_as_a_whole_has_not_stalled(self):
        # nearly all the time it waits for a slow save: no progress for as long as that, which is less than 6 + 2 s
        running, processes = self.start_three("run.stall_seconds=6", "checkpoint.every_steps=100", **Saving.SLOW)
        time.sleep(2)
        for number, seconds in ((signal.SIGSTOP, 9), (signal.SIGCONT, 6)):
            for process in processes:
                os.kill(process, number)
            time.sleep(seconds)
        self.assertIsNone(running.poll())
        for process in processes:
            os.kill(process, signal.SIGKILL)
        self.assertNotIn("no sign of life", self.ends(running, 10))


if __name__ == "__main__":
    unittest.main()
