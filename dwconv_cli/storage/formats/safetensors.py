"""``.safetensors``: tensors by name behind a header of JSON, read and written without the package of that name."""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
from functools import partial
from typing import Any

import numpy as np

from dwconv_cli.choices import LAYER_CONFIG
from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.protocols import Member, NewArray
from dwconv_cli.storage.selections import Selection, contiguous_runs
from dwconv_cli.storage.sink import Sink, existing_output, write_all
from dwconv_cli.storage.source import FileSource
from dwconv_cli.storage.spool import temporary_file
from dwconv_cli.storage.tensors import BFLOAT16, DTYPES, METADATA, Header, read_header
from dwconv_cli.text import shown

ROOT = ""
RANKS = range(1, 4)
_PIECE = 1 << 20
_NAMES = {np.dtype(stored): name for name, stored in DTYPES.items() if name != BFLOAT16}


def members(path: str) -> list[Member]:
    """The tensors of a file, in its order."""
    with contextlib.closing(FileSource(path)) as source:
        tensors = read_header(source).tensors
    return [
        Member(name, tensor.dtype in DTYPES and tensor.dtype != "BOOL" and len(tensor.shape) in RANKS)
        for name, tensor in tensors.items()
    ]


class TensorReader:
    """Blocks of one tensor; bfloat16 is read as float32, which holds it exactly."""

    chunks: tuple[int, ...] | None = None
    fortran = False
    sequential = False

    def __init__(self, path: str, name: str, allow_external: bool) -> None:
        self.name = f"{path}::{name}"
        self._source = FileSource(path)
        try:
            header = read_header(self._source)
            tensor = header.tensors.get(name)
            if tensor is None:
                names = ", ".join(map(str, list(header.tensors)[:20]))
                raise InputError(
                    f"{path}::{shown(name)[1:-1]}: no such tensor; the file has: {names or 'none'}"
                )
            if tensor.dtype not in DTYPES:
                raise InputError(
                    f"{self.name}: dtype {shown(tensor.dtype)} is not read; write it as F32 or BF16"
                )
        except BaseException:
            self.close()
            raise
        self._end, self._offset, self._stored = header.end, tensor.offset, np.dtype(DTYPES[tensor.dtype])
        self._is_bfloat16 = tensor.dtype == BFLOAT16
        self.shape = tensor.shape
        self.dtype: np.dtype[Any] = np.dtype(np.float32) if self._is_bfloat16 else self._stored
        self.storage = {"format": "safetensors", "dtype": tensor.dtype}
        self.attributes: dict[str, Any] = _layer_config(header, name)

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype."""
        size = self._stored.itemsize
        for offset, index in contiguous_runs(self.shape, selection):
            view: Any = (*index, ...)
            target = out[view]
            data = np.empty(target.size * size, np.uint8)
            self._source.read_into(data.data, self._offset + offset * size)
            numbers: Array = data.view(self._stored)
            if self._is_bfloat16:
                numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
            target[...] = numbers.reshape(target.shape)

    def spool(self) -> None:
        """Do nothing: a file is read in any order."""

    def finish(self) -> None:
        """Check that the file did not change; call when all was read."""
        self._source.finish(self._end)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def _layer_config(header: Header, name: str) -> dict[str, Any]:
    """The layer's config that was written beside a kernel, among the texts about the file."""
    group, dot, _ = name.rpartition(".")
    text = header.metadata.get(f"{group}{dot}{LAYER_CONFIG}")
    return {} if text is None else {LAYER_CONFIG: text}


class TensorsOutput:
    """A new file; the tensors wait in a temporary one, since the header before them lists all."""

    def __init__(self, sink: Sink, kept_file: str | None, replaced: frozenset[str]) -> None:
        if kept_file is not None:
            raise OutputError(f"{kept_file}: nothing is added to a .safetensors file; write to another file")
        self._sink = sink
        self._file, self._label = temporary_file(sink.name)
        self._entries: dict[str, Any] = {}
        self._metadata: dict[str, str] = {}
        self._end = 0

    def writer(self, array: NewArray) -> TensorWriter:
        """A writer of one tensor."""
        check_array(array, self._sink.name)
        if array.name in self._entries:
            raise existing_output(f"{self._sink.name}::{array.name}")
        begin, self._end = self._end, self._end + math.prod(array.shape) * array.dtype.itemsize
        self._entries[array.name] = {
            "dtype": _NAMES[array.dtype.newbyteorder("<")],
            "shape": list(array.shape),
            "data_offsets": [begin, self._end],
        }
        if LAYER_CONFIG in array.attributes:
            group, dot, _ = array.name.rpartition(".")
            self._metadata[f"{group}{dot}{LAYER_CONFIG}"] = str(array.attributes[LAYER_CONFIG])
        return TensorWriter(self._file.fileno(), begin, array, self._label)

    def commit(self) -> None:
        """Write the header and the tensors, and make the file appear."""
        entries = {METADATA: self._metadata, **self._entries} if self._metadata else self._entries
        text = json.dumps(entries).encode()
        # Blanks behind the object let the tensors begin at a multiple of eight bytes.
        text += b" " * (-len(text) % 8)
        start = struct.pack("<Q", len(text)) + text
        self._sink.reserve(len(start) + self._end)
        self._sink.write_at(memoryview(start), 0)
        # Zeros where a writer wrote nothing.
        os.ftruncate(self._file.fileno(), self._end)
        for at in range(0, self._end, _PIECE):
            piece = os.pread(self._file.fileno(), _PIECE, at)
            self._sink.write_at(memoryview(piece), len(start) + at)
        self._file.close()
        self._sink.commit()

    def abort(self) -> None:
        """Leave no trace."""
        self._file.close()
        self._sink.abort()


def check_array(array: NewArray, path: str) -> None:
    """Refuse an array whose dtype the format does not have.

    Raises
    ------
    OutputError
    """
    if array.dtype.newbyteorder("<") not in _NAMES:
        raise OutputError(f"{path}: .safetensors has no dtype {array.dtype}; write .npy or .h5")


class TensorWriter:
    """Blocks of one tensor, in any order."""

    sequential = False

    def __init__(self, fd: int, begin: int, array: NewArray, label: str) -> None:
        self._fd, self._begin, self._label = fd, begin, label
        self._shape, self._dtype = array.shape, array.dtype.newbyteorder("<")

    def spool(self) -> None:
        """Do nothing: blocks come in any order."""

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`."""
        for offset, index in contiguous_runs(self._shape, selection):
            data = np.ascontiguousarray(block[index], self._dtype).tobytes()
            place = self._begin + offset * self._dtype.itemsize
            write_all(partial(os.pwrite, self._fd), memoryview(data), place, self._label)

    def commit(self) -> None:
        """Do nothing: the file is committed as a whole."""

    def abort(self) -> None:
        """Do nothing: the file is given up as a whole."""


open_reader, open_output = TensorReader, TensorsOutput
