"""What an HDF5 file holds: a walk that follows no link out of the file and enters no group twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from dwconv_cli.errors import UnsafeFileError
from dwconv_cli.storage.hdf5.messages import errors, file_name
from dwconv_cli.storage.hdf5.read_attributes import as_text

MAX_OBJECTS = 100_000
MAX_DEPTH = 64
MAX_MAPPINGS = 1000
LINK_KINDS = {h5py.h5l.TYPE_SOFT: "soft link", h5py.h5l.TYPE_EXTERNAL: "external link"}

_OBJECT_KINDS = {h5py.h5o.TYPE_GROUP: "group", h5py.h5o.TYPE_DATASET: "dataset"}
_UNLIMITED = (2**64 - 1, h5py.h5s.UNLIMITED)
# MATLAB keeps the contents of cells and objects in these groups; they are no recordings.
_PRIVATE_ROOTS = ("#refs#", "#subsystem#")
# netCDF-4 keeps the length of a dimension without values in a dataset whose attribute NAME begins so.
NO_VALUES = "This is a netCDF dimension but not a netCDF variable"
_MAX_NAME_BYTES = 1024


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


def encode(part: str) -> bytes:
    """Return a link's name as the bytes in the file; h5py decodes what is no UTF-8 with surrogate escapes."""
    return part.encode("utf-8", "surrogateescape")


def address(obj: h5py.HLObject) -> tuple[int, int]:
    """Return the file and the place in it where an object lies, which tell whether two names mean the same object."""
    info = h5py.h5o.get_info(obj.id)
    return info.fileno, info.addr


def is_numeric(dtype: np.dtype) -> bool:
    """Whether a dtype holds plain numbers. h5py marks other types by metadata, such as enumerations."""
    return dtype.kind in "biufc" and not dtype.metadata


def is_unlimited(space: Any) -> bool:
    """Whether a selection runs on without end."""
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return False
    return any(number in part for part in space.get_regular_hyperslab() for number in _UNLIMITED)


def children(group: h5py.Group) -> list[Entry]:
    """List what one group (or file) holds, in file order, following no soft or external link."""
    with errors(group):
        return [entry for entry, _ in _links(group)]


def walk(group: h5py.Group) -> Iterator[Entry]:
    """Yield every link below a group (or file), depth first in file order; each group is entered once.

    More than ``MAX_OBJECTS`` links or ``MAX_DEPTH`` levels are an UnsafeFileError.
    """
    with errors(group):
        # The links of the groups that are being walked, from the outermost to the innermost.
        entered, levels, count = {address(group)}, [_links(group)], 0
    while levels:
        with errors(group):
            link = next(levels[-1], None)
            if link is None:
                levels.pop()
                continue
            entry, child = link
            if (count := count + 1) > MAX_OBJECTS:
                raise _too_many(group)
            if child is not None:
                place = address(child)
                if place in entered:
                    entry = Entry(entry.name, "repeat")
                elif len(levels) >= MAX_DEPTH:
                    raise UnsafeFileError(f"{file_name(group)}: groups nest deeper than {MAX_DEPTH}")
                else:
                    entered.add(place)
                    levels.append(_links(child))
        yield entry


def datasets(file: h5py.File) -> list[str]:
    """List the absolute names of the numeric datasets in file order.

    Soft and external links are not followed, cycles of hard links are entered once, and what MATLAB and netCDF-4
    keep for themselves is left out.
    """
    return [entry.name for entry in walk(file) if entry.numeric and not is_private(file, entry)]


def _too_many(group: h5py.Group) -> UnsafeFileError:
    return UnsafeFileError(f"{file_name(group)}: holds more than {MAX_OBJECTS} objects; name the dataset")


def _links(group: h5py.Group) -> Iterator[tuple[Entry, h5py.Group | None]]:
    """Each link of a group, and the group that it leads to, if it is a hard link to one."""
    prefix = group.name.rstrip("/") + "/"
    if len(group) > MAX_OBJECTS:
        raise _too_many(group)
    for part in group:
        key, name = encode(part), prefix + part
        link = group.id.links.get_info(key).type
        if link != h5py.h5l.TYPE_HARD:
            target = None
            if link in LINK_KINDS:
                value = group.id.links.get_val(key)
                target = "::".join(map(os.fsdecode, value if isinstance(value, tuple) else (value,)))
            yield Entry(name, LINK_KINDS.get(link, "user link"), target=target), None
            continue
        kind = _OBJECT_KINDS.get(h5py.h5o.get_info(group.id, key).type, "type")
        if kind == "dataset":
            with errors(group, name):
                entry = _dataset_entry(name, h5py.h5d.open(group.id, key))
            yield entry, None
        else:
            yield Entry(name, kind), group[key] if kind == "group" else None


def _dataset_entry(name: str, dsid: h5py.h5d.DatasetID) -> Entry:
    if _needs_other_files(dsid.get_create_plist()):
        return Entry(name, "dataset", None, "virtual")
    shape = None if dsid.get_space().get_simple_extent_type() == h5py.h5s.NULL else tuple(dsid.shape)
    try:
        dtype = dsid.dtype
    except TypeError:  # an HDF5 type that NumPy has no equivalent for
        return Entry(name, "dataset", shape, "unsupported")
    return Entry(name, "dataset", shape, str(dtype), shape is not None and is_numeric(dtype))


def _needs_other_files(plist: Any) -> bool:
    """Whether HDF5 would open the sources of a virtual dataset when it is asked for the shape."""
    if plist.get_layout() != h5py.h5d.VIRTUAL:
        return False
    count = plist.get_virtual_count()
    return count > MAX_MAPPINGS or any(
        is_unlimited(plist.get_virtual_vspace(index)) for index in range(count)
    )


def is_private(file: h5py.File, entry: Entry) -> bool:
    """Whether MATLAB or netCDF-4 keeps a dataset for itself."""
    if entry.name.split("/", 2)[1] in _PRIVATE_ROOTS:
        return True
    with errors(file, entry.name):
        dsid = h5py.h5d.open(file.id, encode(entry.name))
        if not h5py.h5a.exists(dsid, b"CLASS") or not h5py.h5a.exists(dsid, b"NAME"):
            return False
        name = h5py.h5a.open(dsid, b"NAME")
        kind = name.get_type()
        # netCDF-4 writes text of fixed length. Other text would need checks before it is read, and is not netCDF-4's.
        if kind.get_class() != h5py.h5t.STRING or kind.is_variable_str():
            return False
        text = (
            as_text(h5py.Dataset(dsid).attrs["NAME"]) if name.get_storage_size() <= _MAX_NAME_BYTES else None
        )
        return (text or "").startswith(NO_VALUES)
