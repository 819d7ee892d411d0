#!/usr/bin/env python3
"""What the same bits on any number of ranks and threads cost, as one table of ratios; both sides are taken in turn in one run.

    scripts/bench/same_bits.py [--build build] [--rounds 7] [--epochs 4] [--ranks 2,4]

pieces     one rank, one thread: 8 virtual ranks against 1, with 8 and with 64 rows in each piece
reduction  N ranks, V = N, 64 rows each: the fixed tree, by default (in memory that the ranks of a node share) and by messages (as
           between nodes), against MPI_Allreduce; only for N up to the cores there are
products   threads that never change a bit against oneDNN's own threading, on all cores (where bench_gemm was built)

The networks are 784-256-128-64-10 and 784-2048-2048-10, on random bytes. A round trains both sides, one after the other, in turns which
goes first; its ratio is that of their fastest epochs. The table has the median of the rounds, the lowest and the highest.
"""
import argparse
import dataclasses
import os
import pathlib
import statistics
import sys
import tempfile

import bench
from bench import CORES, Data, Failure, Work, markdown, run_quietly

NETWORKS = [Work("784-256-128-64-10", (256, 128, 64), 64, 16384, 4), Work("784-2048-2048-10", (2048, 2048), 64, 2048, 4)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0], epilog="\n".join(__doc__.split("\n")[1:]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--quick", action="store_true", help="few samples, one round: does it work?")
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.epochs = 1
    return options


def settings(virtual, reduction):
    return (f"parallel: {{threads: 1, virtual_ranks: {virtual}, reduction: {reduction}}}\n"
            "checkpoint: {every_epochs: 0, best: false}")


def compare(options, data, ranks, sides):
    """Ratio of the first side's seconds to the second's, round by round. A side is (work, what is set)."""
    ratios = []
    for number in range(options.rounds):
        seconds = {}
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            work, more = sides[side]
            seconds[side] = min(bench.train(data, work, ranks, 1, more)[0])
        ratios.append(seconds[0] / seconds[1])
        print(f"  round {number + 1}: {seconds[0]:.4f} s / {seconds[1]:.4f} s = {ratios[-1]:.3f}   load {os.getloadavg()[0]:.1f}",
              flush=True)
    return ratios


def pieces(options, data, work, rows):
    def side(virtual, batch):
        return dataclasses.replace(work, batch=batch), settings(virtual, "auto")

    return compare(options, data, 1, [side(8, rows), side(1, 8 * rows)])


def reduction(options, data, work, ranks, way):
    return compare(options, data, ranks, [(work, settings(ranks, name)) for name in (way, "allreduce")])


def record(rows, what, network, ratios, command):
    print(f"{what}, {network}: {statistics.median(ratios):.3f}", flush=True)
    rows.append([what, network, f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}", f"`{command}`"])


def trainings(options, data, rows):
    for work in NETWORKS:
        work = dataclasses.replace(work, epochs=options.epochs)
        if options.quick:
            work = dataclasses.replace(work, samples=1024)
        for count in (8, 64) if work.hidden == NETWORKS[0].hidden else ():
            record(rows, f"time an epoch: 8 pieces of {count} rows against one of {8 * count}, 1 rank", work.title,
                   pieces(options, data, work, count), "nnmpi … --set parallel.virtual_ranks=8, =1")
        for ranks in map(int, options.ranks.split(",")):
            if ranks > len(CORES):
                print(f"{work.title}, {ranks} ranks: left out, there are only {len(CORES)} cores", flush=True)
                continue
            for way, what in (("auto", "tree, as a node allows it"), ("tree", "tree by messages")):
                record(rows, f"time an epoch: {what}, against MPI_Allreduce, {ranks} ranks", work.title,
                       reduction(options, data, work, ranks, way),
                       f"mpirun -np {ranks} nnmpi … --set parallel.reduction={way}, =allreduce")


def measured(program, options, which):
    """Lines of bench_gemm on all cores: what, m, n, k, our GF/s, oneDNN's."""
    for line in run_quietly([program, "1" if options.quick else "5", which]).splitlines():
        words = line.replace("|", " ").split()
        if len(words) == 9 and words[4] == str(len(CORES)):
            yield words[0], *map(int, words[1:4]), float(words[5]), float(words[7])


def products(options, rows):
    """Speed of nn_gemm() to that of dnnl_sgemm(), both on all cores; the best of five turns, round by round."""
    program = pathlib.Path(options.build) / "scripts/bench/bench_gemm"
    if not program.exists():
        print("products: left out, bench_gemm was not built (oneDNN)", flush=True)
        return
    large, small = [], []
    for _ in range(options.rounds):
        large += [ours / theirs for what, m, n, k, ours, theirs in measured(program, options, "large")
                  if what == "forward" and (m, n, k) == (512, 4096, 4096)]
        seconds = [0.0, 0.0]  # of all products of a step with 64 rows
        for what, m, n, k, ours, theirs in measured(program, options, "small"):
            if (k if what == "weights" else m) == 64 and 512 not in (m, n, k):
                seconds[0] += m * n * k / ours
                seconds[1] += m * n * k / theirs
        small.append(seconds[1] / seconds[0])
    record(rows, f"speed of a product against oneDNN's threads, {len(CORES)} cores", "512×4096×4096", large, "bench_gemm 5 large")
    record(rows, f"speed of a step's products against oneDNN's threads, {len(CORES)} cores", "784-256-128-64-10, 64 rows", small,
           "bench_gemm 5 small")


def main():
    options = arguments()
    print(bench.machine(), flush=True)
    rows = []
    with tempfile.TemporaryDirectory(prefix="nnmpi-bench-") as folder:
        trainings(options, Data(folder, options.build), rows)
    products(options, rows)
    print("\n" + markdown(["figure", "network", "median", "lowest to highest", "command"], rows))


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as failure:
        sys.exit(f"same_bits: {failure}")
