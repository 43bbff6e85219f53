"""A layer to and from Keras's config of ``DepthwiseConv1D``. Nothing that a config names is imported or run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.layer import CATALOGUES, LayerSpec

_FIELDS = {field.name for field in fields(LayerSpec)}
# What Keras computes in under each policy; bfloat16 is computed here in float32, which holds it exactly.
_POLICIES = {
    "float16": "float16",
    "mixed_float16": "float16",
    "bfloat16": "float32",
    "mixed_bfloat16": "float32",
    "float32": "float32",
    "float64": "float64",
    "complex64": "complex64",
    "complex128": "complex128",
}
# Keys of Keras's that do not change what the layer computes.
_IGNORED = {
    "trainable",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "groups",
    "filters",
    "rank",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_constraint",
    "registered_name",
    "build_config",
}


def from_config(config: Mapping[str, Any], **overrides: Any) -> LayerSpec:
    """The layer that a Keras config describes.

    Parameters
    ----------
    config : mapping
        The layer's own config, or the serialized layer that holds it under ``config``.
    **overrides
        Fields of :class:`~dwconv_cli.LayerSpec` that win over the config's.

    Raises
    ------
    LayerError
        If a key or a value is unknown.
    """
    config = inner_config(config)
    known: dict[str, Any] = {}
    for key, value in config.items():
        if key == "dtype":
            known["dtype"] = policy_dtype(value)
        elif key in _FIELDS:
            known[key] = value
        elif key not in _IGNORED:
            raise LayerError(f"the layer's config has an unknown key {str(key)[:60]!r}")
    if "kernel_size" not in known and "kernel_size" not in overrides:
        raise LayerError("the layer's config has no kernel_size")
    for key, catalogue in CATALOGUES.items():
        if known.get(key) is not None:
            known[key] = catalogue.from_config(known[key])
    return LayerSpec(**{**known, **overrides})


def inner_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer's own config, out of the serialized layer where it stands in one.

    Raises
    ------
    LayerError
        If it is another layer's.
    """
    if not isinstance(config, Mapping):
        raise LayerError("the layer's config is not an object of keys and values")
    class_name = config.get("class_name")
    if class_name is None:
        return config
    if class_name != "DepthwiseConv1D":
        raise LayerError(f"the config is of a {str(class_name)[:60]!r}, not of a DepthwiseConv1D")
    inner = config.get("config", {})
    if not isinstance(inner, Mapping):
        raise LayerError("the layer's config is not an object of keys and values")
    return inner


def to_config(layer: LayerSpec) -> dict[str, Any]:
    """`layer` under Keras's keys, catalogue entries as Keras serializes them."""
    config = {field.name: getattr(layer, field.name) for field in fields(LayerSpec)}
    for key, catalogue in CATALOGUES.items():
        if config[key] is not None:
            config[key] = catalogue.to_config(config[key])
    return config


def policy_dtype(value: Any) -> str | None:
    """The dtype a Keras dtype policy computes in; None for Keras's default.

    Raises
    ------
    LayerError
        If the policy is unknown, or quantized.
    """
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, Mapping) else None
    if value is None:
        return None
    if not isinstance(value, str) or value not in _POLICIES:
        choices = ", ".join(_POLICIES)
        raise LayerError(f"dtype policy {str(value)[:60]!r} cannot be computed here; known: {choices}")
    return _POLICIES[value]
