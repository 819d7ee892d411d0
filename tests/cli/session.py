#!/usr/bin/env python3
"""A user's session: a table becomes a data set, a network is trained, continued, evaluated, asked."""

import json
import random
import re
import signal
import subprocess
import sys
import time
import unittest

import program
from program import command, environment

CONFIG = """
run: {name: flowers}
data: {file: flowers.h5, normalize: standard, valid: test}
model: {hidden: [8], activation: tanh}
train: {loss: cross_entropy, epochs: 6, batch_size: 12, optimizer: {name: sgd, lr: 0.1, momentum: 0.9}}
checkpoint: {every_epochs: 2, keep: 2}
"""


def write_table(path, rows=60):
    """Three kinds of points in the plane, easy to tell apart."""
    rng = random.Random(5)
    centres = {"rose": (0, 0), "daisy": (4, 0), "tulip": (0, 4)}
    lines = ["length,width,kind"]
    for i in range(rows):
        kind = list(centres)[i % 3]
        x, y = centres[kind]
        lines.append(f"{x + rng.gauss(0, 0.5):.3f},{y + rng.gauss(0, 0.5):.3f},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_numbers(path):
    """Whole numbers in the third column, without a header."""
    path.write_text("".join(f"{i},{i * i % 7},{i % 3}\n" for i in range(30)), encoding="utf-8")


class Session(program.TestCase):
    def setUp(self):
        super().setUp()
        write_table(self.folder / "flowers.csv")
        (self.folder / "flowers.yaml").write_text(CONFIG, encoding="utf-8")
        self.run_ok("import", "csv", "flowers.csv", "--target", "kind", "-o", "flowers.h5")
        self.best = "runs/flowers/checkpoints/best.h5"

    def test_a_table_becomes_a_data_set(self):
        text = self.run_ok("inspect", "flowers.h5").out
        for part in ["48", "12", "daisy", "rose", "tulip"]:
            self.assertIn(part, text)

    def test_classes_in_another_order_are_refused(self):
        self.run_ok("flowers.yaml")
        table = (self.folder / "flowers.csv").read_text(encoding="utf-8").replace("rose", "aster")
        (self.folder / "other.csv").write_text(table, encoding="utf-8")
        self.run_ok("import", "csv", "other.csv", "--target", "kind", "-o", "other.h5")
        self.run_fails(4, "evaluate", self.best, "other.h5", parts=["other.h5: class 0 is 'aster', but 'daisy'"])

    def test_numbers_are_classes_or_values_as_is_said(self):
        write_numbers(self.folder / "numbers.csv")
        for kind, code in [("class", "int"), ("value", "float")]:
            self.run_ok("import", "csv", "numbers.csv", "--target=3", "--target-type", kind, "-o", f"{kind}.h5")
            self.assertRegex(self.run_ok("inspect", f"{kind}.h5").out, rf"train/y.*{code}")
        self.run_fails(2, "import", "csv", "numbers.csv", "--target=3", "--target-type=text", "-o", "x.h5",
                       parts=["'text' is not one of auto, class or value"])

    def test_training_prints_a_line_an_epoch_and_where_everything_is(self):
        for ranks in (0, 1, 2, 3):
            with self.subTest(ranks=ranks):
                result = self.run_ok("flowers.yaml", "--restart", ranks=ranks)
                epochs = re.findall(r"^epoch (\d)/6  loss \d\.\d{4}  acc \d\.\d{4}  val loss \d\.\d{4} acc \d\.\d{4}  "
                                    r"lr 0\.1  [\d,.]+ samples/s  .+ m?s$", result.out.replace("\r", ""), re.MULTILINE)
                self.assertEqual(epochs, list("123456"), result)
                self.assertRegex(result.out, r"finished after 6 epochs, 24 steps")
                self.assertRegex(result.out, r"test: +loss \d\.\d{4}  acc \d\.\d{4}")
                self.assertRegex(result.out, r"best epoch:  [1-6] \(runs/flowers/checkpoints/best\.h5\)\r?\n")
                for name in ("checkpoint", "history"):
                    path = re.search(rf"^{name}: +(\S+)$", result.out.replace("\r", ""), re.MULTILINE)
                    self.assertTrue(path and (self.folder / path[1]).is_file(), result)
                self.assertEqual(json.loads((self.folder / "runs/flowers/summary.json").read_text())["exit_code"], 0)

    def test_quiet_prints_nothing_where_all_is_well(self):
        result = self.run_ok("flowers.yaml", "--quiet", ranks=1)
        self.assertEqual(result.out, "")
        self.assertEqual(result.lines(), [])
        self.assertIn("epoch 6/6", (self.folder / "runs/flowers/log.txt").read_text())

    def test_a_finished_run_says_so_and_goes_on_with_more_epochs(self):
        self.run_ok("flowers.yaml")
        again = self.run_ok("flowers.yaml")
        self.assertRegex(again.out, r"runs/flowers is finished after 6 epochs: nothing to do .*train\.epochs.*--restart")
        self.assertNotRegex(again.out, r"(?m)^epoch \d")
        self.assertRegex(again.out, r"test: +loss \d\.\d{4}")
        more = self.run_ok("flowers.yaml", "--set", "train.epochs=8")
        self.assertEqual(re.findall(r"(?m)^epoch (\d)/8", more.out), ["7", "8"])

    def test_restart_keeps_the_old_run(self):
        self.run_ok("flowers.yaml", "--quiet")
        result = self.run_ok("flowers.yaml", "--restart", "--set", "train.epochs=1")
        self.assertIn("flowers.old-1", result.out)
        self.assertTrue((self.folder / "runs/flowers.old-1/checkpoints/best.h5").is_file())
        self.assertIn("network: ", (self.folder / "runs/flowers/log.txt").read_text(encoding="utf-8").split("epoch 1/1")[0])
        result = self.run_ok("flowers.yaml", "--restart", "--set", "model.init_from=" + self.best, "--set", "train.epochs=1")
        self.assertIn("flowers.old-2", result.out)
        self.assertRegex(result.out, r"parameters from runs/.*:\n(  layers\.[02]\.(weight|bias): taken.*\n){4}the old run is kept")

    def test_what_a_run_watched_can_be_evaluated(self):
        for name, sets in [("drawn", ("data.valid_fraction=0.25", "data.valid=auto")), ("watched", ("data.valid=test",))]:
            with self.subTest(name=name):
                self.run_ok("flowers.yaml", *[word for value in (f"run.name={name}", *sets) for word in ("--set", value)])
                checkpoint, last = [f"runs/{name}/{file}" for file in ("checkpoints/step-000000024.h5", "metrics.csv")]
                if name == "drawn":
                    checkpoint = checkpoint.replace("24", "18")  # 36 samples are left
                row = (self.folder / last).read_text(encoding="utf-8").splitlines()[-1].split(",")
                for ranks in (0, 2):
                    out = self.run_ok("evaluate", checkpoint, "flowers.h5", "--split", "valid", ranks=ranks).out
                    self.assertIn("samples   12\n", out)
                    self.assertEqual(f"{float(row[4]):.6g}", re.search(r"loss +(\S+)", out)[1])
        self.run_fails(4, "predict", "runs/drawn/checkpoints/best.h5", "flowers.h5", "--split", "valid", "-o", "p.csv",
                       parts=["data.valid_fraction", "--split train"])

    def test_runs_are_gathered_into_a_table(self):
        for rate in ("0.1", "0.2"):
            self.run_ok("flowers.yaml", "--quiet", "--lr", rate, "--set", f"run.name=train.optimizer.lr={rate}")
        gather = [sys.executable, program.SOURCE / "scripts/gather.py", "runs"]
        done = subprocess.run([*gather, "--csv", "all.csv"], cwd=self.folder, check=True, text=True, stdout=subprocess.PIPE)
        head, *rows = [re.split("  +", line) for line in done.stdout.splitlines()]
        self.assertEqual((head[0], sorted(row[0] for row in rows)), ("train.optimizer.lr", ["0.1", "0.2"]))
        self.assertNotIn("saves", done.stdout)
        self.assertIn("saves.seconds", (self.folder / "all.csv").read_text(encoding="utf-8"))
        done = subprocess.run([*gather, "--csv", "no/all.csv"], cwd=self.folder, check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (1, "gather: no/all.csv: cannot be written: No such file or directory\n"))

    def test_swapped_files_are_told(self):
        self.run_ok("flowers.yaml", "--quiet")
        for ranks in (0, 2):
            self.run_fails(2, "evaluate", "flowers.h5", self.best, ranks=ranks, parts=["flowers.h5: is a data set", "evaluate CHECKPOINT.h5"])

    def test_sets_have_the_names_that_the_run_gave_them(self):
        sets = ("run.name=named", "data.valid=none", "data.test_x=train/x", "data.test_y=train/y")
        out = self.run_ok("flowers.yaml", *[word for value in sets for word in ("--set", value)]).out
        loss = re.search(r"test: +loss (\S+)", out)[1]
        out = self.run_ok("evaluate", "runs/named/checkpoints/step-000000024.h5", "flowers.h5").out
        self.assertIn("dataset   train/x\n", out)
        self.assertEqual(loss, f"{float(re.search(r'loss +([0-9.]+)', out)[1]):.4f}")

    def test_without_a_launcher_no_other_program_is_needed(self):
        self.run_ok("flowers.yaml", "--quiet", PATH=str(self.folder))

    def test_without_a_launcher_runs_share_no_folder_of_mpi(self):
        # there, the first to end would remove what another is starting with
        used = []
        for name in ("one", "two"):
            temporary = self.folder / name
            temporary.mkdir()
            with subprocess.Popen(command("flowers.yaml", "--set", "train.epochs=1000000", "--set", f"run.name={name}"), cwd=self.folder,
                                  env=environment(TMPDIR=str(temporary)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
                next((line for line in run.stdout if line.startswith(b"epoch")), None)
                used.append({path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file() or not any(path.iterdir())})
                run.send_signal(signal.SIGUSR1)
                run.stdout.read()
            self.assertEqual(run.returncode, 85)
        self.assertEqual(used[0] & used[1], set())

    def test_a_stack_too_small_for_products_is_told(self):
        self.run_ok("flowers.yaml", "--quiet")
        told = ["a stack of", "OMP_STACKSIZE"]
        small = '[ "$rank" = 1 ] && ulimit -s 512; exec "$@"'
        self.run_fails(7, "flowers.yaml", "--restart", ranks=2, shell=small, parts=told)
        self.run_fails(7, "flowers.yaml", "--restart", OMP_NUM_THREADS="2", OMP_STACKSIZE="256k", parts=told)
        self.run_fails(7, "evaluate", self.best, "flowers.h5", ranks=2, shell=small, parts=told)
        self.run_fails(7, "predict", self.best, "--row", "1,2", shell="ulimit -s 512; exec \"$@\"", parts=told)

    def test_a_network_that_is_all_frozen_is_told(self):
        for frozen, told in [("layers.0", False), ("layers.0,layers.2", True)]:
            result = self.run_ok("flowers.yaml", "--quiet", "--set", f"run.name={frozen}", "--set", f"model.freeze={frozen}")
            self.assertEqual("nothing will be learned" in result.err, told)

    def test_a_minibatch_beyond_the_training_set_is_told(self):
        for words in [(), ("--dry-run",)]:
            result = self.run_ok("flowers.yaml", "--set", "train.batch_size=1000", "--set", "train.epochs=0", *words)
            self.assertRegex(result.out if words else result.err, r"1000 (was|were) asked for")

    def test_many_short_epochs_do_not_flood_the_log(self):
        result = self.run_ok("flowers.yaml", "--set", "train.epochs=3000", "--set", "checkpoint.every_epochs=0",
                             "--set", "checkpoint.best=false")
        lines = re.findall(r"(?m)^epoch +(\d+)/3000 ", result.out)
        self.assertLess(len(lines), 20 + 1 + program.TIMEOUT)
        self.assertEqual(lines[:20], [str(i + 1) for i in range(20)])
        self.assertEqual(lines[-1], "3000")

    def test_the_trained_network_answers_the_same_on_any_number_of_ranks(self):
        self.run_ok("flowers.yaml", "--quiet")
        alone = self.run_ok("evaluate", self.best, "flowers.h5")
        self.assertRegex(alone.out, r"acc")
        for ranks in (1, 3):
            self.assertEqual(self.run_ok("evaluate", self.best, "flowers.h5", ranks=ranks).out.replace("\r", ""), alone.out)
        self.assertNotEqual(self.run_ok("evaluate", self.best, "flowers.h5", "--split", "train").out, alone.out)
        self.run_ok("predict", self.best, "flowers.h5", "-o", "one.csv")
        self.run_ok("predict", "-o", "three.csv", self.best, "flowers.h5", ranks=3)
        one = (self.folder / "one.csv").read_bytes()
        self.assertEqual(one, (self.folder / "three.csv").read_bytes())
        self.assertEqual(len(one.splitlines()), 1 + 12)

    def test_two_classes_told_apart_by_one_output(self):
        table = [line for line in (self.folder / "flowers.csv").read_text(encoding="utf-8").splitlines()
                 if not line.endswith("tulip")]
        (self.folder / "two.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
        self.run_ok("import", "csv", "two.csv", "--target", "kind", "-o", "two.h5")
        self.run_ok("flowers.yaml", "--set", "data.file=two.h5", "--set", "run.name=two", "--set",
                    "train.loss=bce_with_logits")
        summary = json.loads((self.folder / "runs/two/summary.json").read_text())
        text = self.run_ok("evaluate", summary["checkpoint"], "two.h5", ranks=2).out
        for name in ("loss", "accuracy"):
            told = float(re.search(rf"^{name} +(\S+)", text.replace("\r", ""), re.MULTILINE).group(1))
            self.assertAlmostEqual(told, summary["test"][name], delta=1e-5 * abs(told))
        for row, kind in [("0,0", "rose"), ("4,0", "daisy")]:
            self.assertIn(f"({kind}), probability", self.run_ok("predict", summary["checkpoint"], "--row", row).out)
        self.assertRegex(self.run_ok("inspect", summary["checkpoint"]).out, r"\n  layers\.2 +dense +1 +9\n")

    def test_two_checkpoints_are_compared(self):
        self.run_ok("flowers.yaml", "--quiet", "--set", "parallel.virtual_ranks=3", "--set", "checkpoint.keep=9")
        first, last = (f"runs/flowers/checkpoints/step-{step:09}.h5" for step in (8, 24))
        self.run_ok("flowers.yaml", "--quiet", "--set", "parallel.virtual_ranks=3", "--set", "run.name=three", ranks=3)
        same = self.run_ok("inspect", last, last.replace("flowers", "three"))
        self.assertIn("the same state: yes", same.out)
        other = program.nnmpi("inspect", first, last, folder=self.folder)
        self.assertEqual((other.code, other.err), (1, ""), other)
        self.assertRegex(other.out, r"first difference: parameters/layers\.0\.bias\[0\]: \S+ \(\w{8}\) and ")
        self.run_fails(5, "inspect", first, "flowers.h5", parts=["flowers.h5"])
        self.run_fails(2, "inspect", first, last, first, parts=["one word too many"])

    def test_one_row_is_answered_legibly(self):
        self.run_ok("flowers.yaml", "--quiet", "--set", "train.epochs=40")
        for row, name in [("4.1,-0.2", "daisy"), ("-0.1,0.1", "rose"), (" 0.3, 4.2", "tulip")]:
            result = self.run_ok("predict", self.best, "--row", row)
            self.assertRegex(result.out, rf"^class \d \({name}\), probability 0\.\d+\n\n")
            shares = [float(share) for share in re.findall(r"(?m)^ +\d  \w+ +(\S+)$", result.out)]
            self.assertEqual(len(shares), 3, result)
            self.assertAlmostEqual(sum(shares), 1, places=5)
        self.assertEqual(self.run_ok("predict", self.best, f"--row={row}", ranks=2).out.replace("\r", ""), result.out)

    def test_what_is_read_is_not_overwritten(self):
        self.run_ok("flowers.yaml")
        (self.folder / "other.h5").symlink_to("flowers.h5")
        before = {name: (self.folder / name).read_bytes() for name in ("flowers.csv", "flowers.h5", self.best)}
        mistakes = [("import", "csv", "flowers.csv", "--target", "kind", "-o", "./flowers.csv"),
                    ("import", "idx", "--images", "flowers.h5", "--labels", "flowers.csv", "-o", "flowers.csv"),
                    ("predict", self.best, "flowers.h5", "-o", "other.h5"),
                    ("predict", self.best, "flowers.h5", "-o", self.best)]
        for words in mistakes:
            for ranks in (0, 2):
                with self.subTest(words=words, ranks=ranks):
                    self.run_fails(2, *words, ranks=ranks, parts=[f"-o {words[-1]}: ", "another name"])
        self.assertEqual(before, {name: (self.folder / name).read_bytes() for name in before})

    def test_a_wrong_row_is_explained(self):
        self.run_ok("flowers.yaml", "--quiet", "--set", "train.epochs=1")
        for row, part in [("1", "1 value, but the network takes 2"), ("1,2,3", "3 values"), ("1,x", "value 2, 'x'"),
                          ("1,,", "3 values"), ("1,", "value 2, ''"), ("1 2,3", "value 1"), ("nan,1", "'nan'")]:
            self.run_fails(2, "predict", self.best, "--row", row, parts=[part])
        self.run_fails(2, "predict", self.best, "--row", "1", ranks=3, parts=["takes 2"])

    def test_a_failing_rank_is_named_and_ends_all(self):
        for point, code in [("open", 4), ("read", 4), ("allocate", 7), ("step:3", 70)]:
            with self.subTest(point=point):
                self.run_fails(code, "flowers.yaml", "--restart", ranks=3, NNMPI_FAULT=f"{point}@1",
                               parts=["(rank 1 on host "])


class Stopping(program.TestCase):
    def setUp(self):
        super().setUp()
        write_table(self.folder / "flowers.csv")
        (self.folder / "flowers.yaml").write_text(CONFIG, encoding="utf-8")
        self.run_ok("import", "csv", "flowers.csv", "--target", "kind", "-o", "flowers.h5")

    def start(self, ranks, name="a b"):
        """A training that would take very long, running."""
        self.name = name
        words = command("flowers.yaml", "--set", "train.epochs=1000000", "--set", f"run.name={self.name}", ranks=ranks)
        running = subprocess.Popen(words, cwd=self.folder, env=environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(running.kill)
        csv, end = self.folder / f"runs/{name}/metrics.csv", time.monotonic() + program.TIMEOUT
        while not (csv.is_file() and csv.read_text().count("\n") > 3):
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(running.poll(), running.communicate() if running.poll() is not None else "")
            time.sleep(0.05)
        return running

    def test_a_wish_to_stop_saves_and_says_how_to_continue(self):
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            with self.subTest(signal=number):
                running = self.start(0, f"signal {number:d}")
                running.send_signal(number)
                _, err = running.communicate(timeout=program.TIMEOUT)
                self.assertEqual(running.returncode, 85, err)
                again = err.splitlines()[-1]
                self.assertRegex(again, r"^nnmpi: to continue the run: \S+ flowers\.yaml --set train\.epochs=1000000 "
                                        rf"--set 'run\.name={self.name}'$")
                self.assertEqual(json.loads((self.folder / f"runs/{self.name}/summary.json").read_text())["exit_code"], 85)

    def test_a_second_job_stays_out_of_the_run_folder(self):
        running = self.start(2, "busy")
        for words, ranks in [(("flowers.yaml",), 0), (("flowers.yaml", "--restart"), 2)]:
            self.run_fails(10, *words, "--set", "run.name=busy", ranks=ranks,
                           parts=["runs/busy: another job writes this run folder (process ", "run.name"])
        self.assertIsNone(running.poll())
        running.send_signal(signal.SIGUSR1)
        _, err = running.communicate(timeout=program.TIMEOUT)
        self.assertEqual(running.returncode, 85, err)
        self.assertEqual([path.name for path in (self.folder / "runs").iterdir()], ["busy"])
        reached = json.loads((self.folder / "runs/busy/summary.json").read_text())["epochs"]
        go_on = ("flowers.yaml", "--set", "run.name=busy", "--set", f"train.epochs={reached + 2}")
        self.assertIn(f"continued at epoch {reached + 1}", self.run_ok(*go_on).out)
        self.run_ok(*go_on, "--restart")

    def test_a_killed_job_leaves_the_run_folder_free(self):
        running = self.start(0, "killed")
        running.kill()
        running.communicate(timeout=program.TIMEOUT)
        self.run_ok("flowers.yaml", "--set", "run.name=killed", "--restart")

    def test_the_command_that_continues_works(self):
        running = self.start(0)
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=program.TIMEOUT)
        reached = json.loads((self.folder / "runs/a b/summary.json").read_text())["epochs"]
        again = err.splitlines()[-1].split(": ", 2)[2].replace("epochs=1000000", f"epochs={reached + 2}")
        done = subprocess.run(again, shell=True, cwd=self.folder, env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=program.TIMEOUT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"continued at epoch {reached + 1}", done.stdout)

    def test_mpirun_passes_usr1_on_to_all_ranks(self):
        running = self.start(2)
        running.send_signal(signal.SIGUSR1)
        _, err = running.communicate(timeout=program.TIMEOUT)
        self.assertEqual(running.returncode, 85, err)
        self.assertIn("nnmpi: to continue the run: mpirun -np 2 ", err)


if __name__ == "__main__":
    unittest.main()
