"""The HDF5 files of Keras 2, which Keras 3 still writes: a config in an attribute, weights under layer names."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli import hdf5
from dwconv_cli.errors import InputError
from dwconv_cli.keras_files.layers import CLASSES, DEPTHWISE, SEPARABLE, KerasLayer, make_layer
from dwconv_cli.keras_json import Found, find_layers, load_json

# Keras 2 says depthwise_kernel:0, Keras 3 kernel, both say depthwise_kernel for the separable layer.
_KERNELS = ("depthwise_kernel", "kernel")
MAX_ATTRIBUTE_PIECES = 10_000


def is_legacy(file: Any) -> bool:
    """Whether a file is a legacy model, or the legacy weights of one."""
    with hdf5.errors(file):
        return "model_config" in file.attrs or (
            any(key in file.attrs for key in ("layer_names", "layer_names0"))
            and "keras_version" in file.attrs
        )


def read_legacy(file: Any, label: str) -> list[KerasLayer]:
    """Read the layers of a legacy file.

    Raises
    ------
    InputError
        The config is malformed, or the weights cannot be told apart.
    """
    config = hdf5.attribute(file, "model_config")
    if config is None:
        return _without_config(file, label)
    if not isinstance(config, str | bytes):
        raise InputError(f"{label}: the attribute model_config is no text")
    model = load_json(config, f"{label}::model_config")
    return [_with_config(file, label, found) for found in find_layers(model, CLASSES)]


def _with_config(file: Any, label: str, found: Found) -> KerasLayer:
    # The group is that of the outermost model's layer; what lies inside keeps its variables' names.
    base = f"/model_weights/{found.names[0]}"
    names = _weight_names(file, base)
    kernels = ("depthwise_kernel",) if found.class_name == SEPARABLE else _KERNELS
    path = "/".join(found.names)
    kernel = _pick([name for name in names if _leaf(name) in kernels], found.names, f"{label}::{path}")
    bias = None
    if kernel is not None:
        prefix = kernel.rpartition("/")[0]
        bias = next((n for n in names if _leaf(n) == "bias" and n.rpartition("/")[0] == prefix), None)
    return make_layer(
        label,
        found.names[-1],
        path,
        found.class_name,
        found.config,
        _read(file, base, kernel),
        _read(file, base, bias),
    )


def _pick(candidates: list[str], names: tuple[str, ...], where: str) -> str | None:
    # Variables are named after their layer, in Keras 3 after the models around it too, in Keras 2 after a wrapper
    # instead of the layer inside: the narrowest of these that leaves one.
    named = [name for name in candidates if name.split("/")[-2:-1] == [names[-1]]]
    around = [name for name in named if name.split("/")[:-1][-len(names) :] == list(names)]
    for choice in (named, around, candidates):
        if len(choice) == 1:
            return choice[0]
    if candidates:
        raise InputError(f"{where}: {len(candidates)} kernels in the file could be this layer's")
    return None


def _without_config(file: Any, label: str) -> list[KerasLayer]:
    # Without a config only the name tells, and only depthwise layers have a depthwise_kernel.
    found = []
    inside = any(entry.name == "/model_weights" and entry.kind == "group" for entry in hdf5.children(file))
    root = "/model_weights" if inside else ""
    for layer in _texts(hdf5.find(file, root or "/", soft_links=False), "layer_names"):
        base = f"{root}/{layer}"
        names = _weight_names(file, base)
        for kernel in (name for name in names if _leaf(name) == "depthwise_kernel"):
            prefix = kernel.rpartition("/")[0]
            beside = {_leaf(name): name for name in names if name.rpartition("/")[0] == prefix}
            array = _read(file, base, kernel)
            if array is None or array.ndim != 3:  # a two-dimensional layer
                continue
            class_name = SEPARABLE if "pointwise_kernel" in beside else DEPTHWISE
            name = prefix.rpartition("/")[2] or layer
            path = layer if prefix in ("", layer) else f"{layer}/{prefix}"
            bias = _read(file, base, beside.get("bias"))
            found.append(make_layer(label, name, path, class_name, None, array, bias))
    return found


def _leaf(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


def _read(file: Any, base: str, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    return hdf5.read_array(hdf5.dataset(file, f"{base}/{name}", soft_links=False, bfloat16=True))


def _weight_names(file: Any, base: str) -> list[str]:
    return _texts(hdf5.find(file, base, soft_links=False), "weight_names")


def _texts(group: Any, name: str) -> list[str]:
    """Read an attribute that lists names; a list too long for one attribute is split into name0, name1, ..."""
    value = hdf5.attribute(group, name)
    pieces = [value]
    if value is None:
        pieces = []
        for index in range(MAX_ATTRIBUTE_PIECES):
            piece = hdf5.attribute(group, f"{name}{index}")
            if piece is None:
                break
            pieces.append(piece)
    texts = [text for piece in pieces for text in np.atleast_1d(np.asarray(piece)).tolist()]
    return [text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in texts]
