"""Text of varying length, looked at before HDF5 reads it.

HDF5 2.0 goes through a damaged collection of its global heap without end, and no signal handler of Python's gets a
turn meanwhile. And it allocates what the reference to a text says is its length, before it looks at the text. The
objects of a collection are therefore followed here first, as the format specification (III.E) lays them out, and
the references to them (IV.A.2.d, class 9) are held against their lengths.
"""

from __future__ import annotations

import re
import struct
from typing import IO

import h5py

from dwconv_cli.errors import InputError
from dwconv_cli.storage.hdf5.door import errors, file_name, stream_of

# Collections lie near what uses them: at the beginning of a file, or at its end where they were added later.
SEARCHED_BYTES = 64 << 20
MAX_COLLECTION_BYTES = 64 << 20

_HEADER = re.compile(rb"GCOL\x01\x00\x00\x00")
_HEADER_BYTES = 16
_OBJECT = struct.Struct("<HHIQ")  # index, references, reserved, bytes
_LENGTH = struct.Struct("<I")
# A datatype message of text of varying length: class 9, type 1, 16 bytes an element. Its attribute's first value
# stands near behind it.
_TEXT_TYPE = re.compile(rb"[\x19\x29\x39\x49\x59][\x01\x11\x21][\x00\x01]\x00\x10\x00\x00\x00", re.DOTALL)
NEAR = 128
# Of which the references are looked for; to look for all of very many would take long.
MAX_COLLECTIONS = 64
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
            for number_, found in enumerate(_HEADER.finditer(part)):
                place = start + found.start()
                objects = _objects(stream, place, part[found.start() : found.start() + _HEADER_BYTES])
                if objects is None:
                    raise InputError(f"{where}: its text is damaged: a heap at byte {place} is broken")
                # Addresses count from the end of a user block.
                if number_ < MAX_COLLECTIONS and _overlong(part, place - obj.file.userblock_size, objects):
                    raise InputError(
                        f"{where}: its text is damaged: one is longer than its heap at byte {place}"
                    )
    _sound.add(number)


def _objects(stream: IO[bytes], start: int, header: bytes) -> dict[int, int] | None:
    """Lengths of the objects of a collection by index; None if they do not fill it, empty if HDF5 refuses it."""
    if len(header) < _HEADER_BYTES:
        return {}
    (size,) = struct.unpack_from("<Q", header, 8)
    if not _HEADER_BYTES <= size <= MAX_COLLECTION_BYTES:
        return (
            {} if size > MAX_COLLECTION_BYTES else None
        )  # HDF5 refuses what reaches past the end of the file
    stream.seek(start)
    content = _read(stream, size)
    lengths: dict[int, int] = {}
    if len(content) < size:
        return lengths
    place = _HEADER_BYTES
    while size - place >= _OBJECT.size:
        index, _, _, length = _OBJECT.unpack_from(content, place)
        # Index 0 is what is free, its own header included.
        step = length if index == 0 else _OBJECT.size + -(-length // 8) * 8
        if not _OBJECT.size <= step <= size - place:
            return None
        if index:
            lengths[index] = length
        place += step
    return lengths


def collection_objects(stream: IO[bytes], start: int) -> dict[int, tuple[int, int]]:
    """Place and length of each object of the collection at byte `start`, by its index; empty if there is none."""
    stream.seek(start)
    header = _read(stream, _HEADER_BYTES)
    if not _HEADER.match(header):
        return {}
    places, place = {}, start + _HEADER_BYTES
    for index, length in (_objects(stream, start, header) or {}).items():
        places[index] = (place + _OBJECT.size, length)
        place += _OBJECT.size + -(-length // 8) * 8
    return places


def _overlong(part: bytes, address: int, lengths: dict[int, int]) -> bool:
    """Whether a reference (length, address of the collection, index) claims more than the object it names has."""
    for found in re.finditer(re.escape(struct.pack("<Q", address)), part):
        if found.start() < _LENGTH.size or found.end() + _LENGTH.size > len(part):
            continue
        if not _TEXT_TYPE.search(part, max(0, found.start() - NEAR), found.start()):
            continue
        (claimed,) = _LENGTH.unpack_from(part, found.start() - _LENGTH.size)
        (index,) = _LENGTH.unpack_from(part, found.end())
        if claimed > lengths.get(index, claimed):
            return True
    return False


def _read(stream: IO[bytes], count: int) -> bytes:
    parts = []
    while count and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
