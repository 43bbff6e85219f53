"""Open an HDF5 file, by its path or inside a stream."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast
from weakref import WeakValueDictionary

import h5py

from dwconv_cli.errors import DwconvError, InputError
from dwconv_cli.errors.memory import has_room
from dwconv_cli.errors.system import refusal
from dwconv_cli.storage.hdf5.messages import errors, file_name, step
from dwconv_cli.text import printable

SPARE_BYTES = 8 << 20
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def require_memory() -> None:
    """Raise MemoryError if hardly any memory is left: HDF5 crashes the process where it cannot allocate."""
    if not has_room(SPARE_BYTES):
        raise MemoryError


class _File(h5py.File):  # type: ignore[misc]
    """A file that also raises an InputError where closing it fails; some disks report their errors only then."""

    def close(self) -> None:
        """Close the file."""
        if self.id:
            with errors(file_name(self)):
                super().close()


def open_file(path: str | os.PathLike[str]) -> h5py.File:
    """Open an HDF5 file for reading; a context manager.

    It may begin with a user block, such as the header that MATLAB 7.3 writes. An InputError says that it is missing,
    no regular file, not HDF5, cut short, or locked by a writer.
    """
    path = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path}: not a regular file; HDF5 needs one it can seek in")
        with open(path, "rb") as stream:
            _check_signature(stream, path)
    except DwconvError:
        raise
    except OSError as error:
        raise refusal(path, error) from error
    except ValueError as error:  # a NUL in the path
        raise InputError(f"{printable(path)}: {error}") from error
    return _open(path, path)


def open_stream(stream: IO[bytes], label: str) -> h5py.File:
    """Open an HDF5 file inside a seekable stream, such as a member of an archive; `label` names it in messages."""
    named = _NamedStream(stream, label)
    _streams[repr(named)] = named
    _check_signature(stream, repr(named))
    return _open(named, repr(named))


class _NamedStream(io.BufferedReader):
    def __init__(self, stream: IO[bytes], label: str) -> None:
        super().__init__(cast("io.RawIOBase", stream))
        self._label = printable(label, "ascii")

    def __repr__(self) -> str:
        # h5py takes it for the file's name, and keeps ASCII only.
        return self._label

    def close(self) -> None:
        """Leave the stream open: it belongs to the caller."""


# Open streams by the names that h5py has for them, which are all that an object tells of its file.
_streams: WeakValueDictionary[str, _NamedStream] = WeakValueDictionary()


@contextmanager
def open_bytes(obj: h5py.HLObject) -> Iterator[IO[bytes]]:
    """Open the file of an object as plain bytes, beside h5py, whether it is a path or a stream."""
    name = file_name(obj)
    if name in _streams:
        yield _streams[name]
        return
    with open(name, "rb") as stream:
        yield stream


def _open(file: str | _NamedStream, label: str) -> h5py.File:
    require_memory()
    step()
    try:
        return _File(file, "r")
    except Exception as error:
        raise InputError(f"{label}: {_open_reason(str(error))}") from error


def _check_signature(stream: Any, label: str) -> None:
    # A file begins at byte 0, or after a user block at 512, 1024, 2048, ... (format specification, II.A).
    size, offset = stream.seek(0, io.SEEK_END), 0
    while offset + len(SIGNATURE) <= size:
        stream.seek(offset)
        if stream.read(len(SIGNATURE)) == SIGNATURE:
            return
        offset = max(512, offset * 2)
    raise InputError(f"{label}: not an HDF5 file")


def _open_reason(text: str) -> str:
    if "truncated file" in text:
        return f"the HDF5 file is cut short ({printable(text)})"
    if "lock" in text or "already open for" in text or "consistency flags" in text:
        return (
            "a writer has the file open or did not close it; wait until it is closed, or run h5clear -s on it if no "
            f"writer is left ({printable(text)})"
        )
    return f"not a readable HDF5 file ({printable(text)})"
