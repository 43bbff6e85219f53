"""Sums of integers with integer taps: exact, or refused.

The dtype of the data bounds its numbers, and with the taps it bounds every sum. Where float64 holds all integers up to
that bound, the sums are computed in float64, which is exact then. Otherwise they are computed in 64-bit integers. Since
these wrap around, each tile is checked first: its largest number must rule out a sum that passes 64 bits. A sum that the
output's dtype would round is refused, since nobody expects integers to change. With ``dtype=`` the user accepts rounding,
and this module is not used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.axes import Array


class IntegerSums:
    """How the integers of one convolution are summed.

    Parameters
    ----------
    data : dtype
    kernel : ndarray of bool or int, shape (K, C, M)
    output : dtype
        Of the output, float32 or float64.
    """

    def __init__(self, data: np.dtype[Any], kernel: Array, output: np.dtype[Any]) -> None:
        self._output = output
        #: The largest sum of the taps of an output channel, ``max_{c,m} sum_k |w|``.
        self._norm = int(np.abs(kernel.astype(object)).sum(axis=0).max())
        bound = (1 if data.kind == "b" else 1 << (8 * data.itemsize - (data.kind == "i"))) * self._norm
        self._may_round = bound > _holds(output)
        double = np.dtype(np.float64)
        self.in_64_bits = bound > _holds(double)
        #: The dtype that data is converted to. Unsigned numbers stay unsigned, so that their size can be checked.
        self.compute = np.dtype(f"{'u' if data.kind == 'u' else 'i'}8") if self.in_64_bits else double
        #: What a user should know of how the sums are computed.
        self.notes: list[str] = []
        if self.in_64_bits:
            self.notes = [f"integers are summed exactly, in 64 bits; the output is {output}"]

    def as_signed(self, x: Array) -> Array:
        """Data as signed integers, in which its sums cannot wrap around.

        Raises
        ------
        ShapeError
            If a sum could.
        """
        if not self.in_64_bits or not x.size:
            return x
        largest = max(int(x.max()), -int(x.min()))
        if largest * self._norm >= 1 << 63:
            raise ShapeError(
                f"integers of up to {largest} with taps that add up to {self._norm} could pass 64 bits, and integers "
                "are summed exactly; use --dtype float64 to have them rounded"
            )
        return x.view(np.int64)

    def checked(self, sums: Array) -> Array:
        """`sums` in a dtype that bias and activation can go on with.

        Raises
        ------
        ShapeError
            If the output's dtype would round one of them.
        """
        if not self._may_round:
            return sums
        rounded = sums.astype(self._output)
        differs = rounded.astype(sums.dtype) != sums
        if differs.any():
            # float64 may hold what float32 cannot; for float64 itself the advice is to accept rounding.
            aim = "hold it" if self._output == np.float32 else "have it rounded"
            raise ShapeError(
                f"{self._output} cannot hold the sum {int(sums[differs][0])}, and integers are summed exactly; "
                f"use --dtype float64 to {aim}"
            )
        return rounded if self.in_64_bits else sums


def _holds(dtype: np.dtype[Any]) -> int:
    """The bound up to which a floating dtype holds all integers."""
    return 1 << (int(np.finfo(dtype).nmant) + 1)
