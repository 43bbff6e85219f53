"""What files, directories and Keras models hold: arrays, links, layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dwconv_cli.description.json_values import json_value
from dwconv_cli.errors import DwconvError, InputError
from dwconv_cli.errors.system import NOWHERE, is_nowhere, refusal
from dwconv_cli.layer.config import keras_3_config
from dwconv_cli.layer.dtype_policy import unread_policies
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, open_reader
from dwconv_cli.weights.keras_files import is_keras_file, read_layers
from dwconv_cli.weights.keras_files.layers import Doubt
from dwconv_cli.weights.load import checksum

Object = dict[str, Any]


def describe_file(address: Address, allow_external: bool = False) -> Object:
    """What an HDF5 file (or the group of it that `address` names) or an ``.npz`` holds.

    Returns
    -------
    dict
        ``storage``; ``attributes`` of the HDF5 group; ``contents``, one object for each thing, in the file's order,
        with ``address``, ``name``, ``kind``, ``shape`` and ``dtype`` of arrays, ``target`` of links, and the
        ``error`` of what cannot be read.
    """
    if address.format == "hdf5":
        return _hdf5_group(address.path, address.name, allow_external)
    entries = []
    for name in array_names(address):
        member = replace(address, name=name)
        entries.append(_with_error(_array, _entry(str(member), name, "array"), member))
    return {"storage": {"format": address.format}, "attributes": {}, "contents": entries}


def describe_directory(address: Address) -> Object:
    """What a directory holds: as :func:`describe_file`, with ``arrays`` counted in files that hold several."""
    path = address.path
    if address.name is not None:
        raise InputError(f"{address}: a directory has no names inside; say {path}/{address.name}")
    try:
        with os.scandir(path) as children:
            kinds = sorted((child.name, _kind(child)) for child in children)
    except OSError as error:
        raise refusal(path, error) from error
    if not kinds and is_nowhere(path):
        # The system still lists a directory that was removed, as an empty one.
        raise InputError(f"{path}: {NOWHERE}")
    entries = []
    for name, kind in kinds:
        child_path = os.path.join(path, name)
        entry = _entry(child_path, name, kind)
        entries.append(_with_error(_file, entry, child_path) if kind == "file" else entry)
    return {"storage": {"format": "directory"}, "attributes": {}, "contents": entries}


def describe_model(path: str) -> Object:
    """The DepthwiseConv1D layers of a Keras file.

    Returns
    -------
    dict
        ``storage``, ``notes`` and ``layers``, each with ``address``, ``name``, ``class_name``, ``dtype``,
        ``weights`` as in a report, ``config`` as Keras 3 takes it, and the ``doubt`` that the file leaves.
    """
    layers = [layer for layer in read_layers(path, possible=True) if layer.doubt is not Doubt.CONV1D]
    entries = []
    for layer in layers:
        address, bias = str(Address(path, layer.path)), layer.bias
        weights = {
            "address": address,
            "kernel_shape": list(layer.kernel.shape),
            "bias_shape": None if bias is None else list(bias.shape),
            "sha256": checksum(layer.kernel, bias),
        }
        entry = {
            "address": address,
            "name": layer.name,
            "class_name": layer.class_name,
            "dtype": layer.dtype_policy or str(layer.kernel.dtype),
            "weights": weights,
            "config": None if layer.config is None else json_value(keras_3_config(layer.config)),
            "doubt": None if layer.doubt is Doubt.NONE else layer.doubt.value,
        }
        entries.append(entry)
    notes = []
    if any(layer.config is None for layer in layers):
        notes.append(
            "the file does not hold the settings shown as ?; apply takes defaults where none are typed"
        )
    if unread := [
        layer.path for layer in layers if unread_policies((layer.config or {}).get("dtype"), layer.name)
    ]:
        notes.append(
            f"{', '.join(unread)}: regular expressions in the map of dtype policies are not evaluated; the default counts"
        )
    if custom := [str(layer.name) for layer in layers if layer.doubt is Doubt.CUSTOM]:
        notes.append(f"{', '.join(custom)}: {Doubt.CUSTOM.value}; take with --assume-depthwise")
    return {"storage": {"format": "keras"}, "layers": entries, "notes": notes}


def _hdf5_group(path: str, name: str | None, allow_external: bool) -> Object:
    from dwconv_cli.storage import hdf5

    hdf5.rehearse(_hdf5_group, path, name, allow_external)
    with hdf5.open_file(path) as file:
        group = hdf5.find(file, name or "/", allow_external=allow_external)
        entries = []
        for item in hdf5.walk(group):
            shape = None if item.shape is None else list(item.shape)
            entry = _entry(str(Address(path, item.name)), item.name, item.kind)
            entries.append({**entry, "shape": shape, "dtype": item.dtype, "target": item.target})
        attributes = json_value(hdf5.attributes(group))
    return {"storage": {"format": "hdf5"}, "attributes": attributes, "contents": entries}


def _entry(address: str, name: str, kind: str) -> Object:
    """What is said of one thing in a file or a directory before it is opened."""
    unknown: Object = dict.fromkeys(("shape", "dtype", "target", "arrays", "error"))
    return {"address": address, "name": name, "kind": kind, **unknown}


def _file(entry: Object, path: str) -> Object:
    if is_keras_file(path):
        return {**entry, "kind": "model"}
    address = Address(path)
    if address.format is None:
        return entry
    if format_of(address).ROOT is None:
        return _array({**entry, "kind": "array"}, address)
    names = array_names(address)
    if len(names) == 1:
        entry = _array(entry, replace(address, name=names[0]))
    return {**entry, "arrays": len(names)}


def _array(entry: Object, address: Address) -> Object:
    reader = open_reader(address)
    reader.close()
    return {**entry, "shape": list(reader.shape), "dtype": str(reader.dtype)}


def _with_error(describe: Callable[..., Object], entry: Object, *args: Any) -> Object:
    """``describe(entry, *args)``; where it fails, the entry with its error, since one bad file hides no others."""
    try:
        return describe(entry, *args)
    except DwconvError as error:
        return {**entry, "error": str(error)}


def _kind(child: os.DirEntry[str]) -> str:
    # Only regular files are opened: a FIFO would keep its reader waiting.
    return "directory" if child.is_dir() else "file" if child.is_file() else "other"
