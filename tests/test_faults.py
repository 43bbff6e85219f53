"""A part of every row of the fault harness; all of it: ``python -m tests.faults``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from faults.bench import Bench
from faults.cases import CASES
from faults.run import ROWS, run_row

# Row -> trials of each kind; what takes minutes is left to the harness.
COUNTS = {
    "crash points": 2,
    "injected errors": 1,
    "full disk": 1,
    "malformed": 3,
    "unsafe": 4,
    "signals": 1,
    "races": 1,
    "batch": 800,
}
KINDS = {"npy over another", "npz with more in it", "h5 with more in it", "standard output"}


@pytest.mark.parametrize("row", COUNTS)
def test_row(row: str) -> None:
    # Other users must reach it, which they cannot where pytest keeps its files.
    with (
        tempfile.TemporaryDirectory(prefix="faults-") as folder,
        Bench(Path(folder), count=COUNTS[row], cases=KINDS) as bench,
    ):
        outcome = run_row(row, bench)
    assert not outcome.faults, outcome.faults
    if not outcome.total:
        pytest.skip("; ".join(outcome.skipped))


def test_every_row_exists() -> None:
    assert COUNTS.keys() < ROWS.keys()
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) > KINDS
