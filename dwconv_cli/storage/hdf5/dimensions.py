"""Labels and scales of a dataset's dimensions (HDF5 Dimension Scale Specification), and the groups around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.errors import InputError
from dwconv_cli.storage.hdf5.content import MAX_COPIED_BYTES, attribute, attributes, describe, read
from dwconv_cli.storage.hdf5.door import encode, errors, file_name
from dwconv_cli.storage.hdf5.guard import check_storage
from dwconv_cli.storage.hdf5.listing import is_numeric
from dwconv_cli.storage.hdf5.texts import texts
from dwconv_cli.text import printable

# Links that are looked at in search of the scales of one dataset, and datasets that share a scale.
MAX_LINKS = 10_000
MAX_SHARED = 10_000
BLOCK_BYTES = 4 << 20
_LABELS, _LIST, _USERS = "DIMENSION_LABELS", "DIMENSION_LIST", "REFERENCE_LIST"
# netCDF-4 keeps the length of a dimension that has no values in a scale of this name.
_NO_VALUES = "This is a netCDF dimension but not a netCDF variable"


def is_scale(file: h5py.File, name: str) -> bool:
    """Whether a dataset holds the values along a dimension of others.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    with errors(file, name):
        return bool(h5py.h5ds.is_scale(h5py.h5d.open(file.id, encode(name))))


