"""``.npy``: NumPy's format, versions 1 to 3, as files and as streams.

The header is read here and not by NumPy, so that it is checked before any memory is allocated for what it claims. Its
layout is described in :mod:`numpy.lib.format`.
"""

from __future__ import annotations

import ast
import math
import struct
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError, OutputError, UnsafeFileError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.selections import Selection, contiguous_runs
from dwconv_cli.storage.single_output import SingleOutput
from dwconv_cli.storage.sink import Sink
from dwconv_cli.storage.source import Source, open_source
from dwconv_cli.storage.spool import SpooledSink, SpooledSource

ROOT = None
MAGIC = b"\x93NUMPY"
# What messages call it.
_STANDARD_INPUT = "standard input"
MAX_HEADER = 1 << 16
# The bytes of text in ASCII.
_TEXT = frozenset((*b"\t\r\n", *range(32, 127)))


def open_reader(path: str, name: str, allow_external: bool) -> NpyReader:
    """A reader of a file, or of standard input for ``-``."""
    source = open_source(path)
    try:
        return NpyReader(source, source.name)
    except BaseException:
        source.close()
        raise


class NpyReader:
    """Blocks of an ``.npy`` array from a source.

    Parameters
    ----------
    source : Source
    name : str
        For messages.

    Raises
    ------
    InputError
        If the header is malformed, the dtype is not numeric, or the length does not fit the header.
    """

    chunks: tuple[int, ...] | None = None

    def __init__(self, source: Source, name: str) -> None:
        self.name = name
        self._source = source
        self.sequential = source.sequential
        self.attributes: dict[str, Any] = {}
        self._offset, header = _read_header(source, name)
        self.dtype, self.fortran, self.shape = _checked_header(header, name)
        self._stored = self.shape[::-1] if self.fortran else self.shape
        self._end = self._offset + math.prod(self.shape) * self.dtype.itemsize
        if source.size is not None and source.size != self._end:
            missing = self._end - source.size
            fault = f"{missing} bytes are missing" if missing > 0 else f"{-missing} bytes follow the array"
            raise InputError(f"{name}: {fault}; its header says {self.shape} {self.dtype}")
        self.storage = {"format": "npy", "order": "F" if self.fortran else "C"}

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype; a sequential source gives parts in order."""
        if self.fortran:
            selection, out = selection[::-1], out.transpose()
        item = self.dtype.itemsize
        direct = out.dtype == self.dtype
        for offset, index in contiguous_runs(self._stored, selection):
            view: Any = (*index, ...)
            target = out[view]
            at = self._offset + offset * item
            if direct and target.flags.c_contiguous:
                self._source.read_into(bytes_of(target), at)
            else:
                piece = np.empty(target.shape, self.dtype)
                self._source.read_into(bytes_of(piece), at)
                target[...] = piece

    def spool(self) -> None:
        """Make a sequential source readable in any order."""
        self._source = SpooledSource(self._source, self._offset, self._end)
        self.sequential = False

    def finish(self) -> None:
        """Check that nothing follows the array and that the file has not changed; call when all was read."""
        self._source.finish(self._end)

    def close(self) -> None:
        """Release the source."""
        self._source.close()


class NpyWriter:
    """Blocks into an ``.npy`` array of known shape; row-major, native byte order.

    Parameters
    ----------
    sink : Sink
    shape : tuple of int
    dtype : dtype
    """

    def __init__(self, sink: Sink, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._sink = sink
        self.sequential = sink.sequential
        self.shape = shape
        self.dtype = dtype
        self._header = header_bytes(shape, dtype)
        self._offset = len(self._header)
        self._begun = False

    def spool(self) -> None:
        """Take blocks in any order, which :meth:`commit` passes on; to be called before the first block."""
        self._sink = SpooledSink(self._sink)
        self.sequential = False

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`; a sequential sink takes blocks in order."""
        self._begin()
        item = self.dtype.itemsize
        for offset, index in contiguous_runs(self.shape, selection):
            piece = np.ascontiguousarray(block[index])
            self._sink.write_at(bytes_of(piece), self._offset + offset * item)

    def commit(self) -> None:
        """Complete the array; the file is committed as a whole."""
        self._begin()
        if isinstance(self._sink, SpooledSink):
            self._sink.commit()

    def abort(self) -> None:
        """Give the array up; the file is aborted as a whole."""
        if isinstance(self._sink, SpooledSink):
            self._sink.abort()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._sink.reserve(self._offset + math.prod(self.shape) * self.dtype.itemsize)
            self._sink.write_at(memoryview(self._header), 0)


class NpyOutput(SingleOutput):
    """An ``.npy`` file or stream: one array, without a name."""

    def writer(self, array: NewArray) -> NpyWriter:
        """The writer of the one array."""
        return NpyWriter(self._sink, array.shape, array.dtype)


open_output = NpyOutput


