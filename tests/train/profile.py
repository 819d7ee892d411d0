#!/usr/bin/env python3
"""--profile: the same bits as without; a table of phases and layers whose figures fit each other; nothing where it is not asked for."""
import os
import random
import re
import sys
import unittest

import common

try:
    import h5py
except ImportError:
    common.skip("no Python with h5py (Debian: python3-h5py)")

SAMPLES, EPOCHS, BATCH = 160, 3, 20
LAYERS = ["layers.0 (dense)", "layers.1 (relu)", "layers.2 (dense)"]
CONFIG = """
data: {{file: {folder}/data.h5, valid_fraction: 0.2}}
model: {{hidden: [24]}}
train: {{loss: cross_entropy, epochs: {epochs}, batch_size: {batch}, optimizer: {{name: adam, lr: 0.01}}}}
parallel: {{virtual_ranks: 2, threads: 2}}
run: {{name: {name}, folder: {folder}}}
"""


class Profile(unittest.TestCase):
    def setUp(self):
        temporary = common.scratch()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        numbers = random.Random(1)
        with h5py.File(f"{self.folder}/data.h5", "w") as file:
            file["train/x"] = [[numbers.random() for _ in range(12)] for _ in range(SAMPLES)]
            file["train/y"] = [numbers.randrange(3) for _ in range(SAMPLES)]

    def train(self, name, ranks, *words, expect=0):
        path = f"{self.folder}/{name}.yaml"
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIG.format(folder=self.folder, name=name, epochs=EPOCHS, batch=BATCH))
        environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        return common.run(ranks, path, *words, expect=expect, env=environment).stdout.replace("\r", "")

    def same_state(self, *names):
        folders = [f"{self.folder}/{name}/checkpoints" for name in names]
        common.run(0, "inspect", *[f"{folder}/{sorted(os.listdir(folder))[-1]}" for folder in folders])

    def check_rows(self, name, ranks):
        """The figures of history.h5; operations of products are counted here once more."""
        trained = SAMPLES * 4 // 5
        products = {"forward": 12 * 24 + 24 * 3, "forward layers.0 (dense)": 12 * 24, "forward layers.2 (dense)": 24 * 3,
                    "backward": 24 * 3, "backward layers.2 (dense)": 24 * 3, "gradients": 12 * 24 + 24 * 3,
                    "gradients layers.0 (dense)": 12 * 24, "gradients layers.2 (dense)": 24 * 3}
        with h5py.File(f"{self.folder}/{name}/history.h5") as file:
            group = file["profile"]
            self.assertEqual(group.attrs["steps"], EPOCHS * -(-trained // BATCH))
            rows = {what.decode(): figures for what, *figures in zip(group["name"], *[group[column] for column in (
                "seconds", "seconds_least", "seconds_most", "gflops", "share_of_peak")])}
        for what, (seconds, least, most, gflops, share) in rows.items():
            self.assertTrue(0 <= least <= seconds * (1 + 1e-9) and seconds <= most * (1 + 1e-9), (what, least, seconds, most))
            if what in products:
                self.assertAlmostEqual(gflops * 1e9 * seconds * ranks / (2 * products[what] * trained * EPOCHS), 1, places=6)
                self.assertGreater(share, 0)
            else:
                self.assertTrue(gflops != gflops, (what, gflops))
        for phase in ("forward", "backward"):
            layers = [rows[f"{phase} {layer}"][0] for layer in LAYERS]
            self.assertTrue(0 < sum(layers) <= rows[phase][0], (layers, rows[phase]))
        for layer in LAYERS[0], LAYERS[2]:
            self.assertGreater(rows[f"gradients {layer}"][0], 0)
        self.assertGreater(rows["gather the batch"][0], 0)
        self.assertGreater(rows["update"][0], 0)
        self.assertGreater(rows["evaluate"][0], 0)
        return rows

    def test_the_bits_are_those_of_a_run_without(self):
        plain = self.train("plain", 2)
        out = self.train("profiled", 2, "--profile")
        self.same_state("plain", "profiled")
        self.assertNotIn("profile:", plain)
        with h5py.File(f"{self.folder}/plain/history.h5") as file:
            self.assertNotIn("profile", file)
        self.check_rows("profiled", 2)
        table = out[out.index("profile: "):].splitlines()
        self.assertRegex(table[0], r"^profile: 21 steps in [\d.]+ s; FMA peak of a rank, measured now: [\d.]+ GFLOP/s$")
        columns = re.split(r"  +", table[1].strip())
        self.assertIn(columns.pop(0), ("ms a step", "us a step"))
        self.assertEqual(columns, ["least", "most", "share", "GFLOP/s", "of peak"])
        order = [line.strip() for line in table if re.match(r"^ +(forward|layers\.[02] |backward|gradients)", line)]
        names = [re.split(r"  +", line)[0] for line in order]
        if names[5] == LAYERS[0]:  # it has nothing to do going back, and is left out where that took no time
            del names[5]
        self.assertEqual(names, ["forward", LAYERS[0], LAYERS[2], "backward", LAYERS[2], "gradients", LAYERS[0], LAYERS[2]])
        self.assertTrue(any("wait for the slowest rank" in line for line in table))
        shares = [float(re.search(r"([\d.]+)%", line)[1]) for line in table[2:]
                  if re.match(r"^  [a-z]", line) and "%" in line]
        self.assertAlmostEqual(sum(shares), 100, delta=2)

    def test_one_rank_has_no_spread_and_waits_for_nobody(self):
        out = self.train("alone", 0, "--profile", "--set", "parallel.threads=1")
        table = out[out.index("profile: "):]
        self.assertNotIn("least", table)
        self.assertNotIn("others wait", table)
        rows = self.check_rows("alone", 1)
        # made while the parameters are updated, and not counted as that
        self.assertLessEqual(sum(rows[f"gradients {layer}"][0] for layer in LAYERS), rows["gradients"][0])

    def test_a_run_that_goes_on_profiles_its_own_steps(self):
        self.train("twice", 0, "--set", "train.epochs=2")
        out = self.train("twice", 0, "--profile")
        self.assertRegex(out, r"profile: 7 steps in ")

    def test_a_run_that_is_stopped_early_is_profiled_too(self):
        for ranks in (0, 2):
            out = self.train(f"stopped{ranks}", ranks, "--profile", "--set", "run.max_minutes=0.0001", expect=85)
            self.assertRegex(out, r"profile: 1 step in ")
            with h5py.File(f"{self.folder}/stopped{ranks}/history.h5") as file:
                self.assertEqual(file["profile"].attrs["steps"], 1)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
