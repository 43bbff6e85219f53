"""Headerless samples out, against NumPy's rounding and clipping."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import assert_same_bits
from helpers_cli import run, run_shell
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dwconv_cli.storage.raw_samples import RawSamples

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
SAMPLES = RNG.integers(-3000, 3000, (500, 2)).astype("<i2")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", np.array([0.25, 0.5, 0.25]))
    np.save("one.npy", np.array([1.0], "f4"))
    return tmp_path


@given(
    arrays(np.float64, 20, elements=st.floats(width=64) | st.floats(-400, 400)),
    st.sampled_from(["i1", "u1", "<i2", ">i2", "u4", "i8", "u8"]),
    st.sampled_from([1.0, 0.5, 127.0]),
)
def test_integers_are_rounded_and_clipped(x: Array, dtype: str, scale: float) -> None:
    limits, expected, beyond = np.iinfo(dtype), [], 0
    for value in x.tolist():
        scaled = value * scale
        # Python's integers are exact, and round() rounds halves to even.
        number = 0 if scaled != scaled else limits.max + 1 if scaled == np.inf else limits.min - 1
        if np.isfinite(scaled):
            number = round(scaled)
        beyond += scaled != scaled or not limits.min <= number <= limits.max
        expected.append(min(max(number, int(limits.min)), int(limits.max)))
    samples, clipped = RawSamples(np.dtype(dtype), scale).encoded(x)
    assert (samples.dtype, samples.tolist(), clipped) == (np.dtype(dtype), expected, beyond)


def test_integers_of_64_bits_stay_exact() -> None:
    x = np.array([2**63 - 1, -(2**63), 2**53 + 1])
    assert RawSamples(np.dtype("i8")).encoded(x)[0].tolist() == x.tolist()
    assert RawSamples(np.dtype("u1")).encoded(x)[0].tolist() == [255, 0, 255]
    assert RawSamples(np.dtype("i8")).encoded(np.array([2**64 - 1], "u8"))[0].tolist() == [2**63 - 1]


@pytest.mark.parametrize("way", ["--raw i2 --channels 2", "x.npy"])
@pytest.mark.parametrize("place", ["-", "o.raw"])
@pytest.mark.parametrize(
    "options, dtype, scale",
    [("i2", "<i2", 1), (">i2", ">i2", 1), ("u1 --scale 0.01", "u1", 0.01), ("<f4 --scale 2", "<f4", 2)],
)
def test_streams_and_files(here: Path, way: str, place: str, options: str, dtype: str, scale: float) -> None:
    np.save("x.npy", SAMPLES)
    source = "-" if way.startswith("--raw") else way
    more = way if source == "-" else ""
    line = f"apply {source} {more} -k k.npy --padding same --raw-out '{options.split(maxsplit=1)[0]}' {options.partition(' ')[2]}"
    ran = run(f"{line} -o {place} --report r.json -q", stdin=SAMPLES.tobytes()).done()
    data = ran.out if place == "-" else Path(place).read_bytes()
    run("apply x.npy -k k.npy --padding same -o y.npy -q").done()
    scaled = np.load("y.npy").astype("f8") * scale
    if np.dtype(dtype).kind == "f":
        expected, beyond = scaled.astype(dtype), None
    else:
        limits = np.iinfo(dtype)
        expected = np.clip(np.rint(scaled), limits.min, limits.max).astype(dtype)
        beyond = int(np.sum((np.rint(scaled) < limits.min) | (np.rint(scaled) > limits.max)))
    assert_same_bits(np.frombuffer(data, dtype).reshape(-1, 2), expected)
    import json

    report = json.loads(Path("r.json").read_text())
    assert report["clipped"] in (beyond, 0 if beyond is None else beyond)
    assert (report["output"]["dtype"], report["output"]["nbytes"]) == (str(np.dtype(dtype)), len(data))


def test_clipped_samples_are_told_in_a_line(here: Path) -> None:
    ran = run(
        "apply - --raw f4 -k one.npy --channels 1 --raw-out i2 -o -",
        stdin=np.float32([1, 1e6, -1e6]).tobytes(),
    )
    assert (ran.code, np.frombuffer(ran.out, "<i2").tolist()) == (0, [1, 32767, -32768])
    assert sum("2 of 3 samples were clipped" in line for line in ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "options, code, words",
    [
        ("--scale 2 -o o.npy", 2, ["--raw-out"]),
        ("--raw-out i2 --output-format npy -o o.raw", 2, ["--output-format", "leave it out"]),
        ("--raw-out x9 -o o.raw", 3, ["x9"]),
        ("--raw-out i2 --scale 0 -o o.raw", 2, ["scale"]),
        ("--raw-out i2 --scale nan -o o.raw", 2, ["scale"]),
        (
            "--raw-out i2 --padding same --data-format channels_first -o o.raw",
            2,
            ["interleaved", "--raw-out"],
        ),
        ("--raw-out i2 --dtype complex64 -o o.raw", 2, ["complex64", "c8"]),
        ("--raw-out i2 --dtype complex64 -o o.raw --dry-run", 2, ["complex64", "c8"]),
    ],
)
def test_what_cannot_be_written_is_refused(here: Path, options: str, code: int, words: list[str]) -> None:
    np.save("x.npy", SAMPLES)
    run(f"apply x.npy -k k.npy {options}").failed(code, *words)
    assert not Path("o.raw").exists()
    assert not Path("o.npy").exists()


def test_an_output_directory(here: Path) -> None:
    np.save("x.npy", SAMPLES)
    run("apply x.npy -k one.npy --raw-out i2 --output-dir out -q").done()
    assert Path("out/x.raw").read_bytes() == SAMPLES.tobytes()
    run("apply x.npy -k one.npy --raw-out i2 -o out/x.raw").failed(4, "exists already", "--overwrite")


@pytest.mark.skipif(shutil.which("sox") is None, reason="SoX is not there")
def test_between_two_runs_of_sox(here: Path) -> None:
    SAMPLES.tofile("in.raw")
    form = "-t raw -e signed -b 16 -c 2 -r 8000"
    run_shell(
        f"sox {form} in.raw in.wav; sox in.wav {form} - | dwconv apply - --raw i2 --channels 2 -k one.npy --raw-out i2 -o - -q"
        f" | sox {form} - out.wav; sox out.wav {form} out.raw"
    ).done()
    assert Path("out.raw").read_bytes() == SAMPLES.tobytes()
