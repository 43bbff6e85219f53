"""The layer of a Keras file that an address means, and what the file leaves open about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.config import foreign_keys
from dwconv_cli.storage.address import Address
from dwconv_cli.weights.keras_files import read_layers
from dwconv_cli.weights.keras_files.layers import DEPTHWISE, Doubt, KerasLayer


def chosen_layer(place: Address, assume_depthwise: bool, model: object) -> tuple[KerasLayer, str | None]:
    """The layer that an address names, or the only one, and a note about it.

    The arguments are those of :func:`~dwconv_cli.load_weights`.

    Raises
    ------
    InputError
        If there is no such layer, or several, or it is in doubt; the message lists what there is.
    """
    name = (place.name or "").strip("/")
    layers = read_layers(place.path, possible=True, model=model)
    custom = [layer for layer in layers if layer.doubt is Doubt.CUSTOM and not assume_depthwise]
    unsure = [layer for layer in layers if layer.doubt is Doubt.CONV1D]
    sure = [layer for layer in layers if layer not in custom and layer not in unsure]
    matches = _named(sure, name)
    if not matches and not _named(custom, name) and (name or len(unsure) == 1):
        matches = _named(unsure, name)
    if len(matches) != 1:
        raise InputError(f"{place}: {_trouble(name, matches, sure, custom, unsure)}")
    (layer,) = matches
    config, notes = layer.config, _notes(layer, name)
    if config is not None and layer.doubt is Doubt.CUSTOM:
        foreign = foreign_keys(config)
        config = {key: value for key, value in config.items() if key not in foreign}
        if foreign:
            notes.append(f"what {', '.join(map(str, foreign))} of its config mean is not known, and left out")
    if not name and custom:
        notes.append(f"not taken: {_advice(custom)}")
    return replace(layer, config=config), "; ".join(notes) or None


def _trouble(
    name: str,
    matches: list[KerasLayer],
    sure: list[KerasLayer],
    custom: list[KerasLayer],
    unsure: list[KerasLayer],
) -> str:
    """Why no single layer of a file can be chosen, and what to do."""
    more = f"; also {_advice(custom)}" if custom else ""
    if matches:
        return f"holds {len(matches)} layers, name one after '::': {_paths(matches)}{more}"
    named = _named(custom, name)
    if named and (name or not sure):
        return _advice(named)
    if sure:
        groups = (
            "" if all(layer.named for layer in sure) else ", and the file has no names of layers, only groups"
        )
        return f"no layer of this name{groups}; there are: {_paths(sure)}{more}"
    if unsure:
        return f"no layer in it is surely a DepthwiseConv1D; if one is, name it after '::': {_paths(unsure)}{more}"
    return f"no layer of this name; {_advice(custom)}" if custom else "it holds no DepthwiseConv1D"


def _paths(layers: list[KerasLayer]) -> str:
    return ", ".join(dict.fromkeys(layer.path for layer in layers))


def _advice(layers: list[KerasLayer]) -> str:
    """How to choose layers of somebody's own classes."""
    kinds = ", ".join(f"{layer.path} is a {layer.class_name} with a depthwise kernel" for layer in layers)
    return f"{kinds}; take {'it' if len(layers) == 1 else 'them'} with --assume-depthwise"


def _notes(layer: KerasLayer, name: str) -> list[str]:
    """What the user has to know of a layer that is chosen."""
    path, doubt, notes = layer.path, layer.doubt, []
    if doubt is Doubt.CONV1D:
        notes.append(f"{path} is taken for a DepthwiseConv1D; {doubt.value}")
    elif doubt is Doubt.CUSTOM:
        notes.append(f"{path} is a {layer.class_name}, computed as a DepthwiseConv1D; {doubt.value}")
    elif doubt is Doubt.UNNAMED:
        notes.append(f"{path}: {doubt.value}")
    elif layer.class_name != DEPTHWISE:
        notes.append(
            f"{path} is a {layer.class_name}; its depthwise half is applied, without the pointwise one"
        )
    if not layer.named and name != path:
        notes.append(
            f"the file has no names of layers: {path} is a group, and the model may call another layer {layer.name}"
        )
    return notes


def _named(layers: list[KerasLayer], name: str) -> list[KerasLayer]:
    """The layers that `name` means; all of them for no name."""
    # A path is unique; a name may stand in several models of one file.
    for matches in (
        [layer for layer in layers if name == layer.path.strip("/")],
        [layer for layer in layers if name in ("", layer.name)],
        [layer for layer in layers if name == layer.group.strip("/")],
    ):
        if matches:
            # One layer that several models share is listed under each of them.
            return matches[:1] if all(_equal(layer, matches[0]) for layer in matches) else matches
    return []


def _equal(a: KerasLayer, b: KerasLayer) -> bool:
    """Whether two layers have the same name, class, config and weights."""
    if (a.name, a.class_name, a.config) != (b.name, b.class_name, b.config):
        return False
    biases = np.array_equal(a.bias, b.bias) if a.bias is not None and b.bias is not None else a.bias is b.bias
    return np.array_equal(a.kernel, b.kernel) and biases
