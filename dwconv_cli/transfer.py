"""Blocks of one recording from a reader through the engine to a writer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.blocks import Lane, Storage, in_order, lanes
from dwconv_cli.engine import Convolution
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.formats import Reader, Writer
from dwconv_cli.registry import Choice
from dwconv_cli.regularizers import REGULARIZERS
from dwconv_cli.streaming import StreamingConv

Array = np.ndarray[Any, Any]

BLOCK_BYTES = 4 << 20

# Penalties that are sums over the elements, so that they add up over blocks.
_ADDITIVE = frozenset({"l1", "l2", "l1_l2"})


@dataclass(frozen=True)
class Axes:
    """How (batch, steps, channels) lie in an array of rank 1 to 3.

    Parameters
    ----------
    rank : int
    channels_first : bool

    Raises
    ------
    ShapeError
        If the rank is another.
    """

    rank: int
    channels_first: bool

    def __post_init__(self) -> None:
        if self.rank not in (1, 2, 3):
            raise ShapeError(f"data of rank {self.rank} cannot be filtered; ranks 1, 2 and 3 can")
        if self.rank == 1:
            object.__setattr__(self, "channels_first", False)

    def canonical(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """``(batch, steps, channels)`` of an array of `shape`."""
        batch, first, second = (1,) * (3 - self.rank) + shape if self.rank > 1 else (1, shape[0], 1)
        return (batch, second, first) if self.channels_first else (batch, first, second)

    def select(self, batch: slice, steps: slice, channels: slice) -> tuple[slice, ...]:
        """The same selection along the array's own axes."""
        if self.rank == 1:
            return (steps,)
        pair = (channels, steps) if self.channels_first else (steps, channels)
        return pair if self.rank == 2 else (batch, *pair)

    def lay(self, array: Array) -> Array:
        """A (batch, steps, channels) array seen as the array's own axes have it."""
        if self.rank == 1:
            return array[0, :, 0]
        laid = array.transpose(0, 2, 1) if self.channels_first else array
        return laid[0] if self.rank == 2 else laid


class Part(NamedTuple):
    """Where some outputs belong, along (batch, steps, channels)."""

    batch: slice
    steps: slice
    channels: slice


class Tally:
    """What is counted while blocks pass.

    Parameters
    ----------
    regularizer : Choice, optional
        Of the output.
    batch : int
        Recordings; Keras divides the activity's penalty by it.

    Raises
    ------
    LayerError
        If the regularizer is not a sum over elements.
    """

    def __init__(self, regularizer: Choice | None, batch: int) -> None:
        if regularizer is not None and regularizer.name not in _ADDITIVE:
            raise LayerError(f"activity_regularizer {regularizer} needs a matrix; use l1, l2 or l1_l2")
        self._function = None if regularizer is None else REGULARIZERS.function(regularizer)
        self._batch = max(1, batch)
        #: NaN and Inf in the data and in the output.
        self.input = self.output = 0
        self.penalty = 0.0

    def took(self, block: Array) -> None:
        """Count a block of the data."""
        self.input += _nonfinite(block)

    def gave(self, block: Array) -> None:
        """Count a block of the output."""
        self.output += _nonfinite(block)
        if self._function is not None:
            self.penalty += float(self._function(block)) / self._batch


def transfer(
    reader: Reader, writer: Writer, conv: Convolution, axes: Axes, steps: slice, tally: Tally
) -> None:
    """Filter the steps `steps` of a recording.

    Parameters
    ----------
    reader : Reader
    writer : Writer
        Of the output's shape.
    conv : Convolution
        For all channels of the recording.
    axes : Axes
        Of the reader's array.
    steps : slice
        With bounds.
    tally : Tally
    """
    batch, _, channels = axes.canonical(reader.shape)
    shape = (batch, steps.stop - steps.start, channels)
    items = max(1, BLOCK_BYTES // conv.precision.compute.itemsize)
    cut = list(lanes(shape, _storage(reader, axes), items, conv.needs_all_steps))
    rows = conv.layer.depth_multiplier
    first = axes.channels_first
    if reader.sequential and not (_row_major(reader) and all(in_order(lane, shape, first) for lane in cut)):
        reader.spool()
    if writer.sequential and not all(in_order(lane, shape, first, rows) for lane in cut):
        writer.spool()
    out_axes = axes if axes.rank > 1 or rows == 1 else Axes(2, False)
    for lane in cut:
        for part, block in _outputs(reader, conv, axes, lane, steps, tally):
            tally.gave(block)
            writer.write(out_axes.select(*part), out_axes.lay(block))


def _outputs(
    reader: Reader, conv: Convolution, axes: Axes, lane: Lane, steps: slice, tally: Tally
) -> Iterator[tuple[Part, Array]]:
    """The outputs of one lane, and where they belong."""
    rows = conv.layer.depth_multiplier
    whole = lane.channels == slice(0, conv.channels)
    mine = conv if whole else conv.part(lane.channels)
    channels = slice(0, conv.output_channels)
    if not whole:
        channels = slice(lane.channels.start * rows, lane.channels.stop * rows)
    length = steps.stop - steps.start
    stream = StreamingConv.over(mine, lane.batch.stop - lane.batch.start, length)
    done = 0
    for start in range(0, length, lane.block_steps):
        count = min(lane.block_steps, length - start)
        space = stream.space(count)
        begin = steps.start + start
        reader.read(axes.select(lane.batch, slice(begin, begin + count), lane.channels), axes.lay(space))
        tally.took(space)
        block = stream.advance(count, last=start + count == length)
        if block.shape[1]:
            yield Part(lane.batch, slice(done, done + block.shape[1]), channels), block
            done += block.shape[1]


def _row_major(reader: Reader) -> bool:
    return not reader.fortran or len(reader.shape) == 1


def _storage(reader: Reader, axes: Axes) -> Storage:
    sides = axes.canonical(reader.chunks) if reader.chunks else (1, 1, 1)
    return Storage(
        channel_major=axes.channels_first and not reader.fortran,
        batch_inside=reader.fortran and axes.rank == 3,
        chunks=sides,
    )


def _nonfinite(block: Array) -> int:
    return int(block.size - np.count_nonzero(np.isfinite(block)))
