"""Writing HDF5 through a file object of ours.

After an error from the disk HDF5 may end the whole process while it closes the file. So the disk's errors are
kept from it: from the first one on, what it writes goes nowhere, and :attr:`Trap.error` says what happened.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from dwconv_cli.hdf5.door import errors

# Whole chunks must fit into the cache, or HDF5 compresses one every time a part of it is written.
CHUNK_CACHE = 32 << 20


class Trap(io.RawIOBase):
    """A readable and writable file over a descriptor; errors of the disk are remembered instead of raised.

    Parameters
    ----------
    fd : int
        Open for reading and writing; not closed here.
    """

    def __init__(self, fd: int) -> None:
        self.error: OSError | None = None
        self._fd = fd
        self._position = 0

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
    with errors("output"):
        return h5py.File(trap, "r+" if existing else "w", rdcc_nbytes=CHUNK_CACHE, rdcc_nslots=10_007)


def create_dataset(
    file: h5py.File,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    attributes: Mapping[str, Any],
    options: Mapping[str, Any],
) -> h5py.Dataset:
    """A new dataset with attributes, in place of one of the same name.

    Parameters
    ----------
    options : mapping
        h5py's ``chunks``, ``compression``, ``compression_opts``, ``shuffle``, ``fletcher32``.
    """
    with errors(file, name):
        if name in file:
            del file[name]
        dataset = file.create_dataset(name, shape, dtype, track_times=False, **options)
        for key, value in attributes.items():
            dataset.attrs[key] = value
    return dataset


def contains(file: h5py.File, name: str) -> bool:
    """Whether something in the file has this name."""
    with errors(file, name):
        return name in file
