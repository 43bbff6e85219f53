"""``.flac`` (extra ``audio``: soundfile), with integers of 8, 16 or 24 bits and at most 8 channels.

Samples are numbers from -1 to 1; see :mod:`dwconv_cli.storage.sample_types`. They are rounded here and not by libsndfile,
whose conversions between integers and floating point do not give back the same integers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from dwconv_cli.errors import DwconvError, InputError, MissingExtraError, OutputError
from dwconv_cli.errors.system import reason
from dwconv_cli.storage.audio import AudioLayout, audio_layout
from dwconv_cli.storage.interleaved import InterleavedReader, InterleavedWriter
from dwconv_cli.storage.protocols import SAMPLE_FORMAT, SAMPLING_RATE, NewArray
from dwconv_cli.storage.sample_types import SampleType
from dwconv_cli.storage.single_output import SingleOutput
from dwconv_cli.storage.sink import FileSink, Sink
from dwconv_cli.storage.source import FileSource

ROOT = None
SAMPLE_FORMATS = {"PCM_S8": SampleType("|i1"), "PCM_16": SampleType("<i2"), "PCM_24": SampleType("<i3")}
MAX_CHANNELS, MAX_RATE = 8, 655_350
# The integers that libsndfile exchanges: the upper bits of them are the samples.
_EXCHANGED = {"PCM_S8": SampleType("<i2"), "PCM_16": SampleType("<i2"), "PCM_24": SampleType("<i4")}
# What libsndfile does not say.
_ADVICE = {
    "System error": "; the disk may be full",
    "Format not recognised": "; it is no FLAC file",
}


def open_reader(path: str, name: str, allow_external: bool) -> InterleavedReader:
    """A reader of the samples in a file."""
    soundfile = _library(path)
    source = _FlacSource(path, soundfile)
    file = source.file
    shape = (file.frames,) if file.channels == 1 else (file.frames, file.channels)
    attributes = {SAMPLING_RATE: file.samplerate, SAMPLE_FORMAT: file.subtype}
    return InterleavedReader(source, path, source.sample, 0, shape, attributes, {"format": "flac"})


class FlacOutput(SingleOutput):
    """A file of samples, which appears whole or not at all."""

    def __init__(self, sink: Sink, kept_file: str | None, replaced: frozenset[str]) -> None:
        self._soundfile = _library(sink.name)
        if not isinstance(sink, FileSink) or sink.sequential:
            raise OutputError(f"{sink.name}: FLAC cannot be streamed; write .wav there, or to a file")
        self._sink: FileSink = sink
        self._writer: _FlacWriter | None = None

    def writer(self, array: NewArray) -> InterleavedWriter:
        """The writer of the samples."""
        layout = check_array(array, self._sink.name)
        encoder = _EncodingSink(self._sink, layout, self._soundfile)
        self._writer = _FlacWriter(
            encoder,
            SAMPLE_FORMATS[layout.sample_format],
            layout.sample_format,
            array,
            notes=layout.notes,
        )
        return self._writer

    def abort(self) -> None:
        """Leave no trace."""
        if self._writer is not None:
            self._writer.abort()
        super().abort()


open_output = FlacOutput


def check_array(array: NewArray, path: str) -> AudioLayout:
    """How an array is written; refused if the file cannot hold it."""
    _library(path)
    return audio_layout(array, path, "FLAC", SAMPLE_FORMATS, "PCM_24", MAX_CHANNELS, MAX_RATE)


def _library(path: str) -> Any:
    """The package soundfile, for the file at `path`."""
    try:
        import soundfile
    # It raises an OSError where it does not find libsndfile.
    except (ImportError, OSError) as error:
        raise MissingExtraError(f"{path}: FLAC needs the package soundfile; pip install soundfile") from error
    return soundfile


@contextlib.contextmanager
def _errors(kind: type[DwconvError], path: str) -> Iterator[None]:
    """Raise errors of libsndfile as one of ours."""
    try:
        yield
    except (RuntimeError, AssertionError, OSError, ValueError, TypeError) as error:
        if isinstance(error, DwconvError):
            raise
        # What soundfile puts before libsndfile's own words names the descriptor.
        text = getattr(error, "error_string", None) or reason(error)
        text = str(text).removeprefix("Error : ").rstrip(".")
        raise kind(f"{path}: FLAC: {text}{_ADVICE.get(text, '')}") from error


class _FlacSource(FileSource):
    """The samples of a file as bytes of the integers that libsndfile exchanges."""

    def __init__(self, path: str, soundfile: Any) -> None:
        super().__init__(path)
        try:
            with _errors(InputError, path):
                self.file = soundfile.SoundFile(self._fd, closefd=False)
            if self.file.format != "FLAC":
                raise InputError(
                    f"{path}: is {self.file.format} and not FLAC; name it by what it is, or convert it"
                )
            if not 0 < self.file.frames < 1 << 40:
                raise InputError(f"{path}: does not say how long it is, as FLAC from a pipe; encode it again")
            self.sample = _EXCHANGED[self.file.subtype]
        except BaseException:
            self.close()
            raise
        self._position = 0

    def read_into(self, buffer: memoryview, offset: int) -> None:
        frame = self.sample.size * self.file.channels
        first, last = offset // frame, -(-(offset + len(buffer)) // frame)
        with _errors(InputError, self.name):
            if first != self._position:
                self.file.seek(first)
            dtype = "int16" if self.sample.size == 2 else "int32"
            samples = self.file.read(last - first, dtype, always_2d=True)
        self._position = first + len(samples)
        if len(samples) < last - first:
            raise InputError(f"{self.name}: ended at step {self._position} of {self.file.frames}, too early")
        begin = offset - first * frame
        buffer[:] = np.ascontiguousarray(samples).reshape(-1).view(np.uint8).data[begin : begin + len(buffer)]

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.file.close()
        super().close()


class _EncodingSink:
    """Takes the bytes of samples in order, and has libsndfile encode them into a file."""

    sequential = True

    def __init__(self, sink: FileSink, layout: AudioLayout, soundfile: Any) -> None:
        self.name = sink.name
        self._layout, self._fd, self._soundfile = layout, sink.fd, soundfile
        self._rest = b""
        with _errors(OutputError, self.name):
            self._file = soundfile.SoundFile(
                sink.fd,
                "w",
                layout.rate,
                layout.channels,
                layout.sample_format,
                format="FLAC",
                closefd=False,
            )

    def reserve(self, size: int) -> None:
        """Do nothing: nobody knows how small it will be."""

    def write_at(self, data: memoryview, offset: int) -> None:
        """Encode the whole steps in `data` and in what was left over before."""
        size = SAMPLE_FORMATS[self._layout.sample_format].size
        unwritten = self._rest + data.tobytes()
        whole = len(unwritten) // (size * self._layout.channels) * size * self._layout.channels
        self._rest = unwritten[whole:]
        numbers = np.frombuffer(unwritten[:whole], np.uint8).reshape(-1, size)
        exchanged = _EXCHANGED[self._layout.sample_format].size
        wide = np.zeros((len(numbers), exchanged), np.uint8)
        wide[:, exchanged - size :] = numbers
        samples = wide.reshape(-1).view(f"<i{exchanged}").reshape(-1, self._layout.channels)
        with _errors(OutputError, self.name):
            self._file.write(samples)

    def commit(self) -> None:
        """Encode the end, and look whether it is on the disk, since libsndfile keeps errors of its end to itself."""
        with _errors(OutputError, self.name):
            self._file.close()
        if not self._layout.steps:
            return
        try:
            os.lseek(self._fd, 0, os.SEEK_SET)
            with self._soundfile.SoundFile(self._fd, closefd=False) as written:
                written.seek(self._layout.steps - 1)
                is_whole = len(written.read(1)) == 1
        except (RuntimeError, OSError):
            is_whole = False
        if not is_whole:
            raise OutputError(f"{self.name}: its end could not be written; the disk may be full")

    def abort(self) -> None:
        """Give it up."""
        with contextlib.suppress(Exception):
            self._file.close()


class _FlacWriter(InterleavedWriter):
    def __init__(self, encoder: _EncodingSink, *args: Any, **options: Any) -> None:
        super().__init__(encoder, *args, **options)
        self._encoder = encoder

    def commit(self) -> None:
        super().commit()
        self._encoder.commit()

    def abort(self) -> None:
        super().abort()
        self._encoder.abort()
