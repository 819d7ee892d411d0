#!/usr/bin/env python3
"""The job scripts on a real SLURM: two nodes, signals, requeue, cancelling, a time limit, preemption, a sweep."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))

import program  # noqa: E402
from cluster import Cluster, enter_namespace  # noqa: E402

SOURCE = program.SOURCE
TRAIN, SWEEP = SOURCE / "jobs/train.sbatch", SOURCE / "jobs/sweep.sbatch"
EPOCHS = 1000000  # more than anybody waits for

CONFIG = """
data: {{file: points.h5}}
model: {{hidden: [32], activation: tanh}}
train: {{loss: cross_entropy, epochs: {epochs}, batch_size: 20, optimizer: {{name: adam, lr: 0.001}}}}
parallel: {{virtual_ranks: 4}}
checkpoint: {{every_epochs: 20, keep: 3}}
"""

# Both nodes are this machine: nothing is bound, and who waits lets others work.
HERE = {"NNMPI": program.NNMPI, "NNMPI_MODULES": "", "NNMPI_MPIRUN_OPTIONS": "--bind-to none", "NNMPI_TRAIN_SBATCH": str(TRAIN),
        "OMP_PROC_BIND": "false", "NNMPI_SECONDS_TO_SAVE": "2", "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_MCA_btl_tcp_if_include": "lo"}
TWO_NODES = ("--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1")
ONE_RANK = ("--nodes=1", "--ntasks-per-node=1", "--cpus-per-task=1")

cluster = None


def write_points(path, rows=400):
    rng = random.Random(3)
    lines = ["x,y,kind"]
    for i in range(rows):
        x, y = rng.gauss(0, 1), rng.gauss(0, 1)
        lines.append(f"{x:.4f},{y:.4f},{'in' if x * x + y * y < 1 else 'out'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Jobs(program.TestCase):
    """Every test has a folder with data; a job's configuration is NAME.yaml in it."""

    def setUp(self):
        super().setUp()
        write_points(self.folder / "points.csv")
        self.run_ok("import", "csv", "points.csv", "--target", "kind", "-o", "points.h5")

    def tearDown(self):
        left = cluster.ask("squeue", "-h", "-o", "%A").split()
        if left:  # the test has failed
            cluster.ask("scancel", "--full", "--signal=KILL", *left)
            cluster.ask("scancel", *left)
            cluster.wait_for(lambda: cluster.ask("squeue", "-h", "-o", "%A") == "", "left-over jobs to end", program.TIMEOUT)
        super().tearDown()

    def config(self, name, epochs=EPOCHS):
        (self.folder / f"{name}.yaml").write_text(CONFIG.format(epochs=epochs), encoding="utf-8")

    def submit(self, *words, **more):
        return cluster.order("sbatch", "--parsable", *words, folder=self.folder, **{**HERE, **more})

    def submit_training(self, name, *options, size=TWO_NODES, sets=(), **more):
        self.config(name)
        return self.submit(*options, *size, TRAIN, f"{name}.yaml", *[word for value in sets for word in ("--set", value)], **more)

    def log(self, job, name="nnmpi"):
        path = self.folder / f"{name}-{job}.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def summary(self, name):
        return json.loads((self.folder / "runs" / name / "summary.json").read_text(encoding="utf-8"))

    def wait_epochs(self, job, name, count):
        path = self.folder / "runs" / name / "metrics.csv"

        def enough():
            self.assertIn(cluster.job(job, "JobState"), ("PENDING", "CONFIGURING", "RUNNING"), self.log(job))
            return path.exists() and path.read_text(encoding="utf-8").count("\n") > count

        cluster.wait_for(enough, f"epoch {count} of {name}", program.TIMEOUT)

    def wait_requeued(self, job, name, seconds=program.TIMEOUT):
        """The job stands in the queue once more. Its configuration then asks for three epochs more than it has."""
        def requeued():
            state = cluster.job(job, "JobState")
            self.assertNotIn(state, ("FAILED", "COMPLETED", "CANCELLED", "TIMEOUT"), self.log(job))
            return state == "PENDING" and cluster.job(job, "Restarts") == "1"

        cluster.wait_for(requeued, f"job {job} to be requeued", seconds)
        summary = self.summary(name)
        self.assertEqual((summary["status"], summary["exit_code"]), ("stopped", 85), self.log(job))
        self.assertIn("back into the queue", self.log(job))
        self.config(name, summary["epochs"] + 3)
        return summary["epochs"]

    def wait_completed(self, job, name, reached):
        """It starts again, goes on where it was, and ends as the run that nobody touched."""
        time.sleep(2)  # a node refuses a job that it killed in this second

        def completed():
            if cluster.job(job, "Reason") == "BeginTime":  # SLURM would wait two minutes
                cluster.order("scontrol", "update", f"JobId={job}", "StartTime=now")
            return cluster.job(job, "JobState") in ("COMPLETED", "FAILED")

        cluster.wait_for(completed, f"job {job} to end", program.TIMEOUT)
        state = cluster.job(job, "JobState")
        log = self.log(job)
        self.assertEqual(state, "COMPLETED", log)
        for part in (", start 1, ", ", start 2, ", f"continued at epoch {reached + 1}, "):
            self.assertIn(part, log)
        self.check_same(name, reached + 3)

    def check_same(self, name, epochs):
        summary = self.summary(name)
        self.assertEqual((summary["status"], summary["epochs"]), ("finished", epochs))
        self.config("reference", epochs)
        self.run_ok("reference.yaml", "--restart", "--set", "checkpoint.every_epochs=0", "--quiet")
        same = self.run_ok("inspect", summary["checkpoint"], self.summary("reference")["checkpoint"])
        self.assertIn("the same state: yes", same.out)

    def test_a_job_on_two_nodes_stops_when_told_is_requeued_and_ends_as_if_nothing_had_been(self):
        job = self.submit_training("told")
        self.wait_epochs(job, "told", 3)
        self.assertIn("2 ranks on 2 nodes", self.log(job))
        second = self.submit(*ONE_RANK, TRAIN, "told.yaml")
        cluster.wait_state(second, "FAILED", "COMPLETED")
        self.assertEqual(cluster.job(second, "ExitCode"), "10:0", self.log(second))
        self.assertRegex(self.log(second), rf"runs/told: another job writes this run folder \(process \d+ of job {job} on \S+\)")
        cluster.order("scancel", "--signal=USR1", "--batch", job)
        reached = self.wait_requeued(job, "told")
        self.wait_completed(job, "told", reached)

    def test_one_job_continues_after_its_time_limit_and_another_that_was_cancelled_stays_away(self):
        limited = self.submit_training("limited", "--time=2", "--signal=B:USR1@100", size=ONE_RANK)
        self.check_cancelling()
        reached = self.wait_requeued(limited, "limited", 90)
        self.assertIn("SIGUSR1: asking the ranks", self.log(limited))
        self.wait_completed(limited, "limited", reached)

    def check_cancelling(self):
        """scancel reaches everything at once: scripts, launcher, ranks. There is time for a checkpoint that takes five seconds;
        with mpirun of Open MPI 5 there would be half a second."""
        version = subprocess.run(["mpirun", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        how = {"size": TWO_NODES, "NNMPI_SECONDS_TO_SAVE": "7"}
        if "Open MPI) 4" not in version:
            how = {"size": ("--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1"), "NNMPI_LAUNCHER": "srun"}
        job = self.submit_training("cancelled", sets=["checkpoint.every_epochs=0"], NNMPI_FAULT="slow-save@0", **how)
        self.wait_epochs(job, "cancelled", 3)
        cluster.order("scancel", job)
        cluster.wait_for(lambda: cluster.job(job, "JobState") == "CANCELLED", f"job {job} to end", program.TIMEOUT)
        summary = self.summary("cancelled")
        self.assertEqual((summary["status"], summary["exit_code"]), ("stopped", 85), self.log(job))
        time.sleep(1)
        self.assertEqual((cluster.job(job, "JobState"), cluster.job(job, "Restarts")), ("CANCELLED", "0"))
        self.assertNotIn("ended with code 8\n", self.log(job), "the ranks that waited for the save took rank 0 for lost")
        self.config("cancelled", summary["epochs"] + 3)
        done = self.run_ok("cancelled.yaml")
        self.assertIn(f"continued at epoch {summary['epochs'] + 1}, ", done.out)
        self.check_same("cancelled", summary["epochs"] + 3)

    def test_a_lost_rank_ends_the_job_long_before_a_slow_save_would_have(self):
        for rank in (0, 1):
            with self.subTest(rank=rank):
                name = f"lost-{rank}"
                job = self.submit_training(name, NNMPI_SECONDS_TO_SAVE="15")
                self.wait_epochs(job, name, 21)  # a checkpoint is behind it
                killed = time.monotonic()
                self.kill_rank(job, rank)
                cluster.wait_for(lambda job=job: cluster.job(job, "JobState") not in ("RUNNING", "COMPLETING"), f"job {job} to end",
                                 program.TIMEOUT)
                took = time.monotonic() - killed
                self.assertEqual(cluster.job(job, "JobState"), "FAILED", self.log(job))
                self.assertLess(took, 10, self.log(job))
                if "Open MPI v4" in self.log(job):
                    self.assertEqual(cluster.job(job, "ExitCode"), "8:0", self.log(job))
                    self.assertIn(f"no sign of life from rank {rank} (", self.log(job))
                self.assertEqual(list(self.folder.glob(".nnmpi-*")), [])
                epochs = len((self.folder / f"runs/{name}/metrics.csv").read_text(encoding="utf-8").splitlines()) + 2
                self.config(name, epochs)
                self.assertIn("continued at epoch", self.run_ok(f"{name}.yaml").out)
                self.check_same(name, epochs)

    def kill_rank(self, job, rank):
        """By its environment: both nodes are this machine."""
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if f"SLURM_JOB_ID={job}".encode() in words and f"OMPI_COMM_WORLD_RANK={rank}".encode() in words:
                os.kill(int(path.parent.name), signal.SIGKILL)
                return
        self.fail(f"job {job} has no rank {rank}")

    def test_a_preempted_job_continues(self):
        job = self.submit_training("preempted")
        self.wait_epochs(job, "preempted", 3)
        urgent = self.submit("--partition=urgent", "--nodes=2", "--exclusive", "--wrap=sleep 1")
        cluster.wait_state(urgent, "COMPLETED")
        self.wait_completed(job, "preempted", self.wait_requeued(job, "preempted"))

    def test_a_sweep_and_its_table(self):
        self.config("sweep", 3)
        (self.folder / "values.txt").write_text(
            "# three runs\ntrain.optimizer.lr=0.01\n\ntrain.optimizer.lr=0.1 model.hidden=8,4\ntrain.optimizer.lr=1e-9\n",
            encoding="utf-8")
        job = self.submit("--nodes=1", "--ntasks-per-node=2", "--cpus-per-task=1", SWEEP, "sweep.yaml", "values.txt",
                          NNMPI_LAUNCHER="srun")
        cluster.wait_for(lambda: cluster.ask("squeue", "-h", "-j", job) == "", "the sweep to end", program.TIMEOUT)
        done = subprocess.run([sys.executable, SOURCE / "scripts/gather.py", "runs/sweep", "--csv", "table.csv"], cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(self.folder / "table.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sorted((row["train.optimizer.lr"], row["model.hidden"], row["exit_code"]) for row in rows),
                         [("0.01", "", "0"), ("0.1", "8,4", "0"), ("1e-9", "", "0")], done.stdout)
        losses = [float(row["train.loss"]) for row in rows]
        self.assertEqual(losses, sorted(losses))
        self.assertEqual(rows[-1]["train.optimizer.lr"], "1e-9", "it learns nothing")


def setUpModule():  # noqa: N802
    global cluster
    folder = tempfile.TemporaryDirectory(prefix="nnmpi-slurm-")
    unittest.addModuleCleanup(folder.cleanup)
    cluster = Cluster(Path(folder.name))
    unittest.addModuleCleanup(cluster.end)
    cluster.start()


if __name__ == "__main__":
    enter_namespace()
    unittest.main(verbosity=2)
