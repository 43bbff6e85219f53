"""Keras configs as JSON: read with limits, and searched for layers; nothing named in one is imported or run."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from dwconv_cli.errors import InputError, UnsafeFileError

MAX_BYTES = 64 << 20
MAX_DEPTH = 200

# Strings first, so that brackets inside them are not counted.
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)
_MODULES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")


@dataclass(frozen=True)
class Found:
    """A layer of a model's config.

    Parameters
    ----------
    names : tuple of str
        Names of the models and wrappers around it (not of the outermost), then its own.
    group : str
        Where Keras keeps its variables in a weights file, e.g. ``layers/functional/layers/depthwise_conv1d_1``.
    class_name : str
    config : dict
    alike : bool
        Of a class of somebody's own, whose config has the keys of a DepthwiseConv1D, as a subclass's has.
    """

    names: tuple[str, ...]
    group: str
    class_name: str
    config: dict[str, Any]
    alike: bool = False


def load_json(text: str | bytes, where: str) -> Any:
    """Parse JSON that a file of unknown origin brought.

    Raises
    ------
    InputError
        No UTF-8, no JSON, or an object with one key twice.
    UnsafeFileError
        Longer than ``MAX_BYTES`` or nested deeper than ``MAX_DEPTH``.
    """
    if len(text) > MAX_BYTES:
        raise UnsafeFileError(f"{where}: {len(text)} bytes of JSON, more than {MAX_BYTES}")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        _check_depth(text, where)
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, where))
    except (ValueError, RecursionError) as error:
        if type(error) is ValueError:
            # The one of this class is Python's about the digits of an integer, whose advice is for programmers.
            raise InputError(
                f"{where}: an integer in the JSON has more than "
                f"{sys.get_int_max_str_digits()} digits, which no setting of a layer has; correct it"
            ) from error
        raise InputError(f"{where}: not valid JSON: {error}") from error


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for token in _NESTING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth > MAX_DEPTH:
            raise UnsafeFileError(f"{where}: JSON nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise InputError(f"{where}: the key {twice!r} stands twice in one JSON object")
    return found


def find_layers(model: Any, wanted: tuple[str, ...]) -> Iterator[Found]:
    """Yield the layers of some classes in a serialized model, in the order the model lists them.

    Parameters
    ----------
    model : object
        What ``config.json`` or the attribute ``model_config`` holds.
    wanted : tuple of str
        Class names of Keras's own layers; what is not Keras's is found where its config is like a DepthwiseConv1D's.
    """
    if _is_object(model):
        yield from _below(model, (), "", wanted)


def _below(
    entry: dict[str, Any], names: tuple[str, ...], group: str, wanted: tuple[str, ...]
) -> Iterator[Found]:
    config = entry["config"]
    if entry["class_name"] in wanted and _is_keras(entry):
        # A model file whose root is the layer itself has no names around it.
        yield Found(names or (_name(entry),), group, entry["class_name"], config)
        return
    if _is_alike(config):
        yield Found(
            names or (_name(entry),), group, entry["class_name"].rpartition(">")[2], config, alike=True
        )
        return
    # Before Keras 2.2.3 the config of a Sequential was the bare list of its layers.
    fields: dict[str, Any] = {"layers": config} if isinstance(config, list) else config
    for key, value in fields.items():
        path = f"{group}/{key}" if group else key
        if _is_object(value):
            yield from _below(value, (*names, _name(value)), path, wanted)
        elif isinstance(value, list | tuple | dict):
            yield from _container(value, names, path, wanted)


def _container(value: Any, names: tuple[str, ...], group: str, wanted: tuple[str, ...]) -> Iterator[Found]:
    # Keras names what a container holds by class, counted within the container.
    counts: dict[str, int] = {}
    for item in value.values() if isinstance(value, dict) else value:
        if not _is_object(item):
            continue
        label = snake_case(item["class_name"])
        count = counts.get(label, 0)
        counts[label] = count + 1
        path = f"{group}/{label}_{count}" if count else f"{group}/{label}"
        yield from _below(item, (*names, _name(item)), path, wanted)


def is_model(config: object) -> bool:
    """Whether a config is a model's, as ``model.to_json()`` gives it, rather than a layer's."""
    return _is_object(config) and (isinstance(config["config"], list) or "layers" in config["config"])


def pick_layer(model: object, name: str | None, where: str) -> dict[str, Any]:
    """The config of one DepthwiseConv1D of a model's config, by its name or by those of the models around it too.

    Raises
    ------
    InputError
        If there is none of this name, or several and no name.
    """
    all_layers = find_layers(model, ("DepthwiseConv1D",))
    listed = {"/".join(found.names): found.config for found in all_layers if not found.alike}
    wanted = [path for path in listed if name in (None, path, path.rpartition("/")[2])]
    if len(wanted) == 1:
        return listed[wanted[0]]
    choices = ", ".join(listed)
    if not listed:
        raise InputError(f"{where}: the config of a model without a DepthwiseConv1D")
    raise InputError(
        f"{where}: the config of a model with {len(listed)} DepthwiseConv1D layers; name one behind the file's name, "
        f"e.g. FILE::{(wanted or list(listed))[0]}, of: {choices}"
    )


def snake_case(name: str) -> str:
    """Return the name of a class as Keras spells it in weights files: ``DepthwiseConv1D``, ``depthwise_conv1d``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def policy_name(value: Any, layer: str | None = None) -> str | None:
    """Return the name of a dtype policy, None where it has none; see :func:`policy`."""
    found = policy(value, layer)
    return found if isinstance(found, str) else None


def policy(value: Any, layer: str | None = None) -> Any:
    """What a dtype policy is called, which a config gives as a string, as an object, or as a map of policies.

    Of a map the default counts, unless it has an entry for `layer`.
    """
    if not isinstance(value, Mapping):
        return value
    config = value.get("config")
    if not isinstance(config, Mapping):
        return None
    if value.get("class_name") != "DTypePolicyMap":
        return config.get("name")
    entries = config.get("policy_map")
    for path, chosen in entries.items() if isinstance(entries, Mapping) else ():
        if layer and str(path).rpartition("/")[2] == layer:
            return policy(chosen)
    return policy(config.get("default_policy"))


def unread_policies(value: Any, layer: str | None = None) -> list[str]:
    """Keys of a map of policies that are regular expressions, which are not evaluated.

    There is none to tell of where the map has an entry for `layer`.
    """
    config = value.get("config") if isinstance(value, Mapping) else None
    entries = config.get("policy_map") if isinstance(config, Mapping) else None
    if not isinstance(entries, Mapping) or value.get("class_name") != "DTypePolicyMap":
        return []
    keys = [str(key) for key in entries]
    if layer and any(key.rpartition("/")[2] == layer for key in keys):
        return []
    return [key for key in keys if not re.fullmatch(r"[\w/ -]*", key)]


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
    """Whether a config is of the kind that every subclass of DepthwiseConv1D inherits."""
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
