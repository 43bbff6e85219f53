"""A working directory that was removed, and disks that fail while a file is only looked at."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
import pytest
from helpers_cli import names, run

X = np.ones((9, 2), "f4")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", x=X)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
    np.save(tmp_path / "k.npy", np.ones(3, "f4"))
    return tmp_path


@pytest.mark.parametrize(
    "line, code, name",
    [
        ("apply x.npy -k {0}/k.npy -o {0}/y.npy", 3, "x.npy"),
        ("apply {0}/x.npy -k k.npy -o {0}/y.npy", 3, "k.npy"),
        ("apply {0}/x.npy -k {0}/k.npy -o y.npy", 4, "y.npy"),
        ("apply {0}/x.npy -k {0}/k.npy -o y.h5::/y", 4, "y.h5"),
        ("apply {0}/x.npy -k {0}/k.npy --output-dir out", 4, "out"),
        ("apply {0}/x.npy -k {0}/k.npy -o y.npy --dry-run", 4, "y.npy"),
        ("apply {0}/x.npy -k {0}/k.npy -o {0}/y.npy --report r.json", 4, "r.json"),
        ("apply *.npy -k {0}/k.npy -o {0}/y.npy", 3, "*.npy"),
        ("inspect x.npy", 3, "x.npy"),
        ("inspect .", 3, "."),
        ("inspect ./ --json", 3, "./"),
        ("inspect *", 3, "*"),
        ("init-weights -o w.npz --kernel-size 3 --channels 2", 4, "w.npz"),
    ],
)
def test_a_removed_working_directory(place: Path, line: str, code: int, name: str) -> None:
    gone = place / "gone"
    gone.mkdir()
    before = os.getcwd()
    os.chdir(gone)
    gone.rmdir()
    try:
        run(*line.format(place).split()).failed(
            code, name, "the working directory was removed", "change to one"
        )
        run("apply", place / "x.npy", "-q", "-k", place / "k.npy", "-o", place / "done.npy").done()
    finally:
        os.chdir(before)
    assert names(place) == ["done.npy", "k.npy", "x.h5", "x.npy", "x.npz"]


@pytest.mark.parametrize("call", ["stat", "fstat"])
@pytest.mark.parametrize("address", ["x.npy", "x.npz::x", "x.h5::/x"])
@pytest.mark.parametrize("role", ["input", "kernel"])
def test_a_disk_that_fails_while_a_file_is_looked_at(place: Path, call: str, address: str, role: str) -> None:
    path = os.fspath(place / address.partition("::")[0])
    identity, real = os.stat(path), getattr(os, call)

    def failing(what: Any, *args: Any, **options: Any) -> os.stat_result:
        found: os.stat_result = real(what, *args, **options)
        if os.path.samestat(found, identity):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return found

    words = (
        (place / address, "-k", place / "k.npy")
        if role == "input"
        else (place / "x.npz::x", "-k", place / address)
    )
    if role == "kernel" and address.startswith("x.npz"):
        words = (place / "x.npy", "-k", place / address)
    with mock.patch(f"os.{call}", failing):
        ran = run("apply", *words, "-q", "-o", place / "y.npy")
    if ran.code:
        # Not all files are looked at by this call.
        ran.failed(3, address.partition("::")[0], "input/output error", "disk")
        assert "y.npy" not in names(place)
