"""Arrays that lie in memory as a data format says: what the algorithms work on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dwconv_cli.choices import DataFormat
from dwconv_cli.convolution.algorithms.problem import Problem
from dwconv_cli.layer.axes import Array, Axes


def is_plain(array: Array, problem: Problem) -> bool:
    """Whether the recordings of an array (B, n, C) or (B, n, C, M) lie as the data format says, without gaps in their rows."""
    size, flags, channels_last = array.itemsize, array.flags, problem.data_format == "channels_last"
    if flags.c_contiguous and flags.aligned and channels_last:
        return True
    if not flags.aligned or any(stride < 0 or stride % size for stride in array.strides):
        return False
    if channels_last:
        return array[:1].flags.c_contiguous
    # The rows of different channels may lie any distance apart that is the same for all.
    several = array.ndim == 4 and 1 not in array.shape[2:]
    even = not several or array.strides[2] == array.shape[3] * array.strides[3]
    return even and (array.shape[1] == 1 or array.strides[1] == size)


def plain(array: Array, problem: Problem) -> Array:
    """(B, N, C) as it is, or a copy that lies as the data format says."""
    if is_plain(array, problem):
        return array
    axes = Axes(3, problem.data_format)
    return axes.canonical(axes.restore(array).copy())


def empty(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    data_format: DataFormat,
    allocate: Callable[[tuple[int, ...], np.dtype[Any]], Array] = np.empty,
) -> Array:
    """A new array of shape (B, n, C, M) that lies as the data format says; `allocate` makes it of a shape and dtype."""
    batch, steps, channels, multiplier = shape
    return Axes(3, data_format).empty((batch, steps, channels * multiplier), dtype, allocate).reshape(shape)
