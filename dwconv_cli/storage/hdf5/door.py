"""Open an HDF5 file, and turn what h5py raises into errors of ours."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast
from weakref import WeakValueDictionary

import h5py
from h5py._objects import phil

from dwconv_cli.errors import DwconvError, InputError
from dwconv_cli.errors.memory import has_room
from dwconv_cli.errors.system import refusal
from dwconv_cli.text import printable

LINK_KINDS = {h5py.h5l.TYPE_SOFT: "soft link", h5py.h5l.TYPE_EXTERNAL: "external link"}
SPARE_BYTES = 8 << 20
# Called at every step of the work on a file, by which a rehearsal knows that it gets on.
progress: list[Callable[[], None]] = []
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def require_memory() -> None:
    """MemoryError if there is hardly any memory left; HDF5 would end by SIGSEGV where it cannot allocate."""
    if not has_room(SPARE_BYTES):
        raise MemoryError


@contextmanager
def errors(file: h5py.HLObject | str | os.PathLike[str], name: str = "") -> Iterator[None]:
    """Turn whatever h5py raises inside into an InputError that names the file and the object.

    h5py's lock is held meanwhile: between some of its calls h5py lets go of it while HDF5 still works on what they
    share, and two threads there end by SIGSEGV. Nothing may wait inside for a thread that needs HDF5.
    """
    try:
        with phil:
            _tell()
            yield
    except (DwconvError, MemoryError):
        raise
    except Exception as error:
        path = file_name(file) if isinstance(file, h5py.HLObject) else os.fspath(file)
        where = f"{path}::{printable(name)}" if name else path
        reason = printable(" ".join(str(error).split())) or type(error).__name__
        raise InputError(f"{where}: HDF5 cannot read it: {reason}") from error


def _tell() -> None:
    for tell in progress:
        tell()


def file_name(obj: h5py.HLObject) -> str:
    """Return the path of the file that holds a group or dataset."""
    return os.fsdecode(h5py.h5f.get_name(obj.id))


def encode(part: str) -> bytes:
    """Return a link's name as the bytes in the file; h5py decodes what is no UTF-8 with surrogate escapes."""
    return part.encode("utf-8", "surrogateescape")


class _File(h5py.File):  # type: ignore[misc]
    """A file whose closing fails as everything else does."""

    def close(self) -> None:
        """Close the file.

        Raises
        ------
        InputError
            The system reports an error of the disk only now.
        """
        if not self.id:
            return
        with errors(file_name(self)):
            super().close()


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Open an HDF5 file for reading; a context manager.

    Parameters
    ----------
    path : path
        A regular file. A user block and MATLAB's v7.3 header are fine.

    Raises
    ------
    InputError
        The file is missing, no regular file, not HDF5, cut short, or locked by a writer.
    """
    path = os.fspath(path)
    require_memory()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path}: not a regular file; HDF5 needs one it can seek in")
        with open(path, "rb") as raw:
            if not _has_signature(raw, os.fstat(raw.fileno()).st_size):
                raise InputError(f"{path}: not an HDF5 file")
    except DwconvError:
        raise
    except OSError as error:
        raise refusal(path, error) from error
    except ValueError as error:
        raise InputError(f"{printable(path)}: {error}") from error
    _tell()
    try:
        return _File(path, "r")
    except Exception as error:
        raise InputError(f"{path}: {_open_reason(str(error))}") from error


class _Labelled(io.RawIOBase):
    # h5py calls an open stream by its repr, in messages too, and keeps ASCII only.
    def __init__(self, stream: IO[bytes], label: str) -> None:
        self._stream = stream
        self._label = printable(label, "ascii")

    def __repr__(self) -> str:
        return self._label

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        content = self._stream.read(len(view))
        view[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


# Open streams by what h5py calls them, to be read beside it.
_streams: WeakValueDictionary[str, _Labelled] = WeakValueDictionary()


@contextmanager
def stream_of(obj: h5py.HLObject) -> Iterator[IO[bytes]]:
    """Open the bytes of an object's file, whether a path or a stream."""
    name = file_name(obj)
    if name in _streams:
        yield cast("IO[bytes]", _streams[name])
        return
    with open(name, "rb", buffering=0) as raw:
        yield cast("IO[bytes]", raw)


def open_stream(stream: IO[bytes], label: str) -> h5py.File:
    """Open an HDF5 file inside a seekable stream, such as a member of an archive; `label` names it in messages.

    Raises
    ------
    InputError
        It is no readable HDF5 file.
    """
    require_memory()
    labelled = _Labelled(stream, label)
    _streams[repr(labelled)] = labelled
    if not _has_signature(stream, stream.seek(0, io.SEEK_END)):
        raise InputError(f"{labelled!r}: not an HDF5 file")
    _tell()
    try:
        return _File(labelled, "r")
    except Exception as error:
        raise InputError(f"{labelled!r}: {_open_reason(str(error))}") from error


def _has_signature(raw: Any, size: int) -> bool:
    # The superblock stands at byte 0, or after a user block at 512, 1024, 2048, ... (format specification, II.A).
    offset = 0
    while offset + len(SIGNATURE) <= size:
        raw.seek(offset)
        if raw.read(len(SIGNATURE)) == SIGNATURE:
            return True
        offset = max(512, offset * 2)
    return False


def _open_reason(text: str) -> str:
    if "truncated file" in text:
        return f"the HDF5 file is cut short ({printable(text)})"
    if "lock" in text or "already open for" in text or "consistency flags" in text:
        return f"a writer has the file open or did not close it; wait until it is closed, or run h5clear -s on it if no writer is left ({printable(text)})"
    return f"not a readable HDF5 file ({printable(text)})"
