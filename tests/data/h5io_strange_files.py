#!/usr/bin/env python3
"""Write HDF5 files as users and strangers make them: h5io_strange_files.py FOLDER."""
import os
import sys
import zlib

import h5py
import numpy as np

folder = sys.argv[1]


def new(name, **options):
    return h5py.File(os.path.join(folder, name), "w", **options)


def from_low_level(file, name, shape, dtype, plist):
    space = h5py.h5s.create_simple(shape)
    return h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, plist)


grid = np.arange(12).reshape(3, 4)


def usual(f):
    f["be_int"] = (grid - 5).astype(">i4")
    f["be_double"] = (grid / 4).astype(">f8")
    f["u64"] = grid.astype("<u8") + 2**63
    f.create_dataset("gzip", data=grid.astype("f4"), chunks=(2, 3), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("be_gzip", data=grid.astype(">f8"), chunks=(2, 3), compression="gzip", shuffle=True)
    f.create_dataset("growing", data=grid.astype("i2"), maxshape=(None, 4), chunks=(1024, 4))
    f.create_dataset("never_written", shape=(60000,), dtype="i8", chunks=(100,))
    f.create_dataset("partly", shape=(10, 6), dtype=">i4", chunks=(4, 4), compression="gzip", fillvalue=-7)
    f["partly"][5:7] = 258
    cube = np.arange(5 * 6 * 7, dtype="u2").reshape(5, 6, 7)
    f.create_dataset("cube", data=cube, chunks=(2, 4, 3), compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("sums", data=np.arange(200000, dtype="u1"), chunks=(150001,), fletcher32=True)
    f["fixed"] = np.array([b"cat", b"dog", b"catfish"])
    f.create_dataset("fixed_gzip", data=np.array([b"cat", b"dog", b"catfish"]), chunks=(2,), compression="gzip")
    f.create_dataset("variable", data=["Katze", "", "Größe"], dtype=h5py.string_dtype())
    f.create_dataset("variable_gzip", data=["Katze", "", "Größe"], dtype=h5py.string_dtype(), chunks=(2,),
                     compression="gzip")
    f.create_dataset("variable_chunks", data=["Katze", "", "Größe"], dtype=h5py.string_dtype(), chunks=(2,))
    f.create_dataset("unwritten_texts", (3,), dtype=h5py.string_dtype())
    f.create_dataset("unwritten_fixed", (3,), dtype="S300", chunks=(2,), compression="gzip")
    f.create_dataset("long_texts", data=["l" * 5000, "m" * 4999, ""], dtype=h5py.string_dtype())
    f["one"] = "a single text"
    f["eight"] = np.zeros((1, 2, 1, 2, 1, 2, 1, 2), "u1")
    f["soft"] = h5py.SoftLink("/deep/down")
    f["deep/down"] = grid.astype("i8")
    f["deep/relative"] = h5py.SoftLink("down")
    f["deep/group"] = h5py.SoftLink("/deep")
    f["x"] = f["deep/down"]
    f.attrs["text"] = np.bytes_("by h5py")
    f.attrs["int"] = 7
    f.attrs["half"] = np.float32(0.5)
    f.attrs["big"] = np.uint64(2**64 - 1)
    f.attrs["list"] = [1, 2, 3]
    f.attrs["big_endian"] = np.array(258, ">i2")


with new("numbers.h5") as f:
    usual(f)
with new("usual.h5") as f:
    usual(f)
    f.attrs["variable"] = "by h5py"
with new("latest.h5", libver="latest") as f:
    f["x"] = grid.astype("f4")
    f.create_dataset("z", data=grid.astype("f4"), chunks=(1, 4), maxshape=(None, None), compression="gzip")
with new("user_block.h5", userblock_size=1024) as f:
    f.create_dataset("variable", data=["Katze", "", "Größe"], dtype=h5py.string_dtype())
    f["x"] = grid.astype("f4")

with new("refused.h5") as f:
    f["half"] = grid.astype("f2")
    f["long_double"] = grid.astype(np.longdouble)
    f["bool"] = grid > 3
    f["complex"] = grid.astype("c8")
    f["compound"] = np.zeros(3, [("a", "i4"), ("b", "f8")])
    f["ragged"] = h5py.Empty("f4")
    f.create_dataset("lists", (2,), dtype=h5py.vlen_dtype("i4"))
    f.create_dataset("references", (2,), dtype=h5py.ref_dtype)
    f.create_dataset("opaque", data=np.zeros(3, "V5"))
    f.create_dataset("nine", data=np.zeros((1,) * 9, "u1"))
    f["type"] = np.dtype("i4")
    f.create_dataset("lzf", data=grid, compression="lzf")
    f.create_dataset("scaleoffset", data=grid, scaleoffset=4, chunks=(3, 4))
    if h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP) and h5py.h5z.get_filter_info(h5py.h5z.FILTER_SZIP) & 1:
        f.create_dataset("szip", data=grid.astype("i4"), chunks=(3, 4), compression="szip", compression_opts=("nn", 4))
    f["outside"] = h5py.ExternalLink("usual.h5", "/x")
    f["group/outside"] = h5py.ExternalLink("usual.h5", "/")
    f["through"] = h5py.SoftLink("/group/outside/x")
    f["nowhere"] = h5py.SoftLink("/no/such")
    f["ring_a"] = h5py.SoftLink("/ring_b")
    f["ring_b"] = h5py.SoftLink("/ring_a")
    layout = h5py.VirtualLayout(shape=(3, 4), dtype="i8")
    layout[:] = h5py.VirtualSource(os.path.join(folder, "usual.h5"), "x", shape=(3, 4))
    f.create_virtual_dataset("virtual", layout)
    f.create_dataset("external", (3, 4), dtype="u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])
    f.create_dataset("claims", shape=(10**12, 1000), chunks=(1024, 10), dtype="f8")
    f.create_dataset("overflows", shape=(2**40, 2**40), chunks=(1024, 10), dtype="u1")
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2**20, 2**11))
    from_low_level(f, "chunks", (2**20, 2**11), "u1", plist)
    f["good"] = grid.astype("u1")
    f.attrs["none"] = h5py.Empty("f4")
    f.attrs["compound"] = np.zeros((), [("a", "i4")])

