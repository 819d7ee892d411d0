#!/usr/bin/env python3
"""Mistakes on the command line: one message, one exit code, alone and on several ranks, and never a hang."""

import subprocess
import unittest

import program

# (arguments, exit code, what the message says)
MISTAKES = [
    ("", 2, ["nnmpi CONFIG.yaml"]),
    ("--hepl", 2, ["'--hepl'", "did you mean '--help'"]),
    ("c.yaml --dryrun", 2, ["did you mean '--dry-run'"]),
    ("c.yaml d.yaml", 2, ["'d.yaml'"]),
    ("c.yaml train.epochs=3", 2, ["did you mean '--set train.epochs=3'"]),
    ("c.yaml --set", 2, ["--set needs a value"]),
    ("c.yaml --set epochs", 2, ["epochs"]),
    ("c.yaml --ranks 2", 2, ["--dry-run"]),
    ("c.yaml --dry-run --ranks 0", 2, ["--ranks", "'0'"]),
    ("c.yaml --dry-run --ranks 2 --ranks-per-node 3", 2, ["--ranks-per-node", "'3'"]),
    ("train c.yaml", 2, ["training needs no command"]),
    ("inspct", 2, ["'inspct'", "did you mean 'inspect'"]),
    ("inspct f.h5", 2, ["did you mean 'inspect'"]),
    ("missing.yaml", 3, ["missing.yaml: no such file"]),
    ("hdf.yaml", 3, ["hdf.yaml: no such file; did you mean 'hdf5.yaml'?"]),
    ("-", 2, ["standard input"]),
    (".", 3, [".: is a folder"]),
    ("hdf5.yaml", 3, ["HDF5", "nnmpi inspect"]),
    ("c.yaml --set train.epoch=3", 3, ["train.epoch", "did you mean"]),
    ("import", 2, ["import idx", "import csv"]),
    ("import cvs t.csv", 2, ["did you mean 'import csv'"]),
    ("import idx --images a -o out.h5", 2, ["--labels FILE is missing"]),
    ("import idx --images a --labels b --test-images c -o out.h5", 2, ["--test-labels is missing"]),
    ("import csv t.csv --target y", 2, ["-o FILE.h5 is missing"]),
    ("import csv t.csv --target y -o out.h5 --test-fraction 20%", 2, ["--test-fraction", "'20%'"]),
    ("import csv t.csv --target y -o out.h5 --test-fraction 0.5 --valid-fraction 0.5", 2, ["no rows"]),
    ("import csv missing.csv --target y -o out.h5", 4, ["missing.csv"]),
    ("inspect", 2, ["FILE.h5 is missing"]),
    ("inspect missing.h5", None, ["missing.h5"]),
    ("evaluate c.h5", 2, ["DATA.h5 is missing"]),
    ("evaluate c.h5 d.h5 --split all", 2, ["'all' is not one of train, valid or test"]),
    ("evaluate c.h5 d.h5 --threads 0", 2, ["--threads"]),
    ("evaluate missing.h5 d.h5", 5, ["missing.h5"]),
    ("predict c.h5 d.h5", 2, ["-o", "is missing"]),
    ("predict c.h5 d.h5 -o out.txt", 2, ["'out.txt'", ".csv"]),
    ("predict c.h5 d.h5 --row 1,2", 2, ["--row"]),
    ("predict missing.h5 --row 1,2", 5, ["missing.h5"]),
]

CONFIG = """
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}}
model: {hidden: [4], activation: tanh}
train: {loss: cross_entropy, epochs: 2, batch_size: 4, optimizer: {name: sgd, lr: 0.1}}
"""


