"""configs/fashion_mnist_mlp.yaml follows the course material's figures, as 1, 2 and 4 ranks compute it.

The figures are those of one training with PyTorch; epochs count from 0. Starts differ by a few per cent early on, so the
training loss is compared from epoch 9 on, within 5 %; the test loss jumps, so its lowest of the last ten epochs counts.

Four ranks on two cores take minutes for 50 epochs. What N ranks compute, one process with as many virtual ranks computes
too, to the last bit: it does the 50 epochs, and the ranks do the first three, which must be the same.
"""
import csv
import os

from common import SOURCE, fashion_mnist, run, scratch

TRAINING_LOSS = {9: 0.434, 19: 0.346, 29: 0.295, 39: 0.259, 49: 0.228}
CONFIG = os.path.join(SOURCE, "configs/fashion_mnist_mlp.yaml")


def train(folder, data, name, launched, virtual, *more):
    """Rows of metrics.csv without the seconds."""
    words = [f"data.file={data}", f"run.folder={folder}", f"run.name={name}", f"parallel.virtual_ranks={virtual}", *more]
    run(launched, CONFIG, "--quiet", *[word for value in words for word in ("--set", value)])
    with open(os.path.join(folder, name, "metrics.csv")) as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def check(folder, data, ranks):
    rows = train(folder, data, f"as-{ranks}", 0, ranks)
    assert len(rows) == 50, len(rows)
    for epoch, expected in TRAINING_LOSS.items():
        loss = float(rows[epoch]["loss"])
        print(f"{ranks} ranks, epoch {epoch}: training loss {loss:.4f}, course material {expected} ({loss / expected - 1:+.1%})")
        assert abs(loss / expected - 1) <= 0.05
    lowest = min(float(row["val_loss"]) for row in rows[-10:])
    print(f"{ranks} ranks: lowest test loss of the last ten epochs {lowest:.4f}")
    assert 0.32 <= lowest <= 0.35
    assert train(folder, data, f"by-{ranks}", ranks, ranks, "train.epochs=3") == rows[:3]


with scratch() as folder:
    data = fashion_mnist(folder)
    for ranks in (1, 2, 4):
        check(folder, data, ranks)
