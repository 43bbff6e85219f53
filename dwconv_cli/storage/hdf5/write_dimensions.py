"""Write what belongs to a dataset: labels and scales of its dimensions, attributes of its groups."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from dwconv_cli.interrupts import undisturbed
from dwconv_cli.storage.hdf5.messages import writing
from dwconv_cli.storage.hdf5.write import create_dataset
from dwconv_cli.storage.surroundings import Dimension, Scale


def add_dimensions(data: h5py.Dataset, dimensions: Sequence[Dimension]) -> None:
    """Give `data` labels and scales, one dimension for each axis.

    A scale that the file has already, with the same values, is used again. An InputError tells that the values of a
    scale cannot be read.
    """
    with writing(data):
        for axis, dimension in enumerate(dimensions):
            if dimension.label:
                with undisturbed():
                    data.dims[axis].label = dimension.label
            for scale in dimension.scales:
                dataset = _dataset_of(scale, data)
                with undisturbed():
                    data.dims[axis].attach_scale(dataset)


def detach_scales(data: h5py.Dataset) -> None:
    """Remove a dataset that is about to be deleted from the lists of its scales."""
    with writing(data):
        for dimension in data.dims:
            for scale in dimension.values():
                dimension.detach_scale(scale)


def merge_attributes(
    group: h5py.Group, attributes: Mapping[str, Any], before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Give a new group `attributes`; return those that it has then.

    A group that has the attributes `before` of another input keeps those on which both inputs agree. The others are
    deleted: they would seem to describe all inputs.
    """
    with writing(group):
        if before is None:
            group.attrs.update(attributes)
            return dict(attributes)
        common = {
            key: value
            for key, value in before.items()
            if key in attributes and _equal(value, attributes[key])
        }
        for key in before.keys() - common.keys():
            del group.attrs[key]
        return common


def _dataset_of(scale: Scale, data: h5py.Dataset) -> h5py.Dataset:
    """The dataset of `scale` in the file of `data`: one of the same values, else a new one under a free name."""
    file = data.file
    for name in _names(data.name, scale.name):
        with undisturbed():
            free, existing = _is_free(file, name), file.get(name)
        if free:
            return _create(file, name, scale)
        if isinstance(existing, h5py.Dataset) and _is_same(existing, scale):
            return existing
    raise AssertionError("names never end")


def _names(data: str, scale: str) -> Iterator[str]:
    stem = f"{data}_{posixpath.basename(scale)}"
    yield from (scale, stem)
    yield from (f"{stem}_{number}" for number in itertools.count(2))


def _is_free(file: h5py.File, name: str) -> bool:
    """Whether a dataset can be made under a name: nothing has it, and what lies above it is a group or nothing."""
    above = posixpath.dirname(name)
    while above != "/" and file.get(above, getclass=True, getlink=True) is None:
        above = posixpath.dirname(above)
    if above != "/" and file.get(above, getclass=True) is not h5py.Group:
        return False
    return file.get(name, getclass=True, getlink=True) is None


def _create(file: h5py.File, name: str, scale: Scale) -> h5py.Dataset:
    with undisturbed():
        dataset = create_dataset(file, name, (scale.length,), scale.dtype, scale.attributes, scale.options)
    try:
        for start, block in scale.blocks():
            with undisturbed():
                dataset[start : start + len(block)] = block
        with undisturbed():
            dataset.make_scale(scale.title)
    except BaseException:
        with undisturbed():
            del file[name]
        raise
    return dataset


def _is_same(data: h5py.Dataset, scale: Scale) -> bool:
    with undisturbed():
        if (data.shape, data.dtype) != ((scale.length,), scale.dtype) or not data.is_scale:
            return False
        if not all(
            key in data.attrs and _equal(data.attrs[key], value) for key, value in scale.attributes.items()
        ):
            return False
    for start, block in scale.blocks():
        with undisturbed():
            present = data[start : start + len(block)]
        if not _equal(present, block):
            return False
    return True


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, h5py.Empty) or isinstance(other, h5py.Empty):
        return isinstance(one, h5py.Empty) and isinstance(other, h5py.Empty) and one.dtype == other.dtype
    one, other = np.asarray(one), np.asarray(other)
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc" and other.dtype.kind in "fc"))
