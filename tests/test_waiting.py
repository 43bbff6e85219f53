"""Standard streams that somebody else has told not to block: nothing is lost, and nothing ends early."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import command, environment, npy_bytes

X = np.random.default_rng(0).integers(-9, 9, (300_000, 2)).astype("f4")
Y = X[1:] + X[:-1]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "k.npy", np.ones(2, "f4"))
    return tmp_path


def fed(args: list[str], place: Path, data: bytes) -> tuple[int, bytes, bytes]:
    """Run a command whose input comes in pieces through a pipe that is made non-blocking again and again."""
    reading, writing = os.pipe()

    def feed() -> None:
        for part in np.array_split(np.frombuffer(data, "u1"), 4):
            time.sleep(0.15)
            os.set_blocking(reading, False)
            rest = part.tobytes()
            while rest:
                rest = rest[os.write(writing, rest) :]
        os.close(writing)

    with subprocess.Popen(
        command(*args), cwd=place, env=environment(), stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:  # fmt: skip
        feeder = threading.Thread(target=feed)
        feeder.start()
        out, err = process.communicate(timeout=60)
        # It would wait for ever if the process ended early.
        os.set_blocking(writing, False) if feeder.is_alive() else None
        os.close(reading)
        feeder.join(10)
    return process.returncode, out, err


@pytest.mark.parametrize(
    "args, data",
    [
        (["--raw", "f4", "--channels", "2"], X.tobytes()),
        ([], npy_bytes(X)),
        ([], npy_bytes(np.asfortranarray(X))),
    ],
    ids=["raw", "npy", "npy in columns"],
)
def test_recordings(args: list[str], data: bytes, place: Path) -> None:
    assert fed(["apply", "-", *args, "-k", "k.npy", "-q", "-o", "y.npy"], place, data) == (0, b"", b"")
    assert np.array_equal(np.load(place / "y.npy"), Y)


def test_lists_and_configs(place: Path) -> None:
    names = b"x.npy\n" * 40
    code, out, err = fed(["apply", "--files-from", "-", "-k", "k.npy", "--dry-run", "--json"], place, names)
    assert (code, err, len(out.splitlines())) == (0, b"", 40)
    config = json.dumps({"kernel_size": 2, "padding": "same"}).encode()
    code, out, err = fed(
        ["apply", "x.npy", "--config", "-", "-k", "k.npy", "--dry-run", "--json"], place, config
    )
    assert (code, err) == (0, b"")
    assert json.loads(out)["output"]["shape"] == list(X.shape)


@pytest.mark.parametrize(
    "args",
    [["apply", "x.npy", "-k", "k.npy", "-q", "-o", "-"],
     ["apply", *["x.npy"] * 200, "-k", "k.npy", "--dry-run", "--json"]],
    ids=["recording", "reports"],
)  # fmt: skip
def test_outputs(args: list[str], place: Path) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen(
        command(*args), cwd=place, env=environment(), stdout=writing, stderr=subprocess.PIPE
    ) as process:
        ended = threading.Thread(target=lambda: (process.wait(), os.close(writing)))
        ended.start()
        out = b""
        while True:
            if process.poll() is None:
                os.set_blocking(writing, False)
            if len(out) < 1 << 18:
                time.sleep(0.02)
            if not (part := os.read(reading, 1 << 16)):
                break
            out += part
        ended.join()
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (0, b"")
    os.close(reading)
    if "-o" in args:
        assert out == npy_bytes(Y)
    else:
        assert len([json.loads(line) for line in out.splitlines()]) == 200
