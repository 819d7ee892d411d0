#!/usr/bin/env python3
"""Writes tests/data/layers.golden, model.golden and lstm.golden: what PyTorch computes (in double precision).

    python3 tests/make_golden.py      needs torch; only for making the files anew, not for building or testing

A file has a line per tensor: its name, its shape ("5x7"; "1" for a number), its values, row by row.
"""

import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

FOLDER = pathlib.Path(__file__).resolve().parent / "data"


class Golden:
    def __init__(self):
        self.lines = []

    def add(self, name, tensor):
        tensor = torch.as_tensor(tensor).detach().double()
        shape = "x".join(str(n) for n in tensor.shape) or "1"
        values = " ".join(f"{v:.9g}" for v in tensor.flatten().tolist())
        self.lines.append(f"{name} {shape} {values}")

    def save(self, name, title):
        text = f"# {title}, PyTorch {torch.__version__.split('+')[0]}, by tests/make_golden.py\n"
        (FOLDER / name).write_text(text + "\n".join(self.lines) + "\n", encoding="ascii")


def floats(*shape, scale=1.0):
    """Random numbers that are exact in float32."""
    return (torch.randn(*shape) * scale).float().double()


# ---- layers: dense, then an activation; J = sum(c * y) --------------------------------------------

ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": F.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "leaky_relu_0.25": lambda z: F.leaky_relu(z, 0.25),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "softplus": F.softplus,
    "arctan": lambda z: torch.atan(z) / math.pi + 0.5,
    "softmax": lambda z: torch.softmax(z, dim=-1),
    "softmax_2.5": lambda z: torch.softmax(2.5 * z, dim=-1),
}


def layers(golden):
    x, w, b, c = floats(5, 7), floats(4, 7), floats(4), floats(5, 4)
    for name, tensor in (("x", x), ("weight", w), ("bias", b), ("c", c)):
        golden.add(f"dense/{name}", tensor)
    for name, function in ACTIVATIONS.items():
        leaves = [t.clone().requires_grad_() for t in (x, w, b)]
        y = function(F.linear(*leaves))
        (c * y).sum().backward()
        golden.add(f"{name}/y", y)
        for leaf, tensor in zip(("dx", "dweight", "dbias"), leaves):
            golden.add(f"{name}/{leaf}", tensor.grad)


# ---- losses ---------------------------------------------------------------------------------------


def loss_case(golden, name, y, function):
    y = y.clone().requires_grad_()
    loss = function(y)
    loss.backward()
    golden.add(f"{name}/loss", loss)
    golden.add(f"{name}/dy", y.grad)


def losses(golden):
    y, labels = floats(6, 4, scale=2.0), torch.tensor([0, 3, 1, 1, 2, 3])
    values, shares = floats(6, 4), torch.rand(6, 4).float().double()
    weights = torch.tensor([0.5, 1.0, 2.0, 0.25]).double()
    one = floats(6, 1, scale=2.0)
    zero_one = torch.tensor([0, 1, 1, 0, 1, 0])
    large = torch.tensor([[1e4, -1e4, 0.0, 9999.0], [-1e4, 1e4, 1e4, -1e4], [-1e4, -1e4, -1e4, -1e4]]).double()
    large_labels = torch.tensor([1, 2, 0])
    for name, tensor in {
        "y": y, "labels": labels, "values": values, "shares": shares, "weights": weights, "one": one,
        "zero_one": zero_one, "large": large, "large_labels": large_labels,
    }.items():
        golden.add(f"loss/{name}", tensor)
    for reduction in ("mean", "sum"):
        r = {"reduction": reduction}
        loss_case(golden, f"cross_entropy/{reduction}", y, lambda t: F.cross_entropy(t, labels, **r))
        loss_case(golden, f"cross_entropy_smoothed/{reduction}", y,
                  lambda t: F.cross_entropy(t, labels, label_smoothing=0.125, **r))
        loss_case(golden, f"cross_entropy_weighted/{reduction}", y,
                  lambda t: F.cross_entropy(t, labels, weight=weights, **r))
        loss_case(golden, f"cross_entropy_large/{reduction}", large, lambda t: F.cross_entropy(t, large_labels, **r))
        loss_case(golden, f"mse/{reduction}", y, lambda t: F.mse_loss(t, values, **r))
        loss_case(golden, f"mse_one_hot/{reduction}", y, lambda t: F.mse_loss(t, F.one_hot(labels, 4).double(), **r))
        loss_case(golden, f"mse_label/{reduction}", one,
                  lambda t: F.mse_loss(t, zero_one.double().reshape(6, 1), **r))
        scale = 1.0 if reduction == "sum" else 1.0 / len(y)
        loss_case(golden, f"half_sse/{reduction}", y, lambda t: scale * 0.5 * ((t - values) ** 2).sum())
        loss_case(golden, f"bce/{reduction}", y, lambda t: F.binary_cross_entropy_with_logits(t, shares, **r))
        loss_case(golden, f"bce_label/{reduction}", one,
                  lambda t: F.binary_cross_entropy_with_logits(t, zero_one.double().reshape(6, 1), **r))
        loss_case(golden, f"bce_large/{reduction}", large,
                  lambda t: F.binary_cross_entropy_with_logits(t, F.one_hot(large_labels, 4).double(), **r))


