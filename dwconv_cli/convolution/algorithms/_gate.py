"""Which outputs of a transformed segment keep the promise made for the direct sum.

The direct sum of K products errs by at most ``gamma(K + 1) * S``, where ``S = sum |x||w|`` over the output's own taps
and ``gamma(n) = n*u/(1 - n*u)``, u the unit roundoff (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed.,
section 3.1). A convolution by FFT errs by ``u * log2(N) * |x| * |w|``, norms over the whole segment (ibid., section
24.1; the measured constant is 0.12, here it is 1): one large sample makes all outputs of its segment inexact.

So an output passes if its S is large enough. S is itself a convolution, and a lower bound of it is cheaper. With
``z = min(|x|, level)``, S is at least ``level * |w|_1`` less the sum of the shortfalls ``level - z``, each times the
weight that meets it. The shortfalls are added up over *cells* of consecutive samples, and each sum is multiplied by the
largest weight that meets a sample of the cell. That is a convolution of few numbers.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from dwconv_cli.convolution.algorithms._segment import CELLS_SUMMED_TOGETHER, Segment
from dwconv_cli.convolution.algorithms._spectra import Transform, product
from dwconv_cli.layer.axes import Array
from dwconv_cli.threads import one_blas_thread

# The share of |w|_1 that has to be left when the shortfalls are taken off.
SHARE = 0.5
# Allows for rounding in the check itself.
SAFETY = 1.02
# Where channels are few, several steps are seen as one row of at least so many elements, since NumPy's loops run along it.
STEPS_ROW_SIZE = 256
# Cells are summed by a product with a matrix of zeros and ones. From so many channels on NumPy's own sums are faster.
MANY_CHANNELS = 32


class Gate:
    """The check for one kernel and one length of segments.

    Parameters
    ----------
    kernel : ndarray, shape (K, C, M)
        Finite.
    segment : Segment
        Its length N is a multiple of ``CELLS_SUMMED_TOGETHER * cell``, its outputs are a multiple of `cell`.
    last : bool
        Segments are (F, N, Q), else (Q, F, N): F segments of Q channels.
    gain : float
        Unit roundoff of the transform over that of the promise.
    """

    def __init__(self, kernel: Array, segment: Segment, last: bool, gain: float = 1.0) -> None:
        length, outputs, cell = segment
        weights = np.abs(kernel.astype(np.result_type(kernel, np.float64)))
        taps = len(weights)
        total, norm = weights.sum(axis=0), np.sqrt((weights**2).sum(axis=0))
        with np.errstate(all="ignore"):
            needed = gain * SAFETY * np.log2(length) * norm / ((taps + 1) * SHARE * total)
            shares = np.nan_to_num(weights / total)
        self.last, self.axis = last, 1 if last else 2
        #: The level over the norm of the segment, for the most demanding output channel of each; lying as segments do, (1, 1, C).
        self.level = self._lie(np.nan_to_num(needed, posinf=0.0).max(axis=1)[None, None])
        self.cell = cell
        self.groups = outputs // cell
        self.transform = Transform(length // cell)
        spectrum = self.transform.correlated_with(_largest(shares, cell), 0)[None]
        double = kernel.real.dtype == np.float64
        self.spectrum = self._lie(spectrum).astype(np.complex128 if double else np.complex64)
        #: Samples of longer cells: if none of them lacks much, no output does, and there is nothing to convolve.
        self.coarse = next(
            size for size in (CELLS_SUMMED_TOGETHER * cell, 4 * cell, cell) if 8 * size <= max(taps, 8 * cell)
        )
        self.worst = self._lie(_largest(shares, self.coarse).sum(axis=0)[None, None])

    def passes(self, segments: Array, channels: Array) -> Array:
        """Which outputs keep the promise, a cell at a time.

        Parameters
        ----------
        segments : ndarray
        channels : ndarray of int, shape (Q,)
            The kernel's channel for each channel of the segments.

        Returns
        -------
        ndarray of bool, shape (F, groups, Q)
        """
        with one_blas_thread:
            return self._passes(segments, channels)

    def _passes(self, segments: Array, channels: Array) -> Array:
        axis, of = self.axis, (..., channels) if self.last else (channels, ...)
        sizes = np.abs(segments)
        bound = (1 - SHARE) / SAFETY
        with np.errstate(all="ignore"):
            energy = self._energy(sizes)
            level = (np.sqrt(energy) * self.level[of]).astype(sizes.dtype)
            self._clip(sizes, level)
            # Where squares overflow or vanish the norm is unknown, and no output passes, unless all samples are 0.
            clear = energy > np.finfo(sizes.dtype).tiny ** 0.75
            if not clear.all():
                clear |= ~np.any(segments, axis=axis, keepdims=True)
            clear &= np.isfinite(energy)
            lacking = self.coarse * level - self._cells(sizes, self.coarse)
            fine = clear & (lacking.max(axis=axis, keepdims=True) * self.worst[of] <= bound * level)
            if fine.all():
                fine = np.repeat(fine, self.groups, axis=axis)
            else:
                lacking = self.cell * level - self._cells(sizes, self.cell)
                spectrum = product(self.transform.forward(lacking, axis), self.spectrum[of])
                loss = self.transform.backward(spectrum, axis)
                loss = loss[:, : self.groups] if self.last else loss[:, :, : self.groups]
                fine = fine | (clear & (loss <= bound * level))
        return np.asarray(fine if self.last else fine.transpose(1, 2, 0))

    def _lie(self, array: Array) -> Array:
        """(1, n, C) in the order of the axes of segments."""
        return array if self.last else np.ascontiguousarray(array.transpose(2, 0, 1))

    def _energy(self, sizes: Array) -> Array:
        """Sums of squares over segments. Each segment takes operations of the same shape, so its bits depend on it alone."""
        if not self.last:
            return np.asarray(np.matmul(sizes[:, :, None], sizes[..., None]))[..., 0]
        count, _, channels = sizes.shape
        rows = self._in_rows(sizes)
        sums = np.einsum("fbr,fbr->fr", rows, rows) if rows.shape[1] > 1 else rows[:, 0] ** 2
        return np.asarray(sums.reshape(count, -1, channels).sum(axis=1, keepdims=True))

    def _clip(self, sizes: Array, level: Array) -> None:
        if self.last:
            rows = self._in_rows(sizes)
            level = np.tile(level, (1, 1, rows.shape[2] // sizes.shape[2]))
            np.minimum(rows, level, out=rows)
        else:
            np.minimum(sizes, level, out=sizes)

    def _in_rows(self, sizes: Array) -> Array:
        """(F, N, Q) as (F, rows, numbers), some steps to a row."""
        count, length, channels = sizes.shape
        steps = 1
        while steps * channels < STEPS_ROW_SIZE and length % (2 * steps) == 0:
            steps *= 2
        return sizes.reshape(count, length // steps, steps * channels)

    def _cells(self, numbers: Array, cell: int) -> Array:
        """Sums over cells. Every segment is a product of its own, of one shape."""
        if not self.last:
            side = math.gcd(max(1, CELLS_SUMMED_TOGETHER * 8 // cell), numbers.shape[2] // cell)
            ones = _ones(side, cell, numbers.dtype)
            rows = numbers.reshape(*numbers.shape[:2], -1, side * cell)
            return np.asarray(np.matmul(rows, ones)).reshape(*numbers.shape[:2], -1)
        count, length, channels = numbers.shape
        if channels >= MANY_CHANNELS:
            return np.asarray(np.add.reduce(numbers.reshape(count, length // cell, cell, channels), axis=2))
        ones = np.tile(np.eye(channels, dtype=numbers.dtype), (cell, 1))
        return np.asarray(np.matmul(numbers.reshape(count, length // cell, cell * channels), ones))


@lru_cache(maxsize=64)
def _ones(side: int, cell: int, dtype: np.dtype[Any]) -> Array:
    """The matrix that adds up `side` neighbouring cells, shape (side * cell, side)."""
    return np.kron(np.eye(side, dtype=dtype), np.ones((cell, 1), dtype))


def _largest(shares: Array, cell: int) -> Array:
    """The largest share that cell ``j`` may meet in outputs of cell 0, shape (cells, C): taps around ``j * cell``."""
    taps = len(shares)
    reach = -(-(taps + cell - 1) // cell)
    padded = np.zeros(((reach + 1) * cell, *shares.shape[1:]))
    padded[cell : cell + taps] = shares
    cells = padded.reshape(reach + 1, cell, *shares.shape[1:]).max(axis=(1, 3))
    return np.asarray(np.maximum(cells[1:], cells[:-1]))
