"""A dry run says what the run would say, and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import contents, run, save

X = np.arange(60, dtype="f4").reshape(20, 3)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "rec.npy", X)
    save(tmp_path / "k.npy", np.ones(2, "f4"))
    with h5py.File("old.h5", "w") as file:
        file["x"] = X
        file["group/y"] = X
    (tmp_path / "file").touch()
    os.mkfifo("fifo.h5")
    return tmp_path


@pytest.mark.parametrize(
    "options, code",
    [
        (("-o", "no/o.npy"), 4),
        (("-o", "no/o.h5"), 4),
        (("-o", "file/o.npy"), 4),
        (("-o", "file/{stem}.npy"), 4),
        (("--output-dir", "file"), 4),
        (("--output-dir", "file/x/y"), 4),
        (("-o", "rec.npy"), 4),
        (("-o", "old.h5"), 4),
        (("-o", "old.h5::/x"), 4),
        (("-o", "old.h5::/group"), 4),
        (("-o", "old.h5::/x/z"), 4),
        (("-o", "old.h5::/x/z", "--overwrite"), 4),
        (("-o", "old.h5::/group", "--overwrite"), 4),
        (("-o", "file.txt"), 4),
        (("-o", "fifo.h5"), 4),
        (("-o", "-", "--output-format", "hdf5"), 4),
        (("-o", "x" * 300 + ".npy"), 4),
        (("-o", "o.h5", "--chunks", "3,3,3"), 2),
        (("-o", "o.h5", "--chunks", "0,1"), 2),
        (("-o", "o.h5", "--chunks", "a"), 2),
        (("-o", "o.npy", "--chunks", "3,3"), 2),
        (("-o", "o.npy", "--compression", "gzip:1"), 2),
        (("-o", "new/{stem}.npy"), 0),
        (("--output-dir", "new/deep"), 0),
        (("-o", "old.h5::/group/z"), 0),
        (("-o", "old.h5::/new/z"), 0),
        (("-o", "old.h5::/x", "--overwrite"), 0),
        (("-o", "o.h5", "--chunks", "3,3", "--compression", "gzip:1"), 0),
        (("-o", "file", "--overwrite", "--output-format", "npy"), 0),
    ],
)
def test_dry_runs_end_as_runs_do(here: Path, options: tuple[str, ...], code: int) -> None:
    before = sorted(here.rglob("*")), contents(path for path in here.iterdir() if path.is_file())
    dry = run("apply", "rec.npy", "-k", "k.npy", "-q", *options, "--dry-run")
    assert (sorted(here.rglob("*")), contents(path for path in here.iterdir() if path.is_file())) == before
    assert dry.code == code, dry.err
    if "fifo.h5" not in options:
        real = run("apply", "rec.npy", "-k", "k.npy", "-q", *options)
        assert real.code == code, real.err
    if code:
        dry.failed(code)


def test_directories_that_may_not_be_written_to(here: Path) -> None:
    (here / "closed").mkdir()
    (here / "closed").chmod(0o500)
    dry = run("apply", "rec.npy", "-k", "k.npy", "-q", "-o", "closed/o.npy", "--dry-run")
    real = run("apply", "rec.npy", "-k", "k.npy", "-q", "-o", "closed/o.npy")
    # The administrator may write anywhere.
    assert dry.code == real.code == (0 if os.geteuid() == 0 else 4)


def test_an_output_that_no_disk_has_room_for(here: Path) -> None:
    with open("huge.npy", "wb") as file:
        file.write(b"")
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({1 << 40}, 3), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    with open("huge.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        file.truncate(file.tell() + (1 << 40) * 12)
    run("apply", "huge.npy", "-k", "k.npy", "-q", "-o", "o.npy", "--dry-run").failed(4, "needs")
