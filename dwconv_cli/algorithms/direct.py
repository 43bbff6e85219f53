"""The direct sum: one multiply and one add per tap.

The order of an output's products is fixed by the problem, and a tap that falls on padding adds nothing, so the bits
of an output depend on its own taps alone.

In channels_last the steps of a recording, with their channels, are one long row, and the next tap is the same row
further on. So a whole tile is one ``einsum``, whose inner loop is ``sums += row * weights`` with the weights repeated
along the row; it runs over all taps before it goes on, and the sums stay in the first-level cache. In channels_first
a weight is the same for a whole row: a multiply and an add per tap.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dwconv_cli import geometry
from dwconv_cli.algorithms._accumulate import accumulate
from dwconv_cli.algorithms._layout import empty_like, is_plain, plain
from dwconv_cli.algorithms._planes import Planes
from dwconv_cli.algorithms.costs import COSTS
from dwconv_cli.algorithms.problem import Problem
from dwconv_cli.scratch import SCRATCH

NAME = "direct"

Array = np.ndarray[Any, Any]

# Numbers of einsum's inner loop: enough to hide its start; its sums must stay in the first-level cache.
ROW = 2048
# Numbers of the repeated weights, which should stay in the second-level cache.
WEIGHTS = 1 << 16
# Products of a call that is over before einsum has begun.
FEW = 1 << 13
# Outputs summed at a time where the weights are not repeated.
BLOCK = 1 << 16
# Outputs beside the padding that are worth a call of their own.
APART = 256


def supports(problem: Problem) -> str | None:
    """None: the direct sum takes every problem."""
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    dtype = np.dtype(problem.dtype)
    parts = 2 if dtype.kind == "c" else 1
    costs = COSTS[f"float{8 * dtype.itemsize // parts}"]
    taps = problem.kernel_size
    if _by_rows(problem):
        total = taps * costs.tap * parts + costs.row
        if problem.strides > 1 or parts > 1:
            sample = costs.step / problem.channels + costs.sort * parts
            total += sample * min(problem.strides, taps) / problem.depth_multiplier
        return parts * total + (costs.move if problem.depth_multiplier > 1 else 0.0)
    product = costs.spread if problem.strides > 1 or parts > 1 else costs.plain
    return parts * (parts * (taps * product + (taps - 1) * costs.plain) + costs.row)


def prepare(problem: Problem, kernel: Array) -> Direct:
    """The direct sum with `kernel`, shape (K, C, M), in the problem's dtype."""
    return Direct(problem, kernel)


@cache
def _fused() -> bool:
    """Whether einsum rounds a product and a sum once only, as some processors do, and so other than two ufuncs."""
    near = np.full(64, 1 + 2.0**-12, np.float32)
    sums = np.full((1, 64), -1, np.float32)
    with np.errstate(all="ignore"):
        found = np.einsum("kn,kn->n", np.stack([sums[0], near]), np.stack([np.ones_like(near), near]))
    return not np.array_equal(found, near * near - 1)


def _groups(problem: Problem) -> list[list[int]]:
    """As :class:`Planes` takes the taps; without strides one after the other."""
    taps, strides = problem.kernel_size, problem.strides
    phases = min(taps, strides)
    full = min(taps % strides or phases, phases)
    groups = ((0, full), (full, phases))
    return [
        [tap for phase in range(*ends) for tap in range(phase, taps, strides)]
        for ends in groups
        if ends[0] < ends[1]
    ]


def _by_rows(problem: Problem) -> bool:
    # With one channel the next tap would be the next number, and einsum would sum along the taps instead.
    return problem.data_format == "channels_last" and problem.channels > 1 and not problem.strided_and_dilated


