"""Bytes in: files by position, streams in order. Nothing is mapped into memory."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO, Protocol

from dwconv_cli.errors import InputError


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

    def at_end(self, offset: int) -> bool:
        """Whether nothing follows `offset`."""

    def close(self) -> None:
        """Release the source; check that it did not change while it was read."""


class FileSource:
    """A regular file, read by position; anything else that opens is read in order.

    Raises
    ------
    InputError
        If it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{path}: {reason(error)}") from error
        self._before = os.fstat(self._fd)
        if stat.S_ISDIR(self._before.st_mode):
            os.close(self._fd)
            raise InputError(f"{path}: is a directory; name the files in it, e.g. '{path.rstrip('/')}/*.npy'")
        self.sequential = not stat.S_ISREG(self._before.st_mode)
        self.size = None if self.sequential else self._before.st_size
        self._position = 0

    def read_into(self, buffer: memoryview, offset: int) -> None:
        filled = 0
        while filled < len(buffer):
            try:
                if self.sequential:
                    count = os.readv(self._fd, [buffer[filled:]])
                else:
                    count = os.preadv(self._fd, [buffer[filled:]], offset + filled)
            except OSError as error:
                raise InputError(f"{self.name}: {reason(error)} at byte {offset + filled}") from error
            if count == 0:
                missing = len(buffer) - filled
                raise InputError(f"{self.name}: ended at byte {offset + filled}, {missing} bytes too early")
            filled += count

    def at_end(self, offset: int) -> bool:
        return self.size <= offset if self.size is not None else not os.read(self._fd, 1)

    def close(self) -> None:
        if self._fd < 0:
            return
        after = os.fstat(self._fd)
        os.close(self._fd)
        self._fd = -1
        same = (after.st_size, after.st_mtime_ns) == (self._before.st_size, self._before.st_mtime_ns)
        if not self.sequential and not same:
            raise InputError(f"{self.name}: changed while it was read; try again when it is complete")


class StreamSource:
    """A binary stream, such as standard input or a compressed member, read in order."""

    sequential = True
    size: int | None = None

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self.name = name
        self._position = 0

    def read_into(self, buffer: memoryview, offset: int) -> None:
        if offset != self._position:
            raise InputError(f"{self.name}: cannot go from byte {self._position} to {offset} in a stream")
        filled = 0
        while filled < len(buffer):
            try:
                count = self._stream.readinto(buffer[filled:])  # type: ignore[attr-defined]
            except (OSError, EOFError, ValueError) as error:
                raise InputError(f"{self.name}: {reason(error)}") from error
            if not count:
                missing = len(buffer) - filled
                raise InputError(f"{self.name}: ended at byte {offset + filled}, {missing} bytes too early")
            filled += count
        self._position += filled

    def at_end(self, offset: int) -> bool:
        try:
            return not self._stream.read(1)
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{self.name}: {reason(error)}") from error

    def close(self) -> None:
        self._stream.close()


def reason(error: BaseException) -> str:
    """The operating system's words for `error`, without numbers and names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower() if isinstance(error, OSError) else " ".join(str(text).split())