class GrowingNpyWriter:
    """Steps into an ``.npy`` file whose length is not known before the end, where its header is written.

    Parameters
    ----------
    sink : Sink
        It must take bytes out of order.
    channels : int
    dtype : dtype
    """

    # Bytes reserved for the header, which is longer for more steps; enough for any number of them.
    HEADER = 192

    def __init__(self, sink: Sink, channels: int, dtype: np.dtype[Any]) -> None:
        if sink.sequential:
            raise OutputError(
                f"{sink.name}: an .npy of unknown length needs a regular file; use -o - for samples"
            )
        self._sink, self._channels, self._dtype = sink, channels, dtype

    def write_at(self, data: memoryview, offset: int) -> None:
        """Write samples at `offset` bytes after the first."""
        self._sink.write_at(data, self.HEADER + offset)

    def finish(self, steps: int) -> None:
        """Write the header for `steps` steps."""
        header = header_bytes((steps, self._channels), self._dtype, self.HEADER)
        self._sink.write_at(memoryview(header), 0)


def header_bytes(shape: tuple[int, ...], dtype: np.dtype[Any], size: int = 64) -> bytes:
    """A version 1.0 header, padded to a multiple of `size` bytes, 64 as NumPy does."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(len(MAGIC) + 4 + len(text) + 1) % size
    body = (text + " " * padding + "\n").encode("latin1")
    return MAGIC + bytes((1, 0)) + struct.pack("<H", len(body)) + body


def _read_header(source: Source, name: str) -> tuple[int, str]:
    start = bytearray(8)
    try:
        source.read_into(memoryview(start), 0)
    except InputError as error:
        if "at byte 0, " in str(error) and name == _STANDARD_INPUT:
            raise InputError(
                f"{name}: is empty; the command before the pipe has to write an .npy stream, as dwconv does with -o -"
            ) from None
        if "too early" in str(error):
            raise InputError(f"{name}: not an .npy file: shorter than its magic number") from None
        raise
    if bytes(start[:6]) != MAGIC:
        hint = "its first bytes are not NumPy's"
        if start[:2] == b"PK":
            hint = "a zip file; name it .npz"
        elif all(byte in _TEXT for byte in start):
            hint = "it looks like text; for a table of numbers say --input-format csv"
        if name == _STANDARD_INPUT:
            hint += "; headerless samples need --raw DTYPE --channels C"
        raise InputError(f"{name}: not an .npy file: {hint}")
    version = start[6]
    if version not in (1, 2, 3) or start[7]:
        raise InputError(f"{name}: .npy version {version}.{start[7]} is unknown; save it again with NumPy")
    size = 2 if version == 1 else 4
    length_bytes = bytearray(size)
    source.read_into(memoryview(length_bytes), 8)
    length = int.from_bytes(length_bytes, "little")
    if length > MAX_HEADER:
        raise UnsafeFileError(f"{name}: its header claims {length} bytes; at most {MAX_HEADER} are read")
    body = bytearray(length)
    source.read_into(memoryview(body), 8 + size)
    try:
        return 8 + size + length, body.decode("utf-8" if version == 3 else "latin1")
    except UnicodeDecodeError:
        raise InputError(f"{name}: malformed .npy header: not text") from None


def _checked_header(text: str, name: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    try:
        header = ast.literal_eval(text.strip(" \t\n"))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise InputError(f"{name}: malformed .npy header: not a Python literal") from None
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise InputError(f"{name}: malformed .npy header: it must hold descr, fortran_order and shape alone")
    shape, fortran, descr = header["shape"], header["fortran_order"], header["descr"]
    sizes_ok = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 1 << 62 for n in shape)
    if not sizes_ok or len(shape) > 32 or math.prod(shape) >= 1 << 60:
        raise InputError(f"{name}: malformed .npy header: bad shape {str(shape)[:60]}")
    if not isinstance(fortran, bool):
        raise InputError(f"{name}: malformed .npy header: fortran_order is not True or False")
    return numeric_dtype(descr, name), fortran, shape


def numeric_dtype(descr: object, name: str) -> np.dtype[Any]:
    """The dtype that a header or an option describes, if it holds numbers of at most 64 bits.

    Raises
    ------
    InputError
        If it does not.
    """
    if isinstance(descr, str):
        try:
            dtype = np.dtype(descr)
        except (TypeError, ValueError, SyntaxError):
            raise InputError(f"{name}: unknown dtype {descr[:60]!r}") from None
        limit = 16 if dtype.kind == "c" else 8
        if dtype.kind in "biufc" and dtype.itemsize <= limit and dtype.shape == ():
            return dtype
        if dtype.hasobject:
            raise UnsafeFileError(
                f"{name}: holds pickled Python objects, which are never loaded; save numbers"
            )
    raise InputError(f"{name}: dtype {str(descr)[:60]} is not a number of at most 64 bits; convert it first")


def bytes_of(array: Array) -> memoryview:
    """The memory of a contiguous array."""
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat) if array.size else memoryview(b"")