class Direct:
    """The direct sum with one kernel.

    Parameters
    ----------
    problem : Problem
    kernel : ndarray, shape (K, C, M)
        In the problem's dtype.
    """

    panel = 1
    whole_panels = False

    def __init__(self, problem: Problem, kernel: Array) -> None:
        self.problem = problem
        self.kernel = kernel
        self.finite = bool(np.isfinite(kernel).all())
        self.by_rows = _by_rows(problem)
        self.planes: Planes | None = None
        if self.by_rows and (problem.strides > 1 or kernel.dtype.kind == "c"):
            self.planes = Planes(problem, kernel, ROW)
        elif self.by_rows:
            steps = max(1, min(ROW, WEIGHTS // problem.kernel_size) // problem.channels)
            #: (M, K, steps*C): the weights of every tap, repeated.
            self.weights = np.tile(kernel.transpose(2, 0, 1), (1, 1, steps))
        #: Taps in the order in which they are summed, in groups whose sums are added up; None for no short cut.
        self.groups = _groups(problem) if self.by_rows and kernel.dtype.kind == "f" and not _fused() else None

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute the outputs from `start` on.

        Parameters
        ----------
        x : ndarray, shape (B, N, C)
            Padded steps from `first` on; what lies outside is padding.
        first : int
        out : ndarray, shape (B, n, C, M)
            Written whole.
        start : int
            Index of the first output.
        """
        stop = start + out.shape[1]
        x = plain(x, self.problem)
        target = out if is_plain(out, self.problem) else empty_like(out, self.problem)
        low, high = self._inside(first, first + x.shape[1], start, stop)
        with np.errstate(all="ignore"):
            if self.finite and stop - start - (high - low) and high - low < APART:
                low, high = start, start
            for begin, end in ((start, low), (low, high), (high, stop)):
                if begin == end:
                    continue
                part = target[:, begin - start : end - start]
                if low <= begin and end <= high:
                    self._sum(x[:, begin * self.problem.strides - first :], part)
                elif self.finite:
                    self._sum(self._padded(x, first, begin, end), part)
                else:
                    self._skipping(x, first, part, begin)
        if target is not out:
            out[...] = target

    def _inside(self, first: int, last: int, start: int, stop: int) -> tuple[int, int]:
        """Outputs of ``[start, stop)`` that read no padding, where padded steps ``[first, last)`` are held."""
        stride = self.problem.strides
        low = min(stop, max(start, -(-first // stride)))
        high = (last - self.problem.effective_kernel_size) // stride + 1
        return low, max(low, min(stop, high))

    def _padded(self, x: Array, first: int, low: int, high: int) -> Array:
        """The steps that outputs ``[low, high)`` read, with zeros for the padding."""
        problem = self.problem
        begin, end = geometry.needed_input(
            low, high, problem.kernel_size, problem.strides, problem.dilation_rate
        )
        batch, steps, channels = x.shape
        if self.by_rows or problem.data_format == "channels_last":
            padded = np.zeros((batch, end - begin, channels), x.dtype)
        else:
            padded = np.zeros((batch, channels, end - begin), x.dtype).transpose(0, 2, 1)
        left, right = max(begin, first), min(end, first + steps)
        if left < right:
            padded[:, left - begin : right - begin] = x[:, left - first : right - first]
        return padded

    def _sum(self, x: Array, out: Array) -> None:
        """Sum outputs whose taps all lie in `x`, which begins with the first one's first tap."""
        if self.groups is not None and out.size * self.problem.kernel_size <= FEW:
            self._few(x, out)
        elif self.planes is not None:
            self.planes(x, out)
        elif self.by_rows:
            self._rows(x, out)
        else:
            self._taps(x, out)

    def _rows(self, x: Array, out: Array) -> None:
        problem, size = self.problem, x.itemsize
        batch, steps, channels, multiplier = out.shape
        x = x[:, : steps + problem.effective_kernel_size - 1].reshape(batch, -1)
        row = self.weights.shape[2]
        count = steps * channels
        blocks = count // row
        tap = channels * problem.dilation_rate * size
        for m, weights in enumerate(self.weights):
            sums = (
                out.reshape(batch, count)
                if multiplier == 1
                else SCRATCH.take("out", (batch, count), out.dtype)
            )
            if blocks:
                taps = as_strided(
                    x, (batch, blocks, problem.kernel_size, row), (x.strides[0], row * size, tap, size)
                )
                whole = sums[:, : blocks * row].reshape(batch, blocks, row)
                np.einsum("abkn,kn->abn", taps, weights, out=whole)
            if count > blocks * row:
                rest = count - blocks * row
                taps = as_strided(
                    x[:, blocks * row :], (batch, problem.kernel_size, rest), (x.strides[0], tap, size)
                )
                np.einsum("akn,kn->an", taps, weights[:, :rest], out=sums[:, blocks * row :])
            if multiplier > 1:
                out[..., m] = sums.reshape(batch, steps, channels)

    def _few(self, x: Array, out: Array) -> None:
        """The sums of :meth:`_rows` or of planes, to the bit, for so few that setting those up takes longer."""
        problem = self.problem
        span = (out.shape[1] - 1) * problem.strides + 1
        sums = out
        for group in self.groups or ():
            sums[...] = 0
            for tap in group:
                at = tap * problem.dilation_rate
                sums += x[:, at : at + span : problem.strides, :, None] * self.kernel[tap]
            if sums is not out:
                out += sums
            sums = np.empty_like(out)

    def _taps(self, x: Array, out: Array) -> None:
        problem = self.problem
        batch, steps, channels, _ = out.shape
        span = (steps - 1) * problem.strides + 1
        if out.dtype.kind == "c":
            out[...] = 0
        if out.size * problem.kernel_size <= FEW and out.dtype.kind == "f":
            # The same sums with fewer calls.
            for tap, weights in enumerate(self.kernel):
                at = tap * problem.dilation_rate
                taken = x[:, at : at + span : problem.strides, :, None]
                if tap == 0:
                    np.multiply(taken, weights, out=out)
                else:
                    out += taken * weights
            return
        few = max(1, BLOCK // steps)
        for item in range(batch):
            for channel in range(0, channels, few):
                group = slice(channel, channel + few)
                for step in range(0, steps, BLOCK):
                    begin = step * problem.strides
                    part = out[item, step : step + BLOCK, group].transpose(1, 2, 0)
                    self._block(x[item, begin:, group].T, part, self.kernel[:, group])

    def _block(self, x: Array, out: Array, kernel: Array) -> None:
        """Sum (C, M, n) outputs from (C, N) samples, few enough to stay in the second-level cache."""
        span = (out.shape[2] - 1) * self.problem.strides + 1
        if out.dtype.kind == "c":
            out[...] = 0
        products = SCRATCH.take("out", (out.shape[0], out.shape[2]), out.dtype)
        for m in range(out.shape[1]):
            sums = out[:, m]
            for tap, weights in enumerate(kernel[:, :, m, None]):
                at = tap * self.problem.dilation_rate
                taken = x[:, at : at + span : self.problem.strides]
                if out.dtype.kind == "c":
                    accumulate(sums, taken, weights)
                elif tap == 0:
                    np.multiply(taken, weights, out=sums)
                else:
                    sums += np.multiply(taken, weights, out=products)

    def _skipping(self, x: Array, first: int, out: Array, start: int) -> None:
        """Sum outputs with a weight that is not finite, for which padding is not the same as zeros."""
        problem = self.problem
        steps, stop = x.shape[1], start + out.shape[1]
        out[...] = 0
        for tap in range(problem.kernel_size):
            offset = tap * problem.dilation_rate
            low, high = geometry.tap_range(start, stop, offset, problem.strides, first, first + steps)
            if low == high:
                continue
            begin = low * problem.strides + offset - first
            taken = x[:, begin : begin + (high - low - 1) * problem.strides + 1 : problem.strides]
            accumulate(out[:, low - start : high - start], taken[..., None], self.kernel[tap])
