"""What files and directories hold: datasets, members, layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dwconv_cli.description.plain import plain
from dwconv_cli.errors import DwconvError, InputError
from dwconv_cli.errors.system import NOWHERE, is_nowhere, refusal
from dwconv_cli.layer.config import current
from dwconv_cli.layer.keras_json import unread_policies
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, open_reader
from dwconv_cli.weights.keras_files import is_keras_file, read_layers
from dwconv_cli.weights.keras_files.layers import Doubt
from dwconv_cli.weights.load import checksum


def contents(address: Address, allow_external: bool = False) -> dict[str, Any]:
    """What an HDF5 file (or the group of it that `address` names) or an ``.npz`` holds.

    Returns
    -------
    dict
        ``storage``; ``attributes`` of the HDF5 group; ``contents``, one object for each thing, in the file's order,
        with ``address``, ``name``, ``kind``, ``shape`` and ``dtype`` of arrays, ``target`` of links, and the
        ``error`` of what cannot be read.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    return _LISTINGS[address.format or ""](address, allow_external)


def directory(path: str) -> dict[str, Any]:
    """What a directory holds: as :func:`contents`, with ``arrays`` counted in files that hold several."""
    try:
        with os.scandir(path) as found:
            listed = sorted((entry.name, _file_kind(entry)) for entry in found)
    except OSError as error:
        raise refusal(path, error) from error
    if not listed and is_nowhere(path):
        # The system still lists a directory that was removed, as an empty one.
        raise InputError(f"{path}: {NOWHERE}")
    entries = []
    for name, kind in listed:
        full = os.path.join(path, name)
        entry = _entry(full, name, kind)
        entries.append(_tried(_file, entry, full) if kind == "file" else entry)
    return {"storage": {"format": "directory"}, "attributes": {}, "contents": entries}


def model(path: str) -> dict[str, Any]:
    """The DepthwiseConv1D layers of a Keras file.

    Returns
    -------
    dict
        ``storage``, ``notes`` and ``layers``, each with ``address``, ``name``, ``class_name``, ``dtype``,
        ``weights`` as in a report, ``config`` as Keras 3 takes it, and the ``doubt`` that the file leaves.
    """
    taken = [layer for layer in read_layers(path, possible=True) if layer.doubt is not Doubt.CONV1D]
    layers = [
        {
            "address": str(Address(path, layer.path)),
            "name": layer.name,
            "class_name": layer.class_name,
            "dtype": layer.dtype_policy or str(layer.kernel.dtype),
            "weights": {
                "address": str(Address(path, layer.path)),
                "kernel_shape": list(layer.kernel.shape),
                "bias_shape": None if layer.bias is None else list(layer.bias.shape),
                "sha256": checksum(layer.kernel, layer.bias),
            },
            "config": None if layer.config is None else plain(current(layer.config)),
            "doubt": None if layer.doubt is Doubt.NONE else layer.doubt.value,
        }
        for layer in taken
    ]
    notes = []
    if any(layer["config"] is None for layer in layers):
        notes.append(
            "the file does not hold the settings shown as ?; apply takes defaults where none are typed"
        )
    unread = [layer.path for layer in taken if unread_policies((layer.config or {}).get("dtype"), layer.name)]
    if unread:
        notes.append(
            f"{', '.join(unread)}: regular expressions in the map of dtype policies are not evaluated; the default counts"
        )
    custom = [str(layer["name"]) for layer in layers if layer["doubt"] == Doubt.CUSTOM.value]
    if custom:
        notes.append(f"{', '.join(custom)}: {Doubt.CUSTOM.value}; take with --assume-depthwise")
    return {"storage": {"format": "keras"}, "layers": layers, "notes": notes}


def layer_names(path: str) -> list[str]:
    """Names that wildcards match in a Keras file: those of the layers that are handed out unasked."""
    return [layer.path for layer in read_layers(path)]


def is_model(path: str) -> bool:
    """Whether a path is a Keras model, as a file or as a folder."""
    return is_keras_file(path)


def _hdf5(address: Address, allow_external: bool) -> dict[str, Any]:
    from dwconv_cli.storage import hdf5

    hdf5.rehearse(_inside, address.path, address.name, allow_external)
    return _inside(address.path, address.name, allow_external)


def _inside(path: str, name: str | None, allow_external: bool) -> dict[str, Any]:
    from dwconv_cli.storage import hdf5

    with hdf5.open_file(path) as file:
        group = hdf5.find(file, name or "/", allow_external=allow_external)
        entries = []
        for found in hdf5.walk(group):
            entry = _entry(str(Address(path, found.name)), found.name, found.kind)
            entry["shape"] = None if found.shape is None else list(found.shape)
            entry |= {"dtype": found.dtype, "target": found.target}
            entries.append(entry)
        attributes = plain(hdf5.attributes(group))
    return {"storage": {"format": "hdf5"}, "attributes": attributes, "contents": entries}


def _npz(file: Address, allow_external: bool) -> dict[str, Any]:
    entries = []
    for name in array_names(file):
        address = replace(file, name=name)
        entries.append(_tried(_header, _entry(str(address), name, "array"), address))
    return {"storage": {"format": "npz"}, "attributes": {}, "contents": entries}


_LISTINGS: dict[str, Callable[[Address, bool], dict[str, Any]]] = {"hdf5": _hdf5, "npz": _npz}


def _entry(address: str, name: str, kind: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(("shape", "dtype", "target", "arrays", "error"))
    return {"address": address, "name": name, "kind": kind, **empty}


def _file(entry: dict[str, Any], path: str) -> dict[str, Any]:
    if is_keras_file(path):
        return {**entry, "kind": "model"}
    address = Address(path)
    if address.format is None:
        return entry
    if format_of(address).ROOT is None:
        return _header({**entry, "kind": "array"}, address)
    names = array_names(address)
    if len(names) == 1:
        return {**_header(entry, replace(address, name=names[0])), "arrays": 1}
    return {**entry, "arrays": len(names)}


def _header(entry: dict[str, Any], address: Address) -> dict[str, Any]:
    reader = open_reader(address)
    reader.close()
    return {**entry, "shape": list(reader.shape), "dtype": str(reader.dtype)}


def _tried(look: Callable[..., dict[str, Any]], entry: dict[str, Any], *args: Any) -> dict[str, Any]:
    """``look(entry, *args)``; one bad file among many is told and passed over."""
    try:
        return look(entry, *args)
    except DwconvError as error:
        return {**entry, "error": str(error)}


def _file_kind(entry: os.DirEntry[str]) -> str:
    # A FIFO would keep its reader waiting.
    return "directory" if entry.is_dir() else "file" if entry.is_file() else "other"
