"""Layers in the config of a Keras model. Nothing that a config names is imported or run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from dwconv_cli.errors import InputError

_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")


@dataclass(frozen=True)
class ListedLayer:
    """A layer that a model's config lists.

    Parameters
    ----------
    names : tuple of str
        Names of the models and wrappers around it (not of the outermost), then its own.
    group : str
        Where Keras keeps its variables in a weights file, e.g. ``layers/functional/layers/depthwise_conv1d_1``.
    class_name : str
    config : dict
    alike : bool
        Its class is somebody's own, and its config has the keys that every subclass of DepthwiseConv1D has.
    """

    names: tuple[str, ...]
    group: str
    class_name: str
    config: dict[str, Any]
    alike: bool = False


def find_layers(model: Any, classes: tuple[str, ...]) -> Iterator[ListedLayer]:
    """Yield the layers of some of Keras's own classes in a serialized model, in the order in which the model lists them.

    Layers of other origin are yielded too, if their config is like a DepthwiseConv1D's.
    """
    if _is_object(model):
        yield from _below(model, (), "", classes)


def _below(
    entry: dict[str, Any], names: tuple[str, ...], group: str, classes: tuple[str, ...]
) -> Iterator[ListedLayer]:
    config, class_name = entry["config"], entry["class_name"]
    listed = class_name in classes and _is_keras(entry)
    if listed or _is_alike(config):
        # The root of a model file can be the layer itself, which has no names around it.
        label = class_name if listed else class_name.rpartition(">")[2]
        yield ListedLayer(names or (_name(entry),), group, label, config, alike=not listed)
        return
    # Before Keras 2.2.3 the config of a Sequential was the bare list of its layers.
    fields: dict[str, Any] = {"layers": config} if isinstance(config, list) else config
    for key, value in fields.items():
        path = f"{group}/{key}" if group else key
        if _is_object(value):
            yield from _below(value, (*names, _name(value)), path, classes)
        elif isinstance(value, list | tuple | dict):
            yield from _container(value, names, path, classes)


def _container(
    value: Any, names: tuple[str, ...], group: str, classes: tuple[str, ...]
) -> Iterator[ListedLayer]:
    # Keras names the groups of a container's layers by class, and counts the layers of a class within the container.
    counts: dict[str, int] = {}
    for item in value.values() if isinstance(value, dict) else value:
        if not _is_object(item):
            continue
        label = snake_case(item["class_name"])
        count = counts.get(label, 0)
        counts[label] = count + 1
        path = f"{group}/{label}_{count}" if count else f"{group}/{label}"
        yield from _below(item, (*names, _name(item)), path, classes)


def is_model(config: object) -> bool:
    """Whether a config is a model's, as ``model.to_json()`` gives it, rather than a layer's."""
    return _is_object(config) and (isinstance(config["config"], list) or "layers" in config["config"])


def pick_layer(model: object, name: str | None, where: str) -> dict[str, Any]:
    """The config of one DepthwiseConv1D in a model's config, which messages call `where`.

    The `name` is the layer's, or its path of names with those of the models around it; None means the only layer.

    Raises
    ------
    InputError
        If there is none of this name, or several and no name.
    """
    layers = find_layers(model, ("DepthwiseConv1D",))
    configs = {"/".join(layer.names): layer.config for layer in layers if not layer.alike}
    matches = [path for path in configs if name in (None, path, path.rpartition("/")[2])]
    if len(matches) == 1:
        return configs[matches[0]]
    if not configs:
        raise InputError(f"{where}: the config of a model without a DepthwiseConv1D")
    raise InputError(
        f"{where}: the config of a model with {len(configs)} DepthwiseConv1D layers; name one behind the file's name, "
        f"e.g. FILE::{(matches or list(configs))[0]}, of: {', '.join(configs)}"
    )


def snake_case(name: str) -> str:
    """The name of a class as Keras spells it in weights files.

    Examples
    --------
    >>> snake_case("DepthwiseConv1D")
    'depthwise_conv1d'
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    if not isinstance(value, dict) or not isinstance(value.get("class_name"), str):
        return False
    return isinstance(value.get("config"), dict) or (
        value["class_name"] == "Sequential" and isinstance(value.get("config"), list)
    )


def _is_keras(entry: dict[str, Any]) -> bool:
    module, registered = entry.get("module"), entry.get("registered_name")
    return (module is None or str(module).split(".src")[0].startswith(_MODULES)) and (
        registered is None or str(registered).split(">")[-1] == registered
    )


def _is_alike(config: Any) -> bool:
    """Whether a config has the keys that every subclass of DepthwiseConv1D inherits."""
    if not isinstance(config, dict) or not {"depth_multiplier", "kernel_size"} <= set(config):
        return False
    size = config["kernel_size"]
    return "pointwise_initializer" not in config and (
        isinstance(size, int) or (isinstance(size, list) and len(size) == 1)
    )


def _name(entry: dict[str, Any]) -> str:
    config = entry["config"]
    name = config.get("name") if isinstance(config, dict) else None
    return str(name or entry.get("name") or snake_case(entry["class_name"]))
