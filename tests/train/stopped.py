#!/usr/bin/env python3
"""jobs/train.sbatch outside of SLURM: a signal that reaches all of a job, or its launcher alone, leaves time for a checkpoint."""

import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

from killed import descendants, send
from survive import Survival, program

TRAIN = program.SOURCE / "jobs/train.sbatch"
# Open MPI 5 kills its ranks after half a second, whatever it is told: there only the script may get the signal.
PATIENT = "Open MPI) 4" in subprocess.run([program.LAUNCHER[0], "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
# All at once: they mostly wait. Five seconds of saving, and time for them.
JOB = {"NNMPI": program.NNMPI, "NNMPI_MODULES": "", "NNMPI_MPIRUN_OPTIONS": "--oversubscribe --bind-to none", "SLURM_NTASKS": "2",
       "OMP_PROC_BIND": "false", "OMPI_MCA_btl_tcp_if_include": "lo", "NNMPI_FAULT": "slow-save@0", "NNMPI_SECONDS_TO_SAVE": "7"}


class Stopped(Survival):
    def start_job(self, name):
        words = [word for value in (f"run.name={name}", "train.epochs=1000000", "checkpoint.every_epochs=0", "checkpoint.best=false")
                 for word in ("--set", value)]
        running = subprocess.Popen(["bash", TRAIN, "it.yaml", *words], cwd=self.folder, env=program.environment(**JOB), text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(running.communicate)
        self.addCleanup(running.kill)
        return running

    def launcher(self, pid):
        return [process for process in descendants(pid) if Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"mpirun\0")]

    def test_a_term_to_all_of_a_job_or_to_one_part_of_it_leaves_time_to_save(self):
        names = ("everything", "launcher", "script") if PATIENT else ("script",)
        jobs = [self.start_job(name) for name in names]
        for name in names:
            self.wait_for(lambda run=name: self.epochs(run) > 3)
        start = time.monotonic()
        for job, name in zip(jobs, names):
            targets = {"everything": lambda pid: [pid, *descendants(pid)], "launcher": self.launcher, "script": lambda pid: [pid]}
            for process in targets[name](job.pid):
                send(process, signal.SIGTERM)
        for job, name in zip(jobs, names):
            out, _ = job.communicate(timeout=program.TIMEOUT)
            self.assertIn(job.returncode, (85,) if name == "script" else (1, 85), out)
            self.run = self.folder / f"runs/{name}"
            self.assertEqual((self.summary()["status"], self.summary()["exit_code"]), ("stopped", 85), out)
            self.assertEqual(self.steps(), [self.summary()["steps"]], out)
        self.assertGreater(time.monotonic() - start, 5)


if __name__ == "__main__":
    if shutil.which("mpirun") is None or not os.path.samefile(shutil.which("mpirun"), shutil.which(program.LAUNCHER[0])):
        program.skip("the mpirun in PATH belongs to another MPI than nnmpi")
    unittest.main(verbosity=2)
