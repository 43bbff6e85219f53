"""The direct sum: one multiply and one add per tap over whole tiles.

Products are added in the order of the taps, and a tap that falls on padding is left out, so the bits of an
output depend on its own taps alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli import geometry
from dwconv_cli.algorithms.problem import Problem

NAME = "direct"

Array = np.ndarray[Any, Any]


def supports(problem: Problem) -> str | None:
    """None: the direct sum takes every problem."""
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    return 0.3 + 0.4 * problem.kernel_size


def prepare(problem: Problem, kernel: Array) -> Direct:
    """The direct sum with `kernel`, shape (K, C, M), in the problem's dtype."""
    return Direct(problem, kernel)


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
        problem = self.problem
        steps, stop = x.shape[1], start + out.shape[1]
        # -0.0 is the sum's true identity: -0.0 + y is y, for y = -0.0 too.
        out[...] = -0.0
        seen = np.zeros(out.shape[1], bool)
        for tap in range(problem.kernel_size):
            offset = tap * problem.dilation_rate
            low, high = geometry.tap_range(start, stop, offset, problem.strides, first, first + steps)
            if low == high:
                continue
            begin = low * problem.strides + offset - first
            taken = x[:, begin : begin + (high - low - 1) * problem.strides + 1 : problem.strides]
            out[:, low - start : high - start] += taken[..., None] * self.kernel[tap]
            seen[low - start : high - start] = True
        if not seen.all():
            out[:, ~seen] = 0.0
