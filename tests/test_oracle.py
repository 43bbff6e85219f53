"""The oracle against what others say: sums done by hand, Keras's recorded outputs, NumPy's correlation."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import oracle
import pytest
import strategies
from checks import recorded
from hypothesis import given

CONFIGS = [entry["config"] for entry in recorded("layers")[0]["layers"]]
LINEAR = [config for config in CONFIGS if config["activation"] == "linear"]


@pytest.mark.parametrize(
    "at, strides, dilation_rate", [(0, 1, 1), (-3, 1, 1), (2, 3, 1), (-5, 1, 4), (-9, 2, 3)]
)
def test_the_definition_number_by_number(at: int, strides: int, dilation_rate: int) -> None:
    rng = np.random.default_rng(1)
    x, kernel = rng.integers(-9, 10, (2, 9, 3)), rng.integers(-9, 10, (4, 3, 2))
    sums = oracle.sums(x, kernel, at, 7, strides, dilation_rate)
    for b, o, c, m in np.ndindex(2, 7, 3, 2):
        steps = [at + o * strides + k * dilation_rate for k in range(4)]
        assert sums[b, o, c, m] == sum(
            x[b, s, c] * kernel[k, c, m] for k, s in enumerate(steps) if 0 <= s < 9
        )


@pytest.mark.parametrize("config", LINEAR, ids=lambda config: str(config["name"]))
def test_keras(config: dict[str, Any]) -> None:
    arrays = {
        key: recorded("layers")[1].get(f"{config['name']}/{key}") for key in ("inputs", "kernel", "bias")
    }
    expected = recorded("layers")[1][f"{config['name']}/outputs"]
    layer = {
        "strides": config["strides"][0],
        "padding": config["padding"],
        "data_format": config["data_format"],
        "dilation_rate": config["dilation_rate"][0],
    }
    outputs = oracle.depthwise_conv1d(**arrays, **layer)
    assert outputs.shape == expected.shape
    assert (np.abs(outputs - expected) <= oracle.error_bound(**arrays, **layer)).all()


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


def test_sums_are_rounded_in_order_in_the_dtype_of_the_operands() -> None:
    x = np.array([1e8, 1, -1e8, -0.0], "f4").reshape(1, 4, 1)
    ones = np.ones((3, 1, 1), "f4")
    assert oracle.sums(x, ones, 0, 1).item() == 0
    assert oracle.sums(x, ones[:2], 1, 1).item() == -1e8
    # A sum of minus zero alone is minus zero; a sum of nothing is zero.
    assert np.signbit(oracle.sums(x, ones, 3, 2)).ravel().tolist() == [True, False]


def test_integers_beyond_int64_stay_exact() -> None:
    assert oracle.depthwise_conv1d([2**62] * 2, [2, 3]).tolist() == [5 * 2**62]


def test_fractions_stay_exact() -> None:
    outputs = oracle.depthwise_conv1d(
        oracle.fractions(np.array([1e16, 1.0, -1e16])), oracle.fractions(np.ones(3))
    )
    assert outputs.tolist() == [Fraction(1)]


@given(case=strategies.exact_cases())
def test_exact_cases_are_exact_in_floats(case: strategies.Case) -> None:
    floats = oracle.depthwise_conv1d(*case.arrays, **case.arguments)
    integers = oracle.depthwise_conv1d(
        *(None if array is None else array.astype(np.int64) for array in case.arrays), **case.arguments
    )
    assert integers.dtype == np.int64
    assert floats.size > 0
    assert np.array_equal(floats, integers)


@given(case=strategies.float_cases(max_steps=20))
def test_float64_sums_keep_their_bound(case: strategies.Case) -> None:
    exact = oracle.depthwise_conv1d(
        *(None if array is None else oracle.fractions(array) for array in case.arrays), **case.arguments
    )
    rounded = oracle.depthwise_conv1d(*case.arrays, **case.arguments)
    bound = oracle.error_bound(*case.arrays, dtype=np.float64, **case.arguments)
    assert (np.abs(exact - oracle.fractions(rounded)).astype(np.float64) <= bound).all()