with new("rings.h5") as f:  # every group holds every group
    f.create_group("a")
    f.create_group("b")
    for group in ("a", "b"):
        for name in ("a", "b", "c"):
            f[group][name] = f if name == "c" else f[name]
    f["a/x"] = grid
with new("lattice.h5") as f:
    level = f
    for depth in range(16):
        below = level.create_group("a")
        level["b"] = below
        level = below
with new("texts.h5") as f:  # a hundred thousand names of one long text
    long_text = "x" * 60000
    f.create_dataset("many", data=[long_text] * 100, dtype=h5py.string_dtype())
    f.create_dataset("wide", data=np.array([b"a" * 70000]))
    f.create_dataset("too_much", data=["y" * 60000] * 5000, dtype=h5py.string_dtype())


def with_chunk(f, name, stored, filter_mask=0):
    """A dataset of 12 bytes whose only chunk is stored as these bytes."""
    f.create_dataset(name, shape=(12,), dtype="u1", chunks=(12,), compression="gzip")
    f[name].id.write_direct_chunk((0,), stored, filter_mask)


with new("chunks.h5") as f:
    with_chunk(f, "right", zlib.compress(bytes(range(12))))
    with_chunk(f, "skipped", bytes(range(12)), filter_mask=1)
    with_chunk(f, "short", zlib.compress(b"abc"))
    with_chunk(f, "long", zlib.compress(bytes(100)))
    with_chunk(f, "bomb", zlib.compress(bytes(3_000_000)))
    with_chunk(f, "large", bytes(5000))
    with_chunk(f, "nonsense", b"not zlib at all")
    with_chunk(f, "raw_short", b"abc", filter_mask=1)
with new("flipped.h5") as f:
    f.create_dataset("x", data=np.arange(1000, dtype="f4"), chunks=(1000,), fletcher32=True)
    where = f["x"].id.get_chunk_info(0).byte_offset
with open(os.path.join(folder, "flipped.h5"), "r+b") as f:
    f.seek(where + 17)
    byte = f.read(1)
    f.seek(where + 17)
    f.write(bytes([byte[0] ^ 4]))
