"""``.wav``: RIFF/WAVE, and RF64 above 4 GiB, with integers of 8 to 32 bits or floating-point samples.

Chunks and their fields are those of Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" and
``WAVEFORMATEXTENSIBLE``; RF64 is EBU Tech 3306. Samples are numbers from -1 to 1; see
:mod:`dwconv_cli.storage.sample_types`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dwconv_cli.errors import InputError
from dwconv_cli.storage.audio import AudioLayout, audio_layout
from dwconv_cli.storage.interleaved import InterleavedReader, InterleavedWriter
from dwconv_cli.storage.protocols import SAMPLE_FORMAT, SAMPLING_RATE, NewArray
from dwconv_cli.storage.sample_types import SampleType
from dwconv_cli.storage.single_output import SingleOutput
from dwconv_cli.storage.source import Source, StreamSource, open_source
from dwconv_cli.storage.spool import SpooledStream

ROOT = None
SAMPLE_FORMATS = {
    "PCM_U8": SampleType("|u1"),
    "PCM_16": SampleType("<i2"),
    "PCM_24": SampleType("<i3"),
    "PCM_32": SampleType("<i4"),
    "FLOAT": SampleType("<f4"),
    "DOUBLE": SampleType("<f8"),
}
MAX_CHANNELS, MAX_RATE = 2**16 - 1, 2**32 - 1

_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_NAME_OF = {
    (_FLOAT if name in ("FLOAT", "DOUBLE") else _INTEGER, sample.size): name
    for name, sample in SAMPLE_FORMATS.items()
}
# What the size of a chunk is where it stands elsewhere, or where whoever wrote to a pipe did not know it.
_UNKNOWN = 0xFFFFFFFF
# From here on sizes are those that programs write to pipes instead of an unknown one.
_LARGEST_PLAIN = 0x7FFF0000
# Chunks that are looked through for the samples.
_MAX_CHUNKS = 10_000


class _Header(NamedTuple):
    sample_format: str
    channels: int
    rate: int
    offset: int
    nbytes: int


def open_reader(path: str, name: str, allow_external: bool) -> InterleavedReader:
    """A reader of the samples in a file, or in a stream, whose header does not know how long it will be."""
    source = open_source(path)
    if isinstance(source, StreamSource):
        source = SpooledStream(source)
    try:
        header = _read_header(source, source.name)
        sample = SAMPLE_FORMATS[header.sample_format]
        steps = header.nbytes // (sample.size * header.channels)
        return InterleavedReader(
            source,
            source.name,
            sample,
            header.offset,
            (steps,) if header.channels == 1 else (steps, header.channels),
            {SAMPLING_RATE: header.rate, SAMPLE_FORMAT: header.sample_format},
            {"format": "wav"},
        )
    except BaseException:
        source.close()
        raise


class WavOutput(SingleOutput):
    """A file of samples, which appears whole or not at all."""

    def writer(self, array: NewArray) -> InterleavedWriter:
        """The writer of the samples."""
        layout = check_array(array, self._sink.name)
        sample = SAMPLE_FORMATS[layout.sample_format]
        header = _header_bytes(sample, layout.channels, layout.rate, layout.steps)
        padding = bytes(layout.steps * layout.channels * sample.size % 2)
        return InterleavedWriter(
            self._sink, sample, layout.sample_format, array, header, padding, layout.notes
        )


open_output = WavOutput


def check_array(array: NewArray, path: str) -> AudioLayout:
    """How an array is written; refused if the file cannot hold it."""
    return audio_layout(array, path, "WAV", SAMPLE_FORMATS, "FLOAT", MAX_CHANNELS, MAX_RATE)


def _header_bytes(sample: SampleType, channels: int, rate: int, steps: int) -> bytes:
    """All that stands before the samples."""
    frame = sample.size * channels
    nbytes = steps * frame
    tag = _INTEGER if sample.is_integer else _FLOAT
    fields = struct.pack(
        "<HHIIHH", tag, channels, rate, min(rate * frame, _UNKNOWN), frame % 65536, sample.size * 8
    )
    body = _chunk(b"fmt ", fields)
    if not sample.is_integer:
        # All but integers have a size of an extension, here none, and say how many steps there are.
        body = _chunk(b"fmt ", fields + bytes(2)) + _chunk(b"fact", struct.pack("<I", min(steps, _UNKNOWN)))
    size = 4 + len(body) + 8 + nbytes + nbytes % 2
    if size < _UNKNOWN:
        return struct.pack("<4sI4s", b"RIFF", size, b"WAVE") + body + struct.pack("<4sI", b"data", nbytes)
    ds64 = _chunk(b"ds64", struct.pack("<QQQI", size + 36, nbytes, steps, 0))
    return (
        struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE")
        + ds64
        + body
        + struct.pack("<4sI", b"data", _UNKNOWN)
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content


def _read_header(source: Source, name: str) -> _Header:
    """Look through the chunks up to the samples."""
    form, _, kind = struct.unpack("<4sI4s", _read(source, name, 0, 12))
    if form not in (b"RIFF", b"RF64", b"BW64") or kind != b"WAVE":
        hint = "it is big-endian; convert it to RIFF" if form == b"RIFX" else "its first bytes are not RIFF's"
        raise InputError(f"{name}: not a WAV file: {hint}")
    offset, long_size = 12, _UNKNOWN
    fields: tuple[str, int, int] | None = None
    for _ in range(_MAX_CHUNKS):
        chunk, size = struct.unpack("<4sI", _read(source, name, offset, 8))
        offset += 8
        if chunk == b"data":
            if fields is None:
                raise InputError(f"{name}: malformed WAV file: its samples stand before their format")
            nbytes = long_size if size == _UNKNOWN else size
            frame = SAMPLE_FORMATS[fields[0]].size * fields[1]
            return _Header(*fields, offset, _checked_size(nbytes, offset, frame, source, name))
        if chunk == b"ds64" and size >= 16:
            _, long_size = struct.unpack("<QQ", _read(source, name, offset, 16))
        elif chunk == b"fmt ":
            fields = _read_format(_read(source, name, offset, min(size, 40)), name)
        offset += size + size % 2
    raise InputError(f"{name}: malformed WAV file: no samples in its first {_MAX_CHUNKS} chunks")


def _checked_size(nbytes: int, offset: int, frame: int, source: Source, name: str) -> int:
    """The bytes of samples, which must be in the file."""
    available = (source.size or 0) - offset
    if nbytes > available:
        if nbytes < _LARGEST_PLAIN or nbytes > _UNKNOWN:
            raise InputError(f"{name}: {nbytes - available} bytes of its samples are missing; copy it again")
        # Written to a pipe, where the size could not be put right afterwards.
        nbytes = available - available % frame
    if nbytes % frame:
        raise InputError(f"{name}: malformed WAV file: {nbytes} bytes are no whole steps of {frame} bytes")
    return nbytes


def _read_format(fields: bytes, name: str) -> tuple[str, int, int]:
    """Sample format, channels and sampling rate."""
    if len(fields) < 16:
        raise InputError(f"{name}: malformed WAV file: its format has {len(fields)} bytes; 16 are needed")
    tag, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", fields[:16])
    if tag == _EXTENSIBLE and len(fields) >= 26:
        (tag,) = struct.unpack("<H", fields[24:26])
    if not channels or not rate or frame % channels:
        raise InputError(
            f"{name}: malformed WAV file: {channels} channels at {rate} Hz in steps of {frame} bytes"
        )
    known = _NAME_OF.get((tag, frame // channels))
    if known is None:
        raise InputError(
            f"{name}: its samples (format {tag}, {bits} bits) are not read; convert it to integers of 8 to 32 bits "
            "or to floating point"
        )
    return known, channels, rate


def _read(source: Source, name: str, offset: int, count: int) -> bytes:
    data = bytearray(count)
    try:
        source.read_into(memoryview(data), offset)
    except InputError as error:
        if "too early" in str(error):
            raise InputError(
                f"{name}: not a whole WAV file: it ends at byte {offset} of its header"
            ) from None
        raise
    return bytes(data)
