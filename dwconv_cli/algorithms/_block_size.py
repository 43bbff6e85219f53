"""The blocks of overlap-save: how long, and what they cost. Integers and a formula, no arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dwconv_cli.algorithms._gate import SIDE, cell_for
from dwconv_cli.algorithms.costs import COSTS
from dwconv_cli.algorithms.problem import Problem

# The longest transform: at all, over the number of taps, and over that from MANY taps on, which pass more easily.
LONGEST = 1 << 17
MOST = 4
MANY = 512
MOST_OF_MANY = 8
# With fewer taps, float32 seldom passes the check.
NARROW = 200


class Size(NamedTuple):
    """Lengths of a block."""

    #: Samples transformed.
    length: int
    #: Outputs at every step, before strides.
    outputs: int
    #: Samples that the check takes together.
    cell: int


def cost(problem: Problem, size: Size) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    dtype = np.dtype(problem.dtype)
    parts = 2 if dtype.kind == "c" else 1
    narrow = dtype.itemsize == 4 * parts and problem.kernel_size >= NARROW
    costs = COSTS["float32" if narrow else "float64"]
    transform = (costs.fft + costs.fft_log * math.log2(size.length)) * size.length / size.outputs
    per_step = transform * (1 + 1 / problem.depth_multiplier) / 2 + costs.check / problem.depth_multiplier
    return parts * problem.strides * per_step


@lru_cache(maxsize=256)
def block_size(problem: Problem) -> Size | None:
    """The cheapest block, if any holds the kernel."""
    return min(sizes(problem), key=lambda size: cost(problem, size), default=None)


def sizes(problem: Problem) -> Iterator[Size]:
    """All blocks considered.

    Long ones fail the check more often: their norm grows, the sums that it is compared with do not.
    """
    taps, strides = problem.kernel_size, problem.strides
    cell = cell_for(taps)
    step = math.lcm(cell, strides)
    length = SIDE * cell
    most = MOST if taps < MANY else MOST_OF_MANY
    longest = min(LONGEST, max(most * taps, 4 * step, 4 * SIDE * cell))
    while length <= longest:
        for candidate in (length, length * 3 // 2):
            outputs = (candidate - taps + 1) // step * step
            if candidate % (SIDE * cell) == 0 and outputs > 0 and candidate <= longest:
                yield Size(candidate, outputs, cell)
        length *= 2
