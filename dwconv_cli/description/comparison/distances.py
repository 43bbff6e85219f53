"""How far apart two numbers are: the absolute, the relative and the ULP difference of each pair."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.layer.axes import Array


def parts(array: Array) -> list[Array]:
    """The real numbers that an array consists of: real and imaginary parts, or the array itself."""
    return [array.real, array.imag] if array.dtype.kind == "c" else [array]


def differing_bits(a: Array, b: Array) -> Array:
    """Where two arrays of one dtype have different bits."""
    masks: list[Array] = [
        left.view(f"u{left.dtype.itemsize}") != right.view(f"u{right.dtype.itemsize}")
        for left, right in zip(parts(a), parts(b), strict=True)
    ]
    return masks[0] if len(masks) == 1 else np.logical_or(*masks)


def is_exact(*dtypes: np.dtype[Any]) -> bool:
    """Whether numbers of these dtypes are integers, whose differences are computed without rounding."""
    return all(dtype.kind in "biu" for dtype in dtypes)


def wide(array: Array) -> Array:
    """Floating-point numbers in double precision, in which differences are computed; other numbers as they are."""
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype.kind in "iu":
        return array
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64, copy=False)


def absolute_difference(a: Array, b: Array) -> Array:
    """The distance of each pair: of integers as uint64 without rounding, of other numbers as float64.

    A distance of integers above 2^64 - 1, which only int64 and uint64 can have, counts as 2^64 - 1.

    Examples
    --------
    >>> absolute_difference(np.array([-128], np.int8), np.array([127], np.int8))
    array([255], dtype=uint64)
    """
    a, b = wide(a), wide(b)
    if not is_exact(a.dtype, b.dtype):
        distance: Array = np.abs(a - b)
        return distance
    # Modulo 2^64 a difference of non-negative result is right whatever the signs of its terms are.
    low, high = a.astype(np.uint64), b.astype(np.uint64)
    distance = np.where(a >= b, low - high, high - low)
    mixed = {a.dtype.kind, b.dtype.kind} == {"i", "u"}
    if mixed:
        unsigned, signed = (low, b) if a.dtype.kind == "u" else (high, a)
        # The sum of an unsigned number and the size of a negative one may pass 2^64.
        distance[(signed < 0) & (distance < unsigned)] = np.iinfo(np.uint64).max
    return distance


def ulp_dtype(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any] | None:
    """The type in whose units the ULP difference is counted: the shorter floating-point type; None for integers."""
    floats = [np.empty(0, dtype).real.dtype for dtype in (a, b) if dtype.kind in "fc"]
    return min(floats, key=lambda dtype: dtype.itemsize, default=None)


def ulp_difference(a: Array, b: Array) -> Array:
    """The steps from one number to the next of its type that lead from `a` to `b`, as uint64.

    Numbers of different types are counted in the shorter floating-point type, to which the other number is rounded. A
    step between integers is 1, and -0.0 and 0.0 are the same number. Of complex numbers the larger of the differences
    of the parts counts. The bits of positive floating-point numbers are ordered as the numbers are: IEEE 754-2019,
    section 3.4.

    Examples
    --------
    >>> ulp_difference(np.float32([1, -1e-45]), np.float32([1 + 2**-22, 1e-45]))
    array([2, 2], dtype=uint64)
    """
    unit = ulp_dtype(a.dtype, b.dtype)
    if unit is None:
        return absolute_difference(a, b)
    if "c" in (a.dtype.kind, b.dtype.kind):
        a, b = (array if array.dtype.kind == "c" else array.astype(np.complex128) for array in (a, b))
    counts = []
    for left, right in zip(parts(a), parts(b), strict=True):
        low, high = (_rank(side.astype(unit)) for side in (left, right))
        swapped = low > high
        low[swapped], high[swapped] = high[swapped], low[swapped]
        counts.append(high.astype(np.uint64) - low.astype(np.uint64))
    largest: Array = counts[0] if len(counts) == 1 else np.maximum(*counts)
    return largest


def _rank(values: Array) -> Array:
    """Integers that are ordered and spaced as the floating-point numbers are."""
    bits = values.view(f"i{values.dtype.itemsize}").astype(np.int64)
    lowest = np.int64(np.iinfo(f"i{values.dtype.itemsize}").min)
    return np.where(bits < 0, lowest - bits, bits)
