"""Labels and scales of a dataset's dimensions (HDF5 Dimension Scale Specification), and the groups around it.

A scale is a dataset of its own that holds the values along a dimension of others, such as the time of each step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import h5py
import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.storage.hdf5.blocks import read
from dwconv_cli.storage.hdf5.filters import describe
from dwconv_cli.storage.hdf5.listing import NO_VALUES, address, encode, is_numeric
from dwconv_cli.storage.hdf5.messages import errors, where
from dwconv_cli.storage.hdf5.names import parts
from dwconv_cli.storage.hdf5.read_attributes import MAX_COPIED_BYTES, as_text, attribute, attributes
from dwconv_cli.storage.hdf5.storage_check import check_storage
from dwconv_cli.storage.hdf5.variable_text import read_texts
from dwconv_cli.storage.surroundings import Dimension, Scale, Surroundings

# Links that are looked at in search of the scales of one dataset, and datasets that share a scale.
MAX_LINKS = 10_000
MAX_SHARED = 10_000
# Attributes of a dataset: labels of its axes, and references to its scales. A scale has those to its datasets.
_LABELS, _SCALES, _DATASETS = "DIMENSION_LABELS", "DIMENSION_LIST", "REFERENCE_LIST"


def is_scale(file: h5py.File, name: str) -> bool:
    """Whether a dataset holds the values along a dimension of others."""
    with errors(file, name):
        return bool(h5py.h5ds.is_scale(h5py.h5d.open(file.id, encode(name))))


def surroundings(data: h5py.Dataset, name: str, left_out: Sequence[str] = ()) -> Surroundings:
    """Read what belongs to the dataset `data`, which was found as `name`.

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
    labels = [""] * data.ndim
    scales: list[list[Scale]] = [[] for _ in data.shape]
    try:
        stored = attribute(data, _LABELS)
        if np.shape(stored) == (data.ndim,):
            labels = [as_text(label) or "" for label in stored]
        if _SCALES in data.attrs:
            _collect_scales(data, groups, scales, notes)
    except InputError as error:
        notes.append(f"left out: {error}")
    return Surroundings(tuple(map(Dimension, labels, map(tuple, scales))), groups, notes)


def ancestors(name: str) -> list[str]:
    """Return the groups that an absolute name lies in, from the root on."""
    around = parts(name)[:-1]
    return ["/", *("/" + "/".join(around[: count + 1]) for count in range(len(around)))]


def _collect_scales(
    data: h5py.Dataset, groups: Iterable[str], scales: list[list[Scale]], notes: list[str]
) -> None:
    """Add the scales of each axis of `data` that lie in `groups` to those in `scales`.

    A dataset lists its scales in an attribute of varying length, where damage makes HDF5 run without end. A scale
    lists the datasets that use it in records of one size. So that list is read: of each dataset in the groups.
    """
    links = 0
    for path in groups:
        with errors(data, path):
            group = data.file[path]
            for key in group.id:
                if (links := links + 1) > MAX_LINKS:
                    notes.append(
                        f"{where(data)}: {_SCALES}: too many datasets to look for its dimension scales"
                    )
                    return
                # HDF5 would open what a soft or external link names.
                if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                    continue
                if not h5py.h5a.exists(group.id, _DATASETS.encode(), obj_name=key):
                    continue
                candidate = group[key]
                try:
                    axes = _axes(candidate, data)
                    scale = _scale(candidate) if axes else None
                except InputError as error:
                    notes.append(f"left out a dimension scale: {error}")
                    continue
                if scale is not None and not scale.title.startswith(NO_VALUES):
                    for axis in axes:
                        scales[axis].append(scale)
    if not any(scales):
        notes.append(
            f"{where(data)}: {_SCALES}: no dimension scale lies in the groups around it; none is carried"
        )


def _axes(scale: h5py.HLObject, data: h5py.Dataset) -> list[int]:
    """The axes of `data` that a scale belongs to."""
    users = scale.attrs.get_id(_DATASETS)
    dtype = users.dtype if users.get_type().get_class() == h5py.h5t.COMPOUND else np.dtype("V0")
    if (
        len(dtype.names or ()) != 2
        or h5py.check_ref_dtype(dtype[0]) is not h5py.Reference
        or dtype[1].kind not in "iu"
    ):
        raise InputError(f"{where(scale)}: its {_DATASETS} is no list of references")
    if len(users.shape) != 1 or users.shape[0] > MAX_SHARED:
        raise InputError(f"{where(scale)}: its {_DATASETS} has the shape {users.shape}")
    with errors(scale):
        file, own = data.file, address(data)
        return [
            axis
            for reference, axis in scale.attrs[_DATASETS].tolist()
            if reference and 0 <= axis < data.ndim and address(file[reference]) == own
        ]


def _scale(data: h5py.HLObject) -> Scale:
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{where(data)}: is no dataset")
    check_storage(data, where(data), False)
    text = h5py.check_string_dtype(data.dtype)
    if data.ndim != 1 or not (is_numeric(data.dtype) or text):
        raise InputError(
            f"{where(data)}: has {data.ndim} axes of type {data.dtype}; numbers or texts along one are carried"
        )
    texts = read_texts(data) if text and text.length is None else None
    return Scale(
        data.name or "",
        as_text(attribute(data, "NAME")) or "",
        len(data),
        data.dtype,
        attributes(data),
        describe(data),
        lambda start, stop: read(data, (slice(start, stop),)) if texts is None else texts[start:stop],
    )
