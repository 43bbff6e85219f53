"""Two arrays of one shape, read together in blocks of bounded size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.protocols import Reader

# About how many numbers a block has; in complex128 that is 4 MiB of each array.
BLOCK_ITEMS = 1 << 18
# How many numbers a block may have so that both arrays are read in whole chunks.
CHUNK_ITEMS = 1 << 22


def is_reversed(a: Reader, b: Reader) -> bool:
    """Whether both arrays lie with their first axis fastest, so that blocks have the axes in reverse order."""
    return a.fortran and b.fortran


def paired_blocks(a: Reader, b: Reader) -> Iterator[tuple[Array, Array, tuple[int, ...]]]:
    """Blocks of both arrays, which have one shape, and where each begins; together they cover the arrays.

    Each block is C-contiguous and of the array's dtype in native byte order. Where :func:`is_reversed` is true, its
    axes, and the place where it begins, are in reverse order. Streams are read in order where both arrays lie in the
    same order, else through a temporary file.
    """
    backwards = is_reversed(a, b)
    shape = a.shape[::-1] if backwards else a.shape
    chunks = [reader.chunks[::-1] if backwards else reader.chunks for reader in (a, b) if reader.chunks]
    mixed = a.fortran != b.fortran and sum(side > 1 for side in shape) > 1
    sides = _tile(shape) if mixed else _slab(shape, _chunk(shape, chunks))
    for reader in (a, b):
        if reader.sequential and ((reader.fortran and mixed) or not _is_slab(shape, sides)):
            reader.spool()
    for corner in itertools.product(*(range(0, n, side) for n, side in zip(shape, sides, strict=True))):
        stops = [min(n, low + side) for n, low, side in zip(shape, corner, sides, strict=True)]
        selection = tuple(map(slice, corner, stops))
        if all(part.start < part.stop for part in selection):
            extent = tuple(stop - low for low, stop in zip(corner, stops, strict=True))
            left, right = (_block(reader, selection, extent, backwards) for reader in (a, b))
            yield from _pieces(left, right, corner)


def _block(reader: Reader, selection: tuple[slice, ...], extent: tuple[int, ...], backwards: bool) -> Array:
    block = np.empty(extent, reader.dtype.newbyteorder("="))
    if backwards:
        reader.read(selection[::-1], block.T)
    else:
        reader.read(selection, block)
    return block


def _pieces(a: Array, b: Array, corner: tuple[int, ...]) -> Iterator[tuple[Array, Array, tuple[int, ...]]]:
    """Parts of a block that is larger than others because a chunk is, so that comparing it needs little memory."""
    if a.size <= 2 * BLOCK_ITEMS:
        yield a, b, corner
        return
    axis = next(axis for axis, side in enumerate(a.shape) if side > 1)
    step = max(1, BLOCK_ITEMS * a.shape[axis] // a.size)
    for low in range(0, a.shape[axis], step):
        part = (slice(None),) * axis + (slice(low, low + step),)
        place = (*corner[:axis], corner[axis] + low, *corner[axis + 1 :])
        yield from _pieces(a[part], b[part], place)


def _chunk(shape: tuple[int, ...], chunks: Sequence[tuple[int, ...]]) -> list[int]:
    """The sides that blocks have multiples of: those of the chunks, of the first array's where both would be too much."""
    sides = [1] * len(shape)
    for chunk in chunks:
        both = [
            max(1, min(n, math.lcm(side, other))) for n, side, other in zip(shape, sides, chunk, strict=True)
        ]
        if sides == [1] * len(shape) or math.prod(both) <= CHUNK_ITEMS:
            sides = both
    return sides


def _slab(shape: tuple[int, ...], sides: list[int]) -> list[int]:
    """Multiples of `sides`, as long as possible along the last axes."""
    sides = list(sides)
    for axis in reversed(range(len(shape))):
        room = BLOCK_ITEMS // max(1, math.prod(sides))
        sides[axis] = min(max(1, shape[axis]), sides[axis] * max(1, room))
        if sides[axis] < shape[axis]:
            break
    return sides


def _tile(shape: tuple[int, ...]) -> list[int]:
    """Sides that are as equal as the shape allows, for arrays that lie in different orders."""
    sides, room = [1] * len(shape), BLOCK_ITEMS
    order = sorted(range(len(shape)), key=lambda axis: shape[axis])
    for number, axis in enumerate(order):
        root = int(room ** (1 / (len(shape) - number)))
        sides[axis] = max(1, min(shape[axis], root))
        room //= sides[axis]
    return sides


def _is_slab(shape: tuple[int, ...], sides: list[int]) -> bool:
    """Whether blocks of these sides, one after another, run through a row-major array without a jump."""
    first = next((axis for axis, side in enumerate(sides) if side > 1), len(sides))
    return all(side >= n for n, side in zip(shape[first + 1 :], sides[first + 1 :], strict=True))
