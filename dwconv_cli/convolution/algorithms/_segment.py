"""The segments of overlap-save: how long they are. Integers alone, no arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

# The check of a segment sums so many cells in one operation; a segment is a multiple of them.
CELLS_SUMMED_TOGETHER = 16
# The longest transform.
LONGEST_SEGMENT = 1 << 17
# The longest transform for each tap. It may be twice as long from MANY_TAPS on, since long kernels pass the check more often.
LENGTH_PER_TAP, LENGTH_PER_TAP_OF_MANY = 4, 8
MANY_TAPS = 512


class Segment(NamedTuple):
    """Lengths of a segment."""

    #: Samples transformed.
    length: int
    #: Outputs at every step, before strides.
    outputs: int
    #: Samples that the check takes together.
    cell: int


def cell_for(taps: int) -> int:
    """Samples of a cell: few next to the kernel, so that the largest weight is not far from the others."""
    return 4 if taps < 128 else min(64, max(8, 1 << (taps // 128).bit_length() - 1))


@lru_cache(maxsize=256)
def segment_for(taps: int, strides: int) -> Segment | None:
    """The segment of which most is output, if any holds the kernel: a transform costs about the same for every sample.

    Longer segments would fail the check more often: their norm grows, and the sums that it is compared with do not.
    """
    return max(_segments(taps, strides), key=lambda segment: segment.outputs / segment.length, default=None)


def _segments(taps: int, strides: int) -> Iterator[Segment]:
    cell = cell_for(taps)
    step = math.lcm(cell, strides)
    shortest = length = CELLS_SUMMED_TOGETHER * cell
    per_tap = LENGTH_PER_TAP if taps < MANY_TAPS else LENGTH_PER_TAP_OF_MANY
    longest = min(LONGEST_SEGMENT, max(per_tap * taps, 4 * step, 4 * shortest))
    while length <= longest:
        for candidate in (length, length * 3 // 2):
            outputs = (candidate - taps + 1) // step * step
            if candidate % shortest == 0 and outputs > 0 and candidate <= longest:
                yield Segment(candidate, outputs, cell)
        length *= 2
