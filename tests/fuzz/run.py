"""Fuzzing: the corpus once, then new inputs where the targets are built with libFuzzer.

    tests/fuzz/run.py [SECONDS [TARGET…]]

$NNMPI_BUILD is the build with the targets (`cmake -DNNMPI_FUZZ=ON` with Clang; else they only replay the corpus). What
libFuzzer finds is run once more by itself. A crash inside libhdf5, which is not ours and whose readers of damaged files
have bugs, is counted; any other is a failure, and its input is kept under $NNMPI_BUILD/fuzz-found. The corpus is made
here: h5py's and nnmpi's own small files, the configurations of configs/, and tests/fuzz/found/, what once failed."""
import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

source = os.environ["NNMPI_SOURCE"]
build = os.environ["NNMPI_BUILD"]
nnmpi = os.environ["NNMPI"]
TARGETS = ("config", "dataset", "checkpoint", "tables")
LARGEST = 1 << 17  # bytes of an input: larger ones teach nothing new

ENVIRONMENT = dict(os.environ)
ENVIRONMENT["OMP_NUM_THREADS"] = "1"
# HDF5 asks for absurd amounts of memory, is refused, and forgets some of what it had.
ENVIRONMENT["ASAN_OPTIONS"] = "allocator_may_return_null=1:detect_leaks=0:handle_abort=1:symbolize=1"
ENVIRONMENT["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"

LAYERS = """
run: {name: seed}
data: {inline: {x: [[1, 2], [3, 4], [5, 6]], y: [0, 1, 2]}}
model: {hidden: [3], activation: tanh}
train: {loss: cross_entropy, epochs: 2, batch_size: 3, optimizer: {name: adam, lr: 0.1}}
"""
LSTM = """
run: {name: seed}
data: {inline: {x: [[[1], [2]], [[3], [4]]], y: [[0.5], [1.5]]}, normalize: standard, normalize_targets: standard}
model: {layers: [{lstm: {units: 2, output: last}}, {dense: {units: 1}}]}
train: {loss: mse, epochs: 1, batch_size: 2, optimizer: {name: sgd, lr: 0.1, momentum: 0.5}}
"""


def run(*words, **options):
    options.setdefault("env", ENVIRONMENT)
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False, **options)


def must(*words, **options):
    done = run(*words, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}:\n{done.stdout.decode(errors='replace')}")


def keep(folder, files):
    """Copies of files into a target's corpus; whole paths make the names."""
    os.makedirs(folder, exist_ok=True)
    for path in files:
        if os.path.isfile(path) and os.path.getsize(path) <= LARGEST:
            shutil.copyfile(path, os.path.join(folder, os.path.relpath(path, "/").replace("/", "-")[-120:]))


def make_checkpoints(scratch):
    for name, text in (("layers", LAYERS), ("lstm", LSTM)):
        folder = os.path.join(scratch, name)
        os.makedirs(folder)
        with open(os.path.join(folder, "config.yaml"), "w", encoding="utf-8") as f:
            f.write(text)
        must(nnmpi, "config.yaml", "--quiet", cwd=folder)
    checkpoints = []
    for path in glob.glob(os.path.join(scratch, "*", "runs", "seed", "**", "*.h5"), recursive=True):
        with open(path, "rb") as f:  # the target adds the trailer itself
            image = f.read()[:-24]
        with open(path + ".image", "wb") as f:
            f.write(image)
        checkpoints.append(path + ".image")
    return checkpoints


def make_tables(scratch):
    """A letter, then a CSV file, or IDX images with the labels of four samples behind them."""
    os.makedirs(scratch)
    pixels = struct.pack(">iiii", 0x803, 4, 2, 2) + bytes(range(16))
    labels = struct.pack(">ii", 0x801, 4) + bytes((0, 1, 0, 1))
    texts = {
        "numbers": b"cy,a,b\n" + b"".join(b"%d,%d,%d.5e-1\n" % (i % 2, i, -i) for i in range(12)),
        "names": b"c\xef\xbb\xbf\"y\";a\r\n" + b"".join(b"\"k%d \"\"q\"\"\";%d\r\n" % (i % 3, i) for i in range(12)),
        "idx": b"i" + pixels + labels,
    }
    paths = []
    for name, text in texts.items():
        paths.append(os.path.join(scratch, name))
        with open(paths[-1], "wb") as f:
            f.write(text)
    return paths


