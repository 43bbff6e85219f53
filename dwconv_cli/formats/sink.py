"""Bytes out: a file that appears whole or not at all, or a stream."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import BinaryIO, Protocol

from dwconv_cli.errors import OutputError
from dwconv_cli.formats.source import reason

# What link() says on file systems that have no links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

# What a reservation says that writing would say too; other file systems do not know reservations.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Bytes.
WORTH_RESERVING = 8 << 20

# Temporary files that are or may be there.
_unfinished: set[str | None] = set()


def remove_unfinished() -> None:
    """Remove the temporary files of all outputs, as the last thing that this process does."""
    for path in tuple(_unfinished):
        if path is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)


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
        """Make sure that `size` bytes will fit, if that can be known."""

    def write_at(self, data: memoryview, offset: int) -> None:
        """Write all of `data` at `offset`."""

    def commit(self) -> None:
        """Make the output appear."""

    def abort(self) -> None:
        """Leave things as they were before."""


class FileSink:
    """A new file beside its target, published in one step by :meth:`commit`.

    A symbolic link is written through to its target; devices and FIFOs are streamed into.

    Parameters
    ----------
    path : str
    overwrite : bool
        Whether an existing file may be replaced.
    adding : bool
        What is in an existing file is carried over, so that it may not change before :meth:`commit`.

    Raises
    ------
    OutputError
        If the target exists, or its directory cannot be written to.
    """

    def __init__(self, path: str, overwrite: bool = False, adding: bool = False) -> None:
        self.name = path
        self._target = os.path.realpath(path)
        self._overwrite = overwrite
        self._temporary: str | None = None
        self.sequential = _is_special(path)
        self.fd = self._held = -1
        check_absent(path, overwrite)
        try:
            if adding:
                # Held open, so that no other file can get its inode.
                self._held = os.open(self._target, os.O_RDONLY | os.O_CLOEXEC)
            if self.sequential:
                self.fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            else:
                self._create_beside()
            self._before = None if self._held < 0 else _state(os.fstat(self._held))
        except BaseException as error:
            self.abort()
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise OutputError(f"{path}: its directory does not exist; create it first") from error
            if isinstance(error, OSError):
                raise OutputError(f"{path}: {reason(error)}") from error
            raise

    def reserve(self, size: int) -> None:
        """Take room for `size` bytes at once: a full disk shows before the work, and the file system works less."""
        if self._temporary is None or size < WORTH_RESERVING:
            return
        try:
            os.posix_fallocate(self.fd, 0, size)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise OutputError(f"{self.name}: {reason(error)}; it needs {size} bytes") from error

    def write_at(self, data: memoryview, offset: int) -> None:
        written = 0
        while written < len(data):
            try:
                if self.sequential:
                    written += os.write(self.fd, data[written:])
                else:
                    written += os.pwrite(self.fd, data[written:], offset + written)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(f"{self.name}: {reason(error)} at byte {offset + written}") from error

    def commit(self) -> None:
        try:
            if self._temporary is None:
                self._close()
                return
            os.fsync(self.fd)
            self._close()
            self._publish(self._temporary)
            self._forget()
            self._release()
        except FileExistsError as error:
            raise exists(self.name) from error
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.name}: {reason(error)}") from error

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._close()
        self._release()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            self._forget()

    def _release(self) -> None:
        if self._held >= 0:
            held, self._held = self._held, -1
            with contextlib.suppress(OSError):
                os.close(held)

    def _forget(self) -> None:
        _unfinished.discard(self._temporary)
        self._temporary = None

    def _create_beside(self) -> None:
        directory, base = os.path.split(self._target)
        while True:
            # The random part keeps concurrent runs apart; 200 bytes leave room for it in a name of 255.
            kept = os.fsdecode(os.fsencode(base)[:200])
            path = os.path.join(directory, f".{kept}.{os.urandom(6).hex()}.tmp")
            # Known before it is there: a signal may come at any time.
            self._temporary = path
            _unfinished.add(path)
            try:
                self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                return
            except FileExistsError:
                self._forget()
            except OSError:
                self._forget()
                raise

    def _close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def _publish(self, temporary: str) -> None:
        try:
            directory = os.open(os.path.dirname(self._target), os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:
            # One may write into a directory that one may not read.
            self._rename(temporary)
            return
        try:
            if self._before is not None:
                with contextlib.suppress(OSError):
                    # Nobody else of us comes between the look and the renaming; not all file systems can do it.
                    fcntl.flock(directory, fcntl.LOCK_EX)
            self._rename(temporary)
            os.fsync(directory)
        finally:
            os.close(directory)

    def _rename(self, temporary: str) -> None:
        if self._before is not None and self._before != _state(os.stat(self._target)):
            raise OutputError(f"{self.name}: changed while something was added to it; run it again")
        if self._overwrite:
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(self._target).st_mode))
            os.replace(temporary, self._target)
        else:
            _rename_to_new(temporary, self._target)


class StreamSink:
    """A binary stream, such as standard output, written in order."""

    sequential = True

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self.name = name
        self._position = 0

    def reserve(self, size: int) -> None:
        """Nothing: a stream takes what its reader takes."""

    def write_at(self, data: memoryview, offset: int) -> None:
        if offset != self._position:
            raise OutputError(f"{self.name}: cannot go from byte {self._position} to {offset} in a stream")
        written = 0
        while written < len(data):
            try:
                written += self._stream.write(data[written:])
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(f"{self.name}: {reason(error)} at byte {offset + written}") from error
        self._position += written

    def commit(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{self.name}: {reason(error)}") from error

    def abort(self) -> None:
        """A stream cannot be taken back; the reader sees it end early."""


def exists(path: str) -> OutputError:
    """The refusal of a target that is there already."""
    return OutputError(f"{path}: exists already; use --overwrite to replace it, or --skip-existing")


def check_absent(path: str, overwrite: bool) -> None:
    """Refuse an existing target early, and a directory always.

    Raises
    ------
    OutputError
    """
    if os.path.isdir(path):
        raise OutputError(f"{path}: is a directory; use --output-dir, or name a file in it")
    if not overwrite and os.path.lexists(path) and not _is_special(path):
        raise exists(path)


def _is_special(path: str) -> bool:
    """Whether `path` leads to a device, pipe or socket, if need be through links that are no paths (/dev/stdout)."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _rename_to_new(source: str, target: str) -> None:
    """Rename a file to a name that is free; :class:`FileExistsError` if somebody else's file came first."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Memory cards have no links. There the name is taken first.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        try:
            os.replace(source, target)
        except BaseException:
            os.unlink(target)
            raise
    else:
        os.unlink(source)
