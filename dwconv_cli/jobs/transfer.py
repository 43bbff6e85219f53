"""Blocks of one recording from a reader through the engine to a writer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.convolution.streaming import StreamingConv
from dwconv_cli.errors import InputError, LayerError, OutOfMemoryError
from dwconv_cli.jobs.blocks import Lane, Storage, in_order, lanes
from dwconv_cli.jobs.nonfinite import count_nonfinite
from dwconv_cli.jobs.read_ahead import DEPTH, ahead, behind
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.storage.formats import Reader, Writer

# Large enough that reading and writing go at full speed, small enough for the last-level cache.
BLOCK_BYTES = 4 << 20
MEMORY_LIMIT = 256 << 20
# Blocks under way at once: read ahead, being filtered, and behind, with what waits in between; and one by one.
BLOCKS, LEAST = 2 * DEPTH + 3, 2

# Penalties that are sums over the elements, so that they add up over blocks.
_ADDITIVE = frozenset({"l1", "l2", "l1_l2"})


class Tally:
    """What is counted while blocks pass.

    Parameters
    ----------
    regularizer : Choice, optional
        Of the output.
    batch : int
        Recordings; Keras divides the activity's penalty by it.
    nan : str
        What becomes of NaN in the data: ``propagate``, ``zero`` or ``error``.
    name : str
        Of the data, for messages.

    Raises
    ------
    LayerError
        If the regularizer is not a sum over elements.
    """

    def __init__(
        self, regularizer: Choice | None, batch: int, nan: str = "propagate", name: str = "data"
    ) -> None:
        self._nan = nan
        self._name = name
        if regularizer is not None and regularizer.name not in _ADDITIVE:
            raise LayerError(f"activity_regularizer {regularizer} needs a matrix; use l1, l2 or l1_l2")
        self._function = None if regularizer is None else REGULARIZERS.function(regularizer)
        self._batch = max(1, batch)
        #: NaN and Inf in the data and in the output.
        self.input = self.output = 0
        self.penalty = 0.0

    def took(self, block: Array) -> None:
        """Count a block of the data, and treat its NaN as was asked for.

        Raises
        ------
        InputError
            If there is NaN and it is to be an error.
        """
        found = count_nonfinite(block)
        self.input += found
        if not found or self._nan == "propagate":
            return
        bad = np.isnan(block)
        if self._nan == "zero":
            block[bad] = 0
        elif bad.any():
            raise InputError(f"{self._name}: holds NaN; use --nan zero to replace them, or --nan propagate")

    def gave(self, block: Array) -> None:
        """Count a block of the output."""
        self.output += count_nonfinite(block)
        if self._function is not None:
            self.penalty += float(self._function(block)) / self._batch


class _Block(NamedTuple):
    """Steps that were read for a stream; they stand in `buffer` behind room for the halo."""

    stream: StreamingConv
    batch: slice
    channels: slice
    buffer: Array
    steps: int
    last: bool


class _Made(NamedTuple):
    """Outputs, and where they belong."""

    batch: slice
    steps: slice
    channels: slice
    outputs: Array
    #: Samples of the data that they were made of.
    taken: int


class _Pool:
    """Arrays to be used again: the first touch of a fresh page costs as much as the work done in it."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[Array]] = {}

    def take(self, make: Callable[[int, int], Array], batch: int, steps: int, channels: int) -> Array:
        """An array of shape (batch, steps, channels) and arbitrary contents, from `make` if none is free."""
        free = self._free.get((batch, steps, channels))
        return free.pop() if free else make(batch, steps)

    def give(self, array: Array) -> None:
        """Return an array."""
        self._free.setdefault(array.shape, []).append(array)


