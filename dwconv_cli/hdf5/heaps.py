"""Text of varying length, looked at before HDF5 reads it.

HDF5 2.0 goes through a damaged collection of its global heap without end, and no signal handler of Python's gets a
turn meanwhile. The objects of a collection are therefore followed here first, as the format specification (III.E)
lays them out.
"""

from __future__ import annotations

import re
import struct
from typing import IO

import h5py

from dwconv_cli.errors import InputError
from dwconv_cli.hdf5.door import errors, file_name, stream_of

# Collections lie near what uses them: at the beginning of a file, or at its end where they were added later.
SEARCHED_BYTES = 64 << 20
MAX_COLLECTION_BYTES = 64 << 20

_HEADER = re.compile(rb"GCOL\x01\x00\x00\x00")
_HEADER_BYTES = 16
_OBJECT = struct.Struct("<HHIQ")  # index, references, reserved, bytes
_sound: set[int] = set()


def check_heaps(obj: h5py.HLObject) -> None:
    """Refuse a file whose heap of text would keep HDF5 busy forever; looked at once per opened file.

    Raises
    ------
    InputError
        A collection's objects do not fill it.
    """
    number = h5py.h5o.get_info(obj.id).fileno
    if number in _sound:
        return
    where = file_name(obj)
    with errors(where), stream_of(obj) as stream:
        size = stream.seek(0, 2)
        starts = {0, max(0, size - SEARCHED_BYTES)}
        for start in starts:
            stream.seek(start)
            part = _read(stream, min(SEARCHED_BYTES, size))
            for found in _HEADER.finditer(part):
                if not _fills(
                    stream, start + found.start(), part[found.start() : found.start() + _HEADER_BYTES]
                ):
                    raise InputError(
                        f"{where}: its text is damaged: a heap at byte {start + found.start()} is broken"
                    )
    _sound.add(number)


def _fills(stream: IO[bytes], start: int, header: bytes) -> bool:
    if len(header) < _HEADER_BYTES:
        return True
    (size,) = struct.unpack_from("<Q", header, 8)
    if not _HEADER_BYTES <= size <= MAX_COLLECTION_BYTES:
        return bool(size > MAX_COLLECTION_BYTES)  # HDF5 itself refuses what reaches past the end of the file
    stream.seek(start)
    content = _read(stream, size)
    if len(content) < size:
        return True
    place = _HEADER_BYTES
    while size - place >= _OBJECT.size:
        index, _, _, length = _OBJECT.unpack_from(content, place)
        # Index 0 is what is free, its own header included.
        step = length if index == 0 else _OBJECT.size + -(-length // 8) * 8
        if not _OBJECT.size <= step <= size - place:
            return False
        place += step
    return True


def _read(stream: IO[bytes], count: int) -> bytes:
    parts = []
    while count and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
