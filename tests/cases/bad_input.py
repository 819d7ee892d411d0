#!/usr/bin/env python3
"""What goes wrong with small networks and tables: one message with file, line, column or layer; what is only odd is said."""

import os
import unittest

from common import CASES, CaseTest

CONFIG = """
run: {{name: bad}}
data: {{inline: {{x: {x}, y: {y}}}{data}}}
model: {{layers: {layers}}}
train: {{loss: {loss}, epochs: 1, batch_size: 4, optimizer: {{name: sgd, lr: 0.1}}}}
"""


class BadInput(CaseTest):
    def config(self, x="[[0, 0], [0, 1], [1, 0], [1, 1]]", y="[0, 1, 1, 0]", layers="[dense]", loss="cross_entropy", data=""):
        text = CONFIG.format(x=x, y=y, layers=layers, loss=loss, data=data)
        (self.folder / "bad.yaml").write_text(text, encoding="utf-8")

    def refused(self, *parts, ranks=0, **wrong):
        self.config(**wrong)
        result = self.run_fails(3, "bad.yaml", "--restart", ranks=ranks, parts=parts)
        self.assertEqual(len(result.lines()), 1, result)

    def accepted(self, **right):
        self.config(**right)
        return self.run_ok("bad.yaml", "--restart")

    # ---- networks that do not fit their data ---------------------------------------------------------------------

    def test_a_sequence_layer_wants_a_time_axis(self):
        self.refused("line 4", "layer h (lstm)", "[time, features]", "come as [2]",
                     layers="[{lstm: {units: 2, name: h}}, dense]")
        self.refused("layer h (lstm)", "come as [4]", layers="[{dense: {units: 4}}, {lstm: {units: 2, name: h}}, dense]")
        self.accepted(x="[[[0], [0]], [[0], [1]], [[1], [0]], [[1], [1]]]", layers="[{lstm: {units: 2, name: h}}, dense]")

    def test_given_weights_have_the_layers_shape(self):
        for weight, shape in [("[[1, 2, 3], [1, 2, 3]]", "[2, 3]"), ("[1, 2, 3, 4, 5, 6]", "[6]")]:
            self.refused("line 4", "fc1.weight", "expected shape [3, 2]", f"given {shape}",
                         layers=f"[{{dense: {{units: 3, name: fc1, init: {{name: values, weight: {weight}}}}}}}, dense]")
        self.refused("fc1.bias", "expected shape [3]", "given [2]",
                     layers="[{dense: {units: 3, name: fc1, init: {name: values, weight: [[1, 1], [1, 1], [1, 1]], "
                            "bias: [1, 2]}}}, dense]")

    def test_more_classes_than_outputs(self):
        self.refused("line 4", "layer fc1 (dense)", "puts out 3 values, the data has 4", "units: auto", y="[0, 1, 2, 3]",
                     layers="[{dense: {units: 3, name: fc1}}]")

    def test_a_network_needs_parameters(self):
        for layers in ("[relu]", "[softmax, {dropout: {rate: 0.5}}]"):
            self.refused("no layer has parameters", "such as dense", layers=layers, y="[0, 1, 2, 3]")
            self.refused("no layer has parameters", "such as dense", layers=layers, loss="mse")

    # ---- losses -------------------------------------------------------------------------------------------------

    def test_an_activation_that_the_loss_has_built_in_is_refused(self):
        for ranks in (0, 2):
            self.refused("line 4", "layer p (softmax)", "part of the loss cross_entropy", "applied twice", "remove this layer",
                         layers="[dense, {softmax: {name: p}}]", ranks=ranks)
        self.refused("layers.1 (sigmoid)", "part of the loss bce_with_logits", layers="[dense, sigmoid]", loss="bce_with_logits")
        self.config(layers="[dense, softmax]")
        self.run_fails(3, "bad.yaml", "--dry-run", parts=["applied twice"])

    def test_other_activations_may_stand_before_a_loss(self):
        for layers, loss in [("[dense, relu]", "cross_entropy"), ("[dense, sigmoid]", "cross_entropy"),
                             ("[dense, softmax]", "half_sse"), ("[dense, softmax]", "mse"), ("[dense, sigmoid]", "mse"),
                             ("[{dense: {units: 4}}, softmax, dense]", "cross_entropy")]:
            with self.subTest(layers=layers, loss=loss):
                self.accepted(layers=layers, loss=loss)

    def test_targets_that_a_loss_cannot_take(self):
        self.refused("all labels are 0", "data.target: value", y="[0, 0, 0, 0]")
        for y in ("[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]", "[[1, 0], [0, 1], [1, 0], [1, 0]]"):
            self.refused("cross_entropy needs a class label for each sample", "2 values for each", "argmax", "mse", y=y)
        self.refused("cross_entropy needs class labels", "data.target: class", y="[0.5, 1, 1, 0]")

    # ---- tables -------------------------------------------------------------------------------------------------

    def test_tables_are_refused_with_line_and_column(self):
        for text, parts in [
                ("a,b,c\n1,2,x\n3,4\n5,6,y\n", ["t.csv:3", "2 cells", "line 1 has 3"]),
                ("a,b,c\n1,2,x\n3,4,y,5\n", ["t.csv:3", "4 cells", "line 1 has 3"]),
                ("a,b,c\n1,2,x\n3,,y\n", ["t.csv:3", 'column "b"', "empty"]),
                ("a,b,c\n1,2,x\n3,4,\n", ["t.csv:3", 'column "c"', "empty"]),
                ("a,b,c\n1,2,x\nmany,4,y\n", ["t.csv:3", 'column "a"', '"many" is not a number']),
                ("a,b,c\nfew,2,x\nmany,4,y\n", ["t.csv:2", 'column "a"', '"few" is text']),
                ("a,b,k\n1,2,x\n3,4,y\n", ["t.csv", 'no column "c"', "a, b, k"])]:
            with self.subTest(text=text):
                (self.folder / "t.csv").write_text(text, encoding="utf-8")
                self.run_fails(4, "import", "csv", "t.csv", "--target", "c", "-o", "t.h5", parts=parts)
                self.assertFalse((self.folder / "t.h5").exists())

    def test_a_pipe_is_no_configuration(self):
        os.mkfifo(self.folder / "pipe.yaml")
        self.run_fails(3, "pipe.yaml", parts=["pipe.yaml: is a pipe or device", "write it into a file"])

    # ---- what is only odd ------------------------------------------------------------------------------------------

    def test_classes_without_samples_are_told(self):
        result = self.accepted(y="[0, 2, 2, 5]")
        self.assertEqual(result.lines("nnmpi: warning"),
                         ["nnmpi: warning: no training samples for 3 of 6 classes, which cannot be learned: 1, 3, 4"])
        self.assertEqual(self.accepted(y="[0, 2, 2, 1]").lines("nnmpi: warning"), [])
        self.assertIn(": 0, 1, 2, 3, 4, ...", self.accepted(y="[7, 7, 7, 7]").err)

    def test_one_of_something_is_singular(self):
        out = self.accepted(layers="[{dense: {bias: false}}]", x="[[1]]", y="[[1.5]]", loss="mse").out
        for part in ("network: 1 layer, 1 parameter trained", "minibatch: 1 sample,", "; 1 step an epoch", "1 epoch, 1 step\n"):
            self.assertIn(part, out)
        out = self.accepted(layers="[{dense: {units: 3}}, dense]").out
        for part in ("network: 2 layers, ", "minibatch: 4 samples,"):
            self.assertIn(part, out)


