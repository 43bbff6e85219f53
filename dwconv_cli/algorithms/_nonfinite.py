"""NaN and Inf: finding them cheaply, and summing directly the outputs that touch one.

A product with a banded matrix, or a transform, spreads a sample that is not finite over its whole row or block, for
0 times NaN is NaN. So such samples are set to zero beforehand, and the outputs with one of them under a tap are
computed again by the direct sum.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.algorithms._accumulate import accumulate

Array = np.ndarray[Any, Any]


def suspicious(block: Array) -> bool:
    """Whether real contiguous `block` may hold a NaN or Inf. Its sum of squares costs one pass, in cache."""
    flat = block.reshape(-1)
    return not np.isfinite(np.dot(flat, flat))


class Touched(NamedTuple):
    """Outputs to be replaced: where they are, each an index array, and their values for each multiplier."""

    where: tuple[Array, ...]
    values: Array


def isolate(steps: Array, kernel: Array, strides: int, outputs: int) -> Touched | None:
    """Set samples of `steps` that are not finite to zero; give the outputs that touch one.

    Parameters
    ----------
    steps : ndarray, shape (S, G, T, E)
        Sequences of E channels; output ``j`` reads steps ``j*strides + k``. Changed in place.
    kernel : ndarray, shape (K, G, E, M)
        Finite.
    strides, outputs : int
        How far apart the outputs are, and how many there are.

    Returns
    -------
    Touched or None
        Indices and values for outputs of shape (S, G, outputs, E, M); None if all samples are finite.
    """
    bad = ~np.isfinite(steps)
    if not bad.any():
        return None
    taps, last = len(kernel), (outputs - 1) * strides + 1
    before = np.zeros((*steps.shape[:2], steps.shape[2] + 1, steps.shape[3]), np.int32)
    np.cumsum(bad, axis=2, out=before[:, :, 1:])
    where = np.nonzero(before[:, :, taps : taps + last : strides] > before[:, :, :last:strides])
    phase, group, output, channel = where
    values = np.zeros((len(phase), kernel.shape[3]), steps.dtype)
    for tap in range(taps):
        accumulate(
            values, steps[phase, group, output * strides + tap, channel, None], kernel[tap, group, channel]
        )
    # Which of several NaNs a sum keeps may depend on an operand's place in a register: there is but one here.
    numbers = values.view(values.real.dtype)
    numbers[np.isnan(numbers)] = np.nan
    steps[bad] = 0
    return Touched(where, values)
