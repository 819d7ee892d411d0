#!/usr/bin/env python3
"""Look at a file with large data as a user of h5py would: lent_read.py FILE.h5 (made by test_h5io_image.c)."""
import sys

import h5py
import numpy as np

values = (np.arange(300 * 1000) % 4099).astype(np.float32).reshape(300, 1000)
with h5py.File(sys.argv[1], "r") as f:
    assert len(f["lent"]) == len(f["small"]) == 12
    for lent in f["lent"].values():
        assert lent.chunks is None and lent.dtype == np.float32 and np.array_equal(lent[()], values)
    for small in f["small"].values():
        assert small.fletcher32 and np.array_equal(small[()], values[0, :3])
