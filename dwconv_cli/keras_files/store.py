"""Weights as Keras 3 and tf-keras keep them: one group ``vars`` per layer, with datasets ``0``, ``1``, ...

The groups are named by class and count (``layers/depthwise_conv1d_1``) or by the attribute of a subclassed model that
holds the layer. Since Keras 3.6 each ``vars`` also carries the layer's own name.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dwconv_cli import hdf5
from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.hdf5 import shown
from dwconv_cli.keras_files.layers import DEPTHWISE, SEPARABLE, KerasLayer, make_layer
from dwconv_cli.keras_json import Found, load_json

MAX_SHARDS = 1000
MAX_MAP_BYTES = 64 << 20

_OLD_LAYERS = "_layer_checkpoint_dependencies"
_BY_GROUP = {"depthwise_conv1d": DEPTHWISE, "separable_conv1d": SEPARABLE}
# Layers with a kernel of rank 3 that are not depthwise.
_OTHERS = ("conv1d", "conv1d_transpose")
# The bias is the last variable of both: a separable layer has the pointwise kernel in between.
_BIAS_KEY = {DEPTHWISE: "1", SEPARABLE: "2"}


@dataclass
class _Vars:
    name: str | None = None
    found: dict[str, tuple[Any, str]] = field(default_factory=dict)


def is_store(file: Any) -> bool:
    """Whether a file is laid out as a weights file: a group ``vars`` of numbered datasets at the root or below."""
    first = [entry.name for entry in hdf5.children(file) if entry.kind == "group"]
    if "/vars" in first:
        return all(
            entry.name.removeprefix("/vars/").isdecimal() for entry in hdf5.children(hdf5.find(file, "/vars"))
        )
    if "/layers" not in first and f"/{_OLD_LAYERS}" not in first:
        return False
    return any(entry.kind == "group" and entry.name.endswith("/vars") for entry in hdf5.walk(file))


class Store:
    """The variables of one weights file, or of the shards that make up one.

    Parameters
    ----------
    files : list of h5py.File
    label : str
        What messages call it.
    """

    def __init__(self, files: list[Any], label: str) -> None:
        self.label = label
        self._vars: dict[str, _Vars] = {}
        for file in files:
            self._collect(file)

    def _collect(self, file: Any) -> None:
        for entry in hdf5.walk(file):
            group, _, last = entry.name.rpartition("/")
            if last == "vars" and entry.kind == "group":
                found = self._vars.setdefault(group.strip("/"), _Vars())
                found.name = found.name or _text(hdf5.attribute(hdf5.find(file, entry.name), "name"))
            elif group.endswith("/vars"):
                # Links too: whoever reads them meets the refusal.
                found = self._vars.setdefault(group.removesuffix("/vars").strip("/"), _Vars())
                if last in found.found:
                    raise InputError(f"{self.label}: {shown(entry.name)} stands in two shards")
                found.found[last] = file, entry.name

    def layers(self, possible: bool = False) -> list[KerasLayer]:
        """Read the layers that the file alone shows to be depthwise; if `possible`, also those that may be."""
        found = []
        for group, entry in self._vars.items():
            class_name = self._class_of(group, entry)
            if class_name is None and possible and self._may_be(group, entry):
                class_name = DEPTHWISE
            if class_name is not None:
                name = entry.name or group.rpartition("/")[2]
                found.append(self._layer(name, self._path(group), class_name, None, entry))
        return found

    def layers_of(self, found: list[Found]) -> list[KerasLayer]:
        """Read the weights of the layers of a config.

        Raises
        ------
        InputError
            Weights are missing, or a file without names holds another number of such layers than its config: models
            that share a layer store it once, and only names tell which.
        """
        stored = [group for group in self._vars if _class_by(group)]
        listed = [layer for layer in found if _class_by(layer.group)]
        if not any(entry.name for entry in self._vars.values()) and len(stored) != len(listed):
            raise InputError(
                f"{self.label}: the config has {len(listed)} depthwise layers, the weights {len(stored)}, and no names "
                "to match them by; save the model with Keras 3.6 or later"
            )
        return [self._match(layer) for layer in found]

    def _match(self, found: Found) -> KerasLayer:
        name, entry = (
            found.names[-1],
            self._vars.get(found.group) or self._vars.get(self._old_group(found.group)),
        )
        if entry is None or (entry.name is not None and entry.name != name):
            # A layer that two models share is stored once, where it was met first.
            named = [other for other in self._vars.values() if other.name == name and other.found]
            entry = named[0] if len(named) == 1 else _Vars()
        return self._layer(name, "/".join(found.names), found.class_name, found.config, entry)

    def _old_group(self, group: str) -> str:
        # Keras 2.12 kept the layers under another name and counted those with weights twice: the n-th of a class is
        # the n-th that is there, whatever its number.
        place = ""
        for part in group.split("/"):
            if part == "layers":
                place = f"{place}/{_OLD_LAYERS}".strip("/")
                continue
            label, count = _label(part)
            around = f"{place}/" if place else ""
            beside = {
                outer[len(around) :].partition("/")[0] for outer in self._vars if outer.startswith(around)
            }
            numbers = sorted(_label(other)[1] for other in beside if _label(other)[0] == label)
            if count >= len(numbers):
                return ""
            place = around + (f"{label}_{numbers[count]}" if numbers[count] else label)
        return place

    def _layer(
        self, name: str, path: str, class_name: str, config: dict[str, Any] | None, entry: _Vars
    ) -> KerasLayer:
        kernel, bias = self._read(entry, "0"), self._read(entry, _BIAS_KEY[class_name])
        return make_layer(self.label, name, path, class_name, config, kernel, bias)

    def _read(self, entry: _Vars, key: str) -> np.ndarray | None:
        if key not in entry.found:
            return None
        file, name = entry.found[key]
        return hdf5.read_array(hdf5.dataset(file, name, soft_links=False, bfloat16=True))

    def _path(self, group: str) -> str:
        parts = group.split("/")
        around = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        names = [self._vars[outer].name for outer in around if outer in self._vars]
        return "/".join(name or "" for name in names) if names and all(names) else group

    def _class_of(self, group: str, entry: _Vars) -> str | None:
        if class_name := _class_by(group) or _class_by(entry.name or ""):
            return class_name
        # Subclassed models name the group after an attribute. A kernel of rank 3 with a bias for every pair of its
        # last two axes is a depthwise one, if there is more than one channel; Conv1D's bias has the last axis alone.
        shapes = [self._shape(entry, key) for key in ("0", "1")]
        if len(entry.found) == 2 and None not in shapes:
            kernel, bias = shapes
            if kernel and bias and len(kernel) == 3 and kernel[1] > 1 and bias == (kernel[1] * kernel[2],):
                return DEPTHWISE
        return None

    def _may_be(self, group: str, entry: _Vars) -> bool:
        """Whether nothing but its creator's word tells a layer from a depthwise one: the bias or channels are missing."""
        if not {_label(name.rpartition("/")[2])[0] for name in (group, entry.name or "")}.isdisjoint(_OTHERS):
            return False
        kernel, bias = (self._shape(entry, key) for key in ("0", "1"))
        if kernel is None or len(kernel) != 3 or len(entry.found) > 2:
            return False
        return bias is None or bias == (kernel[1] * kernel[2],)

    def _shape(self, entry: _Vars, key: str) -> tuple[int, ...] | None:
        if key not in entry.found:
            return None
        file, name = entry.found[key]
        return tuple(hdf5.dataset(file, name, soft_links=False, bfloat16=True).shape)


