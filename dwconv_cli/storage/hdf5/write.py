"""Writing HDF5 through a file object of ours.

After an error from the disk HDF5 may end the whole process while it closes the file. So the disk's errors are
kept from it: from the first one on, what it writes goes nowhere, and :attr:`Trap.error` says what happened.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from dwconv_cli.errors import DwconvError, MissingExtraError, OutputError
from dwconv_cli.storage.hdf5.door import file_name, require_memory
from dwconv_cli.text import printable

# Whole chunks must fit into the cache, or HDF5 compresses one every time a part of it is written.
# Compressions that come with the extra.
PLUGINS = ("blosc", "zstd")
CHUNK_CACHE = 32 << 20
# Since HDF5 1.8 an attribute may be larger than 64 KiB.
LIBRARY = ("v108", "latest")


class Trap(io.RawIOBase):
    """A readable and writable file over a descriptor; errors of the disk are remembered instead of raised.

    Parameters
    ----------
    fd : int
        Open for reading and writing; not closed here.
    name : str
        For messages.
    """

    def __init__(self, fd: int, name: str) -> None:
        self.error: OSError | None = None
        self._name = printable(name, "ascii")
        self._fd = fd
        self._position = 0

    def __repr__(self) -> str:
        # By this h5py knows the file.
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
        # Past an error, or a hole at the end: HDF5 asks for whole blocks.
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
        wanted = self._position if size is None else size
        if self.error is None:
            try:
                os.ftruncate(self._fd, wanted)
            except OSError as error:
                self.error = error
        return wanted


def open_writable(trap: Trap, existing: bool) -> h5py.File:
    """An HDF5 file over `trap`, new or with what is in it already."""
    require_memory()
    with writing(repr(trap)):
        mode = "r+" if existing else "w"
        return h5py.File(trap, mode, libver=LIBRARY, rdcc_nbytes=CHUNK_CACHE, rdcc_nslots=10_007)


def create_dataset(
    file: h5py.File,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    attributes: Mapping[str, Any],
    options: Mapping[str, Any],
) -> h5py.Dataset:
    """A new dataset with attributes.

    Parameters
    ----------
    options : mapping
        h5py's ``chunks``, ``compression``, ``compression_opts``, ``shuffle``, ``fletcher32``.

    Raises
    ------
    OutputError
    """
    with writing(f"{file_name(file)}::{printable(name)}"):
        dataset = file.create_dataset(name, shape, dtype, track_times=False, **with_plugin(options))
        for key, value in attributes.items():
            dataset.attrs[key] = value
    return dataset


def with_plugin(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` with a compression that HDF5 has as a plugin only in the form that h5py takes.

    Raises
    ------
    MissingExtraError
    """
    found = dict(options)
    name = found.get("compression")
    if name not in PLUGINS:
        return found
    try:
        import hdf5plugin
    except ImportError as error:
        raise MissingExtraError(
            f"compression {name} needs a plugin of HDF5: pip install hdf5plugin"
        ) from error
    level = found.pop("compression_opts", None)
    make = {"blosc": hdf5plugin.Blosc, "zstd": hdf5plugin.Zstd}[name]
    return found | dict(make() if level is None else make(clevel=level))


def is_taken(file: h5py.File, name: str) -> bool:
    """Whether a dataset has this name.

    Raises
    ------
    OutputError
        If something else has it, which is not ours to replace.
    """
    with writing(f"{file_name(file)}::{printable(name)}"):
        kind = file.get(name, getclass=True, getlink=True)
        if kind is None:
            return False
        if kind is not h5py.HardLink or file.get(name, getclass=True) is not h5py.Dataset:
            raise OutputError(f"{file_name(file)}::{printable(name)}: is no dataset; write to another name")
        return True


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn whatever h5py raises inside into an OutputError."""
    try:
        yield
    except (DwconvError, MemoryError):
        raise
    except Exception as error:
        reason = printable(" ".join(str(error).split())) or type(error).__name__
        raise OutputError(f"{name}: HDF5 cannot write it: {reason}") from error
