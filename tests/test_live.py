"""Headerless streams: the same bits as a recording, each output as soon as its input is there."""

from __future__ import annotations

import os
import select
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import run, run_shell, start

X = np.random.default_rng(0).integers(-1000, 1000, (500, 3)).astype("<i2")
KERNEL = np.array([1, -2, 4, 3], np.float32)


@pytest.fixture(autouse=True)
def live(place: Path) -> None:
    """A recording of whole numbers and its kernel, in the working directory."""
    np.save("x.npy", X)
    np.save("k.npy", KERNEL)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "f4", "f8", "u1"])
def test_same_bits_as_a_recording(padding: str, dtype: str) -> None:
    data = X.astype(dtype)
    np.save("x.npy", data)
    options = f"-k k.npy --padding {padding} -q -o -"
    whole = run(f"apply x.npy {options}").done().array
    for blocks in ("", "--block-steps 1", "--block-steps 7", "--block-steps 499", "--block-steps 10000"):
        raw = run(f"apply - --raw {dtype} --channels 3 {blocks} {options}", stdin=data.tobytes()).done()
        assert raw.out == whole.tobytes(), blocks


def test_with_strides_and_a_multiplier() -> None:
    np.save("k.npy", np.arange(24, dtype=np.float64).reshape(4, 3, 2))
    options = "-k k.npy --padding causal --strides 5 --activation relu -q -o -"
    whole = run(f"apply x.npy {options}").done().array
    raw = run(f"apply - --raw i2 --channels 3 {options}", stdin=X.tobytes()).done()
    assert raw.out == whole.tobytes()


def test_into_an_npy_file() -> None:
    ran = run("apply - --raw i2 --channels 3 -k k.npy -o y.npy --json", stdin=X.tobytes())
    (report,) = ran.reports
    assert report["input"] == {"address": "-", "shape": [500, 3], "dtype": "int16"}
    assert report["output"]["shape"] == [497, 3]
    windows = np.lib.stride_tricks.sliding_window_view(X.astype(np.int64), 4, axis=0)
    assert np.array_equal(np.load("y.npy"), windows @ KERNEL.astype(np.int64))


@pytest.mark.parametrize(
    "options, stdin, code, words",
    [
        ("--raw i2", b"", 2, "too few"),
        ("--channels 3", b"", 2, "--raw"),
        ("--raw i2 --channels 3 --slice 1:2", b"", 2, "--slice"),
        ("--raw O --channels 3", b"", 3, "never loaded"),
        ("--raw i2 --channels 3", bytes(3001), 3, "into a step"),
        ("--raw i2 --channels 3", bytes(6), 2, "too few"),
        ("--raw i2 --channels 3 --padding same --strides 2", bytes(600), 2, "length"),
        ("--raw i2 --channels 3 --kernel-size 3", bytes(600), 2, "exclude each other"),
    ],
)
def test_wrong_usage(options: str, stdin: bytes, code: int, words: str) -> None:
    run(f"apply - {options} -k k.npy -o - -q", stdin=stdin).failed(code, words)


def test_an_output_leaves_when_its_input_is_there() -> None:
    line = "apply - --raw i2 --channels 3 -k k.npy --padding causal -o - -q"
    with start(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for step in X[:5]:
            process.stdin.write(step.tobytes())
            output = b""
            while len(output) < 12:
                ready, _, _ = select.select([process.stdout], [], [], 20)
                assert ready, "no output although its input is there"
                output += os.read(process.stdout.fileno(), 12 - len(output))
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_a_closed_reader_ends_it_silently() -> None:
    line = "dwconv apply - --raw i2 --channels 3 -k k.npy -o - -q"
    ran = run_shell(f"head -c 30000000 /dev/zero | {line} | head -c 100 > /dev/null; exit ${{PIPESTATUS[1]}}")
    assert (ran.code, ran.err) == (141, "")
