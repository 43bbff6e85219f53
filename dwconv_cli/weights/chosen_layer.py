"""Which layer of a Keras file is meant, and what the file leaves open about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.config import foreign_keys
from dwconv_cli.storage.address import Address
from dwconv_cli.weights.keras_files import read_layers
from dwconv_cli.weights.keras_files.layers import Doubt, KerasLayer


def chosen_layer(place: Address, assume_depthwise: bool, model: object) -> tuple[KerasLayer, str | None]:
    """The layer that an address names, or the only one.

    Parameters
    ----------
    place : Address
    assume_depthwise : bool
        Take layers of somebody's own class for DepthwiseConv1D layers.
    model : object
        The model's config for a file that has none.

    Returns
    -------
    KerasLayer
    str or None
        What to tell of it.

    Raises
    ------
    InputError
        If there is no such layer, or several, or it is in doubt; the message lists what there is.
    """
    wanted = (place.name or "").strip("/")
    layers = read_layers(place.path, possible=True, model=model)
    custom = [layer for layer in layers if layer.doubt is Doubt.CUSTOM and not assume_depthwise]
    unsure = [layer for layer in layers if layer.doubt is Doubt.CONV1D]
    sure = [layer for layer in layers if layer not in custom and layer not in unsure]
    found = _named(sure, wanted)
    if not found and not _named(custom, wanted) and (wanted or len(unsure) == 1):
        found = _named(unsure, wanted)
    if len(found) != 1:
        raise InputError(f"{place}: {_trouble(place, wanted, found, sure, custom, unsure)}")
    (layer,) = found
    config, notes = layer.config, _notes(layer, wanted)
    if config is not None and layer.doubt is Doubt.CUSTOM:
        foreign = foreign_keys(config)
        config = {key: value for key, value in config.items() if key not in foreign}
        if foreign:
            notes.append(f"what {', '.join(map(str, foreign))} of its config mean is not known, and left out")
    if not wanted and custom:
        notes.append(f"not taken: {_offer(custom)}")
    return replace(layer, config=config), "; ".join(notes) or None


def _trouble(
    place: Address,
    wanted: str,
    found: list[KerasLayer],
    sure: list[KerasLayer],
    custom: list[KerasLayer],
    unsure: list[KerasLayer],
) -> str:
    """Why no single layer of a file can be taken, and what to do."""
    offered = _named(custom, wanted)
    several = found or ([] if offered and wanted else sure)
    listed = ", ".join(dict.fromkeys(layer.path for layer in several))
    more = f"; also {_offer(custom)}" if custom else ""
    if found:
        return f"holds {len(found)} layers, name one after '::': {listed}{more}"
    if offered and (wanted or not sure):
        return _offer(offered)
    if sure:
        unnamed = any(not layer.named for layer in sure)
        why = "no layer of this name" + (
            ", and the file has no names of layers, only groups" if unnamed else ""
        )
        return f"{why}; there are: {listed}{more}"
    if custom or unsure:
        choices = ", ".join(layer.path for layer in unsure)
        possible = f"no layer in it is surely a DepthwiseConv1D; if one is, name it after '::': {choices}"
        return possible + more if unsure else f"no layer of this name; {_offer(custom)}"
    return "it holds no DepthwiseConv1D"


def _offer(layers: list[KerasLayer]) -> str:
    told = ", ".join(f"{layer.path} is a {layer.class_name} with a depthwise kernel" for layer in layers)
    return f"{told}; take {'it' if len(layers) == 1 else 'them'} with --assume-depthwise"


def _notes(layer: KerasLayer, wanted: str) -> list[str]:
    """What to tell of a layer that was taken."""
    notes = []
    if layer.doubt is Doubt.CONV1D:
        notes.append(f"{layer.path} is taken for a DepthwiseConv1D; {layer.doubt.value}")
    elif layer.doubt is Doubt.CUSTOM:
        notes.append(
            f"{layer.path} is a {layer.class_name}, computed as a DepthwiseConv1D; {layer.doubt.value}"
        )
    elif layer.doubt is Doubt.UNNAMED:
        notes.append(f"{layer.path}: {layer.doubt.value}")
    elif layer.class_name != "DepthwiseConv1D":
        notes.append(
            f"{layer.path} is a {layer.class_name}; its depthwise half is applied, without the pointwise one"
        )
    if not layer.named and wanted != layer.path:
        notes.append(
            f"the file has no names of layers: {layer.path} is a group, and the model may call another layer "
            f"{layer.name}"
        )
    return notes


def _named(layers: list[KerasLayer], wanted: str) -> list[KerasLayer]:
    """The layers of a name; all of them for no name."""
    # A path is unique; a name may stand in several models of one file.
    for same in (
        [layer for layer in layers if wanted == layer.path.strip("/")],
        [layer for layer in layers if wanted in ("", layer.name)],
        [layer for layer in layers if wanted == layer.group.strip("/")],
    ):
        if same:
            # One layer that several models share stands under each of them.
            return same[:1] if all(_same(layer, same[0]) for layer in same) else same
    return []


def _same(a: KerasLayer, b: KerasLayer) -> bool:
    if (a.name, a.class_name, a.config) != (b.name, b.class_name, b.config) or (a.bias is None) != (
        b.bias is None
    ):
        return False
    return np.array_equal(a.kernel, b.kernel) and (
        a.bias is None or b.bias is None or np.array_equal(a.bias, b.bias)
    )
