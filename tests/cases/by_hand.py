#!/usr/bin/env python3
"""Networks computed by hand: every number of a step, as the course material has it."""

import re
import unittest

from common import CASES, CaseTest, h5py, numpy

A = numpy.array


def sigmoid(z):
    return 1 / (1 + numpy.exp(-z))


class Xor(CaseTest):
    X = A([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    Y = A([[0], [1], [1], [0]], float)

    def check(self, name, bias, hidden, output):
        step, = self.trace(name, 1)
        self.assert_close(step["layers.1: a"], hidden, "hidden layer")
        self.assert_close(step["out: z"], output, "output")
        # the same step in float64
        u, w, b2 = A([[1, -1], [-1, 1]], float), A([[1, 1]], float), A([[-0.1]])
        b1 = A([[bias, bias]], float)
        z = self.X @ u.T + b1
        h = numpy.maximum(z, 0)
        y = h @ w.T + b2
        delta2 = 2 * (y - self.Y) / 4
        above = delta2 @ w
        delta1 = above * (z > 0)
        wanted = {"hidden: z": z, "out: delta": delta2, "dW out.weight": delta2.T @ h, "layers.1: dL/da": above,
                  "db out.bias": [delta2.sum(0)], "hidden: delta": delta1, "dW hidden.weight": delta1.T @ self.X,
                  "db hidden.bias": [delta1.sum(0)], "W out.weight": w - 0.1 * delta2.T @ h,
                  "b out.bias": b2 - 0.1 * delta2.sum(0), "W hidden.weight": u - 0.1 * delta1.T @ self.X,
                  "b hidden.bias": b1 - 0.1 * delta1.sum(0), "loss of each sample": ((y - self.Y) ** 2).T,
                  "mean loss": ((y - self.Y) ** 2).mean()}
        for key, value in wanted.items():
            self.assert_close(step[key], value, key)
        stored = self.weights(name, 1)
        self.assert_close(stored["hidden.weight"], wanted["W hidden.weight"])
        self.assert_close(stored["out.bias"], wanted["b out.bias"][0])

    def test_with_biases(self):
        self.check("xor-by-hand", -0.5, [[0, 0], [0, 0.5], [0.5, 0], [0, 0]], [[-0.1], [0.4], [0.4], [-0.1]])

    def test_without_biases(self):
        self.check("xor-by-hand-no-bias", 0, [[0, 0], [0, 1], [1, 0], [0, 0]], [[-0.1], [0.9], [0.9], [-0.1]])

    def test_class_1_begins_at_output_0(self):
        self.assertIn("acc 1.0000", self.train("xor-by-hand").out)
        self.train("xor-by-hand", "--epochs", 0, "--restart")
        for x, wanted, output in [("0,0", 0, -0.1), ("0,1", 1, 0.4), ("1,0", 1, 0.4), ("1,1", 0, -0.1)]:
            _, text = self.answer("xor-by-hand", x)
            self.assert_close(float(re.search(rf"(?m)^class {wanted}, output (\S+)$", text)[1]), output)
        result = self.train("xor-by-hand", "--set", "train.threshold=0.5", "--restart")  # 0.4 is below it
        self.assertIn("acc 0.5000", result.out)

    def test_two_virtual_ranks_compute_the_same_step(self):
        text = self.train("xor-by-hand", "--trace", 1, "--set", "parallel.virtual_ranks=2").out
        self.assertEqual(re.findall(r"(?m)^ virtual rank (\d) of 2$", text), ["0", "1"])
        whole = text.split(" sum over the virtual ranks\n")[1]
        self.assertRegex(whole, r"dW out\.weight +\[ +-0\.15 +-0\.15 \]")
        self.run_fails(2, "--set", "run.name=two", CASES / "xor-by-hand.yaml", "--trace", 1, ranks=2,
                       parts=["--trace shows the numbers of one process"])


class Softmax(CaseTest):
    def test_regression_by_hand(self):
        steps = self.trace("softmax-regression", 3)
        w = numpy.zeros((2, 2))
        for step, loss in zip(steps, [0.693147, 0.474077, 0.347698]):
            p = numpy.exp(w.T) / numpy.exp(w.T).sum(1, keepdims=True)  # X is the identity: z = W'
            delta = (p - numpy.eye(2)) / 2
            self.assertLess(abs(step["mean loss"] - loss), 1e-6)
            self.assert_close(step["z: z"], w.T, "z")
            self.assert_close(step["p = softmax"], p, "p")
            self.assert_close(step["z: delta"], delta, "dJ/dz")
            self.assert_close(step["dW z.weight"], delta.T, "dW")
            self.assert_close(step["db z.bias"], [[0, 0]], "db")
            w = w - delta.T
            self.assert_close(step["W z.weight"], w, "W")
            self.assert_close(step["b z.bias"], [[0, 0]], "b")
        self.assert_close(steps[0]["W z.weight"], [[.25, -.25], [-.25, .25]])
        self.assertLess(numpy.abs(steps[1]["W z.weight"] - .438770 * A([[1, -1], [-1, 1]])).max(), 1e-6)

    def test_a_shift_changes_nothing_and_two_classes_are_a_sigmoid(self):
        self.train("softmax-shift")
        for row in ["1,2", "101,102", "0,1"]:
            layers, _ = self.answer("softmax-shift", row)
            self.assert_close(layers["o"], [0.268941421, 0.731058579])
            self.assert_close(layers["o"][0], sigmoid(layers["z"][0] - layers["z"][1]))

    def test_relu_before_softmax(self):
        self.train("relu-before-softmax")
        layers, text = self.answer("relu-before-softmax", "3,14")
        self.assert_close(layers["h"], [2, 13, 0, 0])
        self.assert_close(layers["out"], [15, -13])
        self.assert_close(layers["u"], [15, 0])
        table = {int(k): float(v) for k, v in re.findall(r"(?m)^ +(\d)  (\S+)$", text)}
        self.assert_close([table[0], table[1]], [0.9999996940977731, 3.059022269256247e-07])
        for row, total, o1 in [("2,0", 1, 0.5), ("0,0", 0, 0.119202922), ("4,0", 3, 0.952574127)]:
            layers, text = self.answer("relu-before-softmax", row)
            self.assertEqual(layers["h"].sum(), total)
            self.assert_close(float(re.search(r"(?m)^ +0  (\S+)$", text)[1]), o1)

    def test_all_hidden_units_are_silent_in_a_square_of_area_4(self):
        self.train("relu-before-softmax")
        at = (numpy.arange(80) + 0.5) / 20 - 2  # middles of squares of 1/20 x 1/20, from -2 to 2
        with h5py.File(self.folder / "grid.h5", "w") as file:
            file["test/x"] = numpy.stack(numpy.meshgrid(at, at), -1).reshape(-1, 2).astype(numpy.float32)
        self.run_ok("predict", self.checkpoint("relu-before-softmax", 0), "grid.h5", "-o", "out.h5", "--activations")
        with h5py.File(self.folder / "out.h5") as file:
            silent = numpy.all(file["activations/hidden"][()] < 0, axis=1).reshape(80, 80)
        self.assertEqual(silent.sum() / 20**2, 4)
        self.assertTrue(silent[20:60, 20:60].all(), "from -1 to 1 in both inputs")

    def test_temperature(self):
        step, = self.trace("softmax-temperature", 1)
        p = 1 / (1 + numpy.exp(-2))
        delta = 2 * p * (1 - p) * ((p - 1) - (1 - p))
        self.assert_close(step["p: a"], [[0.880797078, 0.119202922]])
        self.assert_close(step["z: delta"], [[delta, -delta]])
        self.assert_close(step["z: delta"], [[-0.050062293, 0.050062293]])
        self.assert_close(step["W z.weight"], [[1 - delta, 0], [delta, 1]])


class Activations(CaseTest):
    def test_arctan_is_a_sigmoid(self):
        step, = self.trace("arctan", 1)
        slope = A([[0.159154943], [0.318309886], [0.159154943]])
        a = A([[0.25], [0.5], [0.75]])
        self.assert_close(step["a: a"], a)
        self.assert_close(step["z: delta"], a * slope)
        self.assert_close(step["W z.weight"], [[1 - 0.5 * 0.159154943]])

    def test_two_neurons_make_a_box(self):
        for name in ["step-approximator", "steep-sigmoid-approximator"]:
            self.train(name)
            for x, wanted in [("-0.5", 0), ("0.5", 2), ("1.5", 0)]:
                layers, _ = self.answer(name, x)
                self.assert_close(layers["f"], [wanted], name)

    def test_a_step_has_no_gradient(self):
        step, = self.trace("step-approximator", 1, "--epochs", 1, "--set", "data.inline.y=[[1.0], [1.0], [1.0]]")
        self.assert_close(step["s: dL/da"], A([[-1, 1], [1, -1], [-1, 1]]) * 4 / 3)
        self.assert_close(step["dW shift.weight"], [[0], [0]])


class Lstm(CaseTest):
    """One unit, given weights: the states, and a step through time and back in float64."""

    X = A([[0, 0, 1, 1, 1, 0], [1, 1, 0, 1, 1, 0]], float)
    Y = A([[0, 0, 1, -1, 1, 0], [1, -1, 0, 1, -1, 0]], float)
    W, U, B = A([100., 0, 50, 100]), A([0., 0, -100, 0]), A([100., -100, 0, 0])  # gates i, f, g, o
    STATES = [[0, 0, .761594156, -.761594156, .761594156, -.380797078],
              [.761594156, -.761594156, .380797078, .761594156, -.761594156]]
    ROUNDED = [[0, 0, 1, -1, 1, 0], [1, -1, 0, 1, -1]]

    def through_time(self):
        """States [samples, time] and d(mean half_sse) / d(input weight, state weight, bias) of each gate."""
        h = c = numpy.zeros(2)
        kept = []
        for x in self.X.T:
            z = numpy.outer(x, self.W) + numpy.outer(h, self.U) + self.B
            i, f, o = sigmoid(z[:, 0]), sigmoid(z[:, 1]), sigmoid(z[:, 3])
            g = numpy.tanh(z[:, 2])
            before, c_before, c = h, c, f * c + i * g
            h = o * numpy.tanh(c)
            kept.append((x, before, c_before, c, i, f, g, o, h))
        states = A([step[-1] for step in kept]).T
        dw, du, db = numpy.zeros(4), numpy.zeros(4), numpy.zeros(4)
        dh, dc = numpy.zeros(2), numpy.zeros(2)
        for t in reversed(range(6)):
            x, before, c_before, c, i, f, g, o, h = kept[t]
            dh = dh + (h - self.Y[:, t]) / 2  # mean over two samples
            tanh_c = numpy.tanh(c)
            dc = dc + dh * o * (1 - tanh_c**2)
            dz = A([dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)])
            dw, du, db = dw + dz @ x, du + dz @ before, db + dz.sum(1)
            dh, dc = self.U @ dz, dc * f
        return states, dw, du, db

    def test_states_of_both_sequences(self):
        self.train("lstm-by-hand")
        for row, wanted, rounded in zip(["0,0,1,1,1,0", "1,1,0,1,1,0"], self.STATES, self.ROUNDED):
            layers, text = self.answer("lstm-by-hand", row)
            self.assert_close(layers["h"][:len(wanted)], wanted)
            self.assertEqual(numpy.round(layers["h"][:len(wanted)] + 0.0).tolist(), rounded)
            outputs = [float(value) for value in re.findall(r"(?m)^output \d: (\S+)$", text)]
            self.assert_close(outputs, layers["h"])

    def test_a_step_through_time_and_back(self):
        step, = self.trace("lstm-by-hand", 1, "--epochs", 1)
        states, dw, du, db = self.through_time()
        self.assert_close(states[0], self.STATES[0])
        self.assert_close(step["h: a"].reshape(2, 6), states, "states")
        self.assert_close(step["h: dL/da"].reshape(2, 6), (states - self.Y) / 2, "gradient of the states")
        self.assert_close(step["mean loss"], ((states - self.Y) ** 2).sum() / 4)
        self.assertGreater(numpy.abs(du).max(), 0.02)
        for key, wanted, before in [("weight_ih_l0", dw, self.W), ("weight_hh_l0", du, self.U), ("bias_ih_l0", db, self.B),
                                    ("bias_hh_l0", db, 0 * self.B)]:
            d, letter = ("db", "b") if key.startswith("bias") else ("dW", "W")
            self.assert_close(self.held(step[f"{d} h.{key}"].ravel()), self.held(wanted), key)
            self.assert_close(self.held(step[f"{letter} h.{key}"].ravel()), self.held(before - .1 * wanted), f"new {key}")

    @staticmethod
    def held(values):
        """Gradients of gates that are all but shut: a float32 near 1 holds no distance from 1 below 2^-25."""
        return numpy.where(numpy.abs(values) < 2**-25, 0, values)


class Regression(CaseTest):
    V = A([[.02, .03, .04]])
    W = A([[.02, .03], [.01, .02], [.03, .01]])
    B = A([[.01, .03, .02]])

    def forward(self, x):
        h = sigmoid(x @ self.W.T + self.B)
        return h, h @ self.V.T + .01

    def check_gradients(self, step, delta, dv, dw):
        self.assert_close(step["out: delta"], [[delta]], "dL/dz of the output")
        self.assert_close(step["db out.bias"], [[dv[0]]], "db")
        self.assert_close(step["dW out.weight"], [dv[1:]], "dV")
        self.assert_close(step["db hidden.bias"], [[row[0] for row in dw]], "db of the hidden layer")
        self.assert_close(step["dW hidden.weight"], [row[1:] for row in dw], "dW")
        self.assert_close(step["W out.weight"], self.V - .1 * A([dv[1:]]), "new V")
        self.assert_close(step["b out.bias"], [[.01 - .1 * dv[0]]], "new bias")
        self.assert_close(step["W hidden.weight"], self.W - .1 * A([row[1:] for row in dw]), "new W")
        self.assert_close(step["b hidden.bias"], self.B - .1 * A([[row[0] for row in dw]]), "new biases")

    def test_linear_output(self):
        step, = self.trace("regression-by-hand", 1)
        self.assert_close(step["out: z"], [[0.0567490910]])
        x, y = A([[1., 2.]]), 8
        h, out = self.forward(x)
        delta = 2 * (out[0, 0] - y)
        d1 = delta * self.V * h * (1 - h)
        self.assert_close(step["hidden: delta"], d1, "delta of the hidden layer")
        self.assert_close(step["h: a"], h, "h")
        self.assert_close(step["mean loss"], (out[0, 0] - y) ** 2, "loss")
        for got, row in zip(d1[0], [(-.0792719, -.1585438), (-.1189583, -.2379167), (-.1586706, -.3173411)]):
            self.assertLess(abs(got - row[0]), 1e-7)
            self.assertLess(abs(2 * got - row[1]), 1e-7)
        self.check_gradients(step, -15.8865018, [-15.8865018, -8.3004561, -8.2608116, -8.2211512],
                             [(d, d, 2 * d) for d in d1[0]])
        self.train("regression-by-hand", "--epochs", 0, "--restart")
        for row, wanted in [("1,2", 0.0567490910), ("1,3", 0.0571482303), ("2,2", 0.0572231583)]:
            layers, text = self.answer("regression-by-hand", row)
            self.assert_close(layers["out"], [wanted])
            self.assert_close(float(re.search(r"(?m)^output 0: (\S+)$", text)[1]), wanted)

    def test_sigmoid_output(self):
        step, = self.trace("sigmoid-by-hand", 1)
        self.assert_close(step["y: a"], [[0.5141834665]])
        self.assert_close(step["mean loss"], 0.1180088521)
        self.assert_close(step["y: dL/da"], [[0.5141834665 - 1]])
        self.check_gradients(step, -0.1213564013, [-0.1213564013, -0.0634068781, -0.0631040350, -0.0628010709],
                             [(-0.0006055549, -0.0006055549, -0.0012111099), (-0.0009087183, -0.0009087183, -0.0018174366),
                              (-0.0012120786, -0.0012120786, -0.0024241572)])


class CommandLine(CaseTest):
    def test_hidden_sizes_rate_and_epochs_take_one_short_argument_each(self):
        self.run_ok("import", "csv", CASES / "iris.csv", "--target", "species", "-o", "data/iris.h5")
        out = self.train("iris", "--hidden", "12,7", "--lr", 0.02, "--epochs", 3).out
        self.assertIn("network: 5 layers, 175 parameters trained", out)
        self.assertIn("finished after 3 epochs", out)
        self.assertRegex(out, r"epoch 3/3 .* lr 0\.02 ")
        self.assertEqual(self.weights("iris", 24)["layers.2.weight"].shape, (7, 12))
        self.run_fails(3, CASES / "iris.yaml", "--hidden", "12,x", parts=["hidden"])
        self.run_fails(3, CASES / "iris.yaml", "--lr", "-1", parts=["lr"])
        self.run_fails(3, CASES / "iris.yaml", "--epochs", "many", parts=["epochs"])


class Files(CaseTest):
    """predict --activations of a whole data set says what the trace says, on any number of ranks."""

    def test_every_layer_of_every_sample(self):
        with h5py.File(self.folder / "xor.h5", "w") as file:
            file["test/x"] = A([[0, 0], [0, 1], [1, 0], [1, 1]], numpy.float32)
        self.run_ok(CASES / "xor-by-hand.yaml", "--epochs", 0)
        model = self.checkpoint("xor-by-hand", 0)
        for ranks in [0, 2]:
            self.run_ok("predict", model, "xor.h5", "-o", "out.h5", "--activations", ranks=ranks)
            with h5py.File(self.folder / "out.h5") as file:
                self.assertEqual(set(file["activations"]), {"hidden", "layers.1", "out"})
                self.assert_close(file["activations/layers.1"][()], [[0, 0], [0, .5], [.5, 0], [0, 0]])
                self.assert_close(file["activations/out"][()], [[-.1], [.4], [.4], [-.1]])
                self.assertEqual(list(file["class"]), [0, 1, 1, 0])
        self.run_ok("predict", model, "xor.h5", "-o", "out.csv", "--activations")
        lines = (self.folder / "out.csv").read_text(encoding="utf-8").splitlines()
        self.assertEqual(lines[0], "row,class,probability,output_0,hidden_0,hidden_1,layers.1_0,layers.1_1,out_0")
        self.assert_close([float(v) for v in lines[2].split(",")[4:]], [-1.5, .5, 0, .5, .4])


if __name__ == "__main__":
    unittest.main()
