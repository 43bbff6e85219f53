"""A working directory that was removed, and disks that fail while a file is only looked at."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
import pytest
from helpers_cli import run
from recordings import X, added


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with its recording in every format."""
    np.savez("x.npz", x=X)
    with h5py.File("x.h5", "w") as file:
        file["x"] = X
    return place


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
    with contextlib.chdir(gone):
        gone.rmdir()
        run(line.format(place)).failed(code, name, "the working directory was removed", "change to one")
        run(f"apply {place}/x.npy -q -k {place}/k.npy -o {place}/done.npy").done()
    assert added(place) == ["done.npy", "x.h5", "x.npz"]


@pytest.mark.parametrize("call", ["stat", "fstat"])
@pytest.mark.parametrize("address", ["x.npy", "x.npz::x", "x.h5::/x"])
@pytest.mark.parametrize("line", ["{0} -k k.npy", "other.npy -k {0}"])
def test_a_disk_that_fails_while_a_file_is_looked_at(place: Path, call: str, address: str, line: str) -> None:
    np.save("other.npy", np.ones((30, 3), "f4"))
    path = address.partition("::")[0]
    identity, real = os.stat(path), getattr(os, call)

    def failing(what: Any, *args: Any, **options: Any) -> os.stat_result:
        status: os.stat_result = real(what, *args, **options)
        if os.path.samestat(status, identity):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return status

    with mock.patch(f"os.{call}", failing):
        ran = run(f"apply {line.format(address)} -q -o y.npy")
    if ran.code:
        # Not all files are looked at by this call.
        ran.failed(3, address.partition("::")[0], "input/output error", "disk")
        assert "y.npy" not in added(place)
