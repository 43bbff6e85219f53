"""Integers with integer taps: the exact sums, or a refusal that says what to type."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import strategies
from checks import examples
from helpers_cli import run, save
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli import StreamingConv, depthwise_conv1d
from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.spec import LayerSpec, Weights

Array = np.ndarray[Any, Any]

DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def stamps(dtype: str = "int64") -> Array:
    """Nanoseconds since 1970, a sample every 8.3 ms with a jitter."""
    jitter = np.random.default_rng(7).integers(0, 1000, 2000)
    return (1_700_000_000_000_000_000 + 8_333_333 * np.arange(2000) + jitter).astype(dtype)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("taps", [[-1, 1], [1, -2, 1]])
def test_differences_of_time_stamps(dtype: str, taps: list[int]) -> None:
    x = stamps(dtype)
    result = depthwise_conv1d(x, np.array(taps))
    assert result.dtype == np.float64
    assert result.astype(int).tolist() == oracle.depthwise_conv1d(x.astype(int), np.array(taps)).tolist()


@pytest.mark.parametrize("layer", [{"data_format": "channels_first"}, {"strides": 3}, {"padding": "same"}])
def test_layers(layer: dict[str, Any]) -> None:
    x = np.stack([stamps()[:600], stamps()[600:1200]], axis=0 if "data_format" in layer else 1)
    kernel = np.array([[[1, 0], [-1, 1]], [[-1, 1], [1, -1]]])
    # Some outputs are a stamp alone, which float64 holds only if it is a multiple of 256.
    x = x // 256 * 256
    result = depthwise_conv1d(x, kernel, **layer)
    assert np.array_equal(result, oracle.depthwise_conv1d(x, kernel, **layer).astype(np.float64))


@examples(1.5)
@given(
    case=strategies.exact_cases(strategies.layers(max_kernel_size=4), max_steps=12),
    data=st.sampled_from(DTYPES),
    taps=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_exact_or_refused(case: strategies.Case, data: str, taps: str, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def numbers(dtype: str, shape: tuple[int, ...]) -> Array:
        limits = np.iinfo(dtype)
        shift = int(rng.integers(0, limits.bits))
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True) >> np.array(shift, dtype)

    x, kernel = numbers(data, case.inputs.shape), numbers(taps, case.kernel.shape)
    truth = oracle.depthwise_conv1d(x.astype(object), kernel.astype(object), **case.arguments).astype(object)
    output = np.float32 if max(x.itemsize, kernel.itemsize) <= 2 else np.float64
    largest, norm = np.abs(x.astype(object)).max(), np.abs(kernel.astype(object)).sum(axis=0).max()
    if any(int(output(value)) != value for value in truth.flat):
        refused = True
    elif largest * norm < 2**63:
        refused = False
    else:
        # Numbers that could wrap around are refused, unless float64 is known to hold every sum of their dtypes.
        refused = None
    try:
        result = depthwise_conv1d(x, kernel, **case.arguments)
    except ShapeError:
        assert refused is not False
        depthwise_conv1d(x, kernel, dtype="float64", **case.arguments)
    else:
        assert not refused
        assert result.dtype == output
        assert [int(value) for value in result.flat] == list(truth.flat)


@pytest.mark.parametrize(
    "data, taps, words",
    [
        (stamps(), np.array([1, 1]), "float64 cannot hold the sum 34000"),
        (stamps() * 5, np.array([1, 1]), "could pass 64 bits"),
        (stamps("uint64") * 10, np.array([1]), "could pass 64 bits"),
        (np.full(5, 2**31 - 1, "i4"), np.array([2**31 - 1, 2], "i4"), "float64 cannot hold the sum 46116860"),
        (np.full(5, 30000, "i2"), np.array([30000, 1], "i2"), "float32 cannot hold the sum 900030000"),
    ],
    ids=["sum", "wrap", "unsigned", "int32", "int16"],
)
def test_refused_and_the_advice_works(place: Path, data: Array, taps: Array, words: str) -> None:
    save(place / "x.npy", data)
    save(place / "k.npy", taps)
    refused = run("apply x.npy -k k.npy -o y.npy")
    assert refused.code == 2
    assert words in refused.err
    assert not (place / "y.npy").exists()
    advice = re.search(r"use (--dtype \w+)", refused.err)
    assert advice
    assert run(f"apply x.npy -k k.npy -o y.npy {advice[1]}").code == 0


def test_files_and_blocks(place: Path) -> None:
    x = np.tile(stamps(), 60)[:, None].repeat(2, axis=1)
    save(place / "x.npy", x)
    save(place / "k.npy", np.array([-1, 1]))
    ran = run("apply x.npy -k k.npy -o y.npy --memory-limit 1MiB")
    assert ran.code == 0
    assert "integers are summed exactly, in 64 bits; the output is float64" in ran.err
    assert np.array_equal(np.load("y.npy"), np.diff(x, axis=0).astype(np.float64))
    kernel = Weights(np.array([[[-1]], [[1]]]), shared=True)
    stream = StreamingConv(LayerSpec(kernel_size=2), kernel, channels=2, dtype=np.int64)
    pieces = [stream.push(x[begin : begin + 777]) for begin in range(0, len(x), 777)]
    assert np.array_equal(np.concatenate([*pieces, stream.finish()[0]]), np.diff(x, axis=0))
