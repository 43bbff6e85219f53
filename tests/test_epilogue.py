"""Bias, activation and cast in pieces: the same bits as all at once, in place or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from checks import assert_same_bits

from dwconv_cli import LayerSpec
from dwconv_cli.convolution import epilogue
from dwconv_cli.convolution.epilogue import Epilogue
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.registry import Choice

Array = np.ndarray[Any, Any]

SHAPES = [(1, 100, 6), (3, 40, 4), (2, 7, 1), (5, 1, 8), (1, 3, 300), (0, 4, 2), (1, 0, 2)]
ACTIVATIONS_TRIED = ["linear", "relu", "tanh", "gelu", "mish", "softmax", "glu"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("PIECE_SIZE", 64), ("BIAS_ROW_SIZE", 16), ("LONG_ROW_STEPS", 8)):
        monkeypatch.setattr(epilogue, name, number)


def whole(sums: Array, bias: Array | None, name: str, first: bool) -> Array:
    """Everything at once."""
    if bias is not None:
        sums = sums + (bias[:, None] if first else bias)
    return np.asarray(ACTIVATIONS.function(Choice(name))(sums.copy()))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ACTIVATIONS_TRIED)
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_pieces(shape: tuple[int, int, int], name: str, with_bias: bool, data_format: str) -> None:
    first = data_format == "channels_first"
    if name == "glu":
        shape = (shape[0], shape[1], 2 * shape[2])
    if name == "softmax" and not shape[2]:
        return
    rng = np.random.default_rng(1)
    sums = rng.standard_normal(shape, np.float32) * 3
    bias = rng.standard_normal(shape[1 if first else 2], np.float32) if with_bias else None
    if bias is not None and not len(bias):
        return
    expected = whole(sums, bias, name, first)
    finish = Epilogue(LayerSpec(kernel_size=1, activation=Choice(name), data_format=data_format), bias)
    out = np.full(expected.shape, np.nan, np.float32)
    finish(sums.copy(), out)
    assert_same_bits(out, expected)
    half = np.empty(expected.shape, np.float16)
    finish(sums.copy(), half)
    assert_same_bits(half, expected.astype(np.float16))
    if name != "glu":
        in_place = sums.copy()
        assert finish.sums_fit(in_place, in_place.size, in_place.dtype)
        finish(in_place, in_place)
        assert_same_bits(in_place, expected)


@pytest.mark.parametrize("steps", [7, 8, 200])
@pytest.mark.parametrize("name", ["linear", "gelu", "softmax"])
def test_rows_with_gaps_between_them(steps: int, name: str) -> None:
    rng = np.random.default_rng(2)
    around = rng.standard_normal((2, 3, steps + 5), np.float32)
    bias = rng.standard_normal(3, np.float32)
    inside = around[:, :, 2 : 2 + steps]
    expected, before = whole(inside, bias, name, True), around.copy()
    finish = Epilogue(LayerSpec(kernel_size=1, activation=Choice(name), data_format="channels_first"), bias)
    # Short ones are not worth a call each; they go through scratch.
    assert finish.sums_fit(inside, inside.size, inside.dtype) == (steps >= epilogue.LONG_ROW_STEPS)
    finish(inside, inside)
    assert_same_bits(np.ascontiguousarray(inside), expected)
    before[:, :, 2 : 2 + steps] = inside
    assert_same_bits(around, before)


def test_which_memory_fits() -> None:
    finish = Epilogue(LayerSpec(kernel_size=1, activation=Choice("relu")), None)
    sums = np.zeros((1, 4, 2), np.float32)
    assert not finish.sums_fit(sums, 8, np.dtype(np.float64))
    assert not finish.sums_fit(sums, 16, sums.dtype)
    assert not finish.sums_fit(sums[:, ::2], 4, sums.dtype)
    assert Epilogue(LayerSpec(kernel_size=1), None).sums_fit(sums[:, ::2], 4, sums.dtype)
