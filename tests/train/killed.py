#!/usr/bin/env python3
"""All ranks killed at random instants, each rank killed, each rank failing: the same command always goes on to the same final state.

NNMPI_TEST_KILLS (12) says how many random instants, NNMPI_TEST_SEED which: the seed of a run is printed."""

import json
import os
import random
import re
import shutil
import signal
import time
import unittest
from pathlib import Path

import h5py
import numpy
from survive import CONFIG, Survival, program

KILLS = int(os.environ.get("NNMPI_TEST_KILLS", "12"))
SEED = int(os.environ.get("NNMPI_TEST_SEED", time.time_ns() % 1000000))
ENDLESS = "train.epochs=1000000"
SAVING = ("checkpoint.every_steps=3", "checkpoint.every_epochs=0", "checkpoint.keep=2")  # most of the time goes into it


def descendants(pid):
    """Processes below this one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    found, front = [], {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front}
        found += sorted(front)
    return found


def ranks_of(pid):
    """{rank: process} of the nnmpi processes below a launcher."""
    ranks = {}
    for process in descendants(pid):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            about = Path(f"/proc/{process}/environ").read_bytes()
        except OSError:
            continue
        rank = re.search(rb"(?:^|\0)(?:OMPI_COMM_WORLD_RANK|PMIX_RANK|PMI_RANK)=(\d+)", about)
        if rank is not None and words[0].decode() == program.NNMPI:
            ranks[int(rank[1])] = process
    return ranks


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Killed(Survival):
    def setUp(self):
        super().setUp()
        self.write(CONFIG)

    def write(self, config):
        (self.folder / "it.yaml").write_text(config + "history: {every: 1}\n", encoding="utf-8")

    def finish(self, epochs, ranks=0):
        """Goes on to this epoch; is then what it would have been, and gone."""
        out = self.run_ok("it.yaml", "--set", f"train.epochs={epochs}", ranks=ranks).out
        other = self.folder / "runs/other"
        if not (other.exists() and json.loads((other / "summary.json").read_text())["epochs"] == epochs):
            shutil.rmtree(other, ignore_errors=True)
            self.undisturbed(f"train.epochs={epochs}", "checkpoint.every_epochs=0")
        self.assertEqual(self.digest(), self.digest("other"))
        self.assertEqual(list(self.run.glob("checkpoints/*.damaged")) + list(self.run.glob("**/*.tmp")), [])
        self.check_history()
        shutil.rmtree(self.run)
        return out

    def check_history(self):
        """Every epoch and step once, with the figures of the run that nobody touched; times are their own."""
        mine, other = ((self.folder / f"runs/{run}/metrics.csv").read_text().splitlines() for run in ("it", "other"))
        self.assertEqual([line.rsplit(",", 1)[0] for line in mine], [line.rsplit(",", 1)[0] for line in other])
        with h5py.File(self.run / "history.h5") as a, h5py.File(self.folder / "runs/other/history.h5") as b:
            names = []
            a.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            compared = [name for name in names if "second" not in name and item_is_number(a[name])]
            self.assertGreater(len(compared), 5, names)
            for name in compared:
                numpy.testing.assert_array_equal(a[name][()], b[name][()], name)

    def kill_all(self, running, seconds):
        """After so long, every rank and the launcher, as nearly at once as can be."""
        time.sleep(seconds)
        self.assertIsNone(running.poll(), "it ended by itself")
        ranks = ranks_of(running.pid)
        for process in [*ranks.values(), running.pid]:
            send(process, signal.SIGKILL)
        running.communicate(timeout=program.TIMEOUT)

    def changed(self, path, before):
        return path.exists() and path.stat().st_mtime_ns != before


def item_is_number(item):
    return item.dtype.kind in "iuf"


class RandomInstants(Killed):
    def test_killed_at_any_instant_it_goes_on_to_the_same_state(self):
        rng = random.Random(SEED)
        print(f"seed {SEED}, {KILLS} instants", flush=True)
        csv = self.run / "metrics.csv"
        saving = saved = 0
        for number in range(1, KILLS + 1):
            ranks = rng.choice([0, 0, 0, 2, 3])
            before = csv.stat().st_mtime_ns if csv.exists() else None
            running = self.start(ENDLESS, *SAVING, ranks=ranks)
            if rng.random() < 0.8:
                self.wait_for(lambda: self.changed(csv, before), running)  # it trains
                self.kill_all(running, rng.uniform(0, 0.15))
            else:
                self.kill_all(running, rng.uniform(0, 0.5))
            saving += any(self.run.glob("**/*.tmp"))
            saved += bool(self.steps())
            if number % 20 == 0 or number == KILLS:
                self.finish(self.epochs() + 3, ranks=rng.choice([0, 2, 3]))
        print(f"{saved} with a checkpoint to go on from, {saving} in the middle of writing a file", flush=True)
        self.assertGreater(saved, 0)


class OneRank(Killed):
    def test_stopped_at_the_end_of_an_epoch_it_goes_on_with_the_same_figures(self):
        self.write(CONFIG.replace("batch_size: 3", "batch_size: 6"))  # a step an epoch: every stop is at an end
        running = self.start(ENDLESS, "checkpoint.every_epochs=0")
        self.wait_for(lambda: self.epochs() > 9, running)
        running.send_signal(signal.SIGTERM)
        self.end(running, 85)
        self.finish(self.summary()["steps"] + 3)

    def test_when_one_rank_is_killed_all_end_soon_and_the_next_run_goes_on(self):
        for rank in range(3):
            with self.subTest(rank=rank):
                running = self.start(ENDLESS, *SAVING, ranks=3)
                self.wait_for(lambda: self.steps() and len(ranks_of(running.pid)) == 3, running)
                start = time.monotonic()
                send(ranks_of(running.pid)[rank], signal.SIGKILL)
                out, err = running.communicate(timeout=program.TIMEOUT)
                self.assertLess(time.monotonic() - start, 10)
                self.assertNotEqual(running.returncode, 0, out + err)
                self.assertRegex(err, rf"rank {rank} .*on (node|host) ")
                self.assertIn("continued at epoch", self.finish(self.epochs() + 3, ranks=3))

    def test_when_the_launcher_is_killed_the_next_run_waits_for_its_ranks_to_end(self):
        running = self.start(ENDLESS, *SAVING, ranks=2)
        self.wait_for(self.steps, running)
        running.kill()
        again = self.start(ENDLESS, *SAVING, ranks=2)
        self.wait_for(lambda: "continued at epoch" in (self.run / "log.txt").read_text(), again)
        self.kill_all(again, 0.1)
        self.finish(self.epochs() + 3, ranks=2)

    def test_when_one_rank_fails_all_end_with_its_code_and_the_next_run_goes_on(self):
        self.use_file()
        self.run_ok("it.yaml", "--set", "train.epochs=2")
        kept = self.folder / "kept"
        self.run.rename(kept)
        for fault, codes in [("open@0", (4, 6)), ("open@2", (4,)), ("read@1", (4,)), ("allocation@2", (7,)), ("allocate@1", (7,)),
                             ("step:13@0", (70,)), ("step:13@2", (70,)), ("checkpoint:20@0", (6,))]:
            with self.subTest(fault=fault):
                shutil.rmtree(self.run, ignore_errors=True)
                shutil.copytree(kept, self.run)
                self.check_failure(fault, codes)
                self.finish(10)

    def check_failure(self, fault, codes):
        start = time.monotonic()
        done = program.nnmpi("it.yaml", "--set", "train.epochs=10", ranks=3, folder=self.folder, NNMPI_FAULT=fault)
        self.assertLess(time.monotonic() - start, 10 * program.TIMEOUT / 60)
        self.assertIn(done.code, codes, done)
        self.assertEqual(len(done.lines("nnmpi: error: ")), 1, done)

    def use_file(self):
        """The same samples in a file: then there is something to open and to read."""
        rows = ["a,b,c", "0,0,0", "0,1,1", "1,0,1", "1,1,0", "0,2,1", "2,0,1"]
        (self.folder / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        self.run_ok("import", "csv", "table.csv", "--target", "c", "--target-type", "class", "-o", "table.h5", "--test-fraction", "0")
        text = re.sub(r"data: \{.*?\n.*?\n", "data: {file: table.h5}\n", CONFIG)
        self.assertNotEqual(text, CONFIG)
        self.write(text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
