"""The algorithms, by name. A new one is a file here and a line in :data:`ALGORITHMS`.

Each module has ``NAME``, ``supports(problem)`` (None, or why not), ``cost(problem)`` (nanoseconds per output) and
``prepare(problem, kernel)``, which does once what depends on the kernel alone and returns a :class:`Prepared`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Protocol

from dwconv_cli.arrays import Array
from dwconv_cli.convolution.algorithms import direct, overlap_save
from dwconv_cli.convolution.algorithms._parts import ComplexParts, real_kernel, real_problem
from dwconv_cli.convolution.algorithms.problem import Problem

__all__ = ["ALGORITHMS", "ComplexParts", "Prepared", "Problem", "real_kernel", "real_problem"]

ALGORITHMS: dict[str, ModuleType] = {module.NAME: module for module in (direct, overlap_save)}


class Prepared(Protocol):
    """A kernel that one algorithm has prepared. Calls do not change it, so several threads may use it at once.

    Attributes
    ----------
    panel : int
        A call must begin at a multiple of so many outputs, counted from the recording's first, and hold whole panels
        with all their inputs, except at the recording's end.
    """

    panel: int

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute outputs from `start` on into `out` (B, n, C, M) from `x` (B, N, C), padded steps from `first`."""
