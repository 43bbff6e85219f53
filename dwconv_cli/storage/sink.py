"""Where bytes are written: a file that appears complete or not at all, or a stream."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Protocol

from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.errors.system import reason
from dwconv_cli.storage.address import STREAM, real_path
from dwconv_cli.storage.draft import ChangedError, Draft
from dwconv_cli.storage.standard_streams import standard_output

# Errors of a reservation that writing would meet too. Any other says that the file system has no reservations.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Bytes from which on a file is reserved before it is written.
WORTH_RESERVING = 8 << 20


class Sink(Protocol):
    """Where bytes go.

    Attributes
    ----------
    name : str
        For messages.
    sequential : bool
        Whether bytes can only be written in order.
    """

    name: str
    sequential: bool

    def reserve(self, size: int) -> None:
        """Refuse `size` bytes that will not fit, if that can be known."""

    def write_at(self, data: memoryview, offset: int) -> None:
        """Write all of `data` at `offset`."""

    def commit(self) -> None:
        """Make the output appear."""

    def abort(self) -> None:
        """Leave everything as it was before."""


class FileSink:
    """A file that is made beside its target, whose place it takes in one step at :meth:`commit`.

    A symbolic link stays, and the file that it leads to is written. Devices and FIFOs are written in order.

    Parameters
    ----------
    path : str
    overwrite : bool
        Whether an existing file may be replaced.
    adding : bool
        Whether the caller carries over the content of an existing file, which may then not change before
        :meth:`commit`.

    Raises
    ------
    OutputError
        If the target exists, or its directory cannot be written to.
    """

    def __init__(self, path: str, overwrite: bool = False, adding: bool = False) -> None:
        self.name, self.overwrite = path, overwrite
        self._draft: Draft | None = None
        self._stream = -1
        self.sequential = is_special(path)
        check_absent(path, overwrite)
        target = real_path(path)
        try:
            if self.sequential:
                self._stream = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            else:
                self._draft = Draft(target, overwrite, adding)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise OutputError(
                f"{path}: its directory does not exist; create it first, with: mkdir -p {shlex.quote(os.path.dirname(path))}"
            ) from error
        except OSError as error:
            raise OutputError(f"{path}: {reason(error)}") from error

    @property
    def fd(self) -> int:
        """The descriptor to write to."""
        return self._stream if self._draft is None else self._draft.fd

    def reserve(self, size: int) -> None:
        """Reserve `size` bytes: a full disk shows before the work, and the file system allocates only once."""
        if self._draft is None or size < WORTH_RESERVING:
            return
        try:
            os.posix_fallocate(self.fd, 0, size)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise OutputError(f"{self.name}: {reason(error)}; it needs {size} bytes") from error

    def write_at(self, data: memoryview, offset: int) -> None:
        if self.sequential:
            write_all(lambda part, _: os.write(self.fd, part), data, offset, self.name)
        else:
            write_all(partial(os.pwrite, self.fd), data, offset, self.name)

    def synchronize(self) -> None:
        """Write all to the disk already, so that :meth:`commit` takes no time."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise OutputError(f"{self.name}: {reason(error)}") from error

    def commit(self) -> None:
        try:
            if self._draft is None:
                self._close()
            else:
                self._draft.publish()
        except FileExistsError as error:
            raise existing_output(self.name) from error
        except FileNotFoundError as error:
            raise OutputError(f"{self.name}: its directory was removed meanwhile; run it again") from error
        except ChangedError as error:
            raise OutputError(
                f"{self.name}: changed while something was added to it; run it again"
            ) from error
        except OSError as error:
            raise OutputError(f"{self.name}: {reason(error)}") from error

    def abort(self) -> None:
        if self._draft is not None:
            self._draft.discard()
        with contextlib.suppress(OSError):
            self._close()

    def _close(self) -> None:
        if self._stream >= 0:
            fd, self._stream = self._stream, -1
            os.close(fd)


class StreamSink:
    """A binary stream, such as standard output, written in order."""

    sequential = True

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self.name = name
        self._position = 0

    def reserve(self, size: int) -> None:
        """Nothing to reserve: the room is the reader's."""

    def write_at(self, data: memoryview, offset: int) -> None:
        if offset != self._position:
            raise OutputError(f"{self.name}: cannot go from byte {self._position} to {offset} in a stream")
        write_all(lambda part, _: self._stream.write(part), data, offset, self.name)
        self._position += len(data)

    def commit(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{self.name}: {reason(error)}") from error

    def abort(self) -> None:
        """Nothing can be taken back: the reader sees the stream end early."""


def write_all(write: Callable[[memoryview, int], int], data: memoryview, offset: int, name: str) -> None:
    """Call `write` with what is left of `data` and its offset until nothing is left: it may take a part at a time.

    Raises
    ------
    OutputError
        With `name`, and with the place where `write` failed.
    BrokenPipeError
        If nobody reads the pipe any more.
    """
    written = 0
    while written < len(data):
        try:
            written += write(data[written:], offset + written)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{name}: {reason(error)} at byte {offset + written}") from error


def open_sink(path: str, overwrite: bool = False, adding: bool = False) -> FileSink | StreamSink:
    """A sink into the file at `path`, or into standard output for ``-``; see :class:`FileSink`.

    Raises
    ------
    OutputError
    """
    if path == STREAM:
        return StreamSink(standard_output(), "standard output")
    return FileSink(path, overwrite, adding)


@contextlib.contextmanager
def output_errors() -> Iterator[None]:
    """Raise errors in reading a file that is to be added to as errors of the output.

    Raises
    ------
    OutputError
    """
    try:
        yield
    except InputError as error:
        raise OutputError(f"{error}; write to another file") from error


def existing_output(path: str, advice: str = "write to another name") -> OutputError:
    """The error to raise for an output that exists already."""
    return OutputError(f"{path}: exists already; use --overwrite to replace it, or {advice}")


def check_absent(path: str, overwrite: bool, **advice: str) -> None:
    """Refuse an existing file unless it may be replaced, and a directory always.

    Raises
    ------
    OutputError
    """
    if os.path.isdir(path):
        raise OutputError(f"{path}: is a directory; name a file in it")
    if not overwrite and os.path.lexists(path) and not is_special(path):
        raise existing_output(path, **advice)


def is_special(path: str) -> bool:
    """Whether `path` leads to a device, pipe or socket, also through a link that is no path, such as /dev/stdout."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
