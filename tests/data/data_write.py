"""A data set as somebody else's script would write it, for test_data_dataset.c."""
import sys

import h5py
import numpy as np


def samples(count):
    i, j, k = np.ogrid[:count, :5, :4]
    return ((100 * i + 10 * j + k) % 251).astype(np.uint8)


with h5py.File(sys.argv[1], "w") as file:
    file.create_dataset("train/x", data=samples(1000), chunks=(37, 5, 4), compression="gzip", shuffle=True)
    file["train/y"] = np.arange(1000, dtype=">i4") % 3
    file.create_dataset("test/x", data=samples(10), chunks=(3, 5, 4), fletcher32=True)
    file["test/y"] = (np.arange(10) % 3).astype(float)
    file["class_names"] = ["rot", "grün", "blau"]
