"""Inputs that change while they are read: no output is made of two contents."""

from __future__ import annotations

import mmap
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import command, environment, names, run

X = np.random.default_rng(0).integers(-9, 9, (1_000_000, 2)).astype("f4")
INPUTS = {"npy": "x.npy", "npz": "x.npz::x", "h5": "x.h5::/x"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", x=X, y=X[:9])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
    np.save(tmp_path / "k.npy", np.ones(2, "f4"))
    return tmp_path


def stalled(place: Path, address: str, act: Callable[[], object], *more: str) -> tuple[int, str]:
    """Run the command, and act while it waits for the reader of its output in the middle of the recording."""
    with subprocess.Popen(
        command("apply", address, "-k", "k.npy", "-q", "-o", "-", "--memory-limit", "1MiB", *more),
        cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.read(1)
        act()
        _, said = process.communicate(timeout=60)
    return process.returncode, said.decode()


@pytest.mark.parametrize("kind", INPUTS)
def test_rewritten_with_its_time_put_back(place: Path, kind: str) -> None:
    path = place / f"x.{kind}"
    before = path.stat()

    def act() -> None:
        with path.open("r+b") as file:
            file.seek(-100 if kind != "npz" else -20, os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    code, said = stalled(place, INPUTS[kind], act)
    assert (code, len(said.splitlines())) == (3, 1), said
    assert INPUTS[kind] in said
    assert "changed while it was read" in said


@pytest.mark.parametrize("kind", INPUTS)
def test_written_through_a_memory_map(place: Path, kind: str) -> None:
    path = place / f"x.{kind}"
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        at = len(view) - (100 if kind != "npz" else 20)
        # The page is dirty before the run begins, so that another change of it changes no time.
        view[at] = view[at]
        before = path.stat()

        def act() -> None:
            view[at] ^= 1

        code, said = stalled(place, INPUTS[kind], act, "--checksum")
        assert path.stat().st_ctime_ns == before.st_ctime_ns
    assert (code, len(said.splitlines())) == (3, 1), said
    assert "changed while it was read" in said


def test_replaced_by_another_file(place: Path) -> None:
    np.save(place / "other.npy", X)
    code, said = stalled(place, "x.npy", lambda: (place / "other.npy").replace(place / "x.npy"), "--checksum")
    assert (code, "changed while it was read" in said) == (3, True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_checksum_of_what_stays(place: Path, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.chdir(place)
    run(
        "apply", *INPUTS.values(), "-q", "-k", "k.npy", "-j", jobs, "--checksum", "--output-dir", "out"
    ).done()
    assert names(place / "out") == ["x.h5", "x.npy", "x.npz"]
    assert np.array_equal(np.load("out/x.npy"), X[1:] + X[:-1])


def test_streams_have_none(place: Path) -> None:
    os.mkfifo(place / "pipe.npy")
    arguments = ("-k", place / "k.npy", "-o", place / "y.npy", "--checksum")
    run("apply", "-", *arguments).failed(2, "--checksum")
    run("apply", place / "pipe.npy", *arguments).failed(3, "pipe.npy", "--checksum")
    assert "y.npy" not in names(place)
