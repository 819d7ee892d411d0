"""configs/fashion_mnist_mlp.yaml follows the course material's figures, on 1, 2 and 4 ranks (50 epochs: minutes).

The figures are those of one training with PyTorch; epochs count from 0. Starts differ by a few per cent early on, so the
training loss is compared from epoch 9 on, within 5 %; the test loss jumps, so its lowest of the last ten epochs counts.
"""
import csv
import os

from common import SOURCE, fashion_mnist, run, scratch

TRAINING_LOSS = {9: 0.434, 19: 0.346, 29: 0.295, 39: 0.259, 49: 0.228}
CONFIG = os.path.join(SOURCE, "configs/fashion_mnist_mlp.yaml")


def check(folder, data, ranks):
    name = f"ranks-{ranks}"
    run(ranks, CONFIG, "--quiet", "--set", f"data.file={data}", "--set", f"run.folder={folder}", "--set", f"run.name={name}")
    with open(os.path.join(folder, name, "metrics.csv")) as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50, len(rows)
    for epoch, expected in TRAINING_LOSS.items():
        loss = float(rows[epoch]["loss"])
        print(f"{ranks} ranks, epoch {epoch}: training loss {loss:.4f}, course material {expected} ({loss / expected - 1:+.1%})")
        assert abs(loss / expected - 1) <= 0.05
    lowest = min(float(row["val_loss"]) for row in rows[-10:])
    print(f"{ranks} ranks: lowest test loss of the last ten epochs {lowest:.4f}")
    assert 0.32 <= lowest <= 0.35


with scratch() as folder:
    data = fashion_mnist(folder)
    for ranks in (1, 2, 4):
        check(folder, data, ranks)
