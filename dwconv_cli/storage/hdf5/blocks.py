"""Read the numbers of a dataset that the guard let through, in blocks or as a whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import h5py
import numpy as np

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.hdf5.guard import is_bfloat16
from dwconv_cli.storage.hdf5.messages import errors, where
from dwconv_cli.text import printable

MAX_ARRAY_BYTES = 64 << 20
BLOCK_BYTES = 16 << 20


def read(data: h5py.Dataset, selection: tuple[slice, ...] = (), out: Array | None = None) -> Array:
    """Read a block of a dataset that :func:`~dwconv_cli.storage.hdf5.dataset` let through.

    Parameters
    ----------
    data : h5py.Dataset
    selection : tuple of slice, optional
        Steps of one; missing axes are read whole.
    out : ndarray, optional
        C-contiguous array of the selection's shape to read into; HDF5 converts to its dtype.

    Raises
    ------
    InputError
        Naming the dataset, and the first chunk of the block that cannot be read.
    """
    try:
        with errors(data):
            if out is None:
                return np.asarray(data[selection])
            if out.size:
                data.read_direct(out, selection, None)
            return out
    except InputError as error:
        chunk = _bad_chunk(data, selection)
        if chunk is None:
            raise
        cause = printable(str(error.__cause__).replace("\n", " "))
        raise InputError(f"{where(data)}: the chunk at {chunk} is corrupt: {cause}") from error


def _bad_chunk(data: h5py.Dataset, selection: tuple[slice, ...]) -> tuple[int, ...] | None:
    """First corner of the first chunk of a block that cannot be read."""
    if data.chunks is None:
        return None
    for chunk in data.iter_chunks(selection + (slice(None),) * (data.ndim - len(selection))):
        try:
            data[chunk]
        except Exception:
            return tuple(
                part.start - part.start % side for part, side in zip(chunk, data.chunks, strict=True)
            )
    return None


def read_array(data: h5py.Dataset, limit: int = MAX_ARRAY_BYTES) -> Array:
    """Read a whole array, such as weights, of at most `limit` bytes.

    Keras's bfloat16 comes back as float32, which holds it exactly.
    """
    size = data.size * data.id.get_type().get_size()
    if size > limit:
        raise UnsafeFileError(f"{where(data)}: {size} bytes, more than {limit}")
    values = read(data)
    if not is_bfloat16(data):
        return values
    # bfloat16 is the upper half of a float32.
    return (values.view("<u2").astype("<u4") << 16).view("<f4").astype(np.float32, copy=False)


def selections(data: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    """Yield selections of about ``BLOCK_BYTES`` that together cover a dataset; in whole chunks where it has some."""
    shape, chunks = data.shape, data.chunks or (1,) * data.ndim
    if not shape:
        yield ()
        return
    inner = [math.prod(shape[axis + 1 :]) * data.dtype.itemsize for axis in range(data.ndim)]
    axis = next((axis for axis, size in enumerate(inner) if size <= BLOCK_BYTES), 0)
    step = max(1, BLOCK_BYTES // max(1, inner[axis]) // chunks[axis]) * chunks[axis]
    for index in itertools.product(*map(range, shape[:axis])):
        lead = tuple(slice(place, place + 1) for place in index)
        for low in range(0, shape[axis], step):
            yield *lead, slice(low, min(shape[axis], low + step))
