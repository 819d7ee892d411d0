#!/usr/bin/env python3
"""Look at a checkpoint as a user of h5py would: checkpoint_read.py FILE.h5 (made by test_checkpoint_inspect.c)."""
import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1], "r") as f:
    assert f.attrs["format"] == b"nnmpi checkpoint", f.attrs["format"]
    assert f.attrs["format_version"] == 1
    assert f.attrs["step"] == 23 and f.attrs["epoch"] == 2 and f.attrs["virtual_ranks"] == 4
    assert f.attrs["best_value"] == 1 / 3
    # these three lines are what PyTorch needs: model.load_state_dict(state)
    state = {name: np.array(tensor) for name, tensor in f["parameters"].items()}
    shapes = {name: tensor.shape for name, tensor in state.items()}
    assert shapes == {
        "layers.0.weight": (7, 12), "layers.0.bias": (7,), "layers.2.weight": (5, 7), "layers.2.bias": (5,),
        "layers.4.weight": (3, 5), "layers.4.bias": (3,)}, shapes
    assert all(tensor.dtype == np.float32 for tensor in state.values())
    assert all(np.isfinite(tensor).all() and tensor.std() > 0 for tensor in state.values())
    assert set(f["optimizer"]) == {"exp_avg", "exp_avg_sq"} and f["optimizer"].attrs["name"] == b"adam"
    assert f["optimizer/exp_avg/layers.2.weight"].shape == (5, 7)
    assert f["optimizer/exp_avg/layers.2.weight"].fletcher32
    assert "hidden: [7, 5]" in f["config"][()].decode()
    assert [name.decode() for name in f["data/class_names"]] == ["cat", "dog", "Größe"]
    assert list(f["data/shape"]) == [6, 2] and f["data"].attrs["scale"] == 255
    assert f["data"].attrs["digest"] == b"00fedcba98765432"
    assert list(f["history/epochs/step"]) == [10, 20]
    assert f["progress/epoch_sums"].dtype == np.float64 and np.isnan(f["progress/epoch_sums"][5])
    assert f["software"].attrs["files"].startswith(b"HDF5 1.")
