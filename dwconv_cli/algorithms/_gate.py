"""Which outputs of a transformed block keep the promise made for the direct sum.

The direct sum of K products errs by at most ``gamma(K + 1) * S``, where ``S = sum |x||w|`` over the output's own taps
and ``gamma(n) = n*u/(1 - n*u)``, u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
section 3.1). A convolution by FFT errs by ``u * log2(N) * |x| * |w|``, norms over the whole block (ibid., section
24.1; the measured constant is 0.12, here it is 1): one large sample spoils all outputs of its block.

So an output passes if its S is large enough. S is a convolution, too dear to compute, but easily bounded from below:
with ``z = min(|x|, level)``, S is at least ``level * |w|_1`` less what the shortfalls ``level - z`` under its taps
take away, and that is most if they meet the largest weights. So it suffices to sum shortfalls over *cells* of
consecutive samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# The share of |w|_1 that has to be left.
SHARE = 0.5
# For rounding in the check itself.
SAFETY = 1.01
# Channels from which on NumPy sums rows faster than BLAS multiplies them by a matrix of ones.
MANY = 32


class Gate:
    """The check for one kernel and one length of block.

    Parameters
    ----------
    kernel : ndarray, shape (K, C, M)
        Finite.
    length : int
        Samples of a block, N; a multiple of `cell`.
    outputs : int
        Outputs of a block; a multiple of `cell`.
    cell : int
    gain : float
        Unit roundoff of the transform over that of the promise.
    """

    def __init__(self, kernel: Array, length: int, outputs: int, cell: int, gain: float = 1.0) -> None:
        weights = np.sort(np.abs(kernel.astype(np.result_type(kernel, np.float64))), axis=0)[::-1]
        taps = len(weights)
        total, norm = weights.sum(axis=0), np.sqrt((weights**2).sum(axis=0))
        with np.errstate(all="ignore"):
            needed = gain * SAFETY * np.log2(length) * norm / ((taps + 1) * SHARE * total)
        #: (C,): the level, over the norm of the block, for the most demanding multiplier.
        self.level = np.nan_to_num(needed, posinf=0.0).max(axis=1)
        #: (C,): shortfalls, over the level, that leave enough of the weights.
        self.allowed = (
            (np.cumsum(weights, axis=0) <= (1 - SHARE) * total).sum(axis=0).min(axis=1).astype(float)
        )
        self.cell = cell
        self.groups = outputs // cell
        #: Cells that the taps of one cell of outputs fall on.
        self.reach = min(-(-(cell + taps - 1) // cell), length // cell)

    def passes(self, blocks: Array, channels: Array, last: bool) -> Array:
        """Which outputs keep the promise, a cell at a time.

        Parameters
        ----------
        blocks : ndarray, shape (F, N, Q) if `last`, else (Q, F, N)
        channels : ndarray of int, shape (Q,)
            Channel of each sequence.
        last : bool

        Returns
        -------
        ndarray of bool, shape (F, groups, Q)
        """
        sizes = np.abs(blocks)
        with np.errstate(all="ignore"):
            energy = self._cells(sizes * sizes, last).sum(axis=1, keepdims=True)
            norm = np.sqrt(energy)
            level = (norm * self.level[channels]).astype(sizes.dtype)
            np.minimum(sizes, level if last else level.transpose(2, 0, 1), out=sizes)
            shortfall = self.cell * level - self._cells(sizes, last)
            sums = np.zeros((shortfall.shape[0], shortfall.shape[1] + self.reach, shortfall.shape[2]))
            np.cumsum(shortfall, axis=1, out=sums[:, 1 : shortfall.shape[1] + 1])
            sums[:, shortfall.shape[1] + 1 :] = sums[:, shortfall.shape[1], None]
            missing = sums[:, self.reach :][:, : self.groups] - sums[:, : self.groups]
            fine = missing <= self.allowed[channels] * level
            # Squares that overflow or vanish tell nothing, unless there is nothing at all.
            tiny = np.finfo(sizes.dtype).tiny ** 0.75
            fine &= np.isfinite(energy) & ((energy > tiny) | ~_any(blocks, last))
        return np.asarray(fine)

    def _cells(self, numbers: Array, last: bool) -> Array:
        """Sums over cells, (F, cells, Q); every block is a product of its own, of one shape."""
        cell = self.cell
        if not last:
            channels, count, length = numbers.shape
            ones = np.ones((cell, 1), numbers.dtype)
            sums = np.asarray(np.matmul(numbers.reshape(channels, count, length // cell, cell), ones))
            return sums[:, :, :, 0].transpose(1, 2, 0)
        count, length, channels = numbers.shape
        if channels >= MANY:
            return np.asarray(np.add.reduce(numbers.reshape(count, length // cell, cell, channels), axis=2))
        ones = np.tile(np.eye(channels, dtype=numbers.dtype), (cell, 1))
        return np.asarray(np.matmul(numbers.reshape(count, length // cell, cell * channels), ones))


def _any(blocks: Array, last: bool) -> Array:
    some = np.asarray(np.any(blocks, axis=1 if last else 2, keepdims=True))
    return some if last else some.transpose(1, 2, 0)
