"""SigMF: samples in ``.sigmf-data``, and beside them JSON that says what they are, in ``.sigmf-meta``.

Integers are numbers from -1 to 1, as the reference library reads them; see :mod:`dwconv_cli.storage.sample_types`.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import NamedTuple

import numpy as np

from dwconv_cli.errors import InputError, LayerError, OutputError
from dwconv_cli.errors.system import reason
from dwconv_cli.interrupts import file_creation, undisturbed
from dwconv_cli.storage.interleaved import InterleavedReader, InterleavedWriter, steps_and_channels
from dwconv_cli.storage.protocols import SAMPLE_FORMAT, SAMPLING_RATE, NewArray
from dwconv_cli.storage.sample_types import SampleType
from dwconv_cli.storage.sigmf_metadata import METADATA, new_metadata, read_metadata, sample_type
from dwconv_cli.storage.sink import FileSink, Sink
from dwconv_cli.storage.source import FileSource

ROOT = None
_PIECE = 1 << 20


class SigmfReader(InterleavedReader):
    """Blocks of the samples of a recording.

    Parameters
    ----------
    path : str
        Of the samples.
    name : str
        Without effect.
    allow_external : bool
        Without effect.
    """

    def __init__(self, path: str, name: str = "", allow_external: bool = False) -> None:
        meta = metadata_path(path)
        if not os.path.lexists(path) and os.path.isfile(meta):
            other = read_metadata(meta)["global"].get("core:dataset")
            if isinstance(other, str):
                raise InputError(
                    f"{meta}: its samples are in {other[:200]!r} (core:dataset), which is read under the name "
                    f"{os.path.basename(path)}; link or rename it"
                )
        source = FileSource(path)
        try:
            metadata = read_metadata(meta)
            about = metadata["global"]
            sample = sample_type(about["core:datatype"])
            assert sample is not None
            channels = about.get("core:num_channels", 1)
            size = (source.size or 0) - about.get("core:trailing_bytes", 0)
            steps, rest = divmod(size, sample.size * channels)
            if rest or steps < 0:
                raise InputError(
                    f"{path}: {size} bytes are no whole steps of {sample.size * channels} bytes, as "
                    f"{about['core:datatype']} and {channels} channels in {meta} need"
                )
            attributes = {SAMPLE_FORMAT: about["core:datatype"], METADATA: json.dumps(metadata)}
            if "core:sample_rate" in about:
                attributes = {SAMPLING_RATE: about["core:sample_rate"], **attributes}
            shape = (steps,) if channels == 1 else (steps, channels)
            super().__init__(source, path, sample, 0, shape, attributes, {"format": "sigmf"})
            self._sha512 = about.get("core:sha512")
        except BaseException:
            source.close()
            raise

    def check_content(self) -> None:
        """Compare the samples with the checksum that the metadata holds, if it holds one.

        Raises
        ------
        InputError
            If it is another.
        """
        if self._sha512 is None:
            return
        digest, end = hashlib.sha512(), self._source.size or 0
        for start in range(0, end, _PIECE):
            piece = bytearray(min(_PIECE, end - start))
            self._source.read_into(memoryview(piece), start)
            digest.update(piece)
        if digest.hexdigest() != str(self._sha512).lower():
            raise InputError(
                f"{self.name}: its checksum is not the core:sha512 of its metadata; copy the recording again, or "
                "leave out --checksum"
            )


class SigmfOutput:
    """A recording in two files, which appear whole or not at all.

    Raises
    ------
    OutputError
        If one of them exists already, or is no regular file.
    """

    def __init__(self, sink: Sink, kept_file: str | None, replaced: frozenset[str]) -> None:
        if not isinstance(sink, FileSink) or sink.sequential:
            raise OutputError(f"{sink.name}: SigMF is two files and cannot be streamed; write to a file")
        self._data = sink
        self._meta = FileSink(metadata_path(sink.name), sink.overwrite)

    def writer(self, array: NewArray) -> InterleavedWriter:
        """The writer of the samples."""
        self._array, self._layout = array, check_array(array, self._data.name)
        layout = self._layout
        return InterleavedWriter(self._data, layout.sample, layout.datatype, array, notes=layout.notes)

    def commit(self) -> None:
        """Make both files appear, the metadata behind the samples."""
        digest, offset = hashlib.sha512(), 0
        try:
            while piece := os.pread(self._data.fd, _PIECE, offset):
                digest.update(piece)
                offset += len(piece)
        except OSError as error:
            raise OutputError(f"{self._data.name}: {reason(error)}") from error
        text, rate = self._array.attributes.get(METADATA), self._array.sampling_rate
        content = new_metadata(text, self._layout.datatype, self._layout.channels, rate, digest.hexdigest())
        self._meta.write_at(memoryview(content), 0)
        self._data.synchronize()
        # No signal ends the process between the two: its handler waits for this lock, and in this thread it runs
        # only afterwards.
        with undisturbed(), file_creation:
            self._data.commit()
            try:
                self._meta.commit()
            except OutputError:
                if not self._data.overwrite:
                    os.unlink(self._data.name)
                raise

    def abort(self) -> None:
        """Leave no trace."""
        self._data.abort()
        self._meta.abort()


open_reader, open_output = SigmfReader, SigmfOutput


class SigmfLayout(NamedTuple):
    """What a recording is to hold, and what a careful person should know of it."""

    datatype: str
    sample: SampleType
    channels: int
    notes: tuple[str, ...]


def metadata_path(path: str) -> str:
    """Where the metadata of the samples at `path` is."""
    return path.removesuffix(".sigmf-data") + ".sigmf-meta"


def check_array(array: NewArray, path: str) -> SigmfLayout:
    """How an array is written; refused if SigMF cannot hold it.

    The datatype is the one that was asked for. Otherwise it is floating point: of the input's size and order, and of
    32 bits where the input holds integers of fewer, or says nothing and is of no longer numbers.
    """
    _, channels = steps_and_channels(array, path, "SigMF")
    datatype, before = array.sample_format, array.attributes.get(SAMPLE_FORMAT)
    if datatype is not None and sample_type(datatype) is None:
        raise LayerError(
            f"{path}: SigMF holds cf32_le, cf64_le, rf32_le, ci16_le and the like, not {datatype}"
        )
    notes: tuple[str, ...] = ()
    if datatype is None:
        number, stored = "c" if array.dtype.kind == "c" else "r", sample_type(before)
        if stored is None:
            bits = 64 if np.finfo(array.dtype if array.dtype.kind in "fc" else "f8").bits == 64 else 32
            datatype = f"{number}f{bits}_le"
        else:
            bits = 64 if np.finfo(stored.result).bits == 64 else 32
            order = "be" if stored.dtype[0] == ">" and not stored.is_integer else "le"
            datatype = f"{number}f{bits}_{order}"
            if stored.is_integer:
                notes = (
                    f"{path} holds {datatype}, and the input {before}; --sample-format {before} rounds to integers",
                )
    sample = sample_type(datatype)
    assert sample is not None
    if array.dtype.kind == "c" and not sample.is_complex:
        raise LayerError(f"{path}: its samples are complex, and {datatype} is real; use c{datatype[1:]}")
    return SigmfLayout(datatype, sample, channels, notes)
