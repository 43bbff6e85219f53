"""Headerless samples, which are written alone: nothing in a file of them tells how they are to be read."""

from __future__ import annotations

import math

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.formats.npy import NpyWriter, numeric_dtype
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.raw_samples import RawSamples
from dwconv_cli.storage.selections import Selection
from dwconv_cli.storage.single_output import SingleOutput
from dwconv_cli.storage.sink import Sink

ROOT = None


def check_array(array: NewArray, path: str) -> RawSamples:
    """How an array is written; refused if it is complex and the samples are not."""
    samples = RawSamples(numeric_dtype(array.sample_format, "--raw-out"), array.scale)
    samples.check(array.dtype, path)
    return samples


class RawWriter(NpyWriter):
    """Blocks of samples in row-major order, without a header."""

    def __init__(self, sink: Sink, array: NewArray) -> None:
        self._samples = check_array(array, sink.name)
        super().__init__(sink, array.shape, self._samples.dtype)
        self._header, self._offset = b"", 0
        #: Samples that were clipped.
        self.clipped = 0

    def write(self, selection: Selection, block: Array) -> None:
        """Put the samples of `block` at `selection`; a sequential sink takes blocks in order."""
        samples, clipped = self._samples.encoded(np.ascontiguousarray(block))
        self.clipped += clipped
        super().write(selection, samples)

    @property
    def notes(self) -> list[str]:
        """What a careful person should know of the output."""
        return self._samples.note(self.clipped, math.prod(self.shape))


class RawOutput(SingleOutput):
    """A file or a stream of samples."""

    def writer(self, array: NewArray) -> RawWriter:
        """The writer of the one array."""
        return RawWriter(self._sink, array)


open_output = RawOutput
