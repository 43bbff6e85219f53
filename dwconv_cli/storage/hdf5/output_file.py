"""The file object through which HDF5 writes, whose methods never raise.

HDF5 may end the whole process after an error from the disk, and crashes when an exception leaves a method of a file
object. So the disk's errors are kept from it here, and whoever lets HDF5 write does so within
:func:`~dwconv_cli.interrupts.undisturbed`: the handler of a signal may raise an exception.
"""

from __future__ import annotations

import io
import os
from typing import Any

from dwconv_cli.text import printable


class OutputFile(io.RawIOBase):
    """A file over a descriptor that is open for reading and writing, and not closed here.

    Instead of raising the first error of the disk, it keeps it in `error`, and writes nothing any more.
    """

    def __init__(self, fd: int, name: str) -> None:
        self.error: OSError | None = None
        self._name = printable(name, "ascii")
        self._fd = fd
        self._position = 0

    def __repr__(self) -> str:
        return self._name

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._position, os.fstat(self._fd).st_size)[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = os.preadv(self._fd, [view], self._position)
        # HDF5 asks for whole blocks, also past the end of the file or where an error left less than it wrote.
        view[count:] = bytes(len(view) - count)
        self._position += len(view)
        return len(view)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view) and self.error is None:
            try:
                written += os.pwrite(self._fd, view[written:], self._position + written)
            except OSError as error:
                self.error = error
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        length = self._position if size is None else size
        if self.error is None:
            try:
                os.ftruncate(self._fd, length)
            except OSError as error:
                self.error = error
        return length
