"""Weights as Keras 3 and tf-keras keep them: one group ``vars`` per layer, with datasets ``0``, ``1``, ...

Within a list of layers the groups are named by class and count (``layers/depthwise_conv1d_1``), within a layer or a
subclassed model by the attribute that holds the layer. Since Keras 3.6 each ``vars`` also carries the layer's own name.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.errors.system import refusal
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.keras_json import load_json
from dwconv_cli.layer.keras_models import ListedLayer
from dwconv_cli.storage import hdf5
from dwconv_cli.text import printable
from dwconv_cli.weights.keras_files.layers import (
    DEPTHWISE,
    SEPARABLE,
    Doubt,
    KerasLayer,
    class_by,
    configured_layer,
    make_layer,
    only_depthwise,
    read_all,
    split_count,
)

MAX_SHARDS = 1000
MAX_MAP_BYTES = 64 << 20

_OLD_LAYERS = "_layer_checkpoint_dependencies"
# Keras's own layers with a kernel of rank 3 that are not depthwise.
_OTHERS = ("conv1d", "conv1d_transpose", "einsum_dense")
# The number of the bias, which is "1" otherwise: a separable layer has its pointwise kernel in between.
_BIAS_KEY = {SEPARABLE: "2"}


@dataclass
class _Variables:
    """A group ``vars``: the layer's own name if the file has it, and file and name of each dataset by its number."""

    layer_name: str | None = None
    datasets: dict[str, tuple[Any, str]] = field(default_factory=dict)


def is_store(file: Any) -> bool:
    """Whether a file is laid out as a weights file: a group ``vars`` of numbered datasets at the root or below."""
    groups = [entry.name for entry in hdf5.children(file) if entry.kind == "group"]
    if "/vars" in groups:
        return all(
            entry.name.removeprefix("/vars/").isdecimal() for entry in hdf5.children(hdf5.find(file, "/vars"))
        )
    if "/layers" not in groups and f"/{_OLD_LAYERS}" not in groups:
        return False
    return any(entry.kind == "group" and entry.name.endswith("/vars") for entry in hdf5.walk(file))


