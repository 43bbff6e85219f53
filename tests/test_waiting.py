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
from helpers_cli import npy_bytes, save, start

X = np.random.default_rng(0).integers(-9, 9, (300_000, 2)).astype("f4")
Y = X[1:] + X[:-1]


@pytest.fixture(autouse=True)
def long(place: Path) -> None:
    """A recording larger than a pipe holds, in the working directory."""
    save(place / "x.npy", X)


def fed(line: str, data: bytes) -> tuple[int, bytes, bytes]:
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

    with start(line, stdin=reading, stdout=subprocess.PIPE) as process:
        feeder = threading.Thread(target=feed)
        feeder.start()
        out, err = process.communicate(timeout=60)
        # It would wait for ever if the process ended early.
        os.set_blocking(writing, False) if feeder.is_alive() else None
        os.close(reading)
        feeder.join(10)
    return process.returncode, out, err


@pytest.mark.parametrize(
    "options, data",
    [("--raw f4 --channels 2", X.tobytes()), ("", npy_bytes(X)), ("", npy_bytes(np.asfortranarray(X)))],
    ids=["raw", "npy", "npy in columns"],
)
def test_recordings(options: str, data: bytes) -> None:
    assert fed(f"apply - {options} -k k.npy -q -o y.npy", data) == (0, b"", b"")
    assert np.array_equal(np.load("y.npy"), Y)


def test_lists_and_configs() -> None:
    code, out, err = fed("apply --files-from - -k k.npy --dry-run --json", b"x.npy\n" * 40)
    assert (code, err, len(out.splitlines())) == (0, b"", 40)
    config = json.dumps({"kernel_size": 2, "padding": "same"}).encode()
    code, out, err = fed("apply x.npy --config - -k k.npy --dry-run --json", config)
    assert (code, err) == (0, b"")
    assert json.loads(out)["output"]["shape"] == list(X.shape)


@pytest.mark.parametrize(
    "line",
    ["apply x.npy -k k.npy -q -o -", f"apply {'x.npy ' * 200} -k k.npy --dry-run --json"],
    ids=["recording", "reports"],
)
def test_outputs(line: str) -> None:
    reading, writing = os.pipe()
    with start(line, stdout=writing) as process:
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
    if "-o" in line:
        assert out == npy_bytes(Y)
    else:
        assert len([json.loads(line) for line in out.splitlines()]) == 200
