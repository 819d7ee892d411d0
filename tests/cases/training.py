#!/usr/bin/env python3
"""Trainings of the course material that need no data of others: XOR, Iris, functions; their scripts and pictures."""

import csv
import json
import unittest

from common import CASES, CaseTest, h5py, program


class Training(CaseTest):
    def summary(self, name):
        return json.loads((self.folder / "runs" / name / "summary.json").read_text(encoding="utf-8"))

    def test_xor_is_learned_from_random_weights_but_not_by_a_linear_network(self):
        self.train("xor-learn")
        learned = self.summary("xor-learn")["train"]
        self.assertEqual(learned["accuracy"], 1)
        self.assertLess(learned["loss"], 0.01)
        with h5py.File(self.folder / "runs" / "xor-learn" / "history.h5") as file:  # before training, and after each epoch
            for name, values in self.weights("xor-learn", 500).items():
                self.assertEqual(file["weights"][name].shape, (501, *values.shape))
                self.assertTrue((file["weights"][name][-1] == values).all(), name)
        self.train("xor-linear")
        linear = self.summary("xor-linear")["train"]
        self.assertLess(linear["accuracy"], 1)
        self.assertGreater(linear["loss"], 0.249)
        self.script("plot_history.py", "runs/xor-learn", "--weights", "-o", "weights.png")
        self.picture("weights.png")
        self.script("plot_regions.py", self.checkpoint("xor-learn", 500), CASES / "xor-learn.yaml", "--nnmpi", program.NNMPI,
                    "-o", "regions.png")
        self.picture("regions.png")

    def seeds(self, *words):
        """[(hidden, loss, accuracy)] of xor_seeds.py."""
        self.script("xor_seeds.py", *words, "--jobs", 2, "--out", "seeds", "--nnmpi", program.NNMPI)
        with open(self.folder / "seeds" / "seeds.csv", newline="", encoding="utf-8") as file:
            return [(int(row["hidden"]), float(row["loss"]), float(row["accuracy"])) for row in csv.DictReader(file)]

    def test_more_hidden_units_learn_xor_more_often(self):
        """Of 100 starts 2, 4 and 8 hidden units learn about 26, 62 and 91; of 16 they can stray by 3 deviations."""
        rows = self.seeds("--seeds", 16)
        learned = {hidden: sum(row[0] == hidden and row[2] == 1 and row[1] < 0.01 for row in rows) for hidden in (2, 4, 8)}
        self.assertEqual(len(rows), 48)
        self.assertLess(learned[2], learned[4])
        self.assertLess(learned[4], learned[8])
        self.assertLessEqual(learned[2], 9)
        self.assertGreaterEqual(learned[8], 11)

    def test_a_linear_network_never_learns_xor(self):
        rows = self.seeds("--seeds", 5, "--hidden", 2, 8, "--activation", "identity")
        self.assertEqual(len(rows), 10)
        for _, loss, accuracy in rows:  # 0.5 everywhere is the best that it can answer
            self.assertGreater(loss, 0.249)
            self.assertLess(accuracy, 1)

    def test_iris_averaged_over_ten_seeds(self):
        out = self.script("iris_sweep.py", "--out", "sweep", "--nnmpi", program.NNMPI)
        with open(self.folder / "sweep" / "sweep.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 10, out)
        self.assertGreaterEqual(sum(float(row["test_accuracy"]) for row in rows) / 10, 0.95, out)

    def test_the_error_of_an_approximation_falls_with_width(self):
        for inputs in (1, 2):
            out = self.script("approximate.py", inputs, "--widths", 2, 8, 32, "--out", f"a{inputs}", "--nnmpi", program.NNMPI)
            with open(self.folder / f"a{inputs}" / "table.csv", newline="", encoding="utf-8") as file:
                errors = [float(row["test_rmse"]) for row in csv.DictReader(file)]
            self.assertEqual(errors, sorted(errors, reverse=True), out)
            self.assertLess(errors[-1], 0.2 * errors[0], out)
            self.picture(f"a{inputs}/plot.png")


if __name__ == "__main__":
    unittest.main()
