"""The algorithms, by name. A new one is a file here and a line in :data:`ALGORITHMS`.

Each module has ``NAME``, ``supports(problem)`` (None, or why not), ``cost(problem)`` (nanoseconds per output) and
``prepare(problem, kernel)``, which does once what depends on the kernel alone and returns a :class:`Prepared`.
"""

from __future__ import annotations

from types import ModuleType

from dwconv_cli.convolution.algorithms import direct, overlap_save
from dwconv_cli.convolution.algorithms._parts import ComplexParts, real_kernel, real_problem
from dwconv_cli.convolution.algorithms.problem import Prepared, Problem

__all__ = ["ALGORITHMS", "ComplexParts", "Prepared", "Problem", "real_kernel", "real_problem"]

ALGORITHMS: dict[str, ModuleType] = {module.NAME: module for module in (direct, overlap_save)}
