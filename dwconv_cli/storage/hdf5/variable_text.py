"""Text of varying length, checked or read in the bytes of the file before HDF5 comes to it.

HDF5 keeps such text in collections of its "global heap"; an attribute or dataset holds a reference to each text, with
its length. Two kinds of damage are dangerous there. HDF5 2.0 walks through a damaged collection without end, and
Python's signal handlers do not run meanwhile. And HDF5 allocates the length that a reference claims before it looks
at the text. So the collections are followed here first, as the format specification (III.E) lays them out, and the
lengths that references claim (IV.A.2.d, class 9) are compared with those of the texts.
"""

from __future__ import annotations

import re
import struct
from typing import IO

import h5py
import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.hdf5.files import open_bytes
from dwconv_cli.storage.hdf5.messages import errors, file_name, where

# Collections lie near the data that uses them: at the beginning of a file, or at its end where they were added later.
SEARCHED_BYTES = 64 << 20
MAX_COLLECTION_BYTES = 64 << 20
# References are searched for in this many collections of each part; more would take long.
MAX_COLLECTIONS = 64
# An attribute's first value stands at most this many bytes behind the description of its type.
NEAR = 128
# What is read of a dataset of texts.
MAX_TEXTS = 10_000
MAX_TEXT_BYTES = 1 << 20

_HEADER = re.compile(rb"GCOL\x01\x00\x00\x00")
_HEADER_BYTES = 16  # with the collection's size
_OBJECT = struct.Struct("<HHIQ")  # index, count of references, reserved, bytes
_REFERENCE = struct.Struct("<IQI")  # length, address of the collection, index in it
# A datatype message of text of varying length: class 9, type 1, 16 bytes an element.
_TEXT_TYPE = re.compile(rb"[\x19\x29\x39\x49\x59][\x01\x11\x21][\x00\x01]\x00\x10\x00\x00\x00", re.DOTALL)

# Numbers that HDF5 gave to open files whose collections were checked.
_checked_files: set[int] = set()


def check_collections(obj: h5py.HLObject) -> None:
    """Refuse a file where the objects of a collection do not fill it, or a reference claims more than its text has.

    An open file is checked once.
    """
    file_number = h5py.h5o.get_info(obj.id).fileno
    if file_number in _checked_files:
        return
    path = file_name(obj)
    with errors(path), open_bytes(obj) as stream:
        size = stream.seek(0, 2)
        for start in {0, max(0, size - SEARCHED_BYTES)}:
            stream.seek(start)
            part = stream.read(min(SEARCHED_BYTES, size))
            for number, header in enumerate(_HEADER.finditer(part)):
                place = start + header.start()
                objects = _objects(stream, place)
                if objects is None:
                    raise InputError(f"{path}: its text is damaged: a heap at byte {place} is broken")
                # Addresses count from the end of a user block.
                if number < MAX_COLLECTIONS and _overlong(part, place - obj.file.userblock_size, objects):
                    raise InputError(
                        f"{path}: its text is damaged: one is longer than its heap at byte {place}"
                    )
    _checked_files.add(file_number)


def read_texts(data: h5py.Dataset) -> Array:
    """Read a dataset of texts along one axis without HDF5; refuse one that is large, in chunks, or damaged."""
    place = where(data)
    with errors(data), open_bytes(data) as stream:
        start, file = data.id.get_offset(), data.file
        sizes = file.id.get_create_plist().get_sizes()
        if data.size > MAX_TEXTS or sizes != (8, 8) or (data.size and start is None):
            raise InputError(
                f"{place}: texts of varying length are read only where at most {MAX_TEXTS} lie in one piece"
            )
        references = _bytes_at(stream, start, data.size * _REFERENCE.size) if data.size else b""
        collections: dict[int, dict[int, tuple[int, int]]] = {}
        texts = np.empty(data.size, object)
        room = MAX_TEXT_BYTES
        for number, (length, address, index) in enumerate(_REFERENCE.iter_unpack(references)):
            if length and address not in collections:
                collections[address] = _objects(stream, address + file.userblock_size) or {}
            text_start, available = collections[address].get(index, (0, -1)) if length else (0, 0)
            if length > available or (room := room - length) < 0:
                raise InputError(f"{place}: its text {number} is damaged or too long")
            texts[number] = _bytes_at(stream, text_start, length)
    return texts


def _objects(stream: IO[bytes], start: int) -> dict[int, tuple[int, int]] | None:
    """Place in the file and length of each object of the collection at byte `start`, by its index.

    None if the objects do not fill the collection, which HDF5 would follow without end; empty if there is no
    collection, or one that reaches past the end of the file, which HDF5 itself refuses.
    """
    stream.seek(start)
    header = stream.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or not _HEADER.match(header):
        return {}
    (size,) = struct.unpack_from("<Q", header, 8)
    if size < _HEADER_BYTES:
        return None
    if size > MAX_COLLECTION_BYTES:
        return {}
    content = header + stream.read(size - _HEADER_BYTES)
    objects: dict[int, tuple[int, int]] = {}
    if len(content) < size:
        return objects
    place = _HEADER_BYTES
    while size - place >= _OBJECT.size:
        index, _, _, length = _OBJECT.unpack_from(content, place)
        # Index 0 marks free space, whose length counts its own header.
        step = length if index == 0 else _OBJECT.size + -(-length // 8) * 8
        if not _OBJECT.size <= step <= size - place:
            return None
        if index:
            objects[index] = start + place + _OBJECT.size, length
        place += step
    return objects


def _overlong(part: bytes, address: int, objects: dict[int, tuple[int, int]]) -> bool:
    """Whether a reference to the collection at `address` claims more bytes than the object that it names has."""
    for match in re.finditer(re.escape(struct.pack("<Q", address)), part):
        start = match.start() - 4  # of the reference, whose address comes after four bytes of length
        if start < 0 or start + _REFERENCE.size > len(part):
            continue
        if not _TEXT_TYPE.search(part, max(0, match.start() - NEAR), match.start()):
            continue
        length, _, index = _REFERENCE.unpack_from(part, start)
        if index in objects and length > objects[index][1]:
            return True
    return False


def _bytes_at(stream: IO[bytes], start: int, count: int) -> bytes:
    stream.seek(start)
    content = stream.read(count)
    if len(content) < count:
        raise InputError("the file is cut short")
    return content
