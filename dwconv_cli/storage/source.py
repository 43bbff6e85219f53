"""Where bytes are read: files by position, streams in order.

Files are not mapped into memory, since an error of the disk or a file that shrinks would then end the process.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any, Protocol

from dwconv_cli.errors import InputError
from dwconv_cli.errors.system import reason, refusal
from dwconv_cli.storage.address import STREAM
from dwconv_cli.storage.file_state import changed, state_of
from dwconv_cli.storage.standard_streams import standard_input


class Source(Protocol):
    """Where bytes come from.

    Attributes
    ----------
    name : str
        For messages.
    sequential : bool
        Whether bytes can only be read in order.
    size : int or None
        Length in bytes where it is known.
    """

    name: str
    sequential: bool
    size: int | None

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` with the bytes at `offset`."""

    def finish(self, end: int) -> None:
        """Check that the source ends at `end` and has not changed since it was opened."""

    def close(self) -> None:
        """Release the source."""


class FileSource:
    """A regular file, read by position.

    Raises
    ------
    InputError
        If it cannot be opened.
    """

    sequential = False

    def __init__(self, path: str) -> None:
        self.name = path
        self._fd = open_file(path)
        try:
            self._before = state_of(self._fd, path)
            self.size: int | None = os.fstat(self._fd).st_size
        except BaseException:
            self.close()
            raise

    def read_into(self, buffer: memoryview, offset: int) -> None:
        filled = 0
        while filled < len(buffer):
            try:
                count = os.preadv(self._fd, [buffer[filled:]], offset + filled)
            except OSError as error:
                raise InputError(f"{self.name}: {reason(error)} at byte {offset + filled}") from error
            if count == 0:
                raise _too_early(self.name, offset + filled, len(buffer) - filled)
            filled += count

    def finish(self, end: int) -> None:
        if state_of(self._fd, self.name) != self._before:
            raise changed(self.name)

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class StreamSource:
    """A binary stream, such as standard input or a compressed member, read in order.

    Parameters
    ----------
    stream : binary file
        With ``readinto``.
    name : str
        For messages.
    """

    sequential = True
    size: int | None = None

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self.name = name
        self._position = 0

    def read_into(self, buffer: memoryview, offset: int) -> None:
        if offset < self._position:
            raise InputError(
                f"{self.name}: cannot go back from byte {self._position} to {offset} in a stream"
            )
        self._skip_to(offset)
        filled = 0
        while filled < len(buffer):
            count = self.read_some(buffer[filled:])
            if not count:
                raise _too_early(self.name, offset + filled, len(buffer) - filled)
            filled += count

    def finish(self, end: int) -> None:
        self._skip_to(end)
        if self.read_some(memoryview(bytearray(1))):
            raise InputError(f"{self.name}: more bytes follow the array's {end}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()

    def _skip_to(self, offset: int) -> None:
        scratch = memoryview(bytearray(min(1 << 20, max(0, offset - self._position))))
        while self._position < offset:
            missing = offset - self._position
            if not self.read_some(scratch[:missing]):
                raise _too_early(self.name, self._position, missing)

    def read_some(self, buffer: memoryview) -> int:
        """Fill some of `buffer` with the next bytes, and return how many; 0 at the end."""
        try:
            count = self._stream.readinto(buffer) or 0
        except MemoryError:
            raise
        # zipfile and the decompressors raise many kinds of exceptions.
        except Exception as error:
            raise InputError(f"{self.name}: {reason(error)}") from error
        self._position += count
        return int(count)


def open_source(path: str) -> Source:
    """The file at `path`, or standard input for ``-``: read by position if it is a regular file, else in order.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    if path == STREAM:
        return StreamSource(standard_input(), "standard input")
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: is a directory; name the files in it, e.g. '{path.rstrip('/')}/*.npy'")
        if stat.S_ISREG(mode):
            return FileSource(path)
        return StreamSource(open(path, "rb", buffering=0), path)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise refusal(path, error) from error


def open_file(path: str) -> int:
    """Open a file for reading, and give its descriptor.

    Raises
    ------
    InputError
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise refusal(path, error) from error


def _too_early(name: str, offset: int, missing: int) -> InputError:
    return InputError(f"{name}: ended at byte {offset}, {missing} bytes too early")
