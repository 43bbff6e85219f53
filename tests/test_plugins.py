"""Compressions that come with the extra: in and out, and what is said where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import run
from recordings import X, added


@pytest.mark.parametrize(
    "compression, number", [("zstd", 32015), ("zstd:9", 32015), ("blosc", 32001), ("blosc:1", 32001)]
)
def test_in_and_out(place: Path, compression: str, number: int) -> None:
    pytest.importorskip("hdf5plugin", reason="the extra hdf5plugin is not installed")
    np.save("one.npy", np.ones(1, np.float32))
    run(f"apply x.npy -k one.npy -o one.h5 -q --compression {compression}").done()
    run("apply one.h5 -k one.npy -o two.h5 -q").done()
    with h5py.File("two.h5") as file:
        assert np.array_equal(file["x"][()], X)
        assert file["x"].id.get_create_plist().get_filter(0)[0] == number


@pytest.mark.parametrize("compression", ["zstd", "blosc"])
def test_without_the_extra(place: Path, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    ran = run(f"apply x.npy -k k.npy -o one.h5 -q --compression {compression}")
    ran.failed(3, compression, "pip install hdf5plugin")
    assert added(place) == []


@pytest.mark.parametrize("compression", ["zstd:0", "gzip:10", "lzf:1", "brotli", "gzip:"])
def test_levels(place: Path, compression: str) -> None:
    run(f"apply x.npy -k k.npy -o y.h5 --compression {compression}").failed(2, "--compression")