class Transfer:
    """One recording on its way from a reader through a convolution to a writer.

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
        With bounds: the part of the recording that is filtered.
    tally : Tally
    memory : int
        Bytes that blocks under way may take.
    progress : callable, optional
        Called with the samples done, and all there are.

    Raises
    ------
    OutOfMemoryError
        If the layer needs longer blocks than fit.
    """

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        conv: Convolution,
        axes: Axes,
        steps: slice,
        tally: Tally,
        *,
        memory: int = MEMORY_LIMIT,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._progress = progress
        self._reader, self._writer, self._conv = reader, writer, conv
        self._axes, self._begin, self._tally = axes, steps.start, tally
        batch, _, channels = axes.canonical_shape(reader.shape)
        self._shape = (batch, steps.stop - steps.start, channels)
        self._rows = conv.layer.depth_multiplier
        self._out_axes = axes.of_output(conv.output_channels)
        per_item = conv.precision.compute.itemsize + self._rows * conv.precision.output.itemsize
        items = max(1, min(BLOCK_BYTES // conv.precision.compute.itemsize, memory // (BLOCKS * per_item)))
        self._lanes = list(lanes(self._shape, _storage(reader, axes), items, conv.needs_all_steps))
        largest = max((_items(lane) for lane in self._lanes), default=0) * per_item
        if conv.needs_all_steps and LEAST * largest > memory:
            needed = LEAST * largest >> 20
            raise OutOfMemoryError(
                f"{reader.name}: {conv.layer.activation.name} over all steps needs {needed} MiB of memory; "
                f"use --memory-limit {needed + 1}MiB"
            )
        #: One by one where the chunks of the storage, or recordings that cannot be cut, make blocks large.
        self._overlapped = BLOCKS * largest <= memory
        self._rooms, self._outs = _Pool(), _Pool()

    def run(self) -> None:
        """Move the whole recording, reading ahead and writing behind where there is more than one block."""
        in_rows = not self._reader.fortran or self._axes.rank == 1
        if self._reader.sequential and not (in_rows and self._in_order(1)):
            self._reader.spool()
        if self._writer.sequential and not self._in_order(self._rows):
            self._writer.spool()
        if not self._overlapped or sum(-(-self._shape[1] // lane.block_steps) for lane in self._lanes) <= 1:
            for made in self._told(self._filtered(self._blocks())):
                self._write(made)
            return
        with ahead(self._blocks()) as blocks, behind(self._write) as write:
            for made in self._told(self._filtered(blocks)):
                write(made)

    def _told(self, pieces: Iterable[_Made]) -> Iterator[_Made]:
        """The same pieces; tells the progress after each."""
        total, done = math.prod(self._shape), 0
        for made in pieces:
            yield made
            done += made.taken
            if self._progress is not None:
                self._progress(done, total)

    def _in_order(self, rows: int) -> bool:
        first = self._axes.channels_first
        return all(in_order(lane, self._shape, first, rows) for lane in self._lanes)

    def _blocks(self) -> Iterator[_Block]:
        """Everything to be filtered, in the order in which it lies."""
        _, steps, channels = self._shape
        for batch, range_, block_steps in self._lanes:
            conv = self._conv if range_ == slice(0, channels) else self._conv.part(range_)
            count = batch.stop - batch.start
            stream = StreamingConv.over(conv, count, steps)
            stream.allocate = partial(self._outs.take, conv.empty, channels=conv.output_channels)
            start = 0
            while start < steps:
                # Up to a multiple from the recording's first step on, or a chunk would be read twice.
                over = (self._begin + start) % block_steps if block_steps < steps else 0
                taken = min(block_steps - over, steps - start)
                buffer = self._rooms.take(conv.room, count, stream.halo + taken, conv.channels)
                where = slice(self._begin + start, self._begin + start + taken)
                with np.errstate(all="ignore"):
                    self._reader.read(
                        self._axes.arrange(batch, where, range_), self._axes.restore(buffer[:, stream.halo :])
                    )
                start += taken
                yield _Block(stream, batch, range_, buffer, taken, start == steps)

    def _filtered(self, blocks: Iterable[_Block]) -> Iterator[_Made]:
        """The outputs of each block, and where they belong."""
        done = 0
        for block in blocks:
            stream = block.stream
            self._tally.took(block.buffer[:, stream.halo :])
            self._rooms.give(stream.load(block.buffer))
            outputs = stream.advance(block.steps, block.last)
            if block.last:
                self._rooms.give(block.buffer)
            self._tally.gave(outputs)
            taken = block.steps * stream.batch * (block.channels.stop - block.channels.start)
            begin = block.channels.start * self._rows
            channels = slice(begin, begin + outputs.shape[2])
            yield _Made(block.batch, slice(done, done + outputs.shape[1]), channels, outputs, taken)
            done = 0 if block.last else done + outputs.shape[1]

    def _write(self, made: _Made) -> None:
        if made.outputs.shape[1]:
            where = self._out_axes.arrange(made.batch, made.steps, made.channels)
            self._writer.write(where, self._out_axes.restore(made.outputs))
        self._outs.give(made.outputs)


def _storage(reader: Reader, axes: Axes) -> Storage:
    sides = axes.canonical_shape(reader.chunks) if reader.chunks else (1, 1, 1)
    return Storage(
        channel_major=axes.channels_first and not reader.fortran,
        batch_inside=reader.fortran and axes.rank == 3,
        chunks=sides,
    )


def _items(lane: Lane) -> int:
    recordings, width = lane.batch.stop - lane.batch.start, lane.channels.stop - lane.channels.start
    return int(recordings * width * lane.block_steps)
