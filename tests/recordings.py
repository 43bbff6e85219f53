"""A recording, weights that fit it, and a folder with both, for the tests of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers_cli import save

_RNG = np.random.default_rng(7)
# Small whole numbers: every sum is exact in every dtype and order.
X = _RNG.integers(-8, 9, (20, 3)).astype("f4")
K = _RNG.integers(-4, 5, (3, 3, 2)).astype("f4")
B = _RNG.integers(-4, 5, 6).astype("f4")
# By ones of two taps.
Y = X[1:] + X[:-1]


def fill(folder: Path) -> None:
    """Write the recording, the ones, and a layer's weights."""
    save(folder / "x.npy", X)
    save(folder / "k.npy", np.ones(2, "f4"))
    np.savez(folder / "w.npz", kernel=K, bias=B)