def make_corpus(scratch):
    strange = os.path.join(scratch, "strange")
    os.makedirs(strange)
    must(sys.executable, os.path.join(source, "tests", "data", "h5io_strange_files.py"), strange)
    must(sys.executable, os.path.join(source, "tests", "fuzz", "seeds.py"), strange)
    corpus = os.path.join(scratch, "corpus")
    keep(f"{corpus}/config", glob.glob(os.path.join(source, "configs", "**", "*.yaml"), recursive=True))
    keep(f"{corpus}/dataset", glob.glob(os.path.join(strange, "*.h5")))
    keep(f"{corpus}/checkpoint", make_checkpoints(os.path.join(scratch, "runs")))
    keep(f"{corpus}/tables", make_tables(os.path.join(scratch, "tables")))
    for target in TARGETS:
        keep(f"{corpus}/{target}", glob.glob(os.path.join(source, "tests", "fuzz", "found", target, "*")))
    return corpus


def guilty(report):
    """The library of the innermost frame that is not the sanitizer's or libc's."""
    for line in report.splitlines():
        frame = re.match(r"\s*#\d+ 0x[0-9a-f]+ (?:in )?(.*)", line)
        if frame is None:
            continue
        what = frame.group(1)
        if re.search(r"__asan|__interceptor|__sanitizer|__ubsan|libc\.so|libc-|/libc/|fuzzer::|compiler-rt|^((_*mem|_*str)\w+|free|malloc|calloc|realloc) ", what):
            continue
        return what
    return report.splitlines()[-1] if report.splitlines() else "no report"


def again(program, path):
    """Runs one input: None where it passes, else its report. First absurd amounts of memory are refused, then they end it."""
    for refused in (1, 0):
        options = f"{ENVIRONMENT['ASAN_OPTIONS']}:max_allocation_size_mb=2048:allocator_may_return_null={refused}"
        try:
            done = run(program, path, "-malloc_limit_mb=0", "-rss_limit_mb=0", env=dict(ENVIRONMENT, ASAN_OPTIONS=options))
        except subprocess.TimeoutExpired:
            return "#0 0x0 in no end after 120 s"
        if done.returncode != 0:
            return done.stdout.decode(errors="replace")
    return None


def replay(program, corpus):
    files = sorted(glob.glob(os.path.join(corpus, "*")))
    if not files:
        return "it is empty"
    done = run(program, *files)
    return None if done.returncode == 0 else done.stdout.decode(errors="replace")


def look(program, corpus, found, seconds):
    os.makedirs(found, exist_ok=True)
    words = [program, corpus, f"-artifact_prefix={found}/", f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-fork=1",
             "-ignore_crashes=1", "-ignore_ooms=1", "-ignore_timeouts=0", "-timeout=30", "-rss_limit_mb=4096", "-malloc_limit_mb=2048"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT, timeout=seconds + 300,
                          cwd=found, check=False)
    text = done.stdout.decode(errors="replace")
    counts = re.findall(r"^#(\d+): cov: (\d+)", text, re.MULTILINE)
    inputs, cover = counts[-1] if counts else ("?", "?")
    return inputs, cover


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    targets = sys.argv[2:] or TARGETS
    failed = 0
    with tempfile.TemporaryDirectory(prefix="nnmpi-fuzz-") as scratch:
        corpus = make_corpus(scratch)
        for target in targets:
            program = os.path.join(build, "tests", "fuzz", f"fuzz_{target}")
            inputs = os.path.join(corpus, target)
            report = replay(program, inputs)
            if report is not None:
                failed += 1
                print(f"{target}: the corpus fails:\n{report}")
                continue
            print(f"{target}: {len(os.listdir(inputs))} inputs of the corpus pass", flush=True)
            with open(program, "rb") as f:
                if b"LLVMFuzzerCustomMutator" not in f.read() or seconds == 0:
                    continue
            found = os.path.join(build, "fuzz-found", target)
            shutil.rmtree(found, ignore_errors=True)
            number, cover = look(program, inputs, found, seconds)
            foreign = 0
            for path in sorted(glob.glob(f"{found}/*")):
                report = again(program, path)
                if report is None or "libhdf5" in guilty(report):
                    foreign += report is not None
                    os.unlink(path)
                    continue
                failed += 1
                print(f"{target}: {path} fails in {guilty(report)}")
                print("\n".join(report.splitlines()[:25]))
            print(f"{target}: {number} new inputs in {seconds} s, {cover} edges; {foreign} crash inside libhdf5", flush=True)
    sys.exit(1 if failed else 0)


main()
