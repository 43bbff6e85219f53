"""Counting NaN and Inf. Where there are none, which is the usual case, the numbers are read once and nothing is written."""

from __future__ import annotations

import numpy as np

from dwconv_cli.layer.axes import Array

# Rows with fewer numbers are not worth a call of their own.
LEAST_ROW_SIZE = 1 << 10


def count_nonfinite(block: Array) -> int:
    """How many numbers of `block` are NaN or Inf; its shape is (B, n, C), in the memory layout of either data format."""
    if block.dtype.kind not in "fc":
        return 0
    with np.errstate(all="ignore"):
        if all(_is_finite(recording) for recording in block):
            return 0
    return int(block.size - np.count_nonzero(np.isfinite(block)))


def _is_finite(recording: Array) -> bool:
    """Whether the sum of the squares is finite, so that all numbers are; False where that is not known.

    A sum that overflows does not tell. float16 and rows that are short or have gaps are not summed, since that is slow.
    """
    if recording.itemsize < 4:
        return False
    rows = recording.reshape(1, -1) if recording.flags.c_contiguous else recording.T
    if rows.strides[1] != rows.itemsize or rows.shape[1] < LEAST_ROW_SIZE:
        return False
    return all(np.isfinite(np.dot(row, row)) for row in rows.view(rows.real.dtype))
