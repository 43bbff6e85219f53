"""The sizes of block-Toeplitz products, and what they cost: integers and a formula, no arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from dwconv_cli.algorithms._sequences import UNITS
from dwconv_cli.algorithms.costs import COSTS
from dwconv_cli.algorithms.problem import Problem

# Rows of one product: few cost more per output, and a small recording pays for them all. Many, where a panel of all
# channels then has at most so many numbers.
FEW_ROWS, ROWS, PANEL = 32, 64, 1 << 16
# Bytes of a vector register: a matrix with fewer columns costs as much as one with so many.
VECTOR = 64
# Bytes of a line of the cache.
LINE = 64
# Phases up to which they are rounded up to a power of two.
EVEN = 8
LENGTHS = (4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Products:
    """How a problem becomes products.

    Parameters
    ----------
    together : int
        Channels in one sequence.
    length : int
        Outputs of each channel in a row.
    straight : bool
        Rows of the recording are rows of the products as they lie.
    beside, apart : int
        Multipliers in one product, and products for the others.
    parts : int
        Numbers of a sample: two if it is complex.
    channels : int
        Of one panel: all that lie side by side.
    strides, kernel_size : int
        Of the problem.
    """

    together: int
    length: int
    straight: bool
    beside: int
    apart: int
    parts: int
    channels: int
    strides: int
    kernel_size: int

    @classmethod
    def of(cls, problem: Problem, together: int, length: int) -> Products:
        """Products of `length` outputs for `together` channels."""
        last, multiplier = problem.data_format == "channels_last", problem.depth_multiplier
        straight = problem.dilation_rate == 1 and (together == problem.channels or not last)
        dtype = np.dtype(problem.dtype)
        # Multipliers stay side by side in the output where they lie so and can travel as one unit.
        beside = last and (straight or together > 1 or multiplier * dtype.itemsize in UNITS)
        return cls(
            together,
            length,
            straight,
            multiplier if beside else 1,
            1 if beside else multiplier,
            2 if dtype.kind == "c" else 1,
            problem.channels if last else 1,
            problem.strides,
            problem.kernel_size,
        )

    @property
    def width_in(self) -> int:
        """Numbers of a step in a sequence."""
        return self.together * self.parts

    @property
    def width_out(self) -> int:
        """Numbers of an output in a sequence."""
        return self.together * self.beside * self.parts

    @property
    def span(self) -> int:
        """Steps that a row reads."""
        return (self.length - 1) * self.strides + self.kernel_size

    @cached_property
    def phases(self) -> int:
        """Of so many rows, one may be in a product, for rows in a product must not overlap."""
        least = -(-self.span // (self.length * self.strides))
        # Recordings are often a power of two steps long, and then so should panels be, unless they get too long.
        return 1 << (least - 1).bit_length() if least <= EVEN else least

    @cached_property
    def rows(self) -> int:
        """Rows of one product."""
        numbers = self.phases * ROWS * self.length * self.strides * self.channels * self.parts
        return ROWS if numbers <= PANEL else FEW_ROWS

    @cached_property
    def unit(self) -> int:
        """Outputs of a sequence in one panel."""
        return self.phases * self.rows * self.length


def cost(problem: Problem, products: Products) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    dtype = np.dtype(problem.dtype)
    number = dtype.itemsize // products.parts
    costs = COSTS[f"float{8 * number}"]
    columns = products.length * products.width_out
    full = -(-columns * number // VECTOR) * VECTOR / (columns * number)
    total = products.parts * (products.span * products.width_in * full * costs.mac + costs.put)
    if not products.straight:
        moves = problem.strides / problem.depth_multiplier * _moves(products.together, dtype.itemsize)
        moves += _moves(products.together * products.beside, dtype.itemsize)
        samples = problem.strides / problem.depth_multiplier + 1
        apart = problem.data_format == "channels_last" and problem.channels * dtype.itemsize >= LINE
        total += products.parts * (costs.move * moves + (costs.moved + apart * costs.far) * samples)
    return total


def _moves(together: int, size: int) -> float:
    """Moves for each sample of `size` bytes, if `together` are to stay side by side."""
    return 1 / together if together * size in UNITS else 1.0


@lru_cache(maxsize=256)
def choose(problem: Problem) -> Products:
    """The cheapest products, from the problem alone."""
    return min(candidates(problem), key=lambda products: cost(problem, products))


def candidates(problem: Problem) -> Iterator[Products]:
    """All products considered."""
    widths = {1}
    if problem.data_format == "channels_last":
        widths |= {
            width for width in (2, 4, problem.channels) if problem.channels % width == 0 and width <= 8
        }
    for together in sorted(widths):
        for length in LENGTHS:
            yield Products.of(problem, together, length)