class Store:
    """The variables of one weights file, or of the shards that make up one; `label` names it in messages."""

    def __init__(self, files: list[Any], label: str) -> None:
        self.label = label
        self._variables: dict[str, _Variables] = {}
        for file in files:
            self._collect(file)

    def _collect(self, file: Any) -> None:
        for entry in hdf5.walk(file):
            group, _, last = entry.name.rpartition("/")
            if last == "vars" and entry.kind == "group":
                variables = self._variables.setdefault(group.strip("/"), _Variables())
                stored = hdf5.attribute(hdf5.find(file, entry.name), "name")
                variables.layer_name = variables.layer_name or hdf5.as_text(stored)
            elif group.endswith("/vars"):
                # Links are entered too: reading one is refused with an error, where it would be missing otherwise.
                group = group.removesuffix("/vars").strip("/")
                datasets = self._variables.setdefault(group, _Variables()).datasets
                if last in datasets:
                    raise InputError(f"{self.label}: {printable(entry.name)} stands in two shards")
                datasets[last] = file, entry.name

    def layers(self, listed: list[ListedLayer] | None = None, possible: bool = False) -> list[KerasLayer]:
        """Read the layers of a config (`listed`), and those that the weights show besides; see :func:`read_all`.

        An InputError tells that weights are missing. Models that share a layer store it once, and only names tell
        whose it is.
        """
        self._check_groups(listed or [])
        return read_all(listed or [], self._listed_layer, self._other_layers, possible)

    def _check_groups(self, listed: list[ListedLayer]) -> None:
        """Refuse a file without names whose layers cannot be matched to those of the config by their groups."""
        if any(variables.layer_name for variables in self._variables.values()):
            return
        layers = [layer for layer in listed if class_by(_last(layer.group))]
        stored = [group for group in self._variables if class_by(_last(group))]
        # The oldest files count in another way, so that one layer more or less shifts them all.
        shifted = any(_OLD_LAYERS in group for group in stored) and len(stored) != len(layers)
        if listed and (shifted or any(self._group_of(layer) is None for layer in layers)):
            raise InputError(
                f"{self.label}: the config has {len(layers)} depthwise layers, the weights {len(stored)}, and no "
                "names to match them by; save the model with Keras 3.6 or later"
            )

    def _group_of(self, layer: ListedLayer) -> str | None:
        for group in (layer.group, self._old_group(layer.group)):
            if group in self._variables and (group or layer.group == ""):
                return group
        return None

    def _listed_layer(self, layer: ListedLayer) -> KerasLayer:
        name, group = layer.names[-1], self._group_of(layer)
        if group is None or self._variables[group].layer_name not in (None, name):
            # A layer that two models share is stored once, in the group of the first of them.
            namesakes = [
                other
                for other, variables in self._variables.items()
                if variables.layer_name == name and variables.datasets
            ]
            group = namesakes[0] if len(namesakes) == 1 else None
        kernel, bias = (None, None) if group is None else self._weights(group, layer.class_name)
        return configured_layer(self.label, layer, kernel, bias, group or "")

    def _other_layers(self, used: set[str]) -> list[KerasLayer]:
        layers = []
        for group, variables in self._variables.items():
            class_name, doubt = self._class_of(group, variables)
            if class_name is None or group in used:
                continue
            stored, path = variables.layer_name, self._path(group)
            kernel, bias = self._weights(group, class_name)
            layers.append(
                make_layer(
                    self.label, stored or _last(group), path, class_name, None, kernel, bias, group, doubt,
                    named=stored is not None,
                )
            )  # fmt: skip
        return layers

    def _old_group(self, group: str) -> str:
        """Where Keras 2.12 kept the variables of a layer; empty if the file has no such group."""
        # It kept the layers under another name, and counted layers with weights twice. So the numbers of a class have
        # gaps, and the n-th layer of a class is the one with the n-th of the numbers.
        place = ""
        for part in group.split("/"):
            if part == "layers":
                place = f"{place}/{_OLD_LAYERS}".strip("/")
                continue
            label, count = split_count(part)
            around = f"{place}/" if place else ""
            siblings = {
                other[len(around) :].partition("/")[0]
                for other in self._variables
                if other.startswith(around)
            }
            numbers = sorted(number for name, number in map(split_count, siblings) if name == label)
            if count >= len(numbers):
                return ""
            place = around + (f"{label}_{numbers[count]}" if numbers[count] else label)
        return place

    def _weights(self, group: str, class_name: str) -> tuple[Array | None, Array | None]:
        """Kernel and bias of a layer, None for what the file does not have."""
        keys = ("0", _BIAS_KEY.get(class_name, "1"))
        datasets = (self._dataset(self._variables[group], key) for key in keys)
        kernel, bias = (None if data is None else hdf5.read_array(data) for data in datasets)
        return kernel, bias

    def _dataset(self, variables: _Variables, key: str) -> Any:
        if key not in variables.datasets:
            return None
        file, name = variables.datasets[key]
        return hdf5.dataset(file, name, soft_links=False, bfloat16=True)

    def _path(self, group: str) -> str:
        """Names of the models around a layer and its own; its group where one of them is not stored."""
        parts = group.split("/")
        around = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        names = [self._variables[outer].layer_name for outer in around if outer in self._variables]
        return "/".join(name or "" for name in names) if names and all(names) else group

    def _class_of(self, group: str, variables: _Variables) -> tuple[str | None, Doubt]:
        """The class of a layer, None if it is no depthwise one, and what the file leaves open."""
        around, _, last = group.rpartition("/")
        if around not in self._variables or class_by(last):
            # In a list of layers the group has the name of the class, whatever the layer's own name is.
            class_name, label = class_by(last), split_count(last)[0]
            if class_name or label in _OTHERS or self._fits_depthwise(variables) is None:
                return class_name, Doubt.NONE
            return label, Doubt.CUSTOM
        fit = self._fits_depthwise(variables)
        class_name = class_by(variables.layer_name or "")
        if class_name == SEPARABLE or (class_name and fit is not None):
            return class_name, Doubt.NONE
        if fit is None or (not fit and split_count(variables.layer_name or "")[0] in _OTHERS):
            return None, Doubt.NONE
        return DEPTHWISE, Doubt.UNNAMED if fit else Doubt.CONV1D

    def _fits_depthwise(self, variables: _Variables) -> bool | None:
        """Whether only a depthwise layer has weights of these shapes; None if no depthwise layer has."""
        shapes = []
        for key in ("0", "1"):
            try:
                data = self._dataset(variables, key)
            except UnsafeFileError:
                raise
            except InputError:  # no numbers, and so no layer that is looked for
                data = None
            shapes.append(None if data is None else tuple(data.shape))
        kernel, bias = shapes
        return None if kernel is None or len(variables.datasets) > 2 else only_depthwise(kernel, bias)


def read_shards(
    path: Path, listed: list[ListedLayer] | None = None, possible: bool = False
) -> list[KerasLayer]:
    """Read a ``.weights.json`` and the shards it names, which lie beside it; see :meth:`Store.layers`."""
    table = load_json(read_member(path, MAX_MAP_BYTES), str(path))
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


def read_member(path: Path, limit: int) -> bytes:
    """Read a small file that belongs to a model, up to one byte past `limit`, at which its parser refuses it."""
    try:
        with open(path, "rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise refusal(str(path), error) from error


def _last(group: str) -> str:
    return group.rpartition("/")[2]
