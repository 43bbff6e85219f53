"""Blocks of one recording from a reader through a convolution to a writer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from dwconv_cli.convolution.blockwise import BlockwiseConvolution
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.convolution.scratch import ArrayPool
from dwconv_cli.errors import OutOfMemoryError
from dwconv_cli.jobs.blocks import Lane, Storage, in_order, lanes
from dwconv_cli.jobs.read_ahead import DEPTH, ahead, behind
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.layer.axes import Array, Axes
from dwconv_cli.storage.protocols import Reader, Writer

# Bytes of a block: enough to read and write at full speed, few enough for the last-level cache.
BLOCK_BYTES = 4 << 20
MEMORY_LIMIT = 256 << 20
# Blocks in memory at once, with threads that read ahead and write behind: one in the hands of each of the three threads,
# and those in the two queues between them. Without these threads: the block that is read, and its outputs.
BLOCKS_OVERLAPPED, BLOCKS_ONE_BY_ONE = 2 * DEPTH + 3, 2


class Watcher(Protocol):
    """Who looks at a recording and its outputs as they pass; each is called in the order of the steps."""

    def see_input(self, recording: int, channel: int, first: int, block: Array) -> None:
        """Look at the steps from `first` on, shape (recordings, steps, channels).

        The block begins at `recording` and `channel`; it is not there any more after the call.
        """

    def see_output(self, recording: int, channel: int, first: int, block: Array) -> None:
        """Look at outputs in the same way."""


class _Block(NamedTuple):
    """Steps of a lane that were read; they stand in `buffer` behind room for the halo of `blockwise`."""

    lane: Lane
    blockwise: BlockwiseConvolution
    buffer: Array
    last: bool


class _Outputs(NamedTuple):
    """Outputs (batch, steps, channels), and their place in the writer's array."""

    place: tuple[slice, ...]
    array: Array


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
    watcher : Watcher, optional

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
        watcher: Watcher | None = None,
    ) -> None:
        self._progress, self._watcher = progress, watcher
        self._reader, self._writer, self._conv = reader, writer, conv
        self._axes, self._output_axes = axes, axes.of_output(conv.output_channels)
        self._steps, self._tally = steps, tally
        batch, _, channels = axes.canonical_shape(reader.shape)
        self._shape = (batch, steps.stop - steps.start, channels)
        self._multiplier = conv.layer.depth_multiplier
        sample_bytes = conv.precision.compute.itemsize
        bytes_per_sample = sample_bytes + self._multiplier * conv.precision.output.itemsize
        samples = max(1, min(BLOCK_BYTES // sample_bytes, memory // (BLOCKS_OVERLAPPED * bytes_per_sample)))
        storage = Storage(
            channel_major=axes.channels_first and not reader.fortran,
            batch_inside=reader.fortran and axes.rank == 3,
            chunks=axes.canonical_shape(reader.chunks) if reader.chunks else (1, 1, 1),
        )
        self._lanes = list(lanes(self._shape, storage, samples, conv.needs_all_steps))
        block_samples = max(
            (math.prod((lane.recordings, lane.width, lane.block_steps)) for lane in self._lanes), default=0
        )
        block_bytes = block_samples * bytes_per_sample
        if conv.needs_all_steps and BLOCKS_ONE_BY_ONE * block_bytes > memory:
            needed = BLOCKS_ONE_BY_ONE * block_bytes >> 20
            raise OutOfMemoryError(
                f"{reader.name}: {conv.layer.activation.name} over all steps needs {needed} MiB of memory; "
                f"use --memory-limit {needed + 1}MiB"
            )
        blocks = sum(-(-self._shape[1] // lane.block_steps) for lane in self._lanes)
        # Chunks of the storage, or recordings that cannot be cut, can make blocks too large for several at once.
        self._overlapped = blocks > 1 and BLOCKS_OVERLAPPED * block_bytes <= memory
        self._input_pool, self._output_pool = ArrayPool(conv.empty_input), ArrayPool(conv.empty_output)

    def run(self) -> None:
        """Move the whole recording, in three threads where it has several blocks that fit into memory."""
        read_in_order = self._in_order(1) and (not self._reader.fortran or self._axes.rank == 1)
        if self._reader.sequential and not read_in_order:
            self._reader.spool()
        if self._writer.sequential and not self._in_order(self._multiplier):
            self._writer.spool()
        if not self._overlapped:
            self._filter(self._read(), self._write)
            return
        with ahead(self._read()) as blocks, behind(self._write) as write:
            self._filter(blocks, write)

    def _in_order(self, multiplier: int) -> bool:
        first = self._axes.channels_first
        return all(in_order(lane, self._shape, first, multiplier) for lane in self._lanes)

    def _read(self) -> Iterator[_Block]:
        """All blocks of the recording, in the order in which it lies."""
        _, steps, channels = self._shape
        for lane in self._lanes:
            conv = self._conv if lane.width == channels else self._conv.part(lane.channels)
            blockwise = BlockwiseConvolution(conv, lane.recordings, steps, self._output_pool.take)
            for block in lane.blocks(self._steps):
                shape = (lane.recordings, blockwise.halo + block.stop - block.start, lane.width)
                buffer = self._input_pool.take(shape)
                place = self._axes.arrange(lane.batch, block, lane.channels)
                with np.errstate(all="ignore"):
                    self._reader.read(place, self._axes.restore(buffer[:, blockwise.halo :]))
                yield _Block(lane, blockwise, buffer, block.stop == self._steps.stop)

    def _filter(self, blocks: Iterable[_Block], write: Callable[[_Outputs], object]) -> None:
        """Compute the outputs of each block and hand them to `write`."""
        total, samples_done, outputs_done, steps_done = math.prod(self._shape), 0, 0, 0
        for lane, blockwise, buffer, last in blocks:
            new_samples = buffer[:, blockwise.halo :]
            if self._watcher is not None:
                self._watcher.see_input(lane.batch.start, lane.channels.start, steps_done, new_samples)
                steps_done = 0 if last else steps_done + new_samples.shape[1]
            self._tally.count_input(new_samples)
            self._input_pool.give_back(blockwise.load(buffer))
            outputs = blockwise.advance(new_samples.shape[1], last)
            if last:
                self._input_pool.give_back(buffer)
            self._tally.count_output(outputs)
            stop, channel = outputs_done + outputs.shape[1], lane.channels.start * self._multiplier
            channels = slice(channel, channel + outputs.shape[2])
            if self._watcher is not None:
                self._watcher.see_output(lane.batch.start, channel, outputs_done, outputs)
            place = self._output_axes.arrange(lane.batch, slice(outputs_done, stop), channels)
            write(_Outputs(place, outputs))
            outputs_done = 0 if last else stop
            samples_done += new_samples.size
            if self._progress is not None:
                self._progress(samples_done, total)

    def _write(self, outputs: _Outputs) -> None:
        place, array = outputs
        if array.shape[1]:
            self._writer.write(place, self._output_axes.restore(array))
        self._output_pool.give_back(array)