# ---- a small network, three steps of plain gradient descent ---------------------------------------


def network(golden):
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    for p in net.parameters():
        p.data = p.data.float().double()
    x, labels = floats(9, 6), torch.tensor([0, 1, 2, 2, 1, 0, 0, 2, 1])
    golden.add("x", x)
    golden.add("labels", labels)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for step in range(4):
        for name, p in net.state_dict().items():
            golden.add(f"{step}/layers.{name}", p)
        optimizer.zero_grad()
        y = net(x)
        loss = F.cross_entropy(y, labels)
        loss.backward()
        golden.add(f"{step}/y", y)
        golden.add(f"{step}/loss", loss)
        if step == 0:
            for name, p in net.named_parameters():
                golden.add(f"gradient/layers.{name}", p.grad)
        optimizer.step()


# ---- LSTM: stacked layers, the last output or all of them; J = sum(c * y) --------------------------


def lstm_case(golden, name, x, layers, sequence, start):
    net = nn.LSTM(4, 3, num_layers=layers, batch_first=True).double()
    for p in net.parameters():
        p.data = floats(*p.shape)
    x = x.clone().requires_grad_()
    states = None
    if start:
        h0, c0 = floats(layers, 3), floats(layers, 3)
        golden.add(f"{name}/h0", h0)
        golden.add(f"{name}/c0", c0)
        states = tuple(t[:, None, :].expand(layers, len(x), 3).contiguous() for t in (h0, c0))
    y, _ = net(x, states)
    y = y if sequence else y[:, -1]
    c = floats(*y.shape)
    (c * y).sum().backward()
    for what, tensor in (("c", c), ("y", y), ("dx", x.grad)):
        golden.add(f"{name}/{what}", tensor)
    for parameter, p in net.named_parameters():
        golden.add(f"{name}/{parameter}", p)
        golden.add(f"{name}/d{parameter}", p.grad)


def lstm(golden):
    x = floats(5, 6, 4)  # samples, time steps, features
    golden.add("x", x)
    for layers in (1, 2):
        for sequence in (False, True):
            for start in (False, True):
                name = f"{layers}_{'sequence' if sequence else 'last'}{'_start' if start else ''}"
                lstm_case(golden, name, x, layers, sequence, start)


def main():
    torch.manual_seed(1)
    golden = Golden()
    layers(golden)
    losses(golden)
    golden.save("layers.golden", "Layers and losses")
    golden = Golden()
    network(golden)
    golden.save("model.golden", "A network and three steps of gradient descent")
    golden = Golden()
    lstm(golden)
    golden.save("lstm.golden", "LSTM")


if __name__ == "__main__":
    main()
