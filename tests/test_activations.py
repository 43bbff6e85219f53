"""Activations against Keras's recorded values, and what the engine relies on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from checks import assert_same_bits, examples, recorded, refused
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS, NEEDS_WHOLE_AXIS, output_channels
from dwconv_cli.layer.registry import Choice

RECORDED = recorded("catalogues")[0]["activations"]
CHOICES = [ACTIVATIONS.choose(entry["name"], entry["arguments"]) for entry in RECORDED]
ELEMENTWISE = [choice for choice in CHOICES if choice.name not in NEEDS_WHOLE_AXIS]
# The formulas of these cancel: values are as good as the last bit of x, not of the result.
CANCELLING = {"gelu", "log_softmax", "squareplus", "sparsemax"}
KERAS_NAMES = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus tanh tanh_shrink threshold"
)


def apply(choice: Choice, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result: np.ndarray[Any, Any] = ACTIVATIONS.function(choice)(x.copy())
    return result


def test_names() -> None:
    assert ACTIVATIONS.names() == tuple(KERAS_NAMES.split())


def test_every_name_is_recorded() -> None:
    assert {choice.name for choice in CHOICES} == set(ACTIVATIONS.names())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", range(len(CHOICES)), ids=[str(choice) for choice in CHOICES])
def test_keras(index: int, dtype: str) -> None:
    choice = CHOICES[index]
    arrays = recorded("catalogues")[1]
    x, expected = arrays["x"].astype(dtype), arrays[f"activations/{index}/{dtype}"]
    result = apply(choice, x)
    assert result.dtype == x.dtype
    assert result.shape == expected.shape
    assert result.flags.c_contiguous
    scale = np.maximum(np.abs(expected), np.abs(x) if choice.name in CANCELLING else 0)
    assert (np.abs(result - expected) <= 8 * np.spacing(scale)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
@examples(0.15)
@given(data=st.data())
def test_bits_do_not_depend_on_the_tile(choice: Choice, dtype: str, data: st.DataObject) -> None:
    steps, channels = data.draw(st.integers(1, 40)), data.draw(st.sampled_from([1, 2, 3, 4, 6, 16, 34]))
    if choice.name == "glu":
        channels *= 2
    seed = data.draw(st.integers(0, 2**32 - 1))
    x = (np.random.default_rng(seed).normal(size=(steps, channels)) * 5).astype(dtype)
    start = data.draw(st.integers(0, steps - 1))
    stop = data.draw(st.integers(start + 1, steps))
    whole = apply(choice, x)
    assert_same_bits(apply(choice, x[start:stop]), whole[start:stop])
    if choice.name not in NEEDS_WHOLE_AXIS:
        assert_same_bits(apply(choice, x.ravel()[start:stop]), whole.ravel()[start:stop])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_extremes_warn_of_nothing_and_nan_stays(choice: Choice, dtype: str) -> None:
    largest = float(np.finfo(dtype).max)
    x = np.array([[np.nan, 1.0], [np.inf, -np.inf], [largest, -largest], [1e-30, -1e-30]], dtype)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        result = apply(choice, x)
    assert np.isnan(result[0, 0])
    if choice in ELEMENTWISE:
        assert np.isfinite(result[0, 1])
        assert not np.isnan(result[2:]).any()


def test_linear_does_nothing() -> None:
    x = np.ones((3, 2), "complex64")
    assert ACTIVATIONS.function(Choice("linear"))(x) is x


@pytest.mark.parametrize("choice", ELEMENTWISE, ids=str)
def test_in_place(choice: Choice) -> None:
    x = np.ones((3, 2), "float32")
    assert ACTIVATIONS.function(choice)(x) is x


@pytest.mark.parametrize("choice", [c for c in CHOICES if c.name != "linear"], ids=str)
def test_complex_is_refused(choice: Choice) -> None:
    with pytest.raises(LayerError, match=f"activation {choice.name}: .*complex64"):
        apply(choice, np.ones((3, 2), "complex64"))


@pytest.mark.parametrize("x", [-30.0, -8.0, -3.0, -0.1])
def test_squareplus_where_keras_cancels(x: float) -> None:
    # (x + sqrt(x**2 + 4)) / 2 is the positive root of y**2 - x*y - 1: check it by Vieta, y * (y - x) = 1.
    y = float(apply(Choice("squareplus"), np.array([x], "float64"))[0])
    assert y * (y - x) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("x", [-12.0, -8.0, -5.0])
def test_gelu_where_keras_cancels(x: float) -> None:
    # Mills's ratio between its classical bounds: z/(z**2+1) < P(X < -z)/phi(z) < 1/z (Gordon 1941).
    y = float(apply(Choice("gelu"), np.array([x], "float64"))[0])
    ratio = y / x / (np.exp(-x * x / 2) / np.sqrt(2 * np.pi))
    assert -x / (x * x + 1) < ratio < 1 / -x


def test_slopes_beyond_one() -> None:
    x = np.array([-2.0, 3.0], "float32")
    assert apply(ACTIVATIONS.parse("leaky_relu(negative_slope=2)"), x).tolist() == [-4, 3]
    assert apply(ACTIVATIONS.parse("leaky_relu(negative_slope=-1)"), x).tolist() == [2, 3]
    assert apply(ACTIVATIONS.parse("leaky_relu(negative_slope=0)"), np.array([-np.inf], "float32")) == [0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("swish", "silu"),
        ("hard_swish", "hard_silu"),
        ("LeakyReLU", "leaky_relu(negative_slope=0.3)"),
        ("LeakyReLU(alpha=0.1)", "leaky_relu(negative_slope=0.1)"),
        ("LeakyReLU(0.2)", "leaky_relu"),
        ("ReLU(max_value=6)", "relu(max_value=6)"),
        ("ELU", "elu"),
        ("Softmax", "softmax"),
        ("ThresholdedReLU(theta=0.5)", "threshold(threshold=0.5, default_value=0.0)"),
        ("threshold(0.5, 1)", "threshold(threshold=0.5, default_value=1)"),
    ],
)
def test_other_names(text: str, expected: str) -> None:
    assert str(ACTIVATIONS.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PReLU", "weights of its own"),
        ("threshold", "threshold is missing"),
        ("threshold(1)", "default_value is missing"),
        ("celu(alpha=0)", "alpha must be other than 0, got 0"),
        ("relu(max_value=-1)", "max_value must be at least 0, got -1"),
        ("relu('a')", "negative_slope must be a finite number, got 'a'"),
        ("relu(max_value=1e999)", "max_value must be a finite number or None, got inf"),
        ("gelu(approximate=1)", "approximate must be True or False, got 1"),
        ("softmax(axis=1)", "axis must be one of -1, 2, got 1"),
        ("leaky", "unknown activation 'leaky', did you mean leaky_relu"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with refused(LayerError, message):
        ACTIVATIONS.parse(text)


def test_output_channels() -> None:
    assert output_channels(Choice("relu"), 7) == 7
    assert output_channels(Choice("glu"), 8) == 4
    with pytest.raises(LayerError, match="odd size 7"):
        output_channels(Choice("glu"), 7)


def test_whole_axis_entries_mix_the_axis() -> None:
    x = np.array([[0.5, -1.0, 2.0, 0.1]])
    for name in ACTIVATIONS.names():
        choice = ACTIVATIONS.choose(
            name, {"threshold": 0, "default_value": 0} if name == "threshold" else None
        )
        if name == "glu":
            assert name in NEEDS_WHOLE_AXIS
            continue
        alone = np.concatenate([apply(choice, x[:, i : i + 1]) for i in range(4)], axis=1)
        assert np.array_equal(alone, apply(choice, x)) == (name not in NEEDS_WHOLE_AXIS), name
