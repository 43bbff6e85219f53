"""Recordings as they are expected to lie in memory."""

from __future__ import annotations

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.convolution.algorithms.problem import Problem


def is_plain(array: Array, problem: Problem) -> bool:
    """Whether each recording of (B, n, C) or (B, n, C, M) lies as the data format says, without gaps in its rows."""
    size, flags = array.itemsize, array.flags
    if flags.c_contiguous and flags.aligned and problem.data_format == "channels_last":
        return True
    if not flags.aligned or any(stride < 0 or stride % size for stride in array.strides):
        return False
    if problem.data_format == "channels_first":
        # Rows may lie any distance apart, as long as it is the same for all of them.
        several = array.ndim == 4 and 1 not in array.shape[2:]
        even = not several or array.strides[2] == array.shape[3] * array.strides[3]
        return even and (array.shape[1] == 1 or array.strides[1] == size)
    for extent, stride in zip(array.shape[:0:-1], array.strides[:0:-1], strict=True):
        if extent > 1 and stride != size:
            return False
        size *= extent
    return True


def plain(array: Array, problem: Problem) -> Array:
    """(B, N, C) as it is, or a copy that lies as the data format says."""
    if is_plain(array, problem):
        return array
    if problem.data_format == "channels_first":
        return array.transpose(0, 2, 1).copy(order="C").transpose(0, 2, 1)
    return array.copy(order="C")


def empty_like(out: Array, problem: Problem) -> Array:
    """(B, n, C, M) of `out`'s shape and dtype that lies as the data format says."""
    if problem.data_format == "channels_last":
        return np.empty(out.shape, out.dtype)
    batch, steps, channels, multiplier = out.shape
    return np.empty((batch, channels, multiplier, steps), out.dtype).transpose(0, 3, 1, 2)
