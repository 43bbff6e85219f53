"""Datasets whose numbers lie elsewhere: external storage and virtual datasets.

HDF5 reads what it does not find there as fill values, zeros mostly, and says nothing; so every source is looked at
beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import prod
from typing import Any

import h5py

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.hdf5.door import errors, file_name, open_file
from dwconv_cli.storage.hdf5.listing import is_unlimited
from dwconv_cli.storage.hdf5.names import find
from dwconv_cli.text import printable

MAX_SOURCES = 10_000
MAX_NESTING = 4

Check = Callable[[h5py.Dataset, str, bool, int], None]


def check_external(data: h5py.Dataset, plist: Any, where: str, allowed: bool) -> None:
    """Refuse external storage, or make sure that each of its files is there and long enough."""
    if not allowed:
        raise UnsafeFileError(
            f"{where}: its data lies in other files (external storage); --allow-external reads them"
        )
    left = data.size * data.id.get_type().get_size()
    for index in range(plist.get_external_count()):
        raw, offset, size = plist.get_external(index)
        size = left if size == h5py.h5f.UNLIMITED else min(size, left)
        path = _existing(os.fsdecode(raw), file_name(data), "HDF5_EXTFILE_PREFIX")
        if path is None:
            raise InputError(
                f"{where}: its external file {printable(os.fsdecode(raw))} is missing and would read as zeros"
            )
        if os.stat(path).st_size < offset + size:
            raise InputError(
                f"{where}: its external file {printable(path)} is too short and would read as zeros"
            )
        left -= size
    if left > 0:
        raise InputError(f"{where}: its external files are {left} bytes short of its shape")


def check_virtual(
    data: h5py.Dataset, plist: Any, where: str, allowed: bool, depth: int, check: Check
) -> None:
    """Refuse a virtual dataset over other files unless allowed, and any whose sources do not all exist."""
    count = plist.get_virtual_count()
    if count > MAX_SOURCES:
        raise UnsafeFileError(f"{where}: is a virtual dataset of {count} sources, more than {MAX_SOURCES}")
    if depth >= MAX_NESTING:
        raise UnsafeFileError(
            f"{where}: is a virtual dataset of virtual datasets, more than {MAX_NESTING} deep"
        )
    checked: dict[tuple[str, str], tuple[int, ...]] = {}
    for index in range(count):
        source = plist.get_virtual_filename(index), plist.get_virtual_dsetname(index)
        if source[0] != "." and not allowed:
            raise UnsafeFileError(
                f"{where}: is a virtual dataset over other files ({printable(source[0])}); --allow-external reads them"
            )
        # %b stands for a running number; a percent sign itself is doubled (H5Pset_virtual).
        if any("%b" in name.replace("%%", "") for name in source):
            raise InputError(
                f"{where}: is a virtual dataset over a pattern of names ({printable('::'.join(source))})"
            )
        if source not in checked:
            checked[source] = _source_shape(data, source, where, allowed, depth, check)
        if not _covers(data, plist, index, checked[source]):
            raise InputError(
                f"{where}: its source {printable('::'.join(source))} is too small and would read as zeros"
            )


def other_files(file: h5py.File, name: str) -> list[str]:
    """Paths of the files besides `file` in which the dataset `name` lies, by links, external storage or mappings.

    Raises
    ------
    InputError
        If it cannot be found.
    """
    paths: set[str] = set()
    with errors(file, name):
        _collect(find(file, name, allow_external=True), paths, 0)
    return sorted(paths - {file_name(file)})


def other_files_of(path: str, name: str) -> list[str]:
    """The same for a file by its path."""
    with open_file(path) as file:
        return other_files(file, name)


def _collect(data: Any, paths: set[str], depth: int) -> None:
    here = file_name(data)
    paths.add(here)
    if not isinstance(data, h5py.Dataset) or depth >= MAX_NESTING:
        return
    plist = data.id.get_create_plist()
    for index in range(plist.get_external_count()):
        path = _existing(os.fsdecode(plist.get_external(index)[0]), here, "HDF5_EXTFILE_PREFIX")
        paths |= {path} if path else set()
    if plist.get_layout() != h5py.h5d.VIRTUAL:
        return
    count = min(plist.get_virtual_count(), MAX_SOURCES)
    for source in {(plist.get_virtual_filename(i), plist.get_virtual_dsetname(i)) for i in range(count)}:
        inner, inside = (part.replace("%%", "%") for part in source)
        path = here if inner == "." else _existing(inner, here, "HDF5_VDS_PREFIX")
        if path is None:
            continue
        paths.add(path)
        with open_file(path) as other:
            _collect(find(other, inside, allow_external=True), paths, depth + 1)


def _covers(data: h5py.Dataset, plist: Any, index: int, shape: tuple[int, ...]) -> bool:
    source, target = plist.get_virtual_srcspace(index), plist.get_virtual_vspace(index)
    if is_unlimited(source) or is_unlimited(target):
        return True  # as long as its source is
    # A selection of everything is kept without any extent.
    if source.get_select_type() == h5py.h5s.SEL_ALL:
        whole = target.get_select_type() == h5py.h5s.SEL_ALL
        return bool(prod(shape) >= (data.size if whole else target.get_select_npoints()))
    if not source.get_select_npoints():
        return True
    last = source.get_select_bounds()[1]
    return len(last) == len(shape) and all(end < side for end, side in zip(last, shape, strict=True))


def _source_shape(
    data: h5py.Dataset, source: tuple[str, str], where: str, allowed: bool, depth: int, check: Check
) -> tuple[int, ...]:
    name, inside = (part.replace("%%", "%") for part in source)
    label = f"{where} (source {printable(name)}::{printable(inside)})"
    if name == ".":
        found = find(data.file, inside, allow_external=allowed)
        return _checked(found, label, allowed, depth, check)
    path = _existing(name, file_name(data), "HDF5_VDS_PREFIX")
    if path is None:
        raise InputError(f"{where}: its source file {printable(name)} is missing and would read as zeros")
    with open_file(path) as file:
        return _checked(find(file, inside, allow_external=allowed), label, allowed, depth, check)


def _checked(found: Any, label: str, allowed: bool, depth: int, check: Check) -> tuple[int, ...]:
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{label}: is a group, not a dataset")
    check(found, label, allowed, depth + 1)
    return tuple(found.shape)


def _existing(name: str, file: str, variable: str) -> str | None:
    # The places HDF5 looks in, in its order (H5Pset_virtual_prefix, H5Pset_efile_prefix).
    prefix = os.environ.get(variable, "").replace("${ORIGIN}", os.path.dirname(os.path.abspath(file)))
    folders = [prefix] if prefix else []
    if variable == "HDF5_VDS_PREFIX":
        folders += [os.path.dirname(os.path.abspath(file))]
    folders += ["", os.path.dirname(os.path.realpath(file))]
    return next((path for folder in folders if os.path.isfile(path := os.path.join(folder, name))), None)
