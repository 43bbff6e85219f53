"""Inputs that change while they are read: no output is made of two contents."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import Ran, names, run, start

X = np.random.default_rng(0).integers(-9, 9, (1_000_000, 2)).astype("f4")
INPUTS = {"npy": "x.npy", "npz": "x.npz::x", "h5": "x.h5::/x"}


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long recording in every format, made once."""
    folder = tmp_path_factory.mktemp("long")
    np.save(folder / "x.npy", X)
    np.savez(folder / "x.npz", x=X, y=X[:9])
    with h5py.File(folder / "x.h5", "w") as file:
        file["x"] = X
    return folder


@pytest.fixture
def place(place: Path, long: Path) -> Path:
    """The working directory, with the long recording."""
    shutil.copytree(long, place, dirs_exist_ok=True)
    return place


def assert_refused(address: str, change: Callable[[], object], more: str = "") -> None:
    """Run the command, and make a change while it waits for the reader of its output in the middle of the recording."""
    line = f"apply {address} -k k.npy -q -o - --memory-limit 1MiB {more}"
    with start(line, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        change()
        output, err = process.communicate(timeout=60)
    Ran(process.returncode, output, err.decode()).failed(
        3, address.partition("::")[0], "changed while it was read"
    )


@pytest.mark.parametrize("kind", INPUTS)
def test_rewritten_with_its_time_put_back(place: Path, kind: str) -> None:
    path = place / f"x.{kind}"
    before = path.stat()

    def change() -> None:
        with path.open("r+b") as file:
            file.seek(-100 if kind != "npz" else -20, os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert_refused(INPUTS[kind], change)


@pytest.mark.parametrize("kind", INPUTS)
def test_written_through_a_memory_map(place: Path, kind: str) -> None:
    path = place / f"x.{kind}"
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        at = len(view) - (100 if kind != "npz" else 20)
        # The page is dirty before the run begins, so that another change of it changes no time.
        view[at] = view[at]
        before = path.stat()

        def change() -> None:
            view[at] ^= 1

        assert_refused(INPUTS[kind], change, "--checksum")
        assert path.stat().st_ctime_ns == before.st_ctime_ns


def test_replaced_by_another_file(place: Path) -> None:
    np.save("other.npy", X)
    assert_refused("x.npy", lambda: os.replace("other.npy", "x.npy"), "--checksum")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_checksum_of_what_stays(place: Path, jobs: int) -> None:
    run(f"apply x.npy x.npz::x x.h5::/x -q -k k.npy -j {jobs} --checksum --output-dir out").done()
    assert names(place / "out") == ["x.h5", "x.npy", "x.npz"]
    assert np.array_equal(np.load("out/x.npy"), X[1:] + X[:-1])


def test_streams_have_none(place: Path) -> None:
    os.mkfifo("pipe.npy")
    run("apply - -k k.npy -o y.npy --checksum").failed(2, "--checksum")
    run("apply pipe.npy -k k.npy -o y.npy --checksum").failed(3, "pipe.npy", "--checksum")
    assert "y.npy" not in names(place)
