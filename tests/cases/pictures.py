#!/usr/bin/env python3
"""Pictures of trained networks: regions, samples with their classes, confusion matrices; errors of one line."""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import unittest
from unittest import mock

from common import CASES, SOURCE, CaseTest, h5py, numpy, program, skip

try:
    import matplotlib  # noqa: F401
    import yaml  # noqa: F401
except ImportError:
    skip("no Python with matplotlib and PyYAML (Debian: python3-matplotlib python3-yaml)")

sys.path.insert(0, str(SOURCE / "scripts"))

import plot_predictions  # noqa: E402
import plot_regions  # noqa: E402
import plotting  # noqa: E402

NAMES = ["left", "right", "both"]
CONFIG = """
run: {name: pictures, seed: 1}
data: {file: pictures.h5, scale: 255}
model: {layers: [{dense: {name: fc, init: {name: values, weight: WEIGHT, bias: [0, 0, -4]}}}]}
train: {loss: cross_entropy, epochs: 0, batch_size: 4, optimizer: {name: sgd, lr: 0.1}}
"""


def nothing(**given):
    """Options as the command line gives them by default."""
    return argparse.Namespace(**{"nnmpi": program.NNMPI, "rows": None, "wrong": False, "count": 24, "confusion": False,
                                 "split": None, "range": None, "samples": None, **given})


