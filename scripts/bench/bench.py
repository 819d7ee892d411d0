"""What the benchmarks share: networks and data, the limit of the machine, starting programs and watching them."""
import csv
import importlib
import os
import pathlib
import random
import re
import resource
import selectors
import shlex
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import plotting  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
MPIRUN = shlex.split(os.environ.get("NNMPI_MPIRUN", "mpirun --bind-to none"))
if os.geteuid() == 0:  # as in a container: launchers refuse it otherwise
    for name in ("OMPI", "PRTE"):
        os.environ[f"{name}_ALLOW_RUN_AS_ROOT"] = os.environ[f"{name}_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
SIDE, CLASSES = 28, 10


class Failure(Exception):
    """One line for the user."""


# ---- the work ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """A network and how it is trained: plain SGD on cross entropy. `samples` of an epoch; its batches are whole on one and two ranks."""
    title: str
    hidden: tuple
    batch: int  # of a rank
    samples: int
    epochs: int  # that are timed in a run, behind one that is not
    activation: str = "relu"
    lstm: int = 0

    def flops(self):
        """Of a sample, in matrix products alone: 2 for each weight going forward, 2 for its gradient, 2 for the gradient of its input,
        which the first layer does not need."""
        if self.lstm:
            gates = 4 * self.lstm
            return SIDE * gates * (4 * SIDE + 6 * self.lstm) + 6 * self.lstm * CLASSES
        widths = [SIDE * SIDE, *self.hidden, CLASSES]
        weights = [a * b for a, b in zip(widths, widths[1:])]
        return 6 * sum(weights) - 2 * weights[0]

    def model(self):
        """As nnmpi's configuration has it."""
        if self.lstm:
            return f"{{layers: [{{lstm: {{units: {self.lstm}}}}}, dense]}}"
        return f"{{hidden: {list(self.hidden)}, activation: {self.activation}}}"


SMALL = (256, 128, 64)
WORKS = {
    "W1": Work("784-32-32-10 sigmoid", (32, 32), 1, 20000, 3, activation="sigmoid"),
    "W2": Work("784-256-128-64-10", SMALL, 64, 59904, 4),
    "W3": Work("784-256-128-64-10", SMALL, 1024, 59392, 4),
    "W4": Work("784-4096-4096-10", (4096, 4096), 512, 4096, 2),
    "W5": Work("LSTM 28 × 28 → 128 → 10", (), 64, 12800, 3, lstm=128),
}
LEARNING_RATE = 0.01


def layout(text):
    """"2x1": ranks, threads."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise Failure(f"'{text}' is no layout: ranks x threads, as 2x1")
    return int(match[1]), int(match[2])


class Data:
    """Random bytes as pictures: files for nnmpi and for its peers, made as they are asked for."""

    def __init__(self, folder, build):
        self.folder, self.build = pathlib.Path(folder), build
        self.made = 0
        self.random = random.Random(1)

    def prepare(self, samples):
        """At least so many samples in x.bin and y.bin."""
        if self.made >= samples:
            return
        (self.folder / "x.bin").write_bytes(self.random.randbytes(samples * SIDE * SIDE))
        (self.folder / "y.bin").write_bytes(bytes(self.random.choices(range(CLASSES), k=samples)))
        self.made = samples

    def h5(self, samples):
        """The first of them as nnmpi's data set."""
        path = self.folder / f"{samples}.h5"
        if path.exists():
            return path
        self.prepare(samples)
        for name, shape in (("x", (samples, SIDE, SIDE)), ("y", (samples,))):
            with open(self.folder / f"{name}.bin", "rb") as file, open(self.folder / f"{name}.idx", "wb") as out:
                out.write(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape))
                size = SIDE * SIDE if name == "x" else 1
                out.write(file.read(samples * size))
        run_quietly([f"{self.build}/nnmpi", "import", "idx", "--images", self.folder / "x.idx", "--labels", self.folder / "y.idx",
                     "-o", path])
        return path


# ---- programs ----------------------------------------------------------------------------------------


