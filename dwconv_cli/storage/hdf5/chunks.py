"""Chunks under gzip, compressed and decompressed in several threads.

HDF5 compresses and decompresses on one thread while it holds its lock. Its chunks are zlib streams, with the bytes of
the numbers shuffled beforehand if asked for. So they can be made and taken apart here in several threads, and HDF5
only moves the finished chunks in and out of the file. HDF5 itself does whatever is stored otherwise, or cannot be
read this way.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from h5py._objects import phil

from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.hdf5.blocks import read
from dwconv_cli.threads import available, submit

if TYPE_CHECKING:
    from concurrent.futures import Future

Selection = tuple[slice, ...]

_SHUFFLE, _DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE


class Codec(NamedTuple):
    """How the chunks of a dataset are stored: their shape and dtype, zlib's level, and whether bytes are shuffled."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    level: int
    shuffle: bool

    def encode(self, chunk: Array) -> bytes:
        """A whole chunk as HDF5 stores it."""
        numbers: Any = np.ascontiguousarray(chunk, self.dtype).reshape(-1).view(np.uint8)
        if self.shuffle:
            numbers = np.ascontiguousarray(numbers.reshape(-1, self.dtype.itemsize).T)
        return zlib.compress(numbers, self.level)

    def decode(self, stored: bytes) -> Array:
        """A whole chunk from what HDF5 stores; ``zlib.error`` or ValueError if that is damaged."""
        size = math.prod(self.shape) * self.dtype.itemsize
        # A damaged or malicious stream might expand to far more than a chunk.
        expander = zlib.decompressobj()
        numbers = np.frombuffer(expander.decompress(stored, size + 1), np.uint8)
        if numbers.size != size or not expander.eof:
            raise ValueError(f"the chunk does not hold {size} bytes")
        if self.shuffle:
            numbers = np.ascontiguousarray(numbers.reshape(self.dtype.itemsize, -1).T)
        return numbers.reshape(-1).view(self.dtype).reshape(self.shape)


def codec_of(dataset: h5py.Dataset) -> Codec | None:
    """The codec of a dataset, or None where HDF5 must do it."""
    if dataset.chunks is None or dataset.dtype.kind not in "iuf" or available() == 1:
        return None
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    codes = [code for code, *_ in filters]
    if codes not in ([_DEFLATE], [_SHUFFLE, _DEFLATE]):
        return None
    level = int(filters[-1][2][0])
    return Codec(dataset.chunks, dataset.dtype, level, len(codes) == 2)


class ChunkReader:
    """Reads blocks of a dataset, whose chunks are decompressed in several threads."""

    def __init__(self, dataset: h5py.Dataset, codec: Codec) -> None:
        self._dataset = dataset
        self._codec = codec

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype; an InputError names the chunk that is damaged."""
        waiting: deque[tuple[Future[Array], Selection, Selection]] = deque()
        for corner in _corners(selection, self._codec.shape):
            shared = _overlap(corner, self._codec.shape, selection)
            waiting.append((submit(self._codec.decode, self._stored(corner)), *shared))
            if len(waiting) > 2 * available():
                self._copy(*waiting.popleft(), selection, out)
        while waiting:
            self._copy(*waiting.popleft(), selection, out)

    def touch(self) -> None:
        """Fetch every chunk as it is stored, without decompressing it."""
        shape = self._dataset.shape
        if all(shape):
            for corner in _corners(tuple(slice(0, side) for side in shape), self._codec.shape):
                self._stored(corner)

    def _stored(self, corner: tuple[int, ...]) -> bytes:
        try:
            # h5py 3.14 does not take its own lock here, and another thread may use HDF5.
            with phil:
                mask, stored = self._dataset.id.read_direct_chunk(corner)
        except (RuntimeError, OSError, ValueError):
            # A chunk that was never written, for example; the caller lets HDF5 read it, which knows the fill value.
            return b""
        # The mask tells that a filter was left out for this chunk.
        return b"" if mask else bytes(stored)

    def _copy(
        self, chunk: Future[Array], inside: Selection, target: Selection, selection: Selection, out: Array
    ) -> None:
        try:
            out[target] = chunk.result()[inside]
        except (zlib.error, ValueError):
            # Let HDF5 read it: it has the fill value, or says what is wrong.
            place = zip(selection, target, strict=True)
            out[target] = read(
                self._dataset,
                tuple(slice(whole.start + part.start, whole.start + part.stop) for whole, part in place),
            )


class ChunkWriter:
    """Writes blocks into a new dataset; each chunk is compressed in a thread when all of it is there."""

    def __init__(self, dataset: h5py.Dataset, codec: Codec) -> None:
        self._dataset = dataset
        self._shape: tuple[int, ...] = dataset.shape
        self._codec = codec
        # Chunks of which a part is missing, and how many numbers they have.
        self._partial: dict[tuple[int, ...], tuple[Array, int]] = {}
        self._waiting: deque[tuple[Future[bytes], tuple[int, ...]]] = deque()

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`; no number may be written twice."""
        for corner in _corners(selection, self._codec.shape):
            inside, source = _overlap(corner, self._codec.shape, selection)
            self._add(corner, inside, block[source])

    def finish(self) -> None:
        """Store the chunks that are still being compressed."""
        while self._waiting:
            self._store()

    def _add(self, corner: tuple[int, ...], inside: Selection, part: Array) -> None:
        chunk, count = self._partial.pop(corner, (None, 0))
        if chunk is None:
            # A chunk at the edge of the dataset is filled up with zeros.
            chunk = np.zeros(self._codec.shape, self._codec.dtype)
        # Copied, since the caller uses the block's memory again.
        chunk[inside] = part
        count += part.size
        if count < self._size(corner):
            self._partial[corner] = chunk, count
            return
        self._waiting.append((submit(self._codec.encode, chunk), corner))
        if len(self._waiting) > 2 * available():
            self._store()

    def _size(self, corner: tuple[int, ...]) -> int:
        sides = zip(corner, self._codec.shape, self._shape, strict=True)
        return math.prod(min(side, end - low) for low, side, end in sides)

    def _store(self) -> None:
        future, corner = self._waiting.popleft()
        stored = future.result()
        with phil:
            self._dataset.id.write_direct_chunk(corner, stored)


def _corners(selection: Selection, sides: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """First corner of each chunk that a selection touches."""
    ranges = (
        range(part.start // side * side, part.stop, side) for part, side in zip(selection, sides, strict=True)
    )
    return itertools.product(*ranges)


def _overlap(
    corner: tuple[int, ...], sides: tuple[int, ...], selection: Selection
) -> tuple[Selection, Selection]:
    """What a chunk and a selection share, as a part of the chunk and as a part of the selection."""
    inside, outside = [], []
    for low, side, part in zip(corner, sides, selection, strict=True):
        first, last = max(low, part.start), min(low + side, part.stop)
        inside.append(slice(first - low, last - low))
        outside.append(slice(first - part.start, last - part.start))
    return tuple(inside), tuple(outside)
