"""Layouts: the table of axes, and that the ways there and back agree."""

from __future__ import annotations

import numpy as np
import pytest

from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.axes import Axes

FIRST, LAST = "channels_first", "channels_last"


@pytest.mark.parametrize(
    "shape, data_format, canonical",
    [
        ((7,), LAST, (1, 7, 1)),
        ((7,), FIRST, (1, 7, 1)),
        ((7, 3), LAST, (1, 7, 3)),
        ((7, 3), FIRST, (1, 3, 7)),
        ((2, 7, 3), LAST, (2, 7, 3)),
        ((2, 7, 3), FIRST, (2, 3, 7)),
        ((0, 7, 3), FIRST, (0, 3, 7)),
    ],
)
def test_there_and_back(shape: tuple[int, ...], data_format: str, canonical: tuple[int, int, int]) -> None:
    axes = Axes(len(shape), data_format)
    assert axes.canonical_shape(shape) == canonical
    assert axes.arrange(*canonical) == shape
    array = np.arange(np.prod(canonical)).reshape(canonical)
    own = axes.restore(array)
    assert own.shape == shape
    assert np.array_equal(axes.canonical(own), array)
    # A part is the same part in both forms, and neither is a copy.
    part = slice(0, 1), slice(1, 3), slice(0, 1)
    assert np.array_equal(own[axes.arrange(*part)], axes.restore(array[part]))
    own[...] = 5
    assert (array == 5).all()
    fresh = axes.empty(canonical, np.dtype(np.int16))
    assert (fresh.shape, fresh.dtype) == (canonical, np.int16)
    assert axes.restore(fresh).flags.c_contiguous


@pytest.mark.parametrize("rank", [-1, 0, 4])
def test_other_ranks(rank: int) -> None:
    with pytest.raises(ShapeError, match=f"rank {rank} cannot be filtered"):
        Axes(rank)


def test_outputs_of_rank_1_have_channels_where_there_are_several() -> None:
    assert Axes(1, FIRST).of_output(1) == Axes(1, FIRST)
    assert Axes(1, FIRST).of_output(2) == Axes(2, LAST)
    assert Axes(2, FIRST).of_output(2) == Axes(2, FIRST)
