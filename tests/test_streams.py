"""What reaches a terminal: nothing out of a file or a name commands it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import command, environment

HOSTILE = "a\x1b]0;owned\x07\x9b31m\u202e"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    x = np.ones((9, 2), "f4")
    np.save(tmp_path / f"{HOSTILE}.npy", x)
    np.save(tmp_path / "k.npy", np.ones(3, "f4"))
    np.savez(tmp_path / "a.npz", **{HOSTILE: x})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset(f"group/{HOSTILE}", data=x)
        made.attrs[HOSTILE] = HOSTILE
        made.attrs["dwconv_command"] = f"dwconv apply '{HOSTILE}' -k k.npy -o y.h5"
        file["link"] = h5py.SoftLink(f"/{HOSTILE}")
    return tmp_path


CALLS = {
    "a folder": ["inspect", "."],
    "a file": ["inspect", "a.h5"],
    "members": ["inspect", "a.npz"],
    "attributes": ["inspect", "a.h5::/group/*", "--stats"],
    "json": ["inspect", "a.h5", "--json"],
    "a replay": ["inspect", "a.h5::/group/*", "--replay"],
    "a recording": ["apply", "a*.npy", "-k", "k.npy", "-o", "y.npy", "--progress"],
    "a report": ["apply", "a*.npy", "-k", "k.npy", "-o", "y.npy", "--json"],
    "a failure": ["apply", f"{HOSTILE}.npz", "-k", "k.npy", "-o", "y.npy"],
    "a traceback": ["apply", f"{HOSTILE}.npz", "-k", "k.npy", "-o", "y.npy", "--debug"],
    "usage": ["apply", "a.h5", f"--{HOSTILE}"],
    "a value": ["apply", "a.h5", "-k", "k.npy", "-o", "y.npy", "--activation", HOSTILE],
    "weights": ["init-weights", "--kernel-size", "3", "--channels", "2", "-o", f"new{HOSTILE}.npz"],
}


@pytest.mark.parametrize("args", CALLS.values(), ids=CALLS)
def test_no_control_character_reaches_a_terminal(args: list[str], place: Path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command(*args),
        cwd=place,
        env=environment({"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "300"}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        said = b""
        # A terminal whose other end has closed is EIO.
        while part := _read(ours):
            said += part
    os.close(ours)
    assert said
    text = said.decode()
    bad = {c for c in text if not c.isprintable()} - {"\r", "\n"}
    assert not bad, text


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        return b""
