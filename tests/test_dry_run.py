"""A dry run says what the run would say, and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import pytest
from helpers_cli import contents, run, sparse
from recordings import X


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with targets of every kind."""
    with h5py.File("old.h5", "w") as file:
        file["x"] = X
        file["group/y"] = X
    (place / "file").touch()
    os.mkfifo("fifo.h5")
    return place


def state(folder: Path) -> tuple[list[Path], dict[Path, bytes]]:
    """All that is in a folder."""
    return sorted(folder.rglob("*")), contents(path for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize(
    "options, code",
    [
        ("-o no/o.npy", 4),
        ("-o no/o.h5", 4),
        ("-o file/o.npy", 4),
        ("-o file/{stem}.npy", 4),
        ("--output-dir file", 4),
        ("--output-dir file/x/y", 4),
        ("-o x.npy", 4),
        ("-o old.h5", 4),
        ("-o old.h5::/x", 4),
        ("-o old.h5::/group", 4),
        ("-o old.h5::/x/z", 4),
        ("-o old.h5::/x/z --overwrite", 4),
        ("-o old.h5::/group --overwrite", 4),
        ("-o file.txt", 4),
        ("-o fifo.h5", 4),
        ("-o - --output-format hdf5", 4),
        (f"-o {'x' * 300}.npy", 4),
        ("-o o.h5 --chunks 3,3,3", 2),
        ("-o o.h5 --chunks 0,1", 2),
        ("-o o.h5 --chunks a", 2),
        ("-o o.npy --chunks 3,3", 2),
        ("-o o.npy --compression gzip:1", 2),
        ("-o new/{stem}.npy", 0),
        ("--output-dir new/deep", 0),
        ("-o old.h5::/group/z", 0),
        ("-o old.h5::/new/z", 0),
        ("-o old.h5::/x --overwrite", 0),
        ("-o o.h5 --chunks 3,3 --compression gzip:1", 0),
        ("-o file --overwrite --output-format npy", 0),
    ],
)
def test_dry_runs_end_as_runs_do(place: Path, options: str, code: int) -> None:
    before = state(place)
    dry = run(f"apply x.npy -k k.npy -q {options} --dry-run")
    assert state(place) == before
    assert dry.code == code, dry.err
    if "fifo.h5" not in options:
        real = run(f"apply x.npy -k k.npy -q {options}")
        assert real.code == code, real.err
    if code:
        dry.failed(code)


def test_directories_that_may_not_be_written_to(place: Path) -> None:
    (place / "closed").mkdir()
    (place / "closed").chmod(0o500)
    dry = run("apply x.npy -k k.npy -q -o closed/o.npy --dry-run")
    real = run("apply x.npy -k k.npy -q -o closed/o.npy")
    # The administrator may write anywhere.
    assert dry.code == real.code == (0 if os.geteuid() == 0 else 4)


def test_an_output_that_no_disk_has_room_for(place: Path) -> None:
    sparse(place / "huge.npy", (1 << 40, 3))
    run("apply huge.npy -k k.npy -q -o o.npy --dry-run").failed(4, "needs")
