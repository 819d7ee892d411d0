#!/usr/bin/env python3
"""scripts/plot_history.py on made-up runs: pictures of the right size with something on them, one line for errors."""

import csv
import importlib.util
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "plot_history.py"

try:
    import h5py
    import matplotlib  # noqa: F401
except ImportError:
    print("skipped: no Python with h5py and matplotlib (Debian: python3-h5py python3-matplotlib)")
    sys.exit(77)


def load_script():
    sys.path.insert(0, str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("plot_history", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_csv(folder, epochs, names=("accuracy", "val_accuracy")):
    folder.mkdir(exist_ok=True)
    with open(folder / "metrics.csv", "w", newline="", encoding="ascii") as file:
        out = csv.writer(file)
        out.writerow(["epoch", "step", "loss", "val_loss", "lr", "seconds", *names])
        for e in range(1, epochs + 1):
            out.writerow([e, 20 * e, 1 / e, "" if e == 2 else 1.1 / e, 0.01, 0.5] + [1 - 0.5 / e] * len(names))


def make_history(folder, epochs, metric="accuracy", weights=None, steps=20):
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / "history.h5", "w") as file:
        numbers = list(range(1, epochs + 1))
        file["epochs/epoch"], file["epochs/step"] = numbers, [steps * e for e in numbers]
        file["epochs/train_loss"], file["epochs/valid_loss"] = [1 / e for e in numbers], [1.1 / e for e in numbers]
        file[f"epochs/train_{metric}"] = [1 - 0.5 / e for e in numbers]
        every = list(range(1, steps * epochs + 1))
        file["steps/step"], file["steps/loss"] = every, [20 / (20 + s) * (1 + 0.3 * math.sin(s)) for s in every]
        file["steps/lr"] = [0.01] * len(every)
        for name, shape in (weights or {}).items():
            file[f"weights/{name}"] = [[(e + i) % 5 for i in range(math.prod(shape))] for e in range(epochs + 1)]
            values = file[f"weights/{name}"][()].reshape((epochs + 1, *shape))
            del file[f"weights/{name}"]
            file[f"weights/{name}"] = values
        if weights:
            file["weights/epochs"] = list(range(epochs + 1))


class Plot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        cls.matplotlib_folder = holder.name  # its list of fonts is made once, without a word in the tests' output
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], capture_output=True, check=True,
                       env={**os.environ, "MPLCONFIGDIR": holder.name})

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.picture = self.folder / "curves.png"

    def plot(self, *arguments, python=(sys.executable,), **environment):
        return subprocess.run([*python, str(SCRIPT), *map(str, arguments), "-o", str(self.picture)],
                              capture_output=True, text=True, check=False, timeout=100,
                              env={**os.environ, "MPLCONFIGDIR": self.matplotlib_folder, **environment})

    def assert_drawn(self, result, width, height):
        self.assertEqual((result.returncode, result.stdout), (0, f"{self.picture}\n"), result.stderr)
        data = self.picture.read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", data[16:24]), (width, height))
        self.assertGreater(len(data), 10000)  # an empty picture of this size has a tenth of that

    def assert_refused(self, result, code, *words):
        self.assertEqual(result.returncode, code, result.stderr)
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        for word in ("nnmpi-plot: error: ", *words):
            self.assertIn(word, lines[0])
        self.assertFalse(self.picture.exists())

    def missing(self, *modules):
        """A folder for PYTHONPATH in which these modules cannot be imported."""
        folder = self.folder / "missing"
        folder.mkdir(exist_ok=True)
        for module in modules:
            (folder / f"{module}.py").write_text("raise ImportError('not here')\n", encoding="ascii")
        return {"PYTHONPATH": str(folder), "NNMPI_PLOT_REEXEC": "1"}

    # ---- pictures ------------------------------------------------------------------------------------------------

    def test_one_run_is_drawn_in_three_panels(self):
        make_history(self.folder / "run", 30)
        summary = {"test": {"loss": 0.4, "accuracy": 0.9}, "best": {"epoch": 20}}
        (self.folder / "run/summary.json").write_text(json.dumps(summary), encoding="ascii")
        result = self.plot(self.folder / "run")
        self.assert_drawn(result, 1200, 500)
        self.assertEqual(result.stderr, "")

    def test_several_runs_share_the_panels_and_a_legend(self):
        for i in range(9):
            make_history(self.folder / f"run{i}", 3 + i)
        self.assert_drawn(self.plot(*(self.folder / f"run{i}" for i in range(9))), 1200, 525)
        make_history(self.folder / "values", 5, metric="rmse")
        self.assert_drawn(self.plot(self.folder / "run0", self.folder / "values", "--log"), 1200, 525)

    def test_values_are_drawn_with_their_error_and_one_epoch_is_enough(self):
        make_history(self.folder / "run", 1, metric="rmse")
        self.assert_drawn(self.plot(self.folder / "run"), 1200, 500)

    def test_a_single_step_is_a_dot_between_whole_numbers(self):
        module = load_script()
        make_history(self.folder / "run", 1, metric="rmse", steps=1)
        axes = module.draw_curves([module.Run(self.folder / "run")], False).axes
        self.assertEqual(axes[1].get_ylabel(), "RMSE (units of the targets)")
        for panel in axes[2:]:
            self.assertEqual((panel.get_xlim(), [line.get_marker() for line in panel.lines]), ((0, 2), ["o"]))

    def test_every_weight_is_drawn_on_request(self):
        make_history(self.folder / "run", 8, weights={"layers.0.weight": (3, 2), "layers.0.bias": (3,)})
        self.assert_drawn(self.plot(self.folder / "run", "--weights"), 1200, 320)

    def test_an_unreadable_summary_takes_nothing_away(self):
        make_history(self.folder / "run", 4)
        (self.folder / "run/summary.json").write_text('{"test": {"loss": inf', encoding="ascii")
        self.assert_drawn(self.plot(self.folder / "run"), 1200, 500)

    # ---- sources ---------------------------------------------------------------------------------------------------

    def test_without_h5py_the_epochs_of_the_csv_are_drawn(self):
        make_history(self.folder / "run", 4)
        make_csv(self.folder / "run", 5)
        result = self.plot(self.folder / "run", **self.missing("h5py"))
        self.assert_drawn(result, 857, 500)
        self.assertIn("h5py is missing", result.stderr)

    def test_the_csv_counts_where_it_is_ahead_of_the_history(self):
        module = load_script()
        make_history(self.folder / "run", 4)
        make_csv(self.folder / "run", 6, names=("accuracy", "val_top_k"))
        run = module.Run(self.folder / "run")
        self.assertEqual(run.epoch_count(), 6)
        self.assertEqual(run.column("train_accuracy")[3], 0.875)
        self.assertEqual(run.column("valid_top_k")[3], 0.875)
        self.assertTrue(math.isnan(run.column("valid_loss")[1]))
        self.assertEqual(len(run.column("loss", run.steps)), 80)
        make_csv(self.folder / "run", 3)
        self.assertEqual(module.Run(self.folder / "run").epoch_count(), 4)

    def test_an_interpreter_without_the_modules_hands_over_to_the_systems(self):
        system = "/usr/bin/python3"
        probe = [system, "-c", "import h5py, matplotlib"]
        if not os.access(system, os.X_OK) or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            self.skipTest(f"{system} has no h5py and matplotlib")
        make_history(self.folder / "run", 4)
        self.assert_drawn(self.plot(self.folder / "run", python=(sys.executable, "-S")), 1200, 500)

    def test_runs_that_have_not_got_far_enough_are_left_out(self):
        make_history(self.folder / "run", 4)
        (self.folder / "young").mkdir()
        (self.folder / "young/metrics.csv").touch()
        result = self.plot(self.folder / "run", self.folder / "young")
        self.assert_drawn(result, 1200, 500)
        self.assertIn("young: no epoch is complete yet; left out", result.stderr)

    # ---- errors ----------------------------------------------------------------------------------------------------

    def test_folders_that_are_no_runs_are_named(self):
        self.assert_refused(self.plot(self.folder / "none"), 4, "none", "no such run folder")
        (self.folder / "empty").mkdir()
        self.assert_refused(self.plot(self.folder / "empty"), 4, "empty", "is not the folder of a run")
        (self.folder / "empty/metrics.csv").touch()
        self.assert_refused(self.plot(self.folder / "empty"), 4, "empty", "no epoch is complete yet")

    def test_damaged_files_are_named(self):
        make_history(self.folder / "run", 4)
        path = self.folder / "run/history.h5"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        self.assert_refused(self.plot(self.folder / "run"), 4, "history.h5: cannot be read")
        path.write_bytes(b"")
        self.assert_refused(self.plot(self.folder / "run"), 4, "history.h5: cannot be read")
        with h5py.File(path, "w") as file:
            file["epochs/epoch"], file["epochs/train_loss"] = [1, 2, 3], [1.0, 2.0]
        self.assert_refused(self.plot(self.folder / "run"), 4, "history.h5", "epochs/train_loss does not fit")
        with h5py.File(path, "w") as file:
            file["epochs/train_loss"] = [1.0, 2.0]
        self.assert_refused(self.plot(self.folder / "run"), 4, "history.h5", "no dataset epochs/epoch")
        path.unlink()
        (self.folder / "run/metrics.csv").write_text("epoch,loss\n1,much\n", encoding="ascii")
        self.assert_refused(self.plot(self.folder / "run"), 4, "metrics.csv: cannot be read", "much")
        (self.folder / "run/metrics.csv").write_text("a,b\n1,2\n", encoding="ascii")
        self.assert_refused(self.plot(self.folder / "run"), 4, "metrics.csv: cannot be read", "epoch")

    def test_weights_that_are_not_there_or_too_many_are_refused(self):
        make_history(self.folder / "run", 4)
        self.assert_refused(self.plot(self.folder / "run", "--weights"), 4, "set history.weights: true")
        make_history(self.folder / "run", 2, weights={"fc.weight": (60, 50)})
        self.assert_refused(self.plot(self.folder / "run", "--weights"), 4, "has 3000 weights", "at most 2000")
        result = self.plot(self.folder / "run", self.folder / "run", "--weights")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--weights takes one run", result.stderr)

    def test_an_output_that_cannot_be_written_is_named(self):
        make_history(self.folder / "run", 4)
        self.picture = self.folder / "no/such/folder.png"
        self.assert_refused(self.plot(self.folder / "run"), 6, "no/such/folder.png: cannot be written")
        self.picture = self.folder / "curves.tea"
        self.assert_refused(self.plot(self.folder / "run"), 6, "curves.tea: cannot be written")

    def test_without_matplotlib_the_packages_are_named(self):
        make_history(self.folder / "run", 4)
        result = self.plot(self.folder / "run", **self.missing("h5py", "matplotlib"))
        self.assert_refused(result, 2, "apt install python3-h5py python3-matplotlib")


if __name__ == "__main__":
    unittest.main()
