"""Blocks of samples that lie in a file step by step, the channels of each step side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dwconv_cli.errors import OutputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.sample_types import Losses, SampleType
from dwconv_cli.storage.selections import Selection, contiguous_runs
from dwconv_cli.storage.sink import Sink
from dwconv_cli.storage.source import Source
from dwconv_cli.storage.spool import SpooledSink, SpooledSource

# Samples that are converted at once.
PIECE = 1 << 18


class InterleavedReader:
    """Blocks of the samples in a source.

    Parameters
    ----------
    source : Source
    name : str
        For messages.
    sample : SampleType
    offset : int
        Bytes before the first sample.
    shape : tuple of int
        ``(steps,)`` or ``(steps, channels)``.
    attributes, storage : dict
        What the file says of the samples, and how it holds them.
    """

    chunks: tuple[int, ...] | None = None
    fortran = False

    def __init__(
        self,
        source: Source,
        name: str,
        sample: SampleType,
        offset: int,
        shape: tuple[int, ...],
        attributes: dict[str, Any],
        storage: dict[str, Any],
    ) -> None:
        self._source, self._sample, self._offset = source, sample, offset
        self.name, self.shape, self.dtype = name, shape, sample.result
        self.sequential = source.sequential
        self.attributes, self.storage = attributes, storage

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype; a sequential source gives parts in order."""
        size, stored = self._sample.size, self.shape
        if self.fortran:
            selection, out, stored = selection[::-1], out.transpose(), stored[::-1]
        for offset, index in contiguous_runs(stored, selection):
            view: Any = (*index, ...)
            target = out[view]
            flat = target if target.ndim == 1 else target.reshape(-1) if target.flags.c_contiguous else None
            samples = np.empty(target.size, self.dtype) if flat is None else flat
            for start in range(0, target.size, PIECE):
                stop = min(start + PIECE, target.size)
                data = np.empty((stop - start) * size, np.uint8)
                self._source.read_into(data.data, self._offset + (offset + start) * size)
                samples[start:stop] = self._sample.decoded(data)
            if flat is None:
                target[...] = samples.reshape(target.shape)

    def put_channels_first(self) -> None:
        """Give the samples as (channels, steps), which a file that says what its channels are can do."""
        if len(self.shape) == 2:
            self.shape = self.shape[::-1]
            self.fortran = True

    def spool(self) -> None:
        """Make a sequential source readable in any order."""
        self._source = SpooledSource(self._source, self._offset, self._end)
        self.sequential = False

    def finish(self) -> None:
        """Check that the file has not changed; call when all was read."""
        self._source.finish(self._end)

    def close(self) -> None:
        """Release the source."""
        self._source.close()

    @property
    def _end(self) -> int:
        return self._offset + math.prod(self.shape) * self._sample.size


class InterleavedWriter:
    """Blocks into the samples of a sink.

    Parameters
    ----------
    sink : Sink
    sample : SampleType
    sample_format : str
        What the format calls it.
    array : NewArray
        Of rank 1 or 2.
    header : bytes
        What stands before the samples.
    trailer : bytes
        What stands behind them.
    notes : list of str
        What a careful person should know of the output; those about samples that were not kept come to it.
    """

    def __init__(
        self,
        sink: Sink,
        sample: SampleType,
        sample_format: str,
        array: NewArray,
        header: bytes = b"",
        trailer: bytes = b"",
        notes: tuple[str, ...] = (),
    ) -> None:
        self._sink, self._sample, self._sample_format = sink, sample, sample_format
        self._header, self._trailer = header, trailer
        self._transposed = array.channels_first and len(array.shape) == 2
        self._shape = array.shape[::-1] if self._transposed else array.shape
        self.sequential = sink.sequential
        if self._transposed and self.sequential:
            # Whoever writes its blocks in the order of (channels, steps) has them in another than the file's.
            self.spool()
        self.notes = list(notes)
        self._losses = Losses()
        self._begun = False

    def spool(self) -> None:
        """Take blocks in any order, which :meth:`commit` passes on; to be called before the first block."""
        self._sink = SpooledSink(self._sink)
        self.sequential = False

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`; a sequential sink takes blocks in order."""
        self._begin()
        size = self._sample.size
        if self._transposed:
            selection, block = selection[::-1], block.transpose()
        for offset, index in contiguous_runs(self._shape, selection):
            flat = np.ascontiguousarray(block[index]).reshape(-1)
            for start in range(0, flat.size, PIECE):
                data, losses = self._sample.encoded(flat[start : start + PIECE])
                self._losses += losses
                self._sink.write_at(data.data, len(self._header) + (offset + start) * size)

    @property
    def clipped(self) -> int | None:
        """Samples that were clipped or NaN; None where samples are no integers."""
        return self._losses.clipped + self._losses.nan if self._sample.is_integer else None

    def commit(self) -> None:
        """Complete the samples; the file is committed as a whole."""
        self._begin()
        if self._trailer:
            self._sink.write_at(memoryview(self._trailer), self._end)
        if isinstance(self._sink, SpooledSink):
            self._sink.commit()
        self.notes += self._losses.notes(self._sample_format)

    def abort(self) -> None:
        """Give the samples up; the file is aborted as a whole."""
        if isinstance(self._sink, SpooledSink):
            self._sink.abort()

    @property
    def _end(self) -> int:
        return len(self._header) + math.prod(self._shape) * self._sample.size

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._sink.reserve(self._end + len(self._trailer))
            self._sink.write_at(memoryview(self._header), 0)


def steps_and_channels(array: NewArray, path: str, what: str) -> tuple[int, int]:
    """Steps and channels of an array for a file that holds one recording.

    Raises
    ------
    OutputError
        If it has another rank.
    """
    if len(array.shape) not in (1, 2):
        raise OutputError(
            f"{path}: {what} holds one recording (steps, channels), and this is of shape {array.shape}; "
            "write to an .npy or .h5 file"
        )
    steps, channels = (*array.shape, 1)[:2]
    return (channels, steps) if array.channels_first and len(array.shape) == 2 else (steps, channels)
