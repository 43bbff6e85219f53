"""What an HDF5 file holds: a walk that follows no link out of the file and enters no group twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from dwconv_cli.errors import UnsafeFileError
from dwconv_cli.storage.hdf5.door import LINK_KINDS, encode, errors, file_name

MAX_OBJECTS = 100_000
MAX_DEPTH = 64
MAX_MAPPINGS = 1000
_UNLIMITED = 2**64 - 1

# MATLAB keeps the insides of cells and objects here; they are no recordings.
_PRIVATE_ROOTS = ("#refs#", "#subsystem#")
_PHANTOM_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
_OBJECT_KINDS = {h5py.h5o.TYPE_GROUP: "group", h5py.h5o.TYPE_DATASET: "dataset"}


@dataclass(frozen=True)
class Entry:
    """One link met on a walk.

    Parameters
    ----------
    name : str
        Absolute name.
    kind : str
        ``group``, ``dataset``, ``type``, ``soft link``, ``external link``, ``user link`` or ``repeat`` (a hard link
        to a group listed already).
    shape : tuple of int or None
        Of a dataset that has one, and can tell it without opening other files.
    dtype : str or None
        Of a dataset, as NumPy writes it; ``virtual`` where only other files could tell the shape.
    numeric : bool
        Whether the dataset can be read as numbers.
    target : str or None
        What a soft or external link points at.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    numeric: bool = False
    target: str | None = None


def is_numeric(dtype: np.dtype) -> bool:
    """Whether a dtype holds plain numbers; an enumeration (but h5py's booleans) carries metadata instead."""
    return dtype.kind in "biufc" and not dtype.metadata


def is_unlimited(space: Any) -> bool:
    """Whether a selection runs on without end."""
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return False
    return any(_UNLIMITED in part or h5py.h5s.UNLIMITED in part for part in space.get_regular_hyperslab())


def children(group: h5py.Group) -> list[Entry]:
    """List what one group (or file) holds, in file order, following no soft or external link."""
    with errors(group, group.name):
        return [entry for entry, _, _ in _links(group)]


def walk(group: h5py.Group) -> Iterator[Entry]:
    """Yield every link below a group (or file), depth first in file order; each group is entered once.

    Raises
    ------
    UnsafeFileError
        More than ``MAX_OBJECTS`` links or ``MAX_DEPTH`` levels.
    """
    where = file_name(group)
    with errors(group, group.name):
        seen, stack, met = {_address(group)}, [_links(group)], 0
    while stack:
        with errors(group, group.name):
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            entry, inner, address = step
            if (met := met + 1) > MAX_OBJECTS:
                raise UnsafeFileError(f"{where}: holds more than {MAX_OBJECTS} objects; name the dataset")
            if address is not None and address in seen:
                entry = Entry(entry.name, "repeat")
            elif inner is not None and len(stack) >= MAX_DEPTH:
                raise UnsafeFileError(f"{where}: groups nest deeper than {MAX_DEPTH}")
            elif inner is not None and address is not None:
                seen.add(address)
                stack.append(_links(inner))
        yield entry


def _address(obj: h5py.HLObject) -> tuple[int, int]:
    info = h5py.h5o.get_info(obj.id)
    return info.fileno, info.addr


def _links(group: h5py.Group) -> Iterator[tuple[Entry, h5py.Group | None, tuple[int, int] | None]]:
    prefix = group.name.rstrip("/") + "/"
    if len(group) > MAX_OBJECTS:
        raise UnsafeFileError(f"{file_name(group)}: holds more than {MAX_OBJECTS} objects; name the dataset")
    for part in group:
        key, name = encode(part), prefix + part
        kind = group.id.links.get_info(key).type
        if kind != h5py.h5l.TYPE_HARD:
            target = None
            if kind in LINK_KINDS:
                value = group.id.links.get_val(key)
                target = (
                    "::".join(map(os.fsdecode, value)) if isinstance(value, tuple) else os.fsdecode(value)
                )
            yield Entry(name, LINK_KINDS.get(kind, "user link"), target=target), None, None
            continue
        found = _OBJECT_KINDS.get(h5py.h5o.get_info(group.id, key).type, "type")
        if found == "group":
            child = group[key]
            yield Entry(name, found), child, _address(child)
        elif found == "dataset":
            with errors(group, name):
                described = _dataset_entry(name, h5py.h5d.open(group.id, key))
            yield described, None, None
        else:
            yield Entry(name, found), None, None


def _has_open_end(plist: Any) -> bool:
    # To ask an unlimited virtual dataset for its shape makes HDF5 open the files it names.
    if plist.get_layout() != h5py.h5d.VIRTUAL:
        return False
    count = plist.get_virtual_count()
    return count > MAX_MAPPINGS or any(
        is_unlimited(plist.get_virtual_vspace(index)) for index in range(count)
    )


def _dataset_entry(name: str, dsid: h5py.h5d.DatasetID) -> Entry:
    if _has_open_end(dsid.get_create_plist()):
        return Entry(name, "dataset", None, "virtual")
    shape = None if dsid.get_space().get_simple_extent_type() == h5py.h5s.NULL else tuple(dsid.shape)
    try:
        dtype = dsid.dtype
    except TypeError:  # an HDF5 type that NumPy has no equivalent for
        return Entry(name, "dataset", shape, "unsupported")
    return Entry(name, "dataset", shape, str(dtype), shape is not None and is_numeric(dtype))


def datasets(file: h5py.File) -> list[str]:
    """List the absolute names of the numeric datasets in file order.

    Soft and external links are not followed, cycles of hard links are entered once, and what MATLAB and netCDF-4
    keep for themselves is left out.
    """
    return [entry.name for entry in walk(file) if entry.numeric and not _private(file, entry)]


def _private(file: h5py.File, entry: Entry) -> bool:
    if entry.name.split("/", 2)[1] in _PRIVATE_ROOTS:
        return True
    with errors(file, entry.name):
        attributes = h5py.h5d.open(file.id, encode(entry.name))
        if not h5py.h5a.exists(attributes, b"CLASS") or not h5py.h5a.exists(attributes, b"NAME"):
            return False
        label = h5py.h5a.open(attributes, b"NAME")
        if (
            label.get_type().get_class() != h5py.h5t.STRING
            or label.get_type().is_variable_str()
            or label.get_storage_size() > 1024
        ):
            return False
        value = h5py.Dataset(attributes).attrs["NAME"]
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)
    return raw.startswith(_PHANTOM_DIMENSION)
