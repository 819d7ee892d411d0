"""Small data sets of every kind that is read, for the corpus: python3 seeds.py FOLDER"""
import os
import sys

import h5py
import numpy as np

folder = sys.argv[1]


def data_set(name, x, y, names=None, **how):
    with h5py.File(os.path.join(folder, name), "w", libver=how.pop("libver", "earliest")) as f:
        for part in ("train", "test"):
            f.create_dataset(f"{part}/x", data=x, **how)
            f.create_dataset(f"{part}/y", data=y, **how)
        if names is not None:
            f["class_names"] = names


pixels = np.arange(24, dtype="u1").reshape(6, 2, 2)
labels = np.array([0, 1, 2, 0, 1, 2])
data_set("bytes.h5", pixels, labels)
data_set("names.h5", pixels, labels, ["a", "b", "c"])
data_set("new.h5", pixels, labels, libver="latest")
data_set("gzip.h5", pixels.astype("f4"), labels.astype("u1"), chunks=True, compression="gzip", shuffle=True, fletcher32=True)
data_set("values.h5", pixels.astype("f8").reshape(6, 4), np.ones((6, 2), dtype=">f4"))
