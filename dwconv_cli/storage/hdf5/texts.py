"""Texts of varying length in a dataset, read without HDF5, which damage in its heap makes run without end."""

from __future__ import annotations

import struct
from typing import IO

import h5py
import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.storage.hdf5.door import errors, file_name, stream_of
from dwconv_cli.storage.hdf5.heaps import collection_objects
from dwconv_cli.text import printable

MAX_TEXTS = 10_000
MAX_TEXT_BYTES = 1 << 20
# Length, address of the collection of the global heap, index in it (format specification, IV.A.2.d, class 9).
_REFERENCE = struct.Struct("<IQI")


def texts(data: h5py.Dataset) -> np.ndarray:
    """The texts of a small dataset of rank 1 that lies in one piece.

    Raises
    ------
    InputError
        It is large, stored in chunks, or damaged.
    """
    where = f"{file_name(data)}::{printable(data.name or '')}"
    with errors(data, data.name or ""), stream_of(data) as stream:
        start, file = data.id.get_offset(), data.file
        sizes = file.id.get_create_plist().get_sizes()
        if data.size > MAX_TEXTS or sizes != (8, 8) or (data.size and start is None):
            raise InputError(
                f"{where}: texts of varying length are read only where at most {MAX_TEXTS} lie in one piece"
            )
        if not data.size:
            return np.empty(0, object)
        raw = _part(stream, start, data.size * _REFERENCE.size)
        heaps: dict[int, dict[int, tuple[int, int]]] = {}
        values = np.empty(data.size, object)
        room = MAX_TEXT_BYTES
        for number, (length, address, index) in enumerate(_REFERENCE.iter_unpack(raw)):
            if length and address not in heaps:
                heaps[address] = collection_objects(stream, address + file.userblock_size)
            place, most = heaps[address].get(index, (0, -1)) if length else (0, 0)
            if length > most or (room := room - length) < 0:
                raise InputError(f"{where}: its text {number} is damaged or too long")
            values[number] = _part(stream, place, length)
    return values


def _part(stream: IO[bytes], start: int, count: int) -> bytes:
    stream.seek(start)
    part = stream.read(count) if count else b""
    if len(part) < count:
        raise InputError("the file is cut short")
    return part
