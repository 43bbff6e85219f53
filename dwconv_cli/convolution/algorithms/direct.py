"""The direct sum: one multiplication and one addition a tap, in ascending order of the taps.

An output is ``x0*w0``, then ``+ x1*w1``, and so on; each product and each sum is rounded to the compute dtype, and a tap
that falls on padding is left out. This defines the bits of this package's outputs: the extension and NumPy compute the
same ones, on every machine, for any tiles and threads.
"""

from __future__ import annotations

import math

import numpy as np

from dwconv_cli.convolution.algorithms._layout import empty, is_plain, plain
from dwconv_cli.convolution.algorithms.problem import Problem
from dwconv_cli.convolution.compiled import EXTENSION
from dwconv_cli.convolution.scratch import SCRATCH
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.geometry import tap_range

NAME = "direct"

# The widest register that the extension uses.
REGISTER_BYTES = 64
# What the extension packs steps into.
SCRATCH_BYTES = 1 << 18
# Weights are repeated for several steps up to this size of a row.
LONGEST_ROW_BYTES = 1 << 12
# Outputs that NumPy sums at a time: few enough for the second-level cache.
NUMPY_TILE_OUTPUTS = 1 << 15


def supports(problem: Problem) -> str | None:
    """None, since the direct sum takes every problem."""
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread; :mod:`~dwconv_cli.convolution.plan` says where the figures are from."""
    size = np.dtype(problem.dtype).itemsize
    return size * (0.05 + 0.0094 * problem.kernel_size)


class Direct:
    """The direct sum with a kernel of shape (K, C, M) in the problem's dtype; a :class:`~.problem.Prepared`."""

    panel = 1

    def __init__(self, problem: Problem, kernel: Array) -> None:
        self.problem = problem
        self.kernel = kernel
        self.compiled = EXTENSION is not None and kernel.dtype.kind == "f"
        self.last = problem.data_format == "channels_last"
        width = problem.channels * problem.depth_multiplier
        self._together = _steps_of_a_row(width, kernel.itemsize) if self.last else 1
        #: (K, steps * C * M): in channels_last the weights of some steps stand side by side.
        self.weights = np.tile(kernel.reshape(len(kernel), width), (1, self._together))

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        problem = self.problem
        x = plain(x, problem)
        target = out if is_plain(out, problem) else empty(out.shape, out.dtype, problem.data_format)
        at = start * problem.strides - first
        if EXTENSION is not None and self.compiled:
            scratch = SCRATCH.take("direct", (SCRATCH_BYTES // x.itemsize,), x.dtype)
            EXTENSION.direct(
                x, self.weights, target, scratch, at, problem.strides, problem.dilation_rate, self.last
            )
        else:
            width = problem.channels * problem.depth_multiplier
            steps = max(1, NUMPY_TILE_OUTPUTS // width // self._together * self._together)
            for low in range(0, target.shape[1], steps):
                self._numpy_tile(x, at + low * problem.strides, target[:, low : low + steps])
        if target is not out:
            out[...] = target

    def _numpy_tile(self, x: Array, at: int, out: Array) -> None:
        """Sum outputs with NumPy; the first tap of the first one is step `at` of `x`."""
        problem, steps = self.problem, out.shape[1]
        products = empty(out.shape, out.dtype, problem.data_format)
        out[...] = 0
        # The outputs from here on have their first product.
        begun = steps
        with np.errstate(all="ignore"):
            for tap in range(problem.kernel_size):
                begin = at + tap * problem.dilation_rate
                low, high = tap_range(0, steps, begin, problem.strides, 0, x.shape[1])
                for is_first, left, right in ((True, low, min(high, begun)), (False, max(low, begun), high)):
                    if left >= right:
                        continue
                    target = out[:, left:right] if is_first else products[:, left:right]
                    self._multiply(x, begin + left * problem.strides, tap, target)
                    if not is_first:
                        out[:, left:right] += target
                begun = min(begun, low)

    def _multiply(self, x: Array, begin: int, tap: int, out: Array) -> None:
        """Products of one tap: steps of `x` from `begin` on."""
        problem, (batch, steps, _, multiplier) = self.problem, out.shape
        samples = x[:, begin : begin + (steps - 1) * problem.strides + 1 : problem.strides]
        rows = steps // self._together * self._together
        if multiplier == 1 and problem.strides == 1 and rows and self._together > 1:
            # NumPy's inner loop runs along the last axis. Several steps in one row make it long.
            shape = (batch, -1, self.weights.shape[1])
            np.multiply(
                samples[:, :rows].reshape(shape),
                self.weights[tap],
                out=out[:, :rows].reshape(shape, copy=False),
            )
            samples, out = samples[:, rows:], out[:, rows:]
        np.multiply(samples[..., None], self.kernel[tap], out=out)


prepare = Direct


def _steps_of_a_row(width: int, itemsize: int) -> int:
    """Steps whose weights stand in one row, so that it fills whole registers; 1 where the row would be too long."""
    register = REGISTER_BYTES // itemsize
    steps = register // math.gcd(width, register)
    if steps * width * itemsize > LONGEST_ROW_BYTES and width >= register:
        return 1
    return steps
