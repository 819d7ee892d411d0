"""The same bits on processors with and without AVX-512 and AVX2: whole trainings with kernels that use less of this one,
alone and side by side in one job, as on a cluster of old and new nodes."""
import os
import sys

import common

DENSE = """
data: {file: t.h5, normalize: standard, valid: test}
model: {layers: [{dense: {units: 37}}, gelu, {dropout: {rate: 0.3}}, {dense: {units: 20}}, tanh, dense]}
train: {loss: cross_entropy, epochs: 3, batch_size: 23, clip_norm: 1, optimizer: {name: adam, lr: 0.01}}
parallel: {virtual_ranks: 4}
"""
LSTM = """
data: {inline: {x: [[[1], [2], [3]], [[3], [4], [-1]], [[0.5], [0.1], [7]]], y: [[0.5], [1.5], [-2]]}, normalize: standard}
model: {layers: [{lstm: {units: 19}}, softplus, {dense: {units: 1}}]}
train: {loss: mse, epochs: 20, batch_size: 3, optimizer: {name: rmsprop, lr: 0.01}}
parallel: {virtual_ranks: 2}
"""
BUILDS = ["nnmpi_avx2", "nnmpi_plain"]


def newest(run):
    folder = os.path.join("runs", run, "checkpoints")
    return os.path.join(folder, sorted(name for name in os.listdir(folder) if name.startswith("step-"))[-1])


def compare(config, first, run):
    said = common.run(0, "inspect", newest(first), newest(run), expect=None).stdout
    if "the same state: yes" not in said:
        sys.exit(f"{config}: {first} and {run} differ:\n{said}")


def main():
    programs = [common.NNMPI] + [os.path.join(os.environ["NNMPI_BUILD"], "tests", name) for name in BUILDS]
    with common.scratch() as folder:
        os.chdir(folder)
        with open("t.csv", "w", encoding="utf-8") as f:
            f.write("a,b,c,kind\n" + "".join(f"{i * 7 % 31 / 3},{i % 3 + i * 5 % 7 / 5},{i * i % 11},k{i % 3}\n" for i in range(150)))
        common.run(0, "import", "csv", "t.csv", "--target", "kind", "-o", "t.h5")
        for config, text in (("dense", DENSE), ("lstm", LSTM)):
            with open(f"{config}.yaml", "w", encoding="utf-8") as f:
                f.write(text)
            for i, program in enumerate(programs):
                run = f"{config}-{i}"
                common.must([program, f"{config}.yaml", "--quiet", "--set", f"run.name={run}"])
                compare(config, f"{config}-0", run)
            mixed = f"{config}-mixed"
            # a shell for each rank chooses: not every launcher can start two programs in one job
            choose = 'if [ "${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}" = 0 ]; then shift; else set -- "$1" "${@:3}"; fi; exec "$@"'
            common.must([*common.MPIRUN, "-n", "2", "bash", "-c", choose, "bash", programs[0], programs[2], f"{config}.yaml", "--quiet",
                         "--set", f"run.name={mixed}"])
            compare(config, f"{config}-0", mixed)
    print(common.run(0, "--version").stdout.splitlines()[-1])


main()
