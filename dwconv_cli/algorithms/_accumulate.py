"""Adding a product: real arithmetic throughout."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def accumulate(sums: Array, samples: Array, weights: Array) -> None:
    """``sums += samples * weights``, broadcast.

    NumPy's complex product rounds differently in the last elements of an array, which do not fill a register;
    products of the parts do not.
    """
    if sums.dtype.kind != "c":
        sums += samples * weights
        return
    sums.real += samples.real * weights.real
    sums.real -= samples.imag * weights.imag
    sums.imag += samples.real * weights.imag
    sums.imag += samples.imag * weights.real
