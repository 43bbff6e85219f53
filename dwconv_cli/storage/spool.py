"""Streams that are read or written in any order, by way of a temporary file without a name."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from dwconv_cli.errors import OutputError
from dwconv_cli.errors.system import reason
from dwconv_cli.storage.file_state import state_of
from dwconv_cli.storage.sink import Sink, write_all
from dwconv_cli.storage.source import FileSource, Source, StreamSource

# Bytes that are copied at once.
_PIECE = 1 << 20


class SpooledSource(FileSource):
    """The bytes from `start` to `end` of a sequential source, copied so that they can be read by position.

    Parameters
    ----------
    source : Source
        It is read to its end, which must be at `end`.
    start, end : int
    """

    def __init__(self, source: Source, start: int, end: int) -> None:
        self.name = source.name
        self.size = end
        self._origin = source
        file, label = temporary_file(self.name)
        with file:
            self._fd = os.dup(file.fileno())
            buffer = memoryview(bytearray(_PIECE))
            for at in range(start, end, _PIECE):
                piece = buffer[: min(_PIECE, end - at)]
                source.read_into(piece, at)
                write_all(partial(os.pwrite, self._fd), piece, at, label)
        source.finish(end)
        self._before = state_of(self._fd, self.name)

    def close(self) -> None:
        super().close()
        self._origin.close()


class SpooledStream(FileSource):
    """All bytes of a stream of unknown length, copied so that they can be read by position.

    Parameters
    ----------
    stream : StreamSource
        It is read to its end.
    """

    def __init__(self, stream: StreamSource) -> None:
        self.name = stream.name
        self._origin = stream
        file, label = temporary_file(self.name)
        with file:
            self._fd = os.dup(file.fileno())
            buffer, end = memoryview(bytearray(_PIECE)), 0
            while count := stream.read_some(buffer):
                write_all(partial(os.pwrite, self._fd), buffer[:count], end, label)
                end += count
        self.size = end
        self._before = state_of(self._fd, self.name)

    def close(self) -> None:
        super().close()
        self._origin.close()


class SpooledSink:
    """Takes bytes in any order, and passes them on to a sequential sink at :meth:`commit`.

    Parameters
    ----------
    sink : Sink
    """

    sequential = False

    def __init__(self, sink: Sink) -> None:
        self.name = sink.name
        self._sink = sink
        self._file, self._label = temporary_file(sink.name)

    def reserve(self, size: int) -> None:
        self._sink.reserve(size)

    def write_at(self, data: memoryview, offset: int) -> None:
        write_all(partial(os.pwrite, self._file.fileno()), data, offset, self._label)

    def commit(self) -> None:
        fd = self._file.fileno()
        end = os.fstat(fd).st_size
        for at in range(0, end, _PIECE):
            self._sink.write_at(memoryview(os.pread(fd, _PIECE, at)), at)
        self._file.close()

    def abort(self) -> None:
        self._file.close()


def temporary_file(name: str) -> tuple[Any, str]:
    """A file without a name to spool `name` in, and what messages call it."""
    import tempfile  # slow to import, and seldom needed

    try:
        return tempfile.TemporaryFile(), f"{tempfile.gettempdir()} ({name} is spooled there)"
    except OSError as error:
        raise OutputError(f"{name}: cannot be spooled: {reason(error)}; set TMPDIR to a folder") from error
