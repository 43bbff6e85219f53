"""The direct sum in C and in NumPy, bit for bit against the definition."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
from checks import assert_same_bits
from helpers_cli import run_process, save

from dwconv_cli.convolution import compiled
from dwconv_cli.convolution.algorithms import direct
from dwconv_cli.convolution.algorithms.problem import Problem
from dwconv_cli.convolution.compiled import CHOICES, EXTENSION, load
from dwconv_cli.errors import LayerError

Array = np.ndarray[Any, Any]

# Random problems; DWCONV_PROBLEMS in the environment asks for more.
PROBLEMS = int(os.environ.get("DWCONV_PROBLEMS", "200"))
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-45, 3e38)
INSTRUCTIONS = ("avx512", "avx2", "baseline")

needs_extension = pytest.mark.skipif(
    EXTENSION is None, reason="the extension was not built, or is turned off"
)


@pytest.fixture(params=[*INSTRUCTIONS, "numpy"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every backend that this machine has, one after the other."""
    if request.param == "numpy":
        yield request.param
        return
    if EXTENSION is None:
        pytest.skip("the extension was not built, or is turned off")
    before = load(os.environ.get("DWCONV_COMPILED", ""))[1].split()[1]
    try:
        EXTENSION.choose(request.param)
    except ValueError:
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    EXTENSION.choose(before)


class Case(NamedTuple):
    """A problem with its data: the first tap of output 0 falls on step `at` of `x`."""

    problem: Problem
    x: Array
    kernel: Array
    at: int
    outputs: int
    sums: Array

    def __repr__(self) -> str:
        return f"Case({self.problem}, x {self.x.shape}, at {self.at}, outputs {self.outputs})"


