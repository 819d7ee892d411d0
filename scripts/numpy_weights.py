#!/usr/bin/env python3
"""Weights of a dense network as NumPy draws them, in a file for `init: {name: file, path: …}`.

    numpy_weights.py --seed 80085 784 32 32 10 -o weights.h5

default_rng(seed).normal(0, 1/sqrt(in), (in, out)), layer by layer; biases 0. Stored as fc1.weight [out, in], fc1.bias, …
"""

import argparse
import sys

import plotting


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", type=int, nargs="+", help="inputs, units of every layer")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    if len(arguments.sizes) < 2 or min(arguments.sizes) < 1:
        parser.error("at least two sizes, all positive: inputs and outputs")
    try:
        plotting.find_interpreter(("h5py", "numpy"), ("h5py", "numpy"))
    except plotting.Failure as failure:
        sys.exit(f"numpy_weights: {failure}")
    import h5py
    import numpy

    generator = numpy.random.default_rng(arguments.seed)
    with h5py.File(arguments.output, "w") as file:
        for layer, (inputs, outputs) in enumerate(zip(arguments.sizes, arguments.sizes[1:]), 1):
            weights = generator.normal(0, 1 / numpy.sqrt(inputs), (inputs, outputs))
            file[f"fc{layer}.weight"] = weights.T.astype(numpy.float32)
            file[f"fc{layer}.bias"] = numpy.zeros(outputs, numpy.float32)


if __name__ == "__main__":
    main()
