"""What reaches a terminal: nothing out of a file or a name commands it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import read_terminal, start

HOSTILE = "a\x1b]0;owned\x07\x9b31m\u202e"


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with files whose names and contents would command a terminal."""
    x = np.ones((9, 2), "f4")
    np.save(place / f"{HOSTILE}.npy", x)
    np.savez(place / "a.npz", **{HOSTILE: x})
    with h5py.File(place / "a.h5", "w") as file:
        data = file.create_dataset(f"group/{HOSTILE}", data=x)
        data.attrs[HOSTILE] = HOSTILE
        data.attrs["dwconv_command"] = f"dwconv apply '{HOSTILE}' -k k.npy -o y.h5"
        file["link"] = h5py.SoftLink(f"/{HOSTILE}")
    return place


LINES = {
    "a folder": "inspect .",
    "a file": "inspect a.h5",
    "members": "inspect a.npz",
    "attributes": "inspect a.h5::/group/* --stats",
    "json": "inspect a.h5 --json",
    "a replay": "inspect a.h5::/group/* --replay",
    "a recording": "apply a*.npy -k k.npy -o y.npy --progress",
    "a report": "apply a*.npy -k k.npy -o y.npy --json",
    "a failure": f"apply {HOSTILE}.npz -k k.npy -o y.npy",
    "a traceback": f"apply {HOSTILE}.npz -k k.npy -o y.npy --debug",
    "usage": f"apply a.h5 --{HOSTILE}",
    "a value": f"apply a.h5 -k k.npy -o y.npy --activation {HOSTILE}",
    "weights": f"init-weights --kernel-size 3 --channels 2 -o new{HOSTILE}.npz",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_no_control_character_reaches_a_terminal(place: Path, line: str) -> None:
    ours, theirs = os.openpty()
    variables = {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "300"}
    with start(line, env=variables, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs):
        os.close(theirs)
        text = read_terminal(ours).decode()
    os.close(ours)
    assert text
    assert not {c for c in text if not c.isprintable()} - {"\r", "\n"}, text