def lying(array: Array, data_format: str, offset: int) -> Array:
    """The same numbers as `data_format` has them in memory, beginning `offset` numbers after a cache line's begin."""
    if data_format == "channels_first":
        array = np.moveaxis(array, 1, -1)
    room = np.empty(array.size + 64, array.dtype)
    begin = (-room.ctypes.data // array.itemsize) % (64 // array.itemsize) + offset
    placed = room[begin : begin + array.size].reshape(array.shape)
    placed[...] = array
    return np.moveaxis(placed, -1, 1) if data_format == "channels_first" else placed


@lru_cache(maxsize=500)
def draw(seed: int) -> Case:
    """A random problem: any layout, strides, dilation, multiplier, channels, taps, alignment and special numbers."""
    rng = np.random.default_rng(seed)
    data_format = str(rng.choice(["channels_last", "channels_first"]))
    dtype = str(rng.choice(["float32", "float64"]))
    channels = int(
        rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 64, 65, 128, 256, 257])
    )
    taps = int(rng.choice([1, 2, 3, 4, 5, 7, 9, 16, 17, 31, 64, 129, 300], p=[0.1] * 9 + [0.025] * 4))
    multiplier = int(rng.choice([1, 1, 1, 2, 3, 4, 8]))
    strides, dilation = int(rng.choice([1, 1, 1, 2, 3, 7])), int(rng.choice([1, 1, 1, 2, 5, 50, 20_000]))
    # One recording in six is long.
    most = (60_000 if rng.random() < 1 / 6 else 4000) // (taps * channels * multiplier)
    outputs = int(rng.integers(1, max(80, most)))
    reach = (taps - 1) * dilation + (outputs - 1) * strides
    # Some recordings hold all taps, some lack steps at either end, some lie beside the outputs altogether.
    at = int(rng.integers(-reach - 2, 3)) if rng.random() < 0.5 else 0
    steps = int(rng.integers(0, reach + 3)) if rng.random() < 0.4 else max(0, at) + reach + 1
    x = rng.standard_normal((int(rng.integers(1, 3)), min(steps, 300_000 // channels), channels)).astype(
        dtype
    )
    kernel = rng.standard_normal((taps, channels, multiplier)).astype(dtype)
    with np.errstate(all="ignore"):
        for array, share in ((x, 0.4), (kernel, 0.15)):
            if array.size and rng.random() < share:
                places = rng.integers(0, array.size, 4)
                array.reshape(-1)[places] = np.array(rng.choice(SPECIAL, 4)).astype(dtype)
        if rng.random() < 0.15:
            # Zeros of either sign, whose sums keep the sign of the first product.
            x = np.copysign(np.float32(0), x).astype(dtype)
    problem = Problem(taps, channels, multiplier, strides, dilation, data_format, dtype)
    sums = oracle.sums(x, kernel, at, outputs, strides, dilation)
    return Case(problem, lying(x, data_format, int(rng.integers(0, 16))), kernel, at, outputs, sums)


def test_every_backend_has_the_bits_of_the_definition(backend: str) -> None:
    for seed in range(PROBLEMS):
        case = draw(seed)
        ready = direct.prepare(case.problem, case.kernel)
        assert ready.compiled == (EXTENSION is not None)
        ready.compiled = backend != "numpy"
        out = lying(np.full_like(case.sums, 7), case.problem.data_format, case.outputs % 5)
        ready(case.x, -case.at, out, 0)
        try:
            assert_same_bits(out, case.sums)
        except AssertionError as error:
            raise AssertionError(f"{backend}, seed {seed}: {case}") from error


def buffers() -> dict[str, Any]:
    return {
        "x": np.ones((1, 9, 4), np.float32),
        "w": np.ones((3, 4), np.float32),
        "y": np.ones((1, 7, 4, 1), np.float32),
        "scratch": np.ones(64, np.float32),
        "at": 0,
        "strides": 1,
        "dilation_rate": 1,
        "last": True,
    }


READ_ONLY = np.ones((1, 7, 4, 1), np.float32)
READ_ONLY.flags.writeable = False
UNALIGNED = np.frombuffer(b"\0" * 145, np.uint8)[1:].view(np.float32).reshape(1, 9, 4)


@needs_extension
@pytest.mark.parametrize(
    "change",
    [
        {"x": np.ones((9, 4), np.float32)},
        {"x": np.ones((1, 9, 4), np.float64)},
        {"x": np.ones((1, 9, 4), np.int32)},
        {"x": np.ones((1, 9, 4), ">f4")},
        {"x": np.ones((1, 9, 4), np.complex64)},
        {"x": UNALIGNED},
        {"x": b"123"},
        {"x": None},
        {"x": np.ones((1, 9, 8), np.float32)[:, :, ::2]},
        {"x": np.ones((1, 9, 4), np.float32)[:, ::-1]},
        {"x": np.ones((1, 9, 4), np.float32)[:, :, ::-1]},
        {"x": np.broadcast_to(np.ones((1, 1, 4), np.float32), (1, 9, 4))},
        {"x": np.ones((2, 9, 4), np.float32)},
        {"x": np.ones((1, 9, 5), np.float32)},
        {"w": np.ones((3, 3), np.float32)},
        {"w": np.ones((3, 6), np.float32)},
        {"w": np.ones((0, 4), np.float32)},
        {"w": np.ones((3, 8), np.float32)[:, ::2]},
        {"w": np.ones((4, 3), np.float32).T},
        {"w": np.ones((3, 4), np.float64)},
        {"y": READ_ONLY},
        {"y": np.ones((1, 7, 4), np.float32)},
        {"y": np.ones((1, 7, 4, 2), np.float32)[..., ::2]},
        {"y": np.ones((1, 7, 8, 1), np.float32)[:, :, ::2]},
        {"y": np.ones((1, 14, 4, 1), np.float32)[:, ::2]},
        {"y": np.ones((1, 7, 4, 1), np.float32)[:, ::-1]},
        {"scratch": np.ones((8, 8), np.float32)},
        {"scratch": np.ones(64, np.float32)[::2]},
        {"scratch": np.ones(64, np.float64)},
        {"strides": 0},
        {"strides": -1},
        {"dilation_rate": 0},
        {"dilation_rate": -5},
        {"at": 1 << 62},
        {"at": -(1 << 62)},
        {"strides": 1 << 61},
        {"dilation_rate": 1 << 61},
        {"last": False},
    ],
    ids=repr,
)
def test_wrong_buffers_are_refused(change: dict[str, Any]) -> None:
    assert EXTENSION is not None
    EXTENSION.direct(*buffers().values())
    wrong = {**buffers(), **change}
    before = np.array(wrong["y"])
    with pytest.raises(ValueError, match=r".+"):
        EXTENSION.direct(*wrong.values())
    assert np.array_equal(wrong["y"], before)


@needs_extension
@pytest.mark.parametrize(
    "change, expected",
    [
        ({}, 3),
        ({"scratch": np.ones(0, np.float32)}, 3),
        # Steps beside the recording are padding.
        ({"at": 1000}, 0),
        ({"at": -1000}, 0),
        ({"at": 1 << 40}, 0),
        # No recordings, no steps, no outputs.
        ({"x": np.ones((0, 9, 4), np.float32), "y": np.ones((0, 7, 4, 1), np.float32)}, 0),
        ({"x": np.ones((1, 0, 4), np.float32)}, 0),
        ({"y": np.ones((1, 0, 4, 1), np.float32)}, 0),
    ],
    ids=repr,
)
def test_buffers_that_are_right(change: dict[str, Any], expected: float) -> None:
    assert EXTENSION is not None
    arguments = {**buffers(), **change}
    EXTENSION.direct(*arguments.values())
    assert (arguments["y"] == expected).all()


def test_the_environment_chooses(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    source = save(tmp_path / "x.npy", rng.standard_normal((5000, 6)).astype(np.float32))
    kernel = save(tmp_path / "k.npy", rng.standard_normal((9, 6)).astype(np.float32))
    report = tmp_path / "r.json"
    outputs = set()
    for choice in CHOICES:
        apply = ("apply", source, "-k", kernel, "-o", "-", "--report", report, "--overwrite")
        ran = run_process(*apply, env={"DWCONV_COMPILED": choice})
        if ran.code:
            # This processor has no such instructions.
            ran.failed(2, f"DWCONV_COMPILED={choice}", "unset it")
            continue
        outputs.add(ran.out)
        backend = json.loads(report.read_text())["algorithm"]["backend"]
        if choice == "0" or EXTENSION is None:
            assert backend == "numpy"
        else:
            assert backend.startswith("compiled ") if choice == "1" else backend == f"compiled {choice}"
    assert len(outputs) == 1
    version = run_process("--version", env={"DWCONV_COMPILED": "0"})
    assert version.out.endswith(b"(numpy)\n")


def test_a_wrong_word_in_the_environment() -> None:
    with pytest.raises(
        LayerError, match="DWCONV_COMPILED=sse9: set it to one of 0, 1, avx512, avx2, baseline, or unset"
    ):
        load("sse9")
    run_process("--version", env={"DWCONV_COMPILED": "sse9"}).failed(2, "DWCONV_COMPILED=sse9")


@pytest.mark.parametrize(
    "extension, variable, products, noted",
    [
        (None, "", 10**11, True),
        (None, "", 10**6, False),
        (None, "0", 10**11, False),
        (object(), "", 10**11, False),
    ],
)
def test_a_long_job_without_the_extension_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, extension: object, variable: str, products: int, noted: bool
) -> None:
    monkeypatch.setattr(compiled, "EXTENSION", extension)
    monkeypatch.setenv("DWCONV_COMPILED", variable)
    notes = compiled.missing_extension_notes(products)
    assert bool(notes) == noted
    assert all("C compiler" in note for note in notes)
