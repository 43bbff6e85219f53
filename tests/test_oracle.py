"""The oracle against what others say: Keras's recorded outputs, NumPy's correlation, sums done by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import strategies
from hypothesis import given

GOLDEN = Path(__file__).resolve().parent / "golden"
LINEAR = [
    entry["config"]
    for entry in json.loads((GOLDEN / "layers.json").read_text())["layers"]
    if entry["config"]["activation"] == "linear"
]


@pytest.mark.parametrize("config", LINEAR, ids=lambda config: str(config["name"]))
def test_keras(config: dict[str, Any]) -> None:
    with np.load(GOLDEN / "layers.npz", allow_pickle=False) as file:
        keys = ("inputs", "kernel", "bias")
        stored = {key: file[f"{config['name']}/{key}"] for key in keys if config["use_bias"] or key != "bias"}
        expected = file[f"{config['name']}/outputs"]
    layer = {
        "strides": config["strides"][0],
        "padding": config["padding"],
        "data_format": config["data_format"],
        "dilation_rate": config["dilation_rate"][0],
    }
    outputs = oracle.depthwise_conv1d(**stored, **layer)
    assert outputs.shape == expected.shape
    assert (np.abs(outputs - expected) <= oracle.error_bound(**stored, **layer)).all()


def test_correlation_of_numpy() -> None:
    rng = np.random.default_rng(1)
    x, taps = rng.integers(-9, 10, 30), rng.integers(-9, 10, 5)
    assert np.array_equal(oracle.depthwise_conv1d(x, taps), np.correlate(x, taps, "valid"))
    assert np.array_equal(oracle.depthwise_conv1d(x, taps, padding="same"), np.correlate(x, taps, "same"))


def test_output_channels_are_grouped_by_input_channel() -> None:
    outputs = oracle.depthwise_conv1d([[1, 10]], [[[1, 2, 3], [4, 5, 6]]], [0, 0, 0, 0, 0, 7])
    assert outputs.tolist() == [[1, 2, 3, 40, 50, 67]]


def test_padding_is_skipped() -> None:
    kernel = np.array([np.inf, 2.0, np.nan])
    outputs = oracle.depthwise_conv1d(np.array([1.0]), kernel, padding="same")
    assert outputs.tolist() == [2.0]


def test_integers_beyond_int64_stay_exact() -> None:
    assert oracle.depthwise_conv1d([2**62] * 2, [2, 3]).tolist() == [5 * 2**62]


def test_fractions_stay_exact() -> None:
    outputs = oracle.depthwise_conv1d(
        oracle.fractions(np.array([1e16, 1.0, -1e16])), oracle.fractions(np.ones(3))
    )
    assert outputs.tolist() == [Fraction(1)]


@given(case=strategies.exact_cases())
def test_exact_cases_are_exact_in_floats(case: strategies.Case) -> None:
    weights = (case.kernel, case.bias)
    floats = oracle.depthwise_conv1d(case.inputs, *weights, **case.arguments)
    integers = oracle.depthwise_conv1d(
        *(None if array is None else array.astype(np.int64) for array in (case.inputs, *weights)),
        **case.arguments,
    )
    assert integers.dtype == np.int64
    assert floats.size > 0
    assert np.array_equal(floats, integers)


@given(case=strategies.float_cases())
def test_float64_sums_keep_their_bound(case: strategies.Case) -> None:
    arrays = (case.inputs, case.kernel, case.bias)
    exact = oracle.depthwise_conv1d(
        *(None if array is None else oracle.fractions(array) for array in arrays), **case.arguments
    )
    rounded = oracle.depthwise_conv1d(*arrays, **case.arguments)
    bound = oracle.error_bound(*arrays, dtype=np.float64, **case.arguments)
    assert (np.abs(exact - oracle.fractions(rounded)).astype(np.float64) <= bound).all()
