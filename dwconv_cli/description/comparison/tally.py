"""What is known of the pairs of numbers that were compared so far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.description.comparison.distances import (
    absolute_difference,
    differing_bits,
    is_exact,
    ulp_difference,
    wide,
)
from dwconv_cli.description.comparison.pairs import Counts, Difference
from dwconv_cli.layer.axes import Array


class Tolerances(NamedTuple):
    """Which differences are allowed; a pair within any of the tolerances is within.

    Parameters
    ----------
    rtol, atol : float
        Allow ``|a - b| <= atol + rtol * |b|``.
    ulp : int
        Allow this many steps from one floating-point number to the next.
    equal_nan : bool
        Whether NaN equals NaN.
    """

    rtol: float = 0.0
    atol: float = 0.0
    ulp: int = 0
    equal_nan: bool = True


class Pairs(NamedTuple):
    """Numbers of two arrays, one pair after another, and where they stand.

    Parameters
    ----------
    a, b : ndarray of rank 1
    places : ndarray
        Of each pair its place in the block, counted in the block's order.
    corner : tuple of int
        Where the block begins, along its axes.
    sides : tuple of int
        Of the block.
    """

    a: Array
    b: Array
    places: Array
    corner: tuple[int, ...]
    sides: tuple[int, ...]

    def where(self, mask: Array) -> Pairs:
        """Those pairs for which `mask` is true."""
        return self._replace(a=self.a[mask], b=self.b[mask], places=self.places[mask])


class Tally:
    """Counts and largest differences of all pairs so far.

    Parameters
    ----------
    tolerances : Tolerances
    dtypes : (dtype, dtype)
    reversed_axes : bool
        Whether blocks have the axes of the arrays in reverse order.
    """

    def __init__(
        self, tolerances: Tolerances, dtypes: tuple[np.dtype[Any], np.dtype[Any]], reversed_axes: bool
    ) -> None:
        self._tolerances = tolerances
        self._same_dtype = dtypes[0] == dtypes[1]
        self._reversed = reversed_axes
        self._may_be_nan = any(dtype.kind in "fc" for dtype in dtypes)
        self._counts = dict.fromkeys(Counts.__dataclass_fields__, 0)
        #: The largest differences, and the first pairs of some kinds.
        self.differences: dict[str, Difference] = {}

    @property
    def counts(self) -> Counts:
        """The counts so far."""
        counts = Counts(**self._counts)
        return counts if self._same_dtype else replace(counts, bits=None)

    def add(self, a: Array, b: Array, corner: tuple[int, ...]) -> None:
        """Compare two C-contiguous blocks that begin at `corner`."""
        sides = a.shape
        a, b = a.reshape(-1), b.reshape(-1)
        self._counts["total"] += a.size
        if self._same_dtype:
            mask = differing_bits(a, b)
            self._counts["bits"] += int(np.count_nonzero(mask))
            if self._may_be_nan and not self._tolerances.equal_nan:
                mask |= np.isnan(a)
            places = np.flatnonzero(mask)
        else:
            places = np.arange(a.size)
        if places.size:
            with np.errstate(all="ignore"):
                self._add_pairs(Pairs(a[places], b[places], places, corner, sides))

    def _add_pairs(self, pairs: Pairs) -> None:
        equal = pairs.a == pairs.b
        if self._same_dtype:
            self._counts["signed_zeros"] += int(np.count_nonzero(equal))
        if not self._may_be_nan:
            self._add_finite(pairs.where(~equal))
            return
        if self._tolerances.equal_nan:
            both = np.isnan(pairs.a) & np.isnan(pairs.b)
            if self._same_dtype:
                self._counts["nan_bits"] += int(np.count_nonzero(both))
            equal |= both
        finite = np.isfinite(pairs.a) & np.isfinite(pairs.b)
        nonfinite = pairs.where(~equal & ~finite)
        count = nonfinite.places.size
        if count:
            for key in ("values", "nonfinite", "beyond", "beyond_tolerance", "beyond_ulp"):
                self._counts[key] += count
            self._keep("first_nonfinite", nonfinite)
            self._keep("first", nonfinite)
        self._add_finite(pairs.where(~equal & finite))

    def _add_finite(self, pairs: Pairs) -> None:
        """Add pairs of finite numbers that differ."""
        if not pairs.places.size:
            return
        rtol, atol, most_ulp, _ = self._tolerances
        absolute, ulp = absolute_difference(pairs.a, pairs.b), ulp_difference(pairs.a, pairs.b)
        size = np.abs(wide(pairs.b).astype(np.complex128 if pairs.b.dtype.kind == "c" else np.float64))
        relative = absolute / size
        # Both may be infinite, since the size of a complex number can be above the largest number.
        relative[np.isnan(relative)] = np.inf
        beyond_tolerance = ~(absolute.astype(np.float64) <= atol + rtol * size)
        beyond_ulp = ulp > most_ulp
        beyond = beyond_tolerance & beyond_ulp
        self._counts["values"] += pairs.places.size
        for key, mask in (
            ("beyond", beyond),
            ("beyond_tolerance", beyond_tolerance),
            ("beyond_ulp", beyond_ulp),
        ):
            self._counts[key] += int(np.count_nonzero(mask))
        self._keep("absolute", pairs, absolute)
        self._keep("ulp", pairs, ulp)
        self._keep("relative", pairs.where(size > 0), relative[size > 0])
        self._keep("first", pairs.where(beyond))

    def _keep(self, key: str, pairs: Pairs, values: Array | None = None) -> None:
        """Keep the pair with the largest of `values`, of several the first one, if it beats what was kept before."""
        if not pairs.places.size:
            return
        largest, value = self.differences.get(key), None
        ties = np.arange(pairs.places.size)
        if values is not None:
            value = values.max().item()
            ties = np.flatnonzero(values == value)
        number, index = self._first(pairs, ties)
        a, b = pairs.a[number], pairs.b[number]
        if value is not None and is_exact(a.dtype, b.dtype) and key != "relative":
            value = abs(int(a) - int(b))
        if largest is None or (-(value or 0), index) < (-(largest.value or 0), largest.index):
            self.differences[key] = Difference(value, index, a, b)

    def _first(self, pairs: Pairs, numbers: Array) -> tuple[int, tuple[int, ...]]:
        """Which of the pairs with these `numbers` is the first in row-major order of the arrays, and its index."""
        if not self._reversed:
            numbers = numbers[:1]
        axes = [
            coordinates + low
            for coordinates, low in zip(
                np.unravel_index(pairs.places[numbers], pairs.sides) if pairs.sides else (),
                pairs.corner,
                strict=True,
            )
        ]
        if not self._reversed:
            return int(numbers[0]), tuple(int(axis[0]) for axis in axes)
        # The arrays' first axis is the blocks' last one, and lexsort sorts by its last key first.
        best = int(np.lexsort(axes)[0])
        return int(numbers[best]), tuple(int(axis[best]) for axis in axes[::-1])
