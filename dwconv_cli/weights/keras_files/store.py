"""Weights as Keras 3 and tf-keras keep them: one group ``vars`` per layer, with datasets ``0``, ``1``, ...

Within a list of layers the groups are named by class and count (``layers/depthwise_conv1d_1``), within a layer or a
subclassed model by the attribute that holds the layer. Since Keras 3.6 each ``vars`` also carries the layer's own name.
"""

from __future__ import annotations

import contextlib
import re
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.layer.keras_json import Found, load_json
from dwconv_cli.storage import hdf5
from dwconv_cli.text import printable
from dwconv_cli.weights.keras_files.layers import (
    DEPTHWISE,
    SEPARABLE,
    SURE,
    Doubt,
    KerasLayer,
    class_by,
    make_layer,
    only_depthwise,
    split_count,
)

MAX_SHARDS = 1000
MAX_MAP_BYTES = 64 << 20

_OLD_LAYERS = "_layer_checkpoint_dependencies"
# Keras's own layers with a kernel of rank 3 that are not depthwise.
_OTHERS = ("conv1d", "conv1d_transpose", "einsum_dense")
# The bias is the last variable of both: a separable layer has the pointwise kernel in between.
_BIAS_KEY = {SEPARABLE: "2"}


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
                    raise InputError(f"{self.label}: {printable(entry.name)} stands in two shards")
                found.found[last] = file, entry.name

    def layers(self, listed: list[Found] | None = None, possible: bool = False) -> list[KerasLayer]:
        """Read the layers of a config, and those that the weights show besides.

        Parameters
        ----------
        listed : list of Found, optional
            The layers of the config, where there is one.
        possible : bool
            Add what may be a DepthwiseConv1D, and what is a class of somebody's own.

        Raises
        ------
        InputError
            Weights are missing. Models that share a layer store it once, and only names tell which.
        """
        listed = listed or []
        self._check_groups(listed)
        found: list[KerasLayer] = []
        for layer in listed:
            # What somebody's own class does to its weights is not known here.
            with contextlib.suppress(InputError) if layer.alike else contextlib.nullcontext():
                found.append(self._match(layer))
        used = {layer.group for layer in found}
        for group, entry in self._vars.items():
            class_name, doubt = self._class_of(group, entry)
            if class_name is None or group in used:
                continue
            name = entry.name or _last(group)
            shown_by = self._layer(name, self._path(group), class_name, None, group, doubt)
            found.append(replace(shown_by, named=entry.name is not None))
        return [layer for layer in found if possible or layer.doubt in SURE]

    def _check_groups(self, listed: list[Found]) -> None:
        ours = [layer for layer in listed if class_by(_last(layer.group))]
        if any(entry.name for entry in self._vars.values()):
            return
        groups = [self._group_of(layer) for layer in ours]
        stored = [group for group in self._vars if class_by(_last(group))]
        # The oldest files count in another way, so that one layer more or less shifts them all.
        shifted = any(_OLD_LAYERS in group for group in stored) and len(stored) != len(ours)
        if listed and (None in groups or shifted):
            raise InputError(
                f"{self.label}: the config has {len(ours)} depthwise layers, the weights {len(stored)}, and no names "
                "to match them by; save the model with Keras 3.6 or later"
            )

    def _group_of(self, layer: Found) -> str | None:
        for group in (layer.group, self._old_group(layer.group)):
            if group in self._vars and (group or layer.group == ""):
                return group
        return None

    def _match(self, layer: Found) -> KerasLayer:
        name, group = layer.names[-1], self._group_of(layer)
        if group is None or self._vars[group].name not in (None, name):
            # A layer that two models share is stored once, where it was met first.
            named = [other for other, entry in self._vars.items() if entry.name == name and entry.found]
            group = named[0] if len(named) == 1 else None
        doubt = Doubt.CUSTOM if layer.alike else Doubt.NONE
        return self._layer(name, "/".join(layer.names), layer.class_name, layer.config, group, doubt)

    def _old_group(self, group: str) -> str:
        # Keras 2.12 kept the layers under another name and counted those with weights twice: the n-th of a class is
        # the n-th that is there, whatever its number.
        place = ""
        for part in group.split("/"):
            if part == "layers":
                place = f"{place}/{_OLD_LAYERS}".strip("/")
                continue
            label, count = split_count(part)
            around = f"{place}/" if place else ""
            beside = {
                outer[len(around) :].partition("/")[0] for outer in self._vars if outer.startswith(around)
            }
            numbers = sorted(split_count(other)[1] for other in beside if split_count(other)[0] == label)
            if count >= len(numbers):
                return ""
            place = around + (f"{label}_{numbers[count]}" if numbers[count] else label)
        return place

    def _layer(
        self,
        name: str,
        path: str,
        class_name: str,
        config: dict[str, Any] | None,
        group: str | None,
        doubt: Doubt,
    ) -> KerasLayer:
        entry = _Vars() if group is None else self._vars[group]
        kernel, bias = self._read(entry, "0"), self._read(entry, _BIAS_KEY.get(class_name, "1"))
        return make_layer(self.label, name, path, class_name, config, kernel, bias, group or "", doubt)

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

    def _class_of(self, group: str, entry: _Vars) -> tuple[str | None, Doubt]:
        """The class of a layer, None if it is no depthwise one, and what the file leaves open."""
        around, _, last = group.rpartition("/")
        label = split_count(last)[0]
        if around not in self._vars or class_by(last):
            # In a list of layers the group has the name of the class, whatever the layer's own name is.
            class_name = class_by(last)
            if class_name or label in _OTHERS or self._shapes(entry) is None:
                return class_name, Doubt.NONE
            return label, Doubt.CUSTOM
        fit = self._shapes(entry)
        class_name = class_by(entry.name or "")
        if class_name == SEPARABLE or (class_name and fit is not None):
            return class_name, Doubt.NONE
        if fit is None or (not fit and split_count(entry.name or "")[0] in _OTHERS):
            return None, Doubt.NONE
        return DEPTHWISE, Doubt.UNNAMED if fit else Doubt.CONV1D

    def _shapes(self, entry: _Vars) -> bool | None:
        """Whether only a depthwise layer has weights of these shapes; None if no depthwise layer has."""
        kernel, bias = (self._shape(entry, key) for key in ("0", "1"))
        return None if kernel is None or len(entry.found) > 2 else only_depthwise(kernel, bias)

    def _shape(self, entry: _Vars, key: str) -> tuple[int, ...] | None:
        if key not in entry.found:
            return None
        file, name = entry.found[key]
        try:
            return tuple(hdf5.dataset(file, name, soft_links=False, bfloat16=True).shape)
        except UnsafeFileError:
            raise
        except InputError:  # no numbers, and so no layer that is looked for
            return None


def read_shards(path: Path, listed: list[Found] | None = None, possible: bool = False) -> list[KerasLayer]:
    """Read a ``.weights.json`` and the shards it names, which lie beside it; see :meth:`Store.layers`."""
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
                    f"{path}: the shard {printable(str(name)[:200])!r} is not the name of a file beside it"
                )
            names[name] = None
    if len(names) > MAX_SHARDS:
        raise UnsafeFileError(f"{path}: {len(names)} shards, more than {MAX_SHARDS}")
    with ExitStack() as stack:
        files = [stack.enter_context(hdf5.open_file(path.with_name(name))) for name in names]
        return Store(files, str(path)).layers(listed, possible)


def _last(group: str) -> str:
    return group.rpartition("/")[2]


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None
