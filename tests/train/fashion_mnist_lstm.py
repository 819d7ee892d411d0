"""configs/fashion_mnist_lstm.yaml reads pictures row by row and tells at least 86 % of the test set within ten epochs."""
import json
import os

from common import SOURCE, fashion_mnist, run, scratch

with scratch() as folder:
    data = fashion_mnist(folder)
    config = os.path.join(SOURCE, "configs/fashion_mnist_lstm.yaml")
    run(2, config, "--quiet", "--set", f"data.file={data}", "--set", f"run.folder={folder}", "--set", "run.name=lstm")
    with open(os.path.join(folder, "lstm", "summary.json")) as file:
        accuracy = json.load(file)["test"]["accuracy"]
    print(f"test accuracy {accuracy:.4f}")
    assert accuracy >= 0.86
