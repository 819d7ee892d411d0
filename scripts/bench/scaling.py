#!/usr/bin/env python3
"""How training scales with the cores of one machine: samples/s on 1, 2, 4 … cores, beside the ideal.

    scripts/bench/scaling.py [--works W2,W3] [--cores 1,2,4] [--repeats 3] [--csv FILE] [--plot FILE] [--markdown]

strong   the global batch stays: W2's 64 or W3's 1024 samples are shared by the ranks
weak     the batch of a rank stays: with more ranks it is a larger one
threads  one rank, the batch stays, more threads

Numbers of cores are taken in turn in every round. A run's figure is the median of its epochs, a point's the median over the rounds;
efficiency is samples/s over those of one core in the same round times the cores. Columns of the CSV:
work,kind,cores,samples_per_second,efficiency.
"""
import argparse
import csv
import dataclasses
import os
import statistics
import sys
import tempfile

import bench
from bench import CORES, WORKS, Data, Failure, markdown

KINDS = ("strong", "weak", "threads")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0], epilog="\n".join(__doc__.split("\n")[1:]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", default="W2,W3", help="some of " + ",".join(WORKS))
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of %(default)s")
    parser.add_argument("--cores", help="default: 1, 2, 4 … up to those that are allowed")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds; default: %(default)s")
    parser.add_argument("--csv", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help="draw it (.png, .svg, .pdf)")
    parser.add_argument("--markdown", action="store_true", help="print the table as in docs/performance.md")
    parser.add_argument("--build", default="build", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="few samples, one epoch, one round: does it work?")
    options = parser.parse_args()
    options.works, options.kinds = options.works.split(","), options.kinds.split(",")
    for word, known in [(w, WORKS) for w in options.works] + [(k, KINDS) for k in options.kinds]:
        if word not in known:
            parser.error(f"'{word}' is none of {', '.join(known)}")
    if options.cores:
        options.cores = [int(word) for word in options.cores.split(",")]
        if not all(1 <= count <= len(CORES) for count in options.cores):
            parser.error(f"--cores takes numbers from 1 to {len(CORES)}")
    else:
        options.cores = sorted({min(2**i, len(CORES)) for i in range(len(CORES).bit_length() + 1)})
    return options


class Series:
    """One kind of scaling of one network: rates by cores, a list over rounds each."""

    def __init__(self, name, kind, cores):
        self.name, self.kind = name, kind
        self.work = WORKS[name]
        # fewer samples than ranks cannot be shared
        self.cores = [c for c in cores if kind != "strong" or self.work.batch % c == 0]
        self.rates = {count: [] for count in self.cores}

    def round(self, options, data):
        for count in self.cores:
            batch = self.work.batch // count if self.kind == "strong" else self.work.batch
            work = dataclasses.replace(self.work, batch=batch)
            if options.quick:
                work = dataclasses.replace(work, samples=self.work.batch * 8, epochs=1)
            ranks, threads = (1, count) if self.kind == "threads" else (count, 1)
            seconds, _ = bench.train(data, work, ranks, threads)
            self.rates[count].append(work.samples / statistics.median(seconds))
            print(f"  {self.name} {self.kind:7} {count:3} cores {self.rates[count][-1]:11,.0f} samples/s   load {os.getloadavg()[0]:.1f}",
                  flush=True)

    def rate(self, count):
        return statistics.median(self.rates[count])

    def speed_up(self, count):
        """Over the fewest cores that were measured, as if those scaled perfectly."""
        first = self.cores[0]
        return statistics.median(r / one * first for r, one in zip(self.rates[count], self.rates[first]))

    def records(self):
        for count in self.cores:
            yield self.name, self.kind, count, self.rate(count), self.speed_up(count) / count


def draw(series, path):
    """Speed-up over cores; a panel for each kind, a line for each network, the ideal dashed."""
    pyplot, colours = bench.pyplot()
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in series)]
    names = list(dict.fromkeys(one.name for one in series))
    figure, panels = pyplot.subplots(1, len(kinds), figsize=(3.6 * len(kinds), 3.8), squeeze=False, sharey=True)
    for axes, kind in zip(panels[0], kinds):
        most = max(max(one.cores) for one in series)
        axes.plot([1, most], [1, most], color="black", linestyle="--", linewidth=1, label="ideal")
        for one in series:
            if one.kind == kind:
                axes.plot(one.cores, [one.speed_up(c) for c in one.cores], marker="o", color=colours[names.index(one.name)],
                          label=f"{one.name} {one.work.title}, batch {one.work.batch}")
        axes.set_title({"strong": "strong: ranks share a batch", "weak": "weak: a batch for each rank",
                        "threads": "threads of one rank"}[kind])
        axes.set_xlabel("cores")
        axes.set_xticks(sorted({c for one in series for c in one.cores}))
        axes.set_xlim(left=0.9)
        axes.set_ylim(bottom=0)
    panels[0][0].set_ylabel("speed-up over one core")
    panels[0][-1].legend(loc="upper left", fontsize=7)
    figure.savefig(path, dpi=150)


def main():
    options = arguments()
    if options.plot:
        bench.need_matplotlib()
    series = [Series(name, kind, options.cores) for name in options.works for kind in options.kinds]
    print(bench.machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="nnmpi-bench-") as folder:
        data = Data(folder, options.build)
        for number in range(1 if options.quick else options.repeats):
            print(f"round {number + 1}", flush=True)
            for one in series:
                one.round(options, data)
    records = [record for one in series for record in one.records()]
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["work", "kind", "cores", "samples_per_second", "efficiency"])
            out.writerows([name, kind, cores, f"{rate:.1f}", f"{efficiency:.4f}"] for name, kind, cores, rate, efficiency in records)
    if options.plot:
        draw(series, options.plot)
    if options.markdown:
        print("\n" + markdown(["work", "scaling", "cores", "samples/s", "efficiency"],
                              [[f"{name} {WORKS[name].title}", kind, str(cores), f"{rate:,.0f}", f"{efficiency:.0%}"]
                               for name, kind, cores, rate, efficiency in records]))


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as failure:
        sys.exit(f"scaling: {failure}")
