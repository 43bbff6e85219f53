"""Recordings as they are expected to lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.algorithms.problem import Problem

Array = np.ndarray[Any, Any]


def is_plain(array: Array, problem: Problem) -> bool:
    """Whether each recording of (B, n, C) or (B, n, C, M) lies as the data format says, without gaps in its rows."""
    size = array.itemsize
    if problem.data_format == "channels_first":
        plain = array.strides[1] == size
    else:
        plain = all(
            stride == wanted or extent == 1
            for stride, wanted, extent in zip(
                array.strides[:0:-1], _products(size, array.shape[:1:-1]), array.shape[:0:-1], strict=True
            )
        )
    return plain and array.flags.aligned


def plain(array: Array, problem: Problem) -> Array:
    """(B, N, C) as it is, or a copy that lies as the data format says."""
    if is_plain(array, problem):
        return array
    if problem.data_format == "channels_first":
        return np.ascontiguousarray(array.transpose(0, 2, 1)).transpose(0, 2, 1)
    return np.ascontiguousarray(array)


def empty_like(out: Array, problem: Problem) -> Array:
    """(B, n, C, M) of `out`'s shape and dtype that lies as the data format says."""
    if problem.data_format == "channels_last":
        return np.empty(out.shape, out.dtype)
    batch, steps, channels, multiplier = out.shape
    return np.empty((batch, channels, multiplier, steps), out.dtype).transpose(0, 3, 1, 2)


def _products(size: int, extents: tuple[int, ...]) -> list[int]:
    strides = [size]
    for extent in extents:
        strides.append(strides[-1] * extent)
    return strides
