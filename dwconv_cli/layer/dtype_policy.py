"""Keras's dtype policies: their names in a layer's config, and the dtypes that they compute and keep weights in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.text import shown

# What is computed in under each policy; bfloat16 is computed here in float32, which holds it exactly.
_COMPUTED = {
    "float16": "float16",
    "mixed_float16": "float16",
    "bfloat16": "float32",
    "mixed_bfloat16": "float32",
    "float32": "float32",
    "float64": "float64",
    "complex64": "complex64",
    "complex128": "complex128",
}


def policy(value: Any, layer: str | None = None) -> Any:
    """What a dtype policy is called, which a config holds as a string, as an object, or as a map of policies.

    A map gives the policy of its entry for `layer`, or else its default.

    Examples
    --------
    >>> policy({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}})
    'mixed_float16'
    """
    if not isinstance(value, Mapping):
        return value
    config = value.get("config")
    if not isinstance(config, Mapping):
        return None
    if value.get("class_name") != "DTypePolicyMap":
        return config.get("name")
    for path, entry in _entries(value).items():
        if layer and str(path).rpartition("/")[2] == layer:
            return policy(entry)
    return policy(config.get("default_policy"))


def policy_name(value: Any, layer: str | None = None) -> str | None:
    """The name that :func:`policy` gives; None where it is no string."""
    name = policy(value, layer)
    return name if isinstance(name, str) else None


def policy_of(config: Mapping[str, Any]) -> Any:
    """What the dtype policy of a config's layer is called; None for Keras's default."""
    name = config.get("name")
    return policy(config.get("dtype"), name if isinstance(name, str) else None)


def policy_dtype(value: Any) -> str | None:
    """The dtype that a policy computes in; None for Keras's default.

    Raises
    ------
    LayerError
        If the policy is unknown, or quantized.
    """
    value = policy(value)
    if value is None:
        return None
    if not isinstance(value, str) or value not in _COMPUTED:
        choices = ", ".join(_COMPUTED)
        raise LayerError(f"dtype policy {shown(str(value))} cannot be computed here; known: {choices}")
    return _COMPUTED[value]


def weights_dtype(config: Mapping[str, Any]) -> str:
    """The dtype in which Keras keeps the weights of a config's layer: float32 under a mixed policy.

    Raises
    ------
    LayerError
        If the policy is unknown.
    """
    name = policy_of(config)
    return "float32" if str(name).startswith("mixed_") else policy_dtype(name) or "float32"


def unread_policies(value: Any, layer: str | None = None) -> list[str]:
    """Keys of a map of policies that are regular expressions, which are not evaluated.

    Empty where the map has an entry for `layer`, which needs no evaluation.
    """
    keys = [str(key) for key in _entries(value)]
    if layer and any(key.rpartition("/")[2] == layer for key in keys):
        return []
    return [key for key in keys if not re.fullmatch(r"[\w/ -]*", key)]


def _entries(value: Any) -> Mapping[Any, Any]:
    """The policies that a map of policies has for layers; none where `value` is no such map."""
    config = value.get("config") if isinstance(value, Mapping) else None
    entries = config.get("policy_map") if isinstance(config, Mapping) else None
    if isinstance(entries, Mapping) and value.get("class_name") == "DTypePolicyMap":
        return entries
    return {}
