"""The header of ``.safetensors`` files, checked before anything is allocated for what it claims.

Eight bytes hold the header's length, little-endian; the header is a JSON object of each tensor's dtype, shape and place
in the bytes behind it, which the tensors cover without gaps. The README of the package safetensors
describes the layout.
"""

from __future__ import annotations

import math
import struct
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.layer.keras_json import load_json
from dwconv_cli.storage.source import Source
from dwconv_cli.text import shown

MAX_HEADER = 16 << 20
METADATA = "__metadata__"
BFLOAT16 = "BF16"
# The dtypes that are read, as they are stored; a bfloat16 is the upper half of a float32.
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    BFLOAT16: "<u2",
    "C64": "<c8",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
_OTHER_DTYPES = ("F8", "F6", "F4")


class Tensor(NamedTuple):
    """One tensor: its dtype by the format's name, its shape, and the first of its bytes in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


class Header(NamedTuple):
    """What a file holds: its tensors by name, texts about it, and its length in bytes."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    end: int


def read_header(source: Source) -> Header:
    """Read and check a file's header.

    Raises
    ------
    InputError
        If it is malformed.
    UnsafeFileError
        If it is larger than ``MAX_HEADER``, nested too deeply, or has tensors that overlap.
    """
    name, size = source.name, source.size
    if size is not None and size < 8:
        raise InputError(f"{name}: not a .safetensors file: shorter than the length of its header")
    start = bytearray(8)
    source.read_into(memoryview(start), 0)
    (length,) = struct.unpack("<Q", start)
    if length > MAX_HEADER:
        raise UnsafeFileError(
            f"{name}: its header claims {length} bytes; at most {MAX_HEADER} are read; check that it is .safetensors"
        )
    if size is not None and 8 + length > size:
        raise InputError(f"{name}: its header claims {length} bytes, and the file has {size}; copy it again")
    text = bytearray(length)
    source.read_into(memoryview(text), 8)
    entries = load_json(bytes(text), f"{name}: header")
    if not isinstance(entries, dict):
        raise InputError(f"{name}: its header is no JSON object; write the file again")
    metadata = entries.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InputError(f"{name}: its {METADATA} is no object of texts; write the file again")
    tensors, ends = {}, {}
    for key, entry in entries.items():
        tensors[key], ends[key] = _tensor(entry, 8 + length, f"{name}: tensor {shown(key)}")
    end = 8 + length
    for key in sorted(tensors, key=lambda key: (tensors[key].offset, ends[key])):
        begin = tensors[key].offset
        if begin < end:
            raise UnsafeFileError(f"{name}: tensor {shown(key)} overlaps another one; write the file again")
        if begin > end:
            raise InputError(
                f"{name}: nothing owns the bytes before tensor {shown(key)}; write the file again"
            )
        end = ends[key]
    if size is not None and size != end:
        fault = f"{end - size} bytes are missing" if size < end else f"{size - end} bytes follow the tensors"
        raise InputError(f"{name}: {fault}; copy it again")
    return Header(tensors, metadata, end)


def _tensor(entry: Any, base: int, where: str) -> tuple[Tensor, int]:
    """A tensor out of the header, and the end of its bytes."""
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= set(entry):
        raise InputError(f"{where}: is not described by dtype, shape and data_offsets; write the file again")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 1 << 60 for n in numbers):
            raise InputError(
                f"{where}: {shown(numbers)} are no whole numbers from 0 on; write the file again"
            )
    if len(offsets) != 2 or offsets[0] > offsets[1] or len(shape) > 32:
        raise InputError(f"{where}: has the shape {shown(shape)} at {shown(offsets)}; write the file again")
    nbytes = offsets[1] - offsets[0]
    if isinstance(dtype, str) and dtype in DTYPES:
        if math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize != nbytes:
            raise InputError(
                f"{where}: {dtype} of shape {shown(shape)} has not {nbytes} bytes; write the file again"
            )
    elif not isinstance(dtype, str) or not dtype.startswith(_OTHER_DTYPES):
        raise InputError(f"{where}: has the unknown dtype {shown(dtype)}; write it as F32")
    return Tensor(dtype, tuple(shape), base + offsets[0]), base + offsets[1]
