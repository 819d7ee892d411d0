#!/usr/bin/env python3
"""nnmpi beside what would be run instead: PyTorch and JAX on CPUs, whole epochs, in one run, as shares of the FMA peak.

    scripts/bench/compare_peers.py                                      everything; half an hour
    scripts/bench/compare_peers.py --works W2,W3 --layouts 2x1 --csv peers.csv --plot peers.png --markdown

PyTorch and JAX come from PyPI (or the index that pip is set to) into a virtual environment of their own (--venv); nothing else is
installed. What they run is in scripts/bench/peers/. A layout is ranks x threads; a batch is meant for each rank.

In every round each system has its turn. A run trains for some epochs; the first does not count. A row's figures are medians over
the rounds of medians over epochs; ratios are medians over the rounds, too, against the peer that is fastest. NumPy, by which such a
network is written by hand, has its turn where the batch is one sample. nnmpi runs as a user runs it: mpirun, all defaults, so that
every epoch is shuffled, metrics and history are kept and a checkpoint is written after it. Its seconds are those of metrics.csv:
training, without the checkpoint behind it.
The limit is the FMA peak of as many cores, measured in every round. On several cores, how far apart two of them are is measured before and
after every run: the nanoseconds that a word takes from one to the other and back. A virtual machine's cores may change places at any time.

First step: from the launch to the end of the first step, in which a peer imports, reads and compiles; where an epoch is
compiled as a whole, less the time of the steps behind the first. Beside it: until a program that does nothing else has started MPI.
Memory: the most that one rank had resident (VmHWM). Operations of a sample are those of its matrix products alone.

Columns of the CSV: work,layout,system,samples_per_second,share_of_peak,first_step_s,rss_mib. The system `limit` is the FMA peak and the
program that only starts MPI.
"""
import argparse
import csv
import dataclasses
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

import bench
from bench import CORES, HERE, LEARNING_RATE, WORKS, Data, Failure, Watched, layout, markdown, on_cores, run_quietly

PEERS = {  # name: program, options
    "torch": ("torch_train.py", []),
    "torch_compile": ("torch_train.py", ["--compile"]),
    "jax": ("jax_train.py", []),
    "numpy": ("numpy_train.py", []),
}
SYSTEMS = ["nnmpi", *PEERS]
NAMES = {"nnmpi": "nnmpi", "torch": "PyTorch", "torch_compile": "PyTorch, compiled", "jax": "JAX", "numpy": "NumPy", "limit": "limit"}
DEFAULT_LAYOUTS = {"W1": ["1x1"]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0], epilog="\n".join(__doc__.split("\n")[1:]),
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", default=",".join(WORKS), help="some of %(default)s")
    parser.add_argument("--layouts", help="ranks x threads, as 1x1,1x2,2x1: the default; W1 has 1x1 alone")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="some of %(default)s")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds; default: %(default)s")
    parser.add_argument("--csv", metavar="FILE", help="write all figures")
    parser.add_argument("--plot", metavar="FILE", help="draw them (.png, .svg, .pdf)")
    parser.add_argument("--markdown", action="store_true", help="print the table as in docs/performance.md")
    parser.add_argument("--build", default="build", metavar="FOLDER", help="where nnmpi and the target bench were built")
    parser.add_argument("--venv", metavar="FOLDER", default=os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "nnmpi", "peers"),
                        help="virtual environment of the peers, made where it is not there; default: %(default)s")
    parser.add_argument("--processor-time", action="store_true", help="count processor seconds instead of the clock, on one "
                        "core: for machines that others use, too; nnmpi's then have its checkpoints in them")
    parser.add_argument("--quick", action="store_true", help="few samples, one epoch, one round: does it work?")
    options = parser.parse_args()
    options.works, options.systems = options.works.split(","), options.systems.split(",")
    for word, known in [(w, WORKS) for w in options.works] + [(s, SYSTEMS) for s in options.systems]:
        if word not in known:
            parser.error(f"'{word}' is none of {', '.join(known)}")
    if options.processor_time and options.layouts not in (None, "1x1"):
        parser.error("--processor-time is for one core: --layouts 1x1")
    if options.processor_time:
        options.layouts = "1x1"
    if options.repeats < 1:
        parser.error("--repeats takes a number from 1")
    return options


