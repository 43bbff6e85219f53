"""Headerless streams: the same bits as a recording, each output as soon as its input is there."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import environment, run

X = np.random.default_rng(0).integers(-1000, 1000, (500, 3)).astype("<i2")
KERNEL = np.array([1, -2, 4, 3], np.float32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "k.npy", KERNEL)
    return tmp_path


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("block", [None, 1, 7, 499, 10_000])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "f4", "f8", "u1"])
def test_same_bits_as_a_recording(padding: str, block: int | None, dtype: str, place: Path) -> None:
    data = X.astype(dtype)
    np.save(place / "x.npy", data)
    options = ["-k", place / "k.npy", "--padding", padding, "-q"]
    whole = run("apply", place / "x.npy", *options, "-o", "-").done().array
    raw = ["--raw", dtype, "--channels", 3, *([] if block is None else ["--block-steps", block])]
    live = run("apply", "-", *raw, *options, "-o", "-", stdin=data.tobytes()).done()
    assert live.out == whole.tobytes()


def test_with_strides_and_a_multiplier(place: Path) -> None:
    np.save(place / "k.npy", np.arange(24, dtype=np.float64).reshape(4, 3, 2))
    options = ["-k", place / "k.npy", "--padding", "causal", "--strides", 5, "--activation", "relu", "-q"]
    whole = run("apply", place / "x.npy", *options, "-o", "-").done().array
    live = run("apply", "-", "--raw", "i2", "--channels", 3, *options, "-o", "-", stdin=X.tobytes()).done()
    assert live.out == whole.tobytes()


def test_into_an_npy_file(place: Path) -> None:
    out = place / "y.npy"
    ran = run(
        *("apply", "-", "--raw", "i2", "--channels", 3, "-k", place / "k.npy", "-o", out, "--json"),
        stdin=X.tobytes(),
    )
    (report,) = ran.reports
    assert report["input"] == {"address": "-", "shape": [500, 3], "dtype": "int16"}
    assert report["output"]["shape"] == [497, 3]
    windows = np.lib.stride_tricks.sliding_window_view(X.astype(np.int64), 4, axis=0)
    assert np.array_equal(np.load(out), windows @ KERNEL.astype(np.int64))


@pytest.mark.parametrize(
    ("words", "stdin", "code", "said"),
    [
        (["--raw", "i2"], b"", 2, "too few"),
        (["--channels", 3], b"", 2, "--raw"),
        (["--raw", "i2", "--channels", 3, "--slice", "1:2"], b"", 2, "--slice"),
        (["--raw", "O", "--channels", 3], b"", 3, "never loaded"),
        (["--raw", "i2", "--channels", 3], bytes(3001), 3, "into a step"),
        (["--raw", "i2", "--channels", 3], bytes(6), 2, "too few"),
        (["--raw", "i2", "--channels", 3, "--padding", "same", "--strides", 2], bytes(600), 2, "length"),
        (["--raw", "i2", "--channels", 3, "--kernel-size", 3], bytes(600), 2, "exclude each other"),
    ],
)
def test_wrong_usage(words: list[object], stdin: bytes, code: int, said: str, place: Path) -> None:
    run("apply", "-", *words, "-k", place / "k.npy", "-o", "-", "-q", stdin=stdin).failed(code, said)


def test_an_output_leaves_when_its_input_is_there(place: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "dwconv_cli",
        "apply",
        "-",
        "--raw",
        "i2",
        "--channels",
        "3",
        "-k",
        "k.npy",
    ]
    process = subprocess.Popen(
        [*command, "--padding", "causal", "-o", "-", "-q"],
        cwd=place,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for step in X[:5]:
        process.stdin.write(step.tobytes())
        found = b""
        while len(found) < 12:
            ready, _, _ = select.select([process.stdout], [], [], 20)
            assert ready, "no output although its input is there"
            found += os.read(process.stdout.fileno(), 12 - len(found))
    process.stdin.close()
    assert process.stdout.read() == b""
    process.stdout.close()
    assert process.wait(20) == 0


def test_a_closed_reader_ends_it_silently(place: Path) -> None:
    line = f"head -c 30000000 /dev/zero | {sys.executable} -m dwconv_cli apply - --raw i2 --channels 3 -k k.npy -o - -q"
    done = subprocess.run(
        ["bash", "-c", f"{line} | head -c 100 > /dev/null; echo ${{PIPESTATUS[1]}}"],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("141\n", "")