class Answers(CaseTest):
    def test_numbers_beyond_float32_are_refused(self):
        self.train("relu-before-softmax")
        model = self.checkpoint("relu-before-softmax", 0)
        for row, parts in [("1,1e39", ["value 2, '1e39'", "float32"]), ("-1e39,1", ["value 1, '-1e39'"]),
                           ("1,2,3", ["3 values", "takes 2"]), ("1,x", ["value 2, 'x'"]), ("1,nan", ["value 2, 'nan'"])]:
            self.run_fails(2, "predict", model, f"--row={row}", parts=parts)
        self.run_ok("predict", model, "--row=1,3e38")

    def test_the_set_that_was_used_is_named(self):
        self.run_ok("import", "csv", CASES / "iris.csv", "--target", "species", "--valid-fraction", "0.1", "-o", "iris.h5")
        self.run_ok(CASES / "iris.yaml", "--epochs", 1, "--set", "data.file=iris.h5")
        model = self.checkpoint("iris", 7)
        for split, count in [("test", 30), ("valid", 15), ("train", 105)]:
            words = [] if split == "test" else ["--split", split]
            self.assertRegex(self.run_ok("evaluate", model, "iris.h5", *words).out, rf"^dataset +{split}/x\nsamples +{count}\n")
            self.assertEqual(self.run_ok("predict", model, "iris.h5", "-o", "out.csv", *words).out,
                             f"out.csv: predictions for {count} samples of {split}/x\n")


if __name__ == "__main__":
    unittest.main()