class Mistakes(program.TestCase):
    def setUp(self):
        super().setUp()
        (self.folder / "c.yaml").write_text(CONFIG, encoding="utf-8")
        (self.folder / "hdf5.yaml").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))

    def check(self, ranks, mistakes):
        for words, code, parts in mistakes:
            with self.subTest(words=words, ranks=ranks):
                result = program.nnmpi(*words.split(), ranks=ranks, folder=self.folder)
                if code is not None:
                    self.assertEqual(result.code, code, result)
                self.assertNotIn(result.code, (0, 70), result)
                self.assertEqual(len(result.lines("nnmpi: error: ")), 1, result)
                for part in parts:
                    self.assertIn(part, result.err)
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"c.yaml", "hdf5.yaml"})

    def test_alone(self):
        self.check(0, MISTAKES)

    def test_on_one_rank_of_a_launcher(self):
        self.check(1, MISTAKES[::6])

    def test_on_two_ranks(self):
        self.check(2, MISTAKES[1::6])

    def test_on_three_ranks(self):
        self.check(3, MISTAKES[2::4])

    def test_all_mistakes_of_a_configuration_are_told_at_once(self):
        (self.folder / "two.yaml").write_text(CONFIG.replace("epochs", "epoch").replace("hidden", "hiden"),
                                              encoding="utf-8")
        for ranks in (0, 3):
            self.run_fails(3, "two.yaml", ranks=ranks, parts=["two.yaml:3:", "model.hiden", "'hidden'", "two.yaml:4:", "train.epoch:", "'epochs'"])

    def test_ranks_with_different_command_lines_do_as_the_first_says(self):
        result = self.run_ok("c.yaml", "--dry-run", ranks=2, shell='[ $rank = 0 ] || set -- "$@" --nonsense; exec "$@"')
        self.assertEqual(result.lines(), [])
        self.assertIn("2 ranks,", result.out)

    def test_a_configuration_that_only_the_first_rank_can_see_is_enough(self):
        (self.folder / "other").mkdir()
        result = self.run_ok("c.yaml", "--dry-run", ranks=2, shell='[ $rank = 0 ] || cd other; exec "$@"')
        self.assertEqual(result.lines(), [])

    def test_a_file_that_crashes_its_reader_is_an_error_like_others(self):
        (self.folder / "data.yaml").write_text(CONFIG.replace("{x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}", "").replace(
            "inline: ", "file: c.yaml"), encoding="utf-8")
        for ranks in (0, 1, 3):
            for code, *words in ((4, "data.yaml"), (4, "data.yaml", "--dry-run"), (4, "inspect", "c.yaml"),
                                 (5, "evaluate", "c.yaml", "c.yaml"), (5, "predict", "c.yaml", "--row", "1")):
                with self.subTest(words=words, ranks=ranks):
                    self.run_fails(code, *words, ranks=ranks, parts=["c.yaml: is damaged: the HDF5 library", "crashes"],
                                   NNMPI_FAULT="rehearse@0")

    def test_where_no_file_at_all_can_be_read_in_another_process_none_is_blamed(self):
        (self.folder / "data.yaml").write_text(CONFIG.replace("{x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0]}", "").replace(
            "inline: ", "file: c.yaml"), encoding="utf-8")
        for ranks in (0, 1):
            with self.subTest(ranks=ranks):
                self.run_fails(4, "data.yaml", ranks=ranks, parts=["c.yaml", "not an HDF5 file"], NNMPI_FAULT="reader@0")

    def sweep(self, values, train):
        words = ["bash", program.SOURCE / "jobs/sweep.sbatch", "c.yaml", values]
        done = subprocess.run(words, cwd=self.folder, env=program.environment(NNMPI_TRAIN_SBATCH=train), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_a_sweep_takes_any_line_ends_and_says_what_is_missing(self):
        (self.folder / "train.sh").write_text('printf "%s|" "$@"', encoding="utf-8")
        (self.folder / "v.txt").write_bytes(b"# rates\r\n\r\ntrain.optimizer.lr=0.1 train.epochs=1\r\n")
        self.assertEqual(self.sweep("v.txt", "train.sh"), (
            0, "c.yaml|--set|run.folder=runs/c|--set|run.name=train.optimizer.lr=0.1+train.epochs=1|--set|train.optimizer.lr=0.1|"
            "--set|train.epochs=1|", ""))
        self.assertEqual(self.sweep("none.txt", "train.sh"), (2, "", f"sweep.sbatch: none.txt: no such file, seen from {self.folder}\n"))
        code, _, err = self.sweep("v.txt", "none.sh")
        self.assertEqual(code, 2)
        self.assertRegex(err, r"^sweep\.sbatch: none\.sh: no such file, .*NNMPI_TRAIN_SBATCH")


if __name__ == "__main__":
    unittest.main()