def read_shards(path: Path, possible: bool = False) -> list[KerasLayer]:
    """Read a ``.weights.json`` and the shards it names, which lie beside it."""
    try:
        with open(path, "rb") as map_file:
            text = map_file.read(MAX_MAP_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    table = load_json(text, str(path))
    entries = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(entries, dict):
        raise InputError(f"{path}: no weight_map, so not the map of Keras's weight shards")
    names: dict[str, None] = {}
    for value in entries.values():
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str) or not re.fullmatch(r"[^/\\\x00]+\.h5", name):
                raise UnsafeFileError(
                    f"{path}: the shard {shown(str(name)[:200])!r} is not the name of a file beside it"
                )
            names[name] = None
    if len(names) > MAX_SHARDS:
        raise UnsafeFileError(f"{path}: {len(names)} shards, more than {MAX_SHARDS}")
    with ExitStack() as stack:
        files = [stack.enter_context(hdf5.open_file(path.with_name(name))) for name in names]
        return Store(files, str(path)).layers(possible)


def _label(part: str) -> tuple[str, int]:
    label, _, count = part.rpartition("_")
    return (label, int(count)) if label and count.isdecimal() and len(count) < 10 else (part, 0)


def _class_by(group: str) -> str | None:
    return _BY_GROUP.get(_label(group.rpartition("/")[2])[0])


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None
