"""What the storage of a dataset must satisfy before a byte of it is read: its sizes, chunks, filters and sources.

Where a source is missing or too short, HDF5 reads fill values, zeros mostly, and says nothing. So every source is
looked at beforehand.
"""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from typing import Any

import h5py

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.hdf5.files import open_file
from dwconv_cli.storage.hdf5.filters import check_filters
from dwconv_cli.storage.hdf5.listing import is_unlimited
from dwconv_cli.storage.hdf5.names import find
from dwconv_cli.storage.hdf5.sources import MAX_NESTING, MAX_SOURCES, external_files, located, source_of
from dwconv_cli.text import printable

MAX_CHUNK_BYTES = 256 << 20
# A dataset may declare this many times the bytes that are stored. deflate shrinks by up to 1032 (zlib, technical
# details); the rest is room for chunks that were never written.
MAX_EXPANSION = 2000
# A dataset of at most this size may be stored in as few bytes as it likes: it is read in blocks, so that it costs time
# only.
FREE_BYTES = 1 << 30


def check_storage(data: h5py.Dataset, where: str, allow_external: bool, depth: int = 0) -> None:
    """Refuse a dataset by its layout, sizes, sources or filters; `depth` counts the virtual datasets around it."""
    plist = data.id.get_create_plist()
    layout = plist.get_layout()
    if plist.get_external_count():
        _check_external(data, plist, where, allow_external)
        return
    if layout == h5py.h5d.VIRTUAL:
        _check_virtual(data, plist, where, allow_external, depth)
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
        check_filters(plist, where)


def _check_chunk(sides: tuple[int, ...], data: h5py.Dataset, where: str) -> None:
    # HDF5 divides by these sides when it looks for a chunk, one for each axis of the dataset, and crashes on others.
    rank = data.id.get_space().get_simple_extent_ndims()
    if len(sides) != rank or 0 in sides:
        raise InputError(f"{where}: damaged; its chunks are {sides} in a dataset of {rank} dimensions")
    size = math.prod(sides) * data.id.get_type().get_size()
    if size > MAX_CHUNK_BYTES:
        raise UnsafeFileError(
            f"{where}: has chunks of {size} bytes, more than {MAX_CHUNK_BYTES}; repack it with h5repack -l"
        )


def _check_external(data: h5py.Dataset, plist: Any, where: str, allow_external: bool) -> None:
    """Refuse external storage, or make sure that each of its files is there and long enough."""
    if not allow_external:
        raise UnsafeFileError(
            f"{where}: its data lies in other files (external storage); --allow-external reads them"
        )
    left = data.size * data.id.get_type().get_size()
    for name, path, offset, size in external_files(data, plist):
        needed = left if size == h5py.h5f.UNLIMITED else min(size, left)
        if path is None:
            raise InputError(
                f"{where}: its external file {printable(name)} is missing and would read as zeros"
            )
        if os.stat(path).st_size < offset + needed:
            raise InputError(
                f"{where}: its external file {printable(path)} is too short and would read as zeros"
            )
        left -= needed
    if left > 0:
        raise InputError(f"{where}: its external files are {left} bytes short of its shape")


def _check_virtual(data: h5py.Dataset, plist: Any, where: str, allow_external: bool, depth: int) -> None:
    """Refuse a virtual dataset over other files unless allowed, and any whose sources do not all exist."""
    count = plist.get_virtual_count()
    if count > MAX_SOURCES:
        raise UnsafeFileError(f"{where}: is a virtual dataset of {count} sources, more than {MAX_SOURCES}")
    if depth >= MAX_NESTING:
        raise UnsafeFileError(
            f"{where}: is a virtual dataset of virtual datasets, more than {MAX_NESTING} deep"
        )
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}
    for index in range(count):
        source = source_of(plist, index)
        label = printable("::".join(source))
        if source[0] != "." and not allow_external:
            raise UnsafeFileError(
                f"{where}: is a virtual dataset over other files ({printable(source[0])}); --allow-external reads them"
            )
        # %b stands for a running number; a percent sign itself is doubled (H5Pset_virtual).
        if any("%b" in name.replace("%%", "") for name in source):
            raise InputError(f"{where}: is a virtual dataset over a pattern of names ({label})")
        if source not in shapes:
            shapes[source] = _source_shape(data, source, where, allow_external, depth)
        if not _covers(data, plist, index, shapes[source]):
            raise InputError(f"{where}: its source {label} is too small and would read as zeros")


def _source_shape(
    data: h5py.Dataset, source: tuple[str, str], where: str, allow_external: bool, depth: int
) -> tuple[int, ...]:
    """The shape of a source, which must itself satisfy all that is asked here."""
    path, inside = located(data, source)
    name = printable(source[0].replace("%%", "%"))
    if path is None:
        raise InputError(f"{where}: its source file {name} is missing and would read as zeros")
    label = f"{where} (source {name}::{printable(inside)})"
    # A file inside a stream cannot be opened again by its path.
    with nullcontext(data.file) if source[0] == "." else open_file(path) as file:
        dataset = find(file, inside, allow_external=allow_external)
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(f"{label}: is a group, not a dataset")
        check_storage(dataset, label, allow_external, depth + 1)
        return tuple(dataset.shape)


def _covers(data: h5py.Dataset, plist: Any, index: int, shape: tuple[int, ...]) -> bool:
    """Whether a source of this shape has all that a mapping takes from it."""
    source, target = plist.get_virtual_srcspace(index), plist.get_virtual_vspace(index)
    if is_unlimited(source) or is_unlimited(target):
        return True  # the virtual dataset is as long as its source
    # A selection of everything is stored without its extent.
    if source.get_select_type() == h5py.h5s.SEL_ALL:
        whole = target.get_select_type() == h5py.h5s.SEL_ALL
        return bool(math.prod(shape) >= (data.size if whole else target.get_select_npoints()))
    if not source.get_select_npoints():
        return True
    last = source.get_select_bounds()[1]
    return len(last) == len(shape) and all(end < side for end, side in zip(last, shape, strict=True))
