"""Objects as Keras serializes them: their form, whose they are, and values that are wrapped in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.text import shown

OWN = "dwconv_cli"
# Where Keras's own objects live, by the first part of the module's name; Keras 2 wrote no module at all.
_KERAS_PACKAGES = frozenset({"builtins", "keras", "keras_core", "tensorflow", "tf_keras"})
# Objects in which Keras wraps an argument, and the key of the argument in their config.
_WRAPPERS = {"__numpy__": "value", "__tensor__": "value", "SeedGenerator": "seed"}
LAYER_KEYS = ("name", "trainable", "dtype", "activity_regularizer", "batch_input_shape", "batch_shape")
"""What every Keras layer has in its config, and an activation does not need."""


def keras_object(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """An object as Keras 3 serializes it."""
    registered = f"{OWN}>{class_name}" if module == OWN else None
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered}


def read_object(kind: str, value: Any) -> tuple[str, Any]:
    """The class name and the config of a serialized object; a name alone has no config.

    Raises
    ------
    LayerError
        If `value` is neither, or another package's object, even if that has a name of the catalogue of this `kind`.
    """
    if isinstance(value, str):
        value = {"class_name": value, **({"registered_name": value, "module": None} if ">" in value else {})}
    class_name = value.get("class_name") if isinstance(value, Mapping) else None
    if not isinstance(class_name, str):
        raise LayerError(f"{kind}: expected a name or a serialized object, got {shown(value)}")
    module, registered = value.get("module", "keras"), value.get("registered_name")
    package = registered.partition(">")[0] if isinstance(registered, str) and ">" in registered else OWN
    known = isinstance(module, str) and module.partition(".")[0] in _KERAS_PACKAGES | {OWN}
    if not known or package != OWN:
        own_name = registered if isinstance(registered, str) and registered else class_name
        where = f" of {shown(module)}" if isinstance(module, str) else ""
        raise LayerError(f"{kind} {shown(own_name)}{where}: a custom object, whose code is not in the file")
    return class_name, value.get("config")


def unwrapped(value: Any) -> Any:
    """A config value, taken out of the object in which Keras wraps arrays and seeds."""
    if not isinstance(value, Mapping):
        return value
    class_name, inner = value.get("class_name"), value.get("config")
    key = _WRAPPERS.get(class_name) if isinstance(class_name, str) else None
    return inner[key] if key is not None and isinstance(inner, Mapping) and key in inner else value


def number(value: Any) -> Any:
    """A value of an activation layer's config, as a number where it is the string of one, as Keras 2.12 may write."""
    if not isinstance(value, str) or len(value) > 40:
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value