class PictureTest(CaseTest):
    """A test in its folder that calls a script's functions: starting Python and matplotlib anew takes seconds."""

    def setUp(self):
        super().setUp()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, "/")

    def plot(self, module, *words):
        """As the script itself does; what it came to."""
        out, err = io.StringIO(), io.StringIO()
        words = [module.__file__, *map(str, words)] + ([] if "--nnmpi" in words else ["--nnmpi", program.NNMPI])
        with mock.patch.object(sys, "argv", words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = plotting.main(module.PROG, module.draw, module.arguments())
            except SystemExit as end:
                code = end.code
        return program.Result(code, out.getvalue(), err.getvalue())

    def drawn(self, module, *words):
        result = self.plot(module, *words, "-o", "p.png")
        self.assertEqual((result.code, result.out, result.err), (0, "p.png\n", ""), result)
        self.picture("p.png")
        (self.folder / "p.png").unlink()

    def refused(self, module, code, *words, parts):
        result = self.plot(module, *words)
        self.assertEqual(result.code, code, result)
        messages = [line for line in result.err.splitlines() if line.startswith(f"{module.PROG}: error: ")]
        self.assertEqual(len(messages), 1, result)
        for part in parts:
            self.assertIn(part, messages[0])


class Predictions(PictureTest):
    """A network that looks for light in the left and in the right half of pictures of 4 x 4; two labels are wrong."""

    TRUE = [0, 1, 2, 0, 1, 2, 1, 0]

    def setUp(self):
        super().setUp()
        self.x = numpy.zeros((8, 4, 4), numpy.uint8)
        for row, lit in enumerate([0, 1, 2, 0, 1, 2, 0, 2]):
            self.x[row, :, :2] = 255 * (lit != 1)
            self.x[row, :, 2:] = 255 * (lit != 0)
        self.write("pictures.h5", self.x)
        left, right = [8, 8, -8, -8] * 4, [-8, -8, 8, 8] * 4
        weight = str([left, right, [1] * 16])
        (self.folder / "c.yaml").write_text(CONFIG.replace("WEIGHT", weight), encoding="utf-8")
        self.run_ok("c.yaml")
        self.model = self.checkpoint("pictures", 0)

    def write(self, name, x, **more):
        with h5py.File(self.folder / name, "w") as file:
            for part in ("train", "test"):
                file[f"{part}/x"], file[f"{part}/y"] = x, self.TRUE[:len(x)]
            file["class_names"] = NAMES
            for key, value in more.items():
                file[key] = value

    def answers(self, **given):
        options = nothing(checkpoint=self.model, data="pictures.h5", **given)
        return options, plot_predictions.Answers(options)

    def test_pairs_of_true_and_predicted_classes(self):
        _, answers = self.answers()
        self.assertEqual(answers.names, NAMES)
        self.assertEqual(list(answers.classes), [0, 1, 2, 0, 1, 2, 0, 2])
        self.assertEqual(plot_predictions.count_pairs(answers).tolist(), [[2, 0, 1], [1, 2, 0], [0, 0, 2]])
        self.assertEqual(plot_predictions.title(answers), "test set: 6 of 8 right (75 %)")

    def test_sets_under_names_of_their_own_are_found(self):
        with h5py.File(self.folder / "own.h5", "w") as file:
            file["photos"], file["what they show"] = self.x, self.TRUE
        names = {"train": ("photos", "what they show"), "test": ("photos", "what they show")}
        sets = [f"data.{part}_{axis}={name}" for part, both in names.items() for axis, name in zip("xy", both)]
        words = [word for value in ("run.name=own", "data.file=own.h5", *sets) for word in ("--set", value)]
        self.run_ok("c.yaml", *words)
        answers = plot_predictions.Answers(nothing(checkpoint=self.checkpoint("own", 0), data="own.h5"))
        self.assertEqual(plot_predictions.title(answers), "photos: 6 of 8 right (75 %)")

    def test_rows_are_the_first_the_wrong_or_those_asked_for(self):
        for given, wanted in [({}, list(range(8))), ({"count": 3}, [0, 1, 2]), ({"wrong": True}, [6, 7]),
                              ({"wrong": True, "count": 1}, [6]), ({"rows": [5, 2]}, [5, 2])]:
            self.assertEqual(plot_predictions.choose_rows(*self.answers(**given)), wanted)

    def test_a_sample_is_told_with_both_classes_and_probability(self):
        options, answers = self.answers(rows=[6, 1])
        figure = plot_predictions.draw_samples(options, answers)
        wrong, right = figure.axes[0], figure.axes[1]
        probability = 100 * float(answers.probability[6])
        self.assertEqual(wrong.get_title(), f"✗ left {plot_predictions.per_cent(probability / 100)}")
        self.assertEqual(wrong.get_xlabel(), "true: right")
        self.assertTrue(right.get_title().startswith("✓ right "))
        self.assertEqual(wrong.images[0].get_array().tolist(), self.x[6].tolist())
        self.assertEqual([plot_predictions.per_cent(p) for p in (1, 0.99999, 0.9996, 0.873, 0.05)],
                         ["100 %", "99.99 %", "99.96 %", "87.3 %", "5 %"])

    def test_pictures_are_drawn(self):
        for words in [[], ["--wrong"], ["--rows", "0,6"], ["--confusion"], ["--split", "train", "--count", "1"]]:
            self.drawn(plot_predictions, self.model, "pictures.h5", *words)

    def test_shapes_of_pictures(self):
        for shape, wanted in [((28, 28), (28, 28)), ((784,), (28, 28)), ((8, 9, 1), (8, 9)), ((8, 9, 3), (8, 9, 3))]:
            self.assertEqual(plot_predictions.picture_shape(shape, "f.h5"), wanted)
        for shape in [(4,), (10,), (3, 1), (2, 3, 4)]:
            with self.assertRaises(plot_predictions.Failure):
                plot_predictions.picture_shape(shape, "f.h5")

    def test_errors_are_one_line(self):
        def refused(code, *words, parts):
            self.refused(plot_predictions, code, *words, parts=parts)
        refused(4, "none.h5", "pictures.h5", parts=["nnmpi-plot-predictions: error: none.h5: no such file"])
        refused(4, self.model, "none.h5", parts=["none.h5"])
        refused(4, "pictures.h5", self.model, parts=["pictures.h5: is a data set; a checkpoint comes first"])
        refused(2, self.model, "pictures.h5", "--rows", "8", parts=["no row 8 in test/x", "last is 7"])
        refused(2, self.model, "pictures.h5", "--rows", "1,x", parts=["'1,x' is not a list"])
        refused(2, self.model, "pictures.h5", "--rows", "1", "--wrong", parts=["exclude"])
        refused(2, self.model, "pictures.h5", "--confusion", "--wrong", parts=["neither --wrong nor --rows"])
        refused(2, self.model, "pictures.h5", "--count", "0", parts=["1 to 400"])
        refused(6, self.model, "pictures.h5", "-o", "no/p.png", parts=["no/p.png: cannot be written"])
        with h5py.File(self.folder / "blind.h5", "w") as file:
            file["x"] = self.x
        refused(4, self.model, "blind.h5", "--wrong", parts=["without y"])
        refused(4, self.model, "blind.h5", "--confusion", parts=["has no y", "true classes"])
        self.drawn(plot_predictions, self.model, "blind.h5")
        self.write("right.h5", self.x[:6])
        refused(4, self.model, "right.h5", "--wrong", parts=["all 6 samples of test/x are told right"])
        self.train("regression-by-hand", "--epochs", 0)
        refused(4, self.checkpoint("regression-by-hand", 0), "pictures.h5", parts=["pictures.h5"])
        refused(2, self.model, "pictures.h5", "--nnmpi", "no/nnmpi", parts=["no/nnmpi: cannot be run"])

    def test_installed_programs_find_each_other(self):
        subprocess.run(["cmake", "--install", os.environ.get("NNMPI_BUILD", SOURCE / "build"), "--prefix", self.folder / "usr"],
                       check=True, stdout=subprocess.DEVNULL)
        programs = self.folder / "usr" / "bin"
        for name in ("nnmpi-plot", "nnmpi-plot-regions", "nnmpi-plot-predictions"):
            result = self.run_script(str(programs / name), "--help")
            self.assertIn(f"usage: {name} ", result.out)
        for name, words in [("nnmpi-plot-predictions", ["pictures.h5", "--confusion"]), ("nnmpi-plot-regions", [])]:
            if name == "nnmpi-plot-regions":
                self.train("relu-before-softmax")
                self.model = self.checkpoint("relu-before-softmax", 0)
            result = self.run_script(str(programs / name), self.model, *words, "-o", f"{name}.png")
            self.assertEqual(result.code, 0, result)
            self.picture(f"{name}.png")


class Regions(PictureTest):
    def setUp(self):
        super().setUp()
        self.train("relu-before-softmax")
        self.model = self.checkpoint("relu-before-softmax", 0)

    def test_regions_are_those_of_the_network(self):
        options = nothing(checkpoint=self.model, range=[-4, 4])
        axes = plot_regions.make_grid(options, plot_regions.Samples())
        answers = plot_regions.ask_network(options, axes)
        # class 1 where |x1| and |x2| beyond 1 add up to less than 1: a square of 2 x 2 with four rims and corners
        beyond = sum(numpy.maximum(numpy.abs(axis) - 1, 0) for axis in numpy.meshgrid(*axes))
        sure = numpy.abs(beyond - 1) > 1e-5
        self.assertTrue((answers["class"].reshape(beyond.shape) == (beyond < 1))[sure].all())
        planes = plot_regions.first_layer(options, answers)
        self.assertEqual(planes.shape[0], 4)
        self.assertTrue(numpy.allclose(planes[1], numpy.meshgrid(*axes)[1] - 1, atol=1e-5))
        figure = plot_regions.draw(options)
        self.assertEqual([axis.get_xlabel() for axis in figure.axes[:2]], ["x1", "x1"])
        self.assertIn("4 of 4", figure.axes[1].get_title())

    def test_samples_come_from_configurations_and_data_sets(self):
        x = [[0, 0], [0, 10], [1, 0], [1, 10]]
        with h5py.File(self.folder / "two.h5", "w") as file:
            file["train/x"], file["train/y"] = numpy.array(x, numpy.float32), [0, 1, 1, 0]
            file["feature_names"], file["class_names"] = ["width", "height"], ["small", "large"]
        (self.folder / "two.yaml").write_text("data: {file: two.h5}\n", encoding="utf-8")
        (self.folder / "in.yaml").write_text(f"data: {{inline: {{x: {x}, y: [0, 1, 1, 0]}}}}\n", encoding="utf-8")
        for name in ("two.h5", "two.yaml", "in.yaml"):
            self.drawn(plot_regions, self.model, name)
        samples = plot_regions.read_h5(self.folder / "two.h5")
        self.assertEqual((list(samples.features), samples.names), (["width", "height"], ["small", "large"]))
        low, high = [[float(axis[i]) for axis in plot_regions.make_grid(nothing(), samples)] for i in (0, -1)]
        self.assertTrue(numpy.allclose([low, high], [[-0.3, -3], [1.3, 13]]))

    def test_errors_are_one_line(self):
        def refused(code, *words, parts):
            self.refused(plot_regions, code, *words, parts=parts)
        refused(4, "none.h5", parts=["nnmpi-plot-regions: error: none.h5: no such file"])
        refused(4, self.model, "none.h5", parts=["none.h5: there is no such file"])
        refused(4, self.model, "none.yaml", parts=["none.yaml: cannot be read"])
        refused(2, self.model, "--range", "1", "1", parts=["LOW must be below HIGH"])
        for text, part in [("data: [", "cannot be read"), ("run: {}", "neither data.file nor"), ("- 1", "neither data.file nor"),
                           ("data: {inline: {x: [[1, 2, 3]], y: [0]}}", "3 numbers; regions can be drawn of two inputs"),
                           ("data: {inline: {x: [1, 2], y: [0, 1]}}", "1 numbers"),
                           ("data: {inline: {x: [[1, 2]], y: [0.5]}}", "not one class for each sample"),
                           ("data: {inline: {x: [[1, a]], y: [0]}}", "neither data.file nor")]:
            (self.folder / "bad.yaml").write_text(text, encoding="utf-8")
            refused(4, self.model, "bad.yaml", parts=["bad.yaml", part])
        self.train("regression-by-hand", "--epochs", 0)
        refused(4, self.checkpoint("regression-by-hand", 0), parts=["answers with values, not with classes"])
        self.train("arctan", "--epochs", 0)
        refused(4, self.checkpoint("arctan", 0), parts=["takes 1"])


if __name__ == "__main__":
    unittest.main()
