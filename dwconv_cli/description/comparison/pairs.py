"""Pairs of numbers that differ: how many, and one of them with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """A difference, and the pair of numbers that has it.

    Parameters
    ----------
    value : int or float
        The difference; None where no difference can be computed, because a number is NaN or infinite.
    index : tuple of int
        Where the pair stands, along the arrays' own axes.
    a, b : number
        The two numbers, as NumPy scalars of their own types.

    Examples
    --------
    >>> from dwconv_cli import compare
    >>> largest = compare([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.5, 4.0]]).absolute
    >>> largest.value, largest.index, float(largest.a), float(largest.b)
    (0.5, (1, 0), 3.0, 3.5)
    """

    value: int | float | None
    index: tuple[int, ...]
    a: Any
    b: Any


@dataclass(frozen=True)
class Counts:
    """How many pairs of numbers are in what way different.

    Parameters
    ----------
    total : int
        All pairs.
    bits : int, optional
        Pairs whose bits differ; None where the dtypes differ.
    values : int
        Pairs of different numbers. NaN and NaN are equal unless ``equal_nan=False``; so are -0.0 and 0.0.
    signed_zeros : int
        Pairs of equal numbers whose bits differ: -0.0 and 0.0, also as a part of a complex number.
    nan_bits : int
        Pairs of NaN whose bits differ.
    nonfinite : int
        Pairs of different numbers of which one is NaN or infinite; no tolerance covers them.
    beyond : int
        Pairs beyond all tolerances.
    beyond_tolerance : int
        Pairs with ``|a - b| > atol + rtol * |b|``.
    beyond_ulp : int
        Pairs that are more than `ulp` steps apart.
    """

    total: int = 0
    bits: int | None = None
    values: int = 0
    signed_zeros: int = 0
    nan_bits: int = 0
    nonfinite: int = 0
    beyond: int = 0
    beyond_tolerance: int = 0
    beyond_ulp: int = 0