# ---- systems -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Figures:
    rate: float  # samples/s of all ranks
    first: float  # seconds from the launch to the first step's end
    rss: float  # MiB


def peers_python(folder):
    """The interpreter of the virtual environment; makes it and installs what is missing."""
    folder = pathlib.Path(folder)
    python, wanted = folder / "bin/python", HERE / "peers/requirements.txt"
    if not python.exists():
        print(f"making {folder}", flush=True)
        run_quietly([sys.executable, "-m", "venv", folder])
    probe = [python, "-c", "import jax, torch; print('PyTorch', torch.__version__, 'and JAX', jax.__version__)"]
    if subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        print(f"installing what {wanted.name} names into {folder}", flush=True)
        run_quietly([python, "-m", "pip", "install", "--quiet", "-r", wanted])
    print(run_quietly(probe).strip(), flush=True)
    return python


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def run_peer(system, python, data, work, ranks, threads, clock="epoch"):
    """One process a rank, each on cores of its own."""
    program, options = PEERS[system]
    task = {**dataclasses.asdict(work), "epochs": work.epochs + 1, "threads": threads, "lr": LEARNING_RATE}
    data.prepare(work.samples)
    command = [python, HERE / "peers" / program, data.folder, json.dumps(task), *options]
    common = {**os.environ, "OMP_NUM_THREADS": str(threads), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1",
              "MASTER_PORT": free_port(), "TORCHINDUCTOR_CACHE_DIR": str(data.folder / "inductor"), "PYTHONWARNINGS": "ignore"}
    watched = Watched([[*on_cores(CORES[r * threads:(r + 1) * threads]), *command] for r in range(ranks)], data.folder,
                      [{**common, "RANK": str(r)} for r in range(ranks)])
    lines = [line.split() for line in watched.output.decode().splitlines()]
    seconds = statistics.median(float(words[1]) for words in [line for line in lines if line[:1] == [clock]][1:])
    at, steps = next(line[1:] for line in lines if line[:1] == ["first_steps"])
    later = (int(steps) - 1) * seconds / (work.samples // (work.batch * ranks))
    return Figures(work.samples / seconds, float(at) - watched.launched - later, watched.rss)


def run_nnmpi(data, work, ranks, threads):
    """The bar that a user sees on a terminal is drawn for the first time when the first step is done."""
    seconds, watched = bench.train(data, work, ranks, threads)
    return Figures(work.samples / statistics.median(seconds), watched.seconds_to(b"\r"), watched.rss)


def processor_rate(data, work):
    """Samples per processor second: what more epochs cost more."""
    once, more = (bench.processor_seconds(data, work, epochs) for epochs in (1, 1 + 2 * work.epochs))
    if more <= once:
        raise Failure(f"{work.epochs} epochs of {work.samples} samples are too few to be counted in processor seconds")
    return 2 * work.epochs * work.samples / (more - once)


def run_empty(data, ranks, threads):
    command = [*on_cores(CORES[:ranks * threads]), *bench.MPIRUN, "-np", ranks, f"{data.build}/scripts/bench/empty_mpi"]
    return Watched([command], data.folder).seconds_to(b"started")


# ---- the comparison ----------------------------------------------------------------------------------


class Row:
    """A work at a layout: what every system did in each round."""

    def __init__(self, name, work, at):
        self.name, self.work, self.layout = name, work, at
        self.ranks, self.threads = layout(at)
        self.runs, self.broken, self.peaks, self.empty = {}, {}, [], []

    def round(self, options, data, python):
        cores = self.ranks * self.threads
        self.peaks.append(bench.peak(options.build, cores))
        self.empty.append(run_empty(data, self.ranks, self.threads))
        for system in options.systems:
            if system in self.broken or (system == "numpy" and self.work.batch > 1):
                continue
            before = bench.round_trip(options.build) if cores > 1 else 0
            try:
                if system == "nnmpi":
                    figures = run_nnmpi(data, self.work, self.ranks, self.threads)
                    if options.processor_time:
                        figures.rate = processor_rate(data, self.work)
                else:
                    figures = run_peer(system, python, data, self.work, self.ranks, self.threads,
                                       "processor" if options.processor_time else "epoch")
            except Failure as failure:
                if system == "nnmpi":
                    raise
                self.broken[system] = str(failure)
                print(f"{NAMES[system]} is left out: {failure}", file=sys.stderr, flush=True)
                continue
            self.runs.setdefault(system, []).append(figures)
            path = f"   cores {before:.0f}, {bench.round_trip(options.build):.0f} ns apart" if cores > 1 else ""
            print(f"  {self.name} {self.layout} {system:14} {figures.rate:11,.0f} samples/s {self.share(figures.rate):6.1%} of the peak, "
                  f"first step {figures.first:6.2f} s, {figures.rss:6.0f} MiB   load {os.getloadavg()[0]:.1f}{path}", flush=True)

    def share(self, rate):
        return rate * self.work.flops() / 1e9 / statistics.median(self.peaks)

    def limit(self):
        """Samples/s at the peak."""
        return statistics.median(self.peaks) * 1e9 / self.work.flops()

    def median(self, system, what):
        return statistics.median(getattr(run, what) for run in self.runs[system])

    def fastest_peer(self):
        peers = [system for system in self.runs if system != "nnmpi"]
        return max(peers, key=lambda system: self.median(system, "rate"), default=None)

    def ratio(self):
        """nnmpi's rate to that of the fastest peer, round by round."""
        peer = self.fastest_peer()
        if peer is None or "nnmpi" not in self.runs:
            return None
        return statistics.median(own.rate / other.rate for own, other in zip(self.runs["nnmpi"], self.runs[peer]))

    def records(self):
        for system in self.runs:
            rate = self.median(system, "rate")
            yield [self.name, self.layout, system, f"{rate:.1f}", f"{self.share(rate):.4f}",
                   f"{self.median(system, 'first'):.3f}", f"{self.median(system, 'rss'):.1f}"]
        yield [self.name, self.layout, "limit", f"{self.limit():.1f}", "1.0000", f"{statistics.median(self.empty):.3f}", ""]


def quick(work):
    return dataclasses.replace(work, samples=work.batch * 8, epochs=1)


def plan(options):
    """Rows that this machine has cores for."""
    for name in options.works:
        layouts = options.layouts.split(",") if options.layouts else DEFAULT_LAYOUTS.get(name, ["1x1", "1x2", "2x1"])
        for at in layouts:
            ranks, threads = layout(at)
            if ranks * threads > len(CORES):
                print(f"{name} {at} is left out: it needs {ranks * threads} cores, {len(CORES)} are allowed", flush=True)
                continue
            work = quick(WORKS[name]) if options.quick else WORKS[name]
            if work.samples % (work.batch * ranks):
                work = dataclasses.replace(work, samples=work.samples // (work.batch * ranks) * work.batch * ranks)
            yield Row(name, work, at)


def table(rows):
    head = ["work", "batch a rank", "layout", "nnmpi, samples/s", "of the peak", "fastest peer, samples/s", "times the peer",
            "first step, s (empty MPI program, fastest peer)", "memory a rank, MiB (least peer)"]
    lines = []
    for row in rows:
        peer, ratio, own = row.fastest_peer(), row.ratio(), "nnmpi" in row.runs
        others = [system for system in row.runs if system != "nnmpi"]
        empty = f"{statistics.median(row.empty):.2f}"
        first = f"{row.median('nnmpi', 'first'):.2f}" if own else "–"
        memory = f"{row.median('nnmpi', 'rss'):.0f}" if own else "–"
        lines.append([
            f"{row.name} {row.work.title}", str(row.work.batch), row.layout.replace("x", "×"),
            f"{row.median('nnmpi', 'rate'):,.0f}" if own else "–",
            f"{row.share(row.median('nnmpi', 'rate')):.1%}" if own else "–",
            f"{NAMES[peer]} {row.median(peer, 'rate'):,.0f}" if peer else "–",
            f"{ratio:.2f}" if ratio else "–",
            f"{first} ({empty}, {min(row.median(s, 'first') for s in others):.2f})" if others else f"{first} ({empty}, –)",
            f"{memory} ({min(row.median(s, 'rss') for s in others):.0f})" if others else memory])
    return markdown(head, lines)


# ---- the picture -------------------------------------------------------------------------------------


def draw(rows, path):
    """Bars are shares of the peak, so that all networks fit on one axis; the line at 100 % is the limit."""
    pyplot, colours = bench.pyplot()
    present = [system for system in SYSTEMS if any(system in row.runs for row in rows)]
    figure, axes = pyplot.subplots(figsize=(max(6.5, 1.5 + 1.05 * len(rows)), 4.6))
    width = 0.8 / len(present)
    for number, system in enumerate(present):
        for index, row in enumerate(rows):
            if system not in row.runs:
                continue
            rate = row.median(system, "rate")
            x = index + (number - (len(present) - 1) / 2) * width
            axes.bar(x, 100 * row.share(rate), width * 0.92, color=colours[SYSTEMS.index(system)])
            axes.annotate(f"{rate:,.0f}", (x, 100 * row.share(rate)), (0, 3), textcoords="offset points", ha="center",
                          va="bottom", rotation=90, fontsize=7)
    axes.axhline(100, color="black", linewidth=1.2, linestyle="--")
    axes.annotate("FMA peak measured in the same run", (0, 100), (4, 3), xycoords=("axes fraction", "data"),
                  textcoords="offset points", fontsize=8)
    axes.set_xticks(range(len(rows)), [f"{row.name}\n{row.layout.replace('x', ' × ')}" for row in rows])
    axes.set_xlabel("work, ranks × threads")
    axes.set_ylabel("share of the FMA peak (%)")
    axes.set_ylim(0, 112)
    axes.grid(axis="x", visible=False)
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colours[SYSTEMS.index(system)]) for system in present]
    axes.legend(handles, [NAMES[system] for system in present], loc="lower center", bbox_to_anchor=(0.5, 1.01), ncol=len(present))
    figure.savefig(path, dpi=150)


def main():
    options = arguments()
    if options.plot:
        bench.need_matplotlib()
    if shutil.which("taskset") is None:
        raise Failure("taskset is missing (Debian: util-linux)")
    rows = list(plan(options))
    if not rows:
        raise Failure("nothing to measure")
    print(bench.machine(), flush=True)
    python = peers_python(options.venv) if set(options.systems) & set(PEERS) else None
    with tempfile.TemporaryDirectory(prefix="nnmpi-bench-") as folder:
        data = Data(folder, options.build)
        data.prepare(max(row.work.samples for row in rows))
        for number in range(1 if options.quick else options.repeats):
            print(f"round {number + 1}", flush=True)
            for row in rows:
                row.round(options, data, python)
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["work", "layout", "system", "samples_per_second", "share_of_peak", "first_step_s", "rss_mib"])
            out.writerows(record for row in rows for record in row.records())
    if options.plot:
        draw(rows, options.plot)
    if options.markdown:
        print("\n" + table(rows))


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as failure:
        sys.exit(f"compare_peers: {failure}")
