"""A part of every row of the fault harness; all of it: ``python -m tests.faults``."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from faults import damage, malformed
from faults.bench import ROOT, Bench, Ran
from faults.cases import CASES, expected
from faults.mutation import MUTANTS, Mutant
from faults.run import ROWS, run_row

# Row -> trials of each kind; what takes minutes is left to the harness.
COUNTS = {
    "crash points": 2,
    "injected errors": 1,
    "full disk": 1,
    "malformed": 1,
    "unsafe": 3,
    "signals": 1,
    "races": 1,
    "batch": 300,
}
KINDS = {"npy over another", "h5 with more in it"}


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


def judged(tmp_path: Path, damage_at: int, result: str) -> str | None:
    """What the harness thinks of an HDF5 file with one flipped byte and an output of `result`."""
    data = bytearray(damage.h5_bytes(tmp_path))
    whole = damage.small()
    place = data.index(whole.tobytes()) + damage_at if damage_at >= 0 else 9
    data[place] ^= 0xFF
    path = tmp_path / "flipped.h5"
    path.write_bytes(data)
    if result == "filtered":
        with h5py.File(path) as file:
            whole = file["x"][()]
    elif result == "wrong":
        whole = whole + 1
    stream = io.BytesIO()
    np.save(stream, expected(whole))
    ran = Ran(0, stream.getvalue(), "", 0, 0, 0, False, [])
    return malformed.as_read_by("h5py", malformed._h5py_reads)(bytes(data), ran)


@pytest.mark.parametrize(
    "damage_at, result, good",
    [(5, "filtered", True), (5, "as it was", True), (5, "wrong", False), (-1, "wrong", False)],
)
def test_flipped_bytes_are_held_against_h5py(tmp_path: Path, damage_at: int, result: str, good: bool) -> None:
    assert (judged(tmp_path, damage_at, result) is None) == good


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutants_find_what_they_take_out(mutant: Mutant) -> None:
    text = (ROOT / "dwconv_cli" / mutant.path).read_text(encoding="utf-8")
    assert {old: text.count(old) for old in mutant.changes} == dict.fromkeys(mutant.changes, 1)
    assert mutant.row in ROWS
    assert set(mutant.cases) <= {case.name for case in CASES}
