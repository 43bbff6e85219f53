"""What a dataset must satisfy before a byte of it is read."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
from h5py._objects import phil

from dwconv_cli.errors import InputError, MissingExtraError, UnsafeFileError
from dwconv_cli.storage.hdf5.door import errors, file_name
from dwconv_cli.storage.hdf5.heaps import check_heaps
from dwconv_cli.storage.hdf5.listing import is_numeric
from dwconv_cli.storage.hdf5.names import find
from dwconv_cli.storage.hdf5.virtual import check_external, check_virtual
from dwconv_cli.text import printable

MAX_CHUNK_BYTES = 256 << 20
# deflate cannot shrink more than 1032:1 (zlib, technical details); the rest of the room is for chunks never written.
MAX_EXPANSION = 2000
# Below this a file may declare what it likes: it is read in blocks, so size costs time only.
FREE_BYTES = 1 << 30

# Filters hdf5plugin brings, by their number in the HDF Group's registry.
PLUGIN_FILTERS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}
_BUILT_IN_FILTERS = {
    1: "gzip",
    2: "shuffle",
    3: "fletcher32",
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    32000: "lzf",
}


def dataset(
    file: h5py.File,
    name: str,
    *,
    allow_external: bool = False,
    soft_links: bool = True,
    bfloat16: bool = False,
) -> h5py.Dataset:
    """Open one numeric dataset after looking at everything its header asks for.

    Parameters
    ----------
    file : h5py.File
    name : str
        Absolute; a leading ``/`` may be left out.
    allow_external : bool
        Accept external storage, external links and virtual datasets over other files, if all of those exist.
    soft_links : bool
        Follow soft links inside the file.
    bfloat16 : bool
        Accept the opaque pairs of bytes Keras writes for bfloat16; see :func:`~dwconv_cli.storage.hdf5.read_array`.

    Raises
    ------
    InputError
        No such dataset, no numbers in it, sources that are missing.
    UnsafeFileError
        It reaches into other files, or declares far more than is stored.
    MissingExtraError
        It is compressed with a filter that is not installed.
    """
    found = find(file, name, allow_external=allow_external, soft_links=soft_links)
    where = f"{file_name(file)}::{printable(name)}"
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{where}: is a group, not a dataset")
    with errors(file, name):
        # Storage first: the shape of a virtual dataset may lie in other files, which HDF5 opens when asked for it.
        check_storage(found, where, allow_external)
        _check_type(found, where, bfloat16)
    return found


def is_bfloat16(data: h5py.Dataset) -> bool:
    """Whether a weight is bfloat16: two opaque bytes, as Keras 3 writes and labels them, and tf-keras does not."""
    if data.id.get_type().get_class() != h5py.h5t.OPAQUE or data.id.get_type().get_size() != 2:
        return False
    if not h5py.h5a.exists(data.id, b"dtype"):
        return True
    check_heaps(data)
    label = data.attrs["dtype"] if h5py.h5a.open(data.id, b"dtype").get_storage_size() <= 64 else None
    return label in ("bfloat16", b"bfloat16")


def _check_type(data: h5py.Dataset, where: str, bfloat16: bool) -> None:
    if bfloat16 and is_bfloat16(data):
        return
    try:
        dtype = data.id.dtype
    except TypeError as error:
        raise InputError(f"{where}: holds no numbers NumPy knows ({error})") from error
    if not is_numeric(dtype):
        raise InputError(f"{where}: holds {_type_words(dtype)}, not numbers")
    if data.id.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise InputError(f"{where}: is an empty dataset (null dataspace) without any shape")


def _type_words(dtype: Any) -> str:
    if h5py.check_string_dtype(dtype) or dtype.kind in "SU":
        return "strings"
    if h5py.check_ref_dtype(dtype):
        return "references"
    if h5py.check_vlen_dtype(dtype):
        return "arrays of varying length"
    if h5py.check_enum_dtype(dtype):
        return "an enumeration"
    if dtype.names:
        return f"records of {printable(', '.join(dtype.names[:8]))}"
    return f"elements of type {dtype}"


def check_storage(data: h5py.Dataset, where: str, allow_external: bool, depth: int = 0) -> None:
    """Refuse a dataset by its layout, sizes, sources or filters."""
    plist = data.id.get_create_plist()
    layout = plist.get_layout()
    if plist.get_external_count():
        check_external(data, plist, where, allow_external)
        return
    if layout == h5py.h5d.VIRTUAL:
        check_virtual(data, plist, where, allow_external, depth, check_storage)
        return
    if layout == h5py.h5d.CHUNKED:
        _check_chunk(plist.get_chunk(), data, where)
    declared, stored = (data.size or 0) * data.id.get_type().get_size(), data.id.get_storage_size()
    size = data.file.id.get_filesize()
    if stored > size:
        raise InputError(f"{where}: claims {stored} bytes of storage, but the whole file has {size}")
    if declared > max(FREE_BYTES, MAX_EXPANSION * stored):
        raise UnsafeFileError(f"{where}: declares {declared} bytes, but only {stored} are stored")
    if layout == h5py.h5d.CHUNKED:
        _check_filters(plist, where)


def _check_chunk(sides: tuple[int, ...], data: h5py.Dataset, where: str) -> None:
    # Before HDF5 looks for a chunk: it divides by these sides, one for each of the dataset's axes.
    rank = data.id.get_space().get_simple_extent_ndims()
    if len(sides) != rank or 0 in sides:
        raise InputError(f"{where}: damaged; its chunks are {sides} in a dataset of {rank} dimensions")
    size = math.prod(sides) * data.id.get_type().get_size()
    if size > MAX_CHUNK_BYTES:
        raise UnsafeFileError(
            f"{where}: has chunks of {size} bytes, more than {MAX_CHUNK_BYTES}; repack it with h5repack -l"
        )


def filters(plist: Any) -> list[tuple[int, str, tuple[int, ...]]]:
    """List a dataset's filters as (number, name, options), in the order they were applied."""
    found = []
    for index in range(plist.get_nfilters()):
        code, _, options, label = plist.get_filter(index)
        known = _BUILT_IN_FILTERS.get(code) or PLUGIN_FILTERS.get(code)
        found.append(
            (code, known or printable(label.decode("utf-8", "replace")) or "unnamed", tuple(options))
        )
    return found


def _check_filters(plist: Any, where: str) -> None:
    for code, name, _ in filters(plist):
        if _available(code):
            continue
        if code not in PLUGIN_FILTERS:
            raise InputError(
                f"{where}: is compressed with the HDF5 filter {code} ({name}), which is not installed"
            )
        if importlib.util.find_spec("hdf5plugin") is not None:
            importlib.import_module("hdf5plugin")
        if not _available(code):
            raise MissingExtraError(
                f"{where}: is compressed with the HDF5 filter {code} ({name}); pip install hdf5plugin"
            )


def _available(code: int) -> bool:
    with _no_plugin_search():
        return bool(h5py.h5z.filter_avail(code))


@contextmanager
def _no_plugin_search() -> Iterator[None]:
    # Asking for an unknown filter makes HDF5 load libraries from its default folders; only a user who set
    # HDF5_PLUGIN_PATH asked for that. A filter that passes here is loaded, so reading searches no more.
    if os.environ.get("HDF5_PLUGIN_PATH"):
        yield
        return
    # HDF5 has one list of plugin folders for all threads.
    with phil:
        paths = [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())]
        for _ in paths:
            h5py.h5pl.remove(0)
        try:
            yield
        finally:
            for path in paths:
                h5py.h5pl.append(path)
