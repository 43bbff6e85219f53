"""The HDF5 files of Keras 2, which Keras 3 still writes: a config in an attribute, weights under layer names."""

from __future__ import annotations

from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.keras_json import load_json
from dwconv_cli.layer.keras_models import ListedLayer, find_layers
from dwconv_cli.storage import hdf5
from dwconv_cli.weights.keras_files.layers import (
    CLASSES,
    DEPTHWISE,
    SEPARABLE,
    Doubt,
    KerasLayer,
    class_by,
    configured_layer,
    make_layer,
    only_depthwise,
    read_all,
)

# The kernel is called depthwise_kernel:0 by Keras 2 and kernel by Keras 3; both say depthwise_kernel in a
# SeparableConv1D.
_KERNELS = ("depthwise_kernel", "kernel")
MAX_ATTRIBUTE_PIECES = 10_000


def is_legacy(file: Any) -> bool:
    """Whether a file is a legacy model, or the legacy weights of one."""
    with hdf5.errors(file):
        return "model_config" in file.attrs or (
            any(key in file.attrs for key in ("layer_names", "layer_names0"))
            and "keras_version" in file.attrs
        )


def read_legacy(
    file: Any, label: str, listed: list[ListedLayer] | None = None, possible: bool = False
) -> list[KerasLayer]:
    """Read the layers of a legacy file; see :meth:`~dwconv_cli.weights.keras_files.store.Store.layers`."""
    config = hdf5.attribute(file, "model_config")
    if config is not None:
        if listed is not None:
            raise InputError(f"{label}: the file holds its model's config; leave out the other one")
        if not isinstance(config, str | bytes):
            raise InputError(f"{label}: the attribute model_config is no text")
        listed = list(find_layers(load_json(config, f"{label}::model_config"), CLASSES))
    # A file of weights alone has the layers at its own root.
    inside = any(entry.name == "/model_weights" and entry.kind == "group" for entry in hdf5.children(file))
    root = "/model_weights" if inside else ""
    return read_all(
        listed or [],
        partial(_with_config, file, label, root),
        lambda used: _without_config(file, label, root, used, bool(listed)),
        possible,
    )


def _with_config(file: Any, label: str, root: str, listed: ListedLayer) -> KerasLayer:
    # Variables are grouped by the layers of the outermost model. Those of layers within such a layer lie in its group,
    # under longer names.
    base = f"{root}/{listed.names[0]}"
    names = _weight_names(file, base)
    leaves = ("depthwise_kernel",) if listed.class_name == SEPARABLE else _KERNELS
    where = f"{label}::{'/'.join(listed.names)}"
    kernel = _pick([name for name in names if _leaf(name) in leaves], listed.names, where)
    if kernel is None:
        return configured_layer(label, listed, None, None, "")
    prefix = kernel.rpartition("/")[0]
    bias = _beside(names, prefix).get("bias")
    group = f"{base}/{prefix}"
    return configured_layer(label, listed, _read(file, base, kernel), _read(file, base, bias), group)


def _beside(names: list[str], prefix: str) -> dict[str, str]:
    """The variables in one group, by the last part of their names."""
    return {_leaf(name): name for name in reversed(names) if name.rpartition("/")[0] == prefix}


def _pick(candidates: list[str], names: tuple[str, ...], where: str) -> str | None:
    """The kernel of the layer that `names` lead to, None if there is none."""
    # Variables are named after their layer, in Keras 3 after the models around it too, and in Keras 2 after a wrapper
    # instead of the layer inside. So these are tried in turn until exactly one candidate is left.
    named = [name for name in candidates if name.split("/")[-2:-1] == [names[-1]]]
    around = [name for name in named if name.split("/")[:-1][-len(names) :] == list(names)]
    for choice in (named, around, candidates):
        if len(choice) == 1:
            return choice[0]
    if candidates:
        raise InputError(f"{where}: {len(candidates)} kernels in the file could be this layer's")
    return None


def _without_config(file: Any, label: str, root: str, used: set[str], configured: bool) -> list[KerasLayer]:
    """The layers that no config lists: of weights alone, and inside layers of somebody's own."""
    layers = []
    for layer in _texts(hdf5.find(file, root or "/", soft_links=False), "layer_names"):
        base = f"{root}/{layer}"
        names = _weight_names(file, base)
        for kernel_name in (name for name in names if _leaf(name) in _KERNELS):
            prefix = kernel_name.rpartition("/")[0]
            group = f"{base}/{prefix}"
            if group in used:
                continue
            beside = _beside(names, prefix)
            name = prefix.rpartition("/")[2] or layer
            kernel, bias = _read(file, base, kernel_name), _read(file, base, beside.get("bias"))
            doubt = _doubt(_leaf(kernel_name), name, kernel, bias, configured)
            if doubt is None:
                continue
            class_name = SEPARABLE if "pointwise_kernel" in beside else DEPTHWISE
            path = _path(layer, prefix)
            layers.append(make_layer(label, name, path, class_name, None, kernel, bias, group, doubt))
    return layers


def _doubt(leaf: str, name: str, kernel: Array | None, bias: Array | None, configured: bool) -> Doubt | None:
    """What the names and shapes of variables leave open; None if they are no depthwise layer's."""
    if kernel is None or kernel.ndim != 3:  # of rank 4 if the layer is two-dimensional
        return None
    if leaf == "depthwise_kernel":
        return Doubt.NONE
    fit = only_depthwise(kernel.shape, None if bias is None else bias.shape)
    if fit is not None and class_by(name) == DEPTHWISE:
        return Doubt.NONE
    if fit:
        return Doubt.UNNAMED
    # A config lists every Conv1D, except those inside layers of somebody's own.
    return None if fit is None or configured or "conv1d" in name else Doubt.CONV1D


def _path(layer: str, prefix: str) -> str:
    """Names of the layers around a variable and of its own; the model's names around the outermost layer are cut off."""
    parts = prefix.split("/") if prefix else []
    rest = parts[parts.index(layer) + 1 :] if layer in parts else parts
    return "/".join([layer, *rest])


def _leaf(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


def _read(file: Any, base: str, name: str | None) -> Array | None:
    if name is None:
        return None
    return hdf5.read_array(hdf5.dataset(file, f"{base}/{name}", soft_links=False, bfloat16=True))


def _weight_names(file: Any, base: str) -> list[str]:
    return _texts(hdf5.find(file, base, soft_links=False), "weight_names")


def _texts(group: Any, name: str) -> list[str]:
    """Read an attribute that lists names; a list too long for one attribute is split into name0, name1, ..."""
    pieces = [hdf5.attribute(group, name)]
    if pieces[0] is None:
        numbered = (hdf5.attribute(group, f"{name}{index}") for index in range(MAX_ATTRIBUTE_PIECES))
        pieces = list(takewhile(lambda piece: piece is not None, numbered))
    texts = [text for piece in pieces for text in np.atleast_1d(np.asarray(piece)).tolist()]
    return [hdf5.as_text(text) or str(text) for text in texts]
