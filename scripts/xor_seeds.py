#!/usr/bin/env python3
"""In how many of many random starts does a small network learn XOR?

    xor_seeds.py --out xor-seeds                       100 seeds at 2, 4 and 8 hidden units
    xor_seeds.py --seeds 20 --hidden 2 8 --out s
    xor_seeds.py --activation identity --out linear    a linear network, which never does

Each run is configs/cases/xor-learn.yaml with another seed. It counts as learned where all four samples are told right
and the loss, their mean, is below 0.01. Prints a table; writes <out>/seeds.csv.
"""

import argparse
import csv
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import plotting

ROOT = Path(__file__).resolve().parent.parent
LOSS = 0.01


def train(arguments, hidden, seed):
    name = f"hidden-{hidden}-seed-{seed}"
    layers = f"[{{dense: {{units: {hidden}}}}}, {arguments.activation}, {{dense: {{units: 1}}}}]"
    settings = [f"run.seed={seed}", f"run.name={name}", f"run.folder={arguments.out / 'runs'}", f"model.layers={layers}",
                "history.weights=false"]
    words = [word for setting in settings for word in ("--set", setting)]
    plotting.run(arguments.nnmpi, ROOT / "configs/cases/xor-learn.yaml", *words, "--restart", "--quiet", OMP_NUM_THREADS="1")
    summary = json.loads((arguments.out / "runs" / name / "summary.json").read_text(encoding="utf-8"))
    return summary["train"]["loss"], summary["train"]["accuracy"]


def sweep(arguments):
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, seeds = [], range(1, arguments.seeds + 1)
    print("hidden  learned  of seeds")
    for hidden in arguments.hidden:
        with ThreadPoolExecutor(arguments.jobs) as pool:
            results = list(pool.map(lambda seed, hidden=hidden: train(arguments, hidden, seed), seeds))
        rows += [(hidden, seed, loss, accuracy) for seed, (loss, accuracy) in zip(seeds, results)]
        learned = sum(accuracy == 1 and loss < LOSS for loss, accuracy in results)
        print(f"{hidden:6d}  {learned:7d}  {arguments.seeds:8d}", flush=True)
    with open(arguments.out / "seeds.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("hidden", "seed", "loss", "accuracy"), *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many (100)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[2, 4, 8], help="hidden units (2 4 8)")
    parser.add_argument("--activation", default="relu", help="of the hidden layer (relu)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--out", type=Path, default=Path("xor-seeds"), help="folder for runs and seeds.csv")
    parser.add_argument("--nnmpi", help="the program; default: build/nnmpi, or the one in PATH")
    return plotting.call("xor_seeds", sweep, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
