"""A recording and weights that fit it, which the fixture `place` puts into the working directory of a test."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
from helpers_cli import npy_bytes

_RNG = np.random.default_rng(7)
# Small whole numbers: every sum is exact in every dtype and order.
X = _RNG.integers(-8, 9, (20, 3)).astype("f4")
K = _RNG.integers(-4, 5, (3, 3, 2)).astype("f4")
B = _RNG.integers(-4, 5, 6).astype("f4")
# X filtered by k.npy.
Y = X[1:] + X[:-1]


def _layer() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, kernel=K, bias=B)
    return stream.getvalue()


FILES = {"x.npy": npy_bytes(X), "k.npy": npy_bytes(np.ones(2, "f4")), "w.npz": _layer()}


def fill(folder: Path) -> None:
    """Write the recording, the kernel of two ones, and the weights of a layer."""
    for name, data in FILES.items():
        (folder / name).write_bytes(data)


def added(folder: Path) -> list[str]:
    """What is in a folder beside what `fill` wrote, also what is hidden, so that no temporary file goes unnoticed."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.name not in FILES or path.read_bytes() != FILES[path.name]
    )


def write_damaged(path: Path) -> None:
    """Write an HDF5 file with X three times, as a, b and c, of which b fails when it is read."""
    odd = X * 1000 + 0.5
    with h5py.File(path, "w") as file:
        for name in "abc":
            file.create_dataset(name, data=odd if name == "b" else X, chunks=(20, 3), fletcher32=True)
    data = bytearray(path.read_bytes())
    data[data.index(odd[10:].tobytes())] ^= 1
    path.write_bytes(data)
