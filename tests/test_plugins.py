"""Compressions that come with the extra: in and out, and what is said where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import run

X = np.arange(6000, dtype=np.float32).reshape(1000, 6)


@pytest.mark.parametrize("compression", ["zstd", "zstd:9", "blosc", "blosc:1"])
def test_in_and_out(compression: str, tmp_path: Path) -> None:
    pytest.importorskip("hdf5plugin", reason="the extra hdf5plugin is not installed")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "k.npy", np.ones(1, np.float32))
    one, two = str(tmp_path / "one.h5"), str(tmp_path / "two.h5")
    assert (
        run(
            "apply",
            str(tmp_path / "x.npy"),
            "-k",
            str(tmp_path / "k.npy"),
            "-o",
            one,
            "-q",
            "--compression",
            compression,
        ).code
        == 0
    )
    assert run("apply", one, "-k", str(tmp_path / "k.npy"), "-o", two, "-q").code == 0
    with h5py.File(two) as file:
        data = file["x"]
        assert np.array_equal(data[()], X)
        assert data.id.get_create_plist().get_filter(0)[0] == {"z": 32015, "b": 32001}[compression[0]]


@pytest.mark.parametrize("compression", ["zstd", "blosc"])
def test_without_the_extra(compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    np.save(tmp_path / "x.npy", X)
    out = tmp_path / "one.h5"
    ran = run(
        "apply",
        str(tmp_path / "x.npy"),
        "--kernel-size",
        "3",
        "-o",
        str(out),
        "-q",
        "--compression",
        compression,
    )
    assert ran.code == 3
    assert compression in ran.err
    assert "pip install hdf5plugin" in ran.err
    assert not out.exists()


@pytest.mark.parametrize("compression", ["zstd:0", "gzip:10", "lzf:1", "brotli", "gzip:"])
def test_levels(compression: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    ran = run(
        "apply",
        str(tmp_path / "x.npy"),
        "--kernel-size",
        "3",
        "-o",
        str(tmp_path / "y.h5"),
        "--compression",
        compression,
    )
    assert ran.code == 2