def run_quietly(command, **options):
    """Standard output; fails with what the program said."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, check=False,
                              **options)
    except OSError as error:
        raise Failure(f"{words[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Failure(f"{shlex.join(words)} ended with {done.returncode}:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout


def on_cores(cores):
    return ["taskset", "-c", ",".join(map(str, cores))]


def limit(build, count, name, *arguments):
    program = pathlib.Path(build) / "scripts/bench/peak"
    if not program.exists():
        raise Failure(f"{program} is not there: cmake --build {build} --target bench")
    text = run_quietly([*on_cores(CORES[:count]), program, *arguments])
    return float(re.search(rf"^{name} ([\d.]+)", text, re.M)[1])


def peak(build, count):
    """GFLOP/s that so many cores do at most, measured now."""
    return limit(build, count, "peak_gflops_all_cores")


def round_trip(build):
    """Nanoseconds from one core to another and back, measured now."""
    return limit(build, 2, "round_trip_ns", "--round-trip")


def resident(pid):
    """The largest peak of resident memory, in MiB, among a process and its descendants; 0 where it is gone."""
    largest, waiting = 0.0, [pid]
    while waiting:
        process = waiting.pop()
        try:
            waiting += map(int, pathlib.Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split())
            status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            continue
        match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
        largest = max(largest, int(match[1]) / 1024 if match else 0)
    return largest


class Watched:
    """Processes that belong together: when the first one wrote what, and the most memory that any of them took."""

    LOOK = 0.2  # seconds between looks at memory

    def __init__(self, commands, folder, environments=None, limit=900):
        self.output, self.arrivals, self.rss = b"", [], 0.0
        self.launched = time.monotonic()
        processes = []
        with open(pathlib.Path(folder) / "stderr.txt", "w+b") as errors:
            try:
                for index, command in enumerate(commands):
                    processes.append(subprocess.Popen(
                        [str(word) for word in command], stdin=subprocess.DEVNULL, stderr=errors,
                        stdout=subprocess.PIPE if index == 0 else subprocess.DEVNULL,
                        env=environments[index] if environments else None, start_new_session=True))
                self._follow(processes, limit)
                codes = [process.wait(timeout=30) for process in processes]
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Failure(f"{shlex.join(map(str, commands[0]))}: {error}") from error
            finally:
                for process in processes:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)
                        process.wait()
                if processes:
                    processes[0].stdout.close()
            errors.seek(0)
            said = (self.output + errors.read()).decode(errors="replace").strip()
        if any(codes):
            raise Failure(f"{shlex.join(map(str, commands[0]))} ended with {max(codes, key=abs)}:\n{said[-1500:]}")

    def _follow(self, processes, limit):
        pipe = processes[0].stdout.fileno()
        looked = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                ready = selector.select(timeout=self.LOOK)
                now = time.monotonic()
                if ready:
                    data = os.read(pipe, 1 << 16)
                    if not data:
                        return
                    self.arrivals.append((now, data))
                    self.output += data
                if now - looked >= self.LOOK:
                    looked = now
                    self.rss = max(self.rss, *(resident(process.pid) for process in processes))
                if now - self.launched > limit:
                    raise subprocess.TimeoutExpired(processes[0].args, limit)

    def seconds_to(self, mark):
        """From the launch until the first output with `mark` in it arrived."""
        for when, data in self.arrivals:
            if mark in data:
                return when - self.launched
        raise Failure(f"the program never printed {mark!r}")


CONFIG = """
run: {{name: run, folder: "{folder}", progress: bar}}
data: {{file: "{data}", scale: 255}}
model: {model}
train: {{loss: cross_entropy, epochs: {epochs}, batch_size_per_rank: {batch}, optimizer: {{name: sgd, lr: {lr}}}}}
{more}
"""


def train(data, work, ranks, threads, more="", cores=None):
    """nnmpi as a user runs it, with all defaults, on ranks × threads cores: (seconds of each epoch but the first, what was watched)."""
    folder = data.folder
    config = folder / "run.yaml"
    config.write_text(CONFIG.format(folder=folder, data=data.h5(work.samples), model=work.model(), epochs=work.epochs + 1,
                                    batch=work.batch, lr=LEARNING_RATE, more=more), encoding="utf-8")
    allowed = (cores or CORES)[:ranks * threads]
    command = [*on_cores(allowed), *MPIRUN, "-np", ranks, f"{data.build}/nnmpi", config, "--restart"]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    watched = Watched([command], folder, [environment])
    with open(folder / "run/metrics.csv", encoding="utf-8") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return seconds[1:], watched


def processor_seconds(data, work, epochs):
    """Of nnmpi on one core, all its threads, from start to end."""
    folder = data.folder
    config = folder / "run.yaml"
    config.write_text(CONFIG.format(folder=folder, data=data.h5(work.samples), model=work.model(), epochs=epochs, batch=work.batch,
                                    lr=LEARNING_RATE, more=""), encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_quietly([*on_cores(CORES[:1]), f"{data.build}/nnmpi", config, "--restart"])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# ---- what is printed and drawn -----------------------------------------------------------------------


def machine():
    """One line."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    name = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    load = os.getloadavg()[0]
    return f"{name[1] if name else 'unknown processor'}, {len(CORES)} cores, load {load:.1f} at the start"


def markdown(head, rows):
    """A table as text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def need_matplotlib():
    """Go on with the system's Python where this one cannot draw."""
    try:
        plotting.find_interpreter(["matplotlib"], ["matplotlib"])
    except plotting.Failure as failure:
        raise Failure(f"--plot: {failure}") from failure
    importlib.import_module("matplotlib").use("Agg")


def pyplot():
    """Styled as all pictures of nnmpi."""
    plot = importlib.import_module("matplotlib.pyplot")
    plotting.style(plot)
    return plot, plotting.COLOURS
