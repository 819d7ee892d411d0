#!/usr/bin/env python3
"""In how many of many random starts does a small network learn XOR?

    xor_seeds.py --out xor-seeds                       100 seeds at 2, 4 and 8 hidden units
    xor_seeds.py --seeds 20 --hidden 2 8 --out s

Each run is configs/cases/xor-learn.yaml with another seed. It counts as learned where all four samples are told right
and the loss, their mean, is below 0.01. Prints a table; writes <out>/seeds.csv.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOSS = 0.01


def train(arguments, hidden, seed):
    name = f"hidden-{hidden}-seed-{seed}"
    words = [arguments.nnmpi, ROOT / "configs/cases/xor-learn.yaml", "--set", f"run.seed={seed}", "--set", f"run.name={name}",
             "--set", f"model.layers=[{{dense: {{units: {hidden}}}}}, relu, {{dense: {{units: 1}}}}]", "--set", f"run.folder={arguments.out / 'runs'}", "--set", "history.weights=false",
             "--restart", "--quiet"]
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    if done.returncode != 0:
        sys.exit(f"xor_seeds: {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}")
    summary = json.loads((arguments.out / "runs" / name / "summary.json").read_text(encoding="utf-8"))
    return summary["train"]["loss"], summary["train"]["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="how many (100)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[2, 4, 8], help="hidden units (2 4 8)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--out", type=Path, default=Path("xor-seeds"), help="folder for runs and seeds.csv")
    parser.add_argument("--nnmpi", default=ROOT / "build/nnmpi", help="the program")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    print("hidden  learned  of seeds")
    for hidden in arguments.hidden:
        seeds = range(1, arguments.seeds + 1)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            results = list(pool.map(lambda seed, hidden=hidden: train(arguments, hidden, seed), seeds))
        rows += [(hidden, seed, loss, accuracy) for seed, (loss, accuracy) in zip(seeds, results)]
        learned = sum(accuracy == 1 and loss < LOSS for loss, accuracy in results)
        print(f"{hidden:6d}  {learned:7d}  {arguments.seeds:8d}", flush=True)
    with open(arguments.out / "seeds.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("hidden", "seed", "loss", "accuracy"), *rows])


if __name__ == "__main__":
    main()
