"""The blocks of overlap-save: how long they are. Integers alone, no arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from dwconv_cli.convolution.algorithms._gate import SIDE, cell_for

# The longest transform: at all, over the number of taps, and over that from MANY taps on, which pass more easily.
LONGEST = 1 << 17
MOST = 4
MANY = 512
MOST_OF_MANY = 8


class Size(NamedTuple):
    """Lengths of a block."""

    #: Samples transformed.
    length: int
    #: Outputs at every step, before strides.
    outputs: int
    #: Samples that the check takes together.
    cell: int


@lru_cache(maxsize=256)
def block_size(taps: int, strides: int) -> Size | None:
    """The block of which most is output, if any holds the kernel: a transform costs about the same for every sample.

    Longer blocks would fail the check more often: their norm grows, the sums that it is compared with do not.
    """
    return max(_sizes(taps, strides), key=lambda size: size.outputs / size.length, default=None)


def _sizes(taps: int, strides: int) -> Iterator[Size]:
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