@dataclass(frozen=True)
class Scale:
    """The values along a dimension, such as the time of each step.

    Parameters
    ----------
    name : str
        Absolute name of the dataset that holds them.
    title : str
        What the scale is called as such.
    length : int
    dtype : dtype
    attributes : dict
    storage : dict
        As :func:`~dwconv_cli.storage.hdf5.describe` tells it.
    read : callable
        ``(start, stop) -> array``.
    options : dict
        h5py's storage options where it is written.
    """

    name: str
    title: str
    length: int
    dtype: np.dtype[Any]
    attributes: dict[str, Any]
    storage: dict[str, Any]
    read: Callable[[int, int], Array]
    options: dict[str, Any] = field(default_factory=dict)

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """The values in order, and where each block of them begins."""
        step = max(1, BLOCK_BYTES // max(1, self.dtype.itemsize))
        for start in range(0, self.length, step):
            yield start, self.read(start, min(start + step, self.length))


@dataclass(frozen=True)
class Dimension:
    """One axis of a dataset: its label, empty if there is none, and its scales."""

    label: str = ""
    scales: tuple[Scale, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What belongs to a dataset beside its numbers and attributes.

    Parameters
    ----------
    dimensions : tuple of Dimension
        One for each axis.
    groups : dict
        Attributes of the groups that it lies in, by absolute name, from the root on.
    notes : list of str
        What could not be read, and why.
    """

    dimensions: tuple[Dimension, ...]
    groups: dict[str, dict[str, Any]]
    notes: list[str]


def surroundings(data: h5py.Dataset, name: str, left_out: Sequence[str] = ()) -> Surroundings:
    """What belongs to the dataset `data`, which was found as `name`.

    Labels, scales and groups only describe the recording: what is damaged or unsafe among them is left out and
    noted, and so are attributes of the dataset that were `left_out`.
    """
    notes: list[str] = []
    groups, not_copied = {}, [*left_out]
    for path in ancestors(name):
        try:
            with errors(data, path):
                groups[path] = attributes(data.file[path], not_copied)
        except InputError as error:
            notes.append(f"left out: {error}")
    if not_copied:
        more = f" and {len(not_copied) - 5} more" if len(not_copied) > 5 else ""
        notes.append(
            f"attributes left out of the output, since they are larger than {MAX_COPIED_BYTES >> 20} MiB together or "
            f"hold references or arrays of varying length: {', '.join(not_copied[:5])}{more}"
        )
    labels, scales = [""] * data.ndim, [[] for _ in data.shape]  # type: list[str], list[list[Scale]]
    try:
        labels = _labels(data)
        if _LIST in data.attrs:
            scales = _scales(data, groups, notes)
    except InputError as error:
        notes.append(f"left out: {error}")
    return Surroundings(tuple(map(Dimension, labels, map(tuple, scales))), groups, notes)


def ancestors(name: str) -> list[str]:
    """The groups that an absolute name lies in, from the root on."""
    parts = name.strip("/").split("/")[:-1]
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]


def _labels(data: h5py.Dataset) -> list[str]:
    labels = attribute(data, _LABELS)
    if np.shape(labels) != (data.ndim,):
        return [""] * data.ndim
    return [_text(label) for label in labels]


def _text(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else ""
    )


def _scales(data: h5py.Dataset, groups: Iterable[str], notes: list[str]) -> list[list[Scale]]:
    """The scales of each axis, among the datasets in `groups`.

    A dataset lists its scales in an attribute of varying length, where damage makes HDF5 run without end. A scale
    lists those that use it in records of one size, so that the search goes from there.
    """
    scales: list[list[Scale]] = [[] for _ in data.shape]
    links = 0
    for path in groups:
        with errors(data, path):
            group = data.file[path]
            for key in group.id:
                if (links := links + 1) > MAX_LINKS:
                    notes.append(
                        f"{_where(data)}: {_LIST}: too many datasets to look for its dimension scales"
                    )
                    return scales
                # Of a link elsewhere, HDF5 would open what it names.
                if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    continue
                if not h5py.h5a.exists(group.id, _USERS.encode(), obj_name=key):
                    continue
                candidate = group[key]
                try:
                    axes = _axes(candidate, data)
                    scale = _scale(candidate) if axes else None
                except InputError as error:
                    notes.append(f"left out a dimension scale: {error}")
                    continue
                if scale is not None and not scale.title.startswith(_NO_VALUES):
                    for axis in axes:
                        scales[axis].append(scale)
    if not any(scales):
        notes.append(
            f"{_where(data)}: {_LIST}: no dimension scale lies in the groups around it; none is carried"
        )
    return scales


def _axes(scale: h5py.HLObject, data: h5py.Dataset) -> list[int]:
    """The axes of `data` that a scale belongs to."""
    info = scale.attrs.get_id(_USERS)
    dtype = info.dtype if info.get_type().get_class() == h5py.h5t.COMPOUND else np.dtype("V0")
    if (
        len(dtype.names or ()) != 2
        or h5py.check_ref_dtype(dtype[0]) is not h5py.Reference
        or dtype[1].kind not in "iu"
    ):
        raise InputError(f"{_where(scale)}: its {_USERS} is no list of references")
    if len(info.shape) != 1 or info.shape[0] > MAX_SHARED:
        raise InputError(f"{_where(scale)}: its {_USERS} has the shape {info.shape}")
    with errors(scale, scale.name or ""):
        mine = h5py.h5o.get_info(data.id)
        found = []
        for ref, axis in scale.attrs[_USERS].tolist():
            if ref and 0 <= axis < data.ndim:
                info = h5py.h5o.get_info(h5py.h5r.dereference(ref, data.file.id))
                if (info.fileno, info.addr) == (mine.fileno, mine.addr):
                    found.append(axis)
    return found


def _scale(data: h5py.HLObject) -> Scale:
    where = _where(data)
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{where}: is no dataset")
    check_storage(data, where, False)
    text = h5py.check_string_dtype(data.dtype)
    if data.ndim != 1 or not (is_numeric(data.dtype) or text):
        raise InputError(
            f"{where}: has {data.ndim} axes of type {data.dtype}; numbers or texts along one are carried"
        )
    values = texts(data) if text and text.length is None else None
    return Scale(
        data.name or "",
        _text(attribute(data, "NAME")),
        len(data),
        data.dtype,
        attributes(data),
        describe(data),
        lambda start, stop: read(data, (slice(start, stop),)) if values is None else values[start:stop],
    )


def _where(data: h5py.HLObject) -> str:
    return f"{file_name(data)}::{printable(data.name or '')}"
