"""Numbers as headerless samples: scaled, and for integers rounded and clipped."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array


class RawSamples(NamedTuple):
    """How headerless samples are written.

    Parameters
    ----------
    dtype : dtype
        Of the samples, with their byte order.
    scale : float
        Factor of the numbers before they are rounded.
    """

    dtype: np.dtype[Any]
    scale: float = 1.0

    def encoded(self, numbers: Array) -> tuple[Array, int]:
        """The samples of `numbers`, and how many of them were clipped.

        Integers are rounded to the nearest, halves to the even one, as :func:`numpy.rint` does; NaN becomes 0 and
        counts as clipped.

        Examples
        --------
        >>> samples, clipped = RawSamples(np.dtype("<i2"), 100.0).encoded(np.array([0.125, -1.0, 400.0]))
        >>> samples.tolist(), clipped
        ([12, -100, 32767], 1)
        """
        exact = numbers.dtype.kind in "iub" and self.scale == 1
        if self.dtype.kind not in "iu":
            with np.errstate(all="ignore"):
                return (numbers if exact or self.scale == 1 else numbers * self.scale).astype(self.dtype), 0
        limits = np.iinfo(self.dtype)
        if exact:
            # Compared as integers, since float64 does not hold all of 64 bits.
            too_small, too_large = numbers < int(limits.min), numbers > int(limits.max)
        else:
            with np.errstate(all="ignore"):
                numbers = np.rint(numbers.astype(np.float64) * self.scale)
            too_small, too_large = numbers < limits.min, numbers >= float(limits.max) + 1
            is_nan = np.isnan(numbers)
            numbers[is_nan] = 0
        with np.errstate(invalid="ignore"):
            samples = numbers.astype(self.dtype)
        samples[too_small], samples[too_large] = limits.min, limits.max
        clipped = np.count_nonzero(too_small) + np.count_nonzero(too_large)
        return samples, int(clipped) + (0 if exact else int(np.count_nonzero(is_nan)))

    def check(self, dtype: np.dtype[Any], name: str) -> None:
        """Refuse numbers of a dtype that the samples cannot hold.

        Raises
        ------
        LayerError
        """
        if dtype.kind == "c" and self.dtype.kind != "c":
            raise LayerError(f"{name}: the output is {dtype}; write it with --raw-out c8 or c16")

    def note(self, clipped: int, count: int) -> list[str]:
        """What is to be said of samples that were clipped."""
        if not clipped:
            return []
        return [
            f"{clipped} of {count} samples were clipped to {self.dtype}, or NaN and became 0; "
            "a smaller --scale keeps large ones"
        ]
