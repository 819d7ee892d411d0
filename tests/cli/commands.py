#!/usr/bin/env python3
"""What needs neither data nor MPI: help, versions, output that cannot be written."""

import os
import subprocess
import unittest

import program
from program import command, environment, nnmpi

# With this, Open MPI cannot start: a command that succeeds has not tried.
NO_MPI = {"OMPI_MCA_pml": "there_is_none", "OMPI_MCA_mtl": "^all"}
COMMANDS = ["import", "import idx", "import csv", "inspect", "evaluate", "predict"]


class Help(program.TestCase):
    def test_every_command_has_its_own(self):
        for words in ["", *COMMANDS]:
            result = self.run_ok(*words.split(), "--help", **NO_MPI)
            self.assertTrue(result.out.startswith(f"nnmpi {words}".strip() + ":"), result)
            self.assertEqual(result.err, "")
            self.assertTrue(all(len(line) <= 90 for line in result.out.splitlines()))

    def test_the_reference_of_the_configuration_names_every_section(self):
        result = self.run_ok("--help-config", **NO_MPI)
        for key in ["run", "data", "model", "train", "parallel", "checkpoint", "history", "batch_size", "relu", "sgd"]:
            self.assertRegex(result.out, rf"\b{key}\b")

    def test_versions_of_everything_that_results_depend_on(self):
        result = self.run_ok("--version", **NO_MPI)
        self.assertRegex(result.out, r"^nnmpi \d+\.\d+\.\d+ \(commit .+\)\n")
        self.assertRegex(result.out, r"MPI|MPICH")
        self.assertRegex(result.out, r"\nHDF5 1\.\d+")
        self.assertRegex(result.out, r"\ninstruction set \w+")

    def test_under_a_launcher_the_first_rank_alone_prints(self):
        for words in [["--help"], ["predict", "--help"], ["--version"], ["--help-config"]]:
            alone, three = nnmpi(*words), nnmpi(*words, ranks=3)
            self.assertEqual(three.code, 0, three)
            self.assertEqual(three.out.replace("\r", ""), alone.out)


class Output(program.TestCase):
    def test_a_full_disk_ends_with_6(self):
        for words in [["--help"], ["--version"], ["--help-config"]]:
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run(command(*words), env=environment(), stdout=full, stderr=subprocess.PIPE, text=True,
                                      check=False)
            self.assertEqual(done.returncode, 6)
            self.assertRegex(done.stderr, r"^nnmpi: error: standard output cannot be written: .+\n$")

    def test_a_reader_that_leaves_is_no_error(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(command("--help-config"), env=environment(), stdout=writing, stderr=subprocess.PIPE,
                              text=True, check=False)
        os.close(writing)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_full_disk_under_a_launcher_ends_all_ranks(self):
        # the launcher reads from the ranks; so the first rank itself must write to the full device
        (self.folder / "c.yaml").write_text(CONFIG, encoding="utf-8")
        self.run_fails(6, "c.yaml", "--dry-run", ranks=2, shell='[ $rank != 0 ] || exec >/dev/full; exec "$@"',
                       parts=["standard output cannot be written"])


CONFIG = """
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}}
model: {hidden: [4], activation: tanh}
train: {loss: cross_entropy, epochs: 2, batch_size: 4, optimizer: {name: sgd, lr: 0.1}}
"""


class DryRun(program.TestCase):
    def setUp(self):
        super().setUp()
        (self.folder / "xor.yaml").write_text(CONFIG, encoding="utf-8")

    def test_it_needs_no_mpi_and_leaves_nothing_behind(self):
        result = self.run_ok("xor.yaml", "--dry-run", **NO_MPI)
        self.assertRegex(result.out, r"batch_size: 4")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["xor.yaml"])

    def test_it_plans_for_the_ranks_that_are_asked_for(self):
        self.assertIn("1 rank,", self.run_ok("xor.yaml", "--dry-run").out)
        self.assertIn("3 ranks,", self.run_ok("xor.yaml", "--dry-run", "--ranks", "3").out)
        result = self.run_ok("xor.yaml", "--dry-run", "--ranks=4", "--ranks-per-node=2")
        self.assertRegex(result.out, r"node with 2 ranks")
        self.assertIn("3 ranks,", self.run_ok("xor.yaml", "--dry-run", ranks=3).out)

    def test_settings_of_the_command_line_are_seen(self):
        result = self.run_ok("--set", "train.epochs=7", "--dry-run", "xor.yaml", "--set=model.hidden=5,6")
        self.assertRegex(result.out, r"epochs: 7")
        self.assertRegex(result.out, r"hidden: \[5, 6\]")


if __name__ == "__main__":
    unittest.main()
