"""Counting NaN and Inf, also where the quick look is in doubt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dwconv_cli.jobs.nonfinite import count_nonfinite

SHAPES = [(1, 5000, 6), (3, 2000, 4), (2, 3, 5), (1, 5000, 1), (1, 0, 3), (0, 4, 4)]


def laid(array: np.ndarray[Any, Any], first: bool) -> np.ndarray[Any, Any]:
    """The same numbers, in memory as channels_first has them."""
    return np.ascontiguousarray(array.transpose(0, 2, 1)).transpose(0, 2, 1) if first else array


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("skipped", [0, 1, 7])
def test_every_one_is_counted(dtype: str, shape: tuple[int, ...], first: bool, skipped: int) -> None:
    rng = np.random.default_rng(0)
    block = laid(rng.standard_normal(shape).astype(dtype), first)
    part = block[:, skipped:]
    assert count_nonfinite(part) == 0
    if part.size:
        places = {(0, 0, 0), tuple(extent - 1 for extent in part.shape)}
        for place, value in zip(places, (np.nan, -np.inf), strict=False):
            part[place] = value
        assert count_nonfinite(part) == len(places)


@pytest.mark.parametrize("dtype, large", [("f4", 1e30), ("f8", 1e300)])
def test_squares_that_overflow_are_no_infinities(dtype: str, large: float) -> None:
    assert count_nonfinite(np.full((1, 5000, 2), large, dtype)) == 0


def test_integers_are_finite() -> None:
    assert count_nonfinite(np.full((2, 30, 2), -(2**31), np.int32)) == 0
