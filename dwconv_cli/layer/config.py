"""A layer to and from Keras's config of ``DepthwiseConv1D``. Nothing that a config names is imported or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.keras_json import policy
from dwconv_cli.layer.keys import SETTINGS, STEP_KEYS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import CATALOGUES, LayerSpec
from dwconv_cli.text import shown

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
# A key that Keras 2 writes of every convolution and Keras 3 of no depthwise one.
KERAS_2_KEY = "groups"
# Activations that are another function in Keras 2 under the same name.
_KERAS_2_ACTIVATIONS = {Choice("hard_sigmoid"): Choice("hard_sigmoid", (("slope", 0.2),))}
# Keys of Keras's that do not change what the layer computes; Keras 3 refuses all but the first in a layer's config.
_IGNORED = {
    "trainable",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    KERAS_2_KEY,
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
        If a key or a value is unknown; what `overrides` replace may be.
    """
    config = inner_config(config)
    known: dict[str, Any] = {}
    for key, value in config.items():
        if key in overrides:
            continue
        if key == "dtype":
            known["dtype"] = policy_dtype(policy_of(config))
        elif key in SETTINGS:
            known[key] = value
        elif key not in _IGNORED:
            raise LayerError(f"the layer's config has an unknown key {shown(str(key))}")
    if "kernel_size" not in known and "kernel_size" not in overrides:
        raise LayerError("the layer's config has no kernel_size")
    for key, catalogue in CATALOGUES.items():
        if known.get(key) is not None:
            try:
                known[key] = catalogue.from_config(known[key])
            except LayerError as error:
                option = "--" + key.replace("_", "-")
                raise LayerError(f"{error}; to compute with another one, give {option} NAME") from error
    if all(_is_several(known.get(key)) for key in ("strides", "dilation_rate")):
        # Keras's documentation refuses the two together, and its layer computes them.
        known["allow_strided_dilation"] = True
    if "activation" in known:
        if KERAS_2_KEY in config:
            known["activation"] = _KERAS_2_ACTIVATIONS.get(known["activation"], known["activation"])
        known["dtype"] = policy_dtype(_activation_policy(config["activation"])) or known.get("dtype")
    return LayerSpec(**{**known, **overrides})


def _is_several(value: Any) -> bool:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return isinstance(value, int) and value > 1


def _activation_policy(value: Any) -> Any:
    """The policy of a layer that serves as activation: whatever it is given it casts to that, and so the output."""
    if not isinstance(value, Mapping) or not ACTIVATIONS.is_layer(value.get("class_name")):
        return None
    inner = value.get("config")
    return inner.get("dtype") if isinstance(inner, Mapping) else None


def field_of(config: Mapping[str, Any], key: str) -> Any:
    """One field of the layer that a config describes; what the config calls it where it cannot be read."""
    beside = (key, "activation", KERAS_2_KEY) if key in ("activation", "dtype") else (key,)
    for keys in (beside, (key,)):
        try:
            part = {name: config[name] for name in keys if name in config}
            return getattr(from_config({"kernel_size": 1, **part}), key, None)
        except LayerError:
            pass
    value = config[key]
    return str(
        value.get("registered_name") or value.get("class_name") if isinstance(value, Mapping) else value
    )[:60]


def is_known(key: str, value: Any) -> bool:
    """Whether a catalogue has what a config says under `key`."""
    try:
        return value is None or CATALOGUES[key].from_config(value) is not None
    except LayerError:
        return False


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
        raise LayerError(f"the config is of a {shown(str(class_name))}, not of a DepthwiseConv1D")
    inner = config.get("config", {})
    if not isinstance(inner, Mapping):
        raise LayerError("the layer's config is not an object of keys and values")
    return inner


def to_config(layer: LayerSpec, dtype: str | None = None) -> dict[str, Any]:
    """`layer` under Keras's keys, catalogue entries as Keras serializes them; of policy `dtype` where given."""
    config = {name: getattr(layer, name) for name in SETTINGS}
    for key, catalogue in CATALOGUES.items():
        if config[key] is not None:
            config[key] = catalogue.to_config(config[key])
    config["dtype"] = dtype or layer.dtype
    activation = config["activation"]
    if config["dtype"] and isinstance(activation, dict) and ACTIVATIONS.is_layer(activation["class_name"]):
        # Or the activation would cast to Keras's default.
        activation["config"]["dtype"] = config["dtype"]
    return config


def serialized(layer: LayerSpec, dtype: str | None = None) -> dict[str, Any]:
    """`layer` (of policy `dtype` where given) as ``keras.layers.serialize`` gives it, and ``keras.layers.deserialize`` takes it.

    Raises
    ------
    LayerError
        If Keras has no such layer: padding ``causal``, a complex dtype, an entry that only this catalogue has.
    """
    if layer.padding == "causal":
        raise LayerError("padding causal is no option of Keras's DepthwiseConv1D; it has valid and same")
    if layer.dtype is not None and layer.dtype.startswith("complex"):
        raise LayerError(
            f"dtype {layer.dtype} is none of Keras's DepthwiseConv1D; it computes in real floats"
        )
    for key, catalogue in CATALOGUES.items():
        choice = getattr(layer, key)
        if choice is not None and not catalogue.in_keras(choice):
            raise LayerError(f"{key} {choice} is none that a Keras config can hold")
    config = to_config(layer, dtype)
    for key in STEP_KEYS:
        config[key] = [config[key]]
    for key in ("dtype", "name"):  # Keras has defaults for both, and None is not among them
        if config[key] is None:
            del config[key]
    return {
        "module": "keras.layers",
        "class_name": "DepthwiseConv1D",
        "config": config,
        "registered_name": None,
    }


def current(config: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's own config from a file, without the keys that Keras 3 refuses."""
    return {key: value for key, value in config.items() if key == "trainable" or key not in _IGNORED}


def foreign_keys(config: Mapping[str, Any]) -> list[str]:
    """Keys of a config that a DepthwiseConv1D does not have."""
    return [key for key in config if key not in SETTINGS and key not in _IGNORED]


def weights_dtype(config: Mapping[str, Any]) -> str:
    """The dtype in which Keras keeps the weights of a config's layer, which under a mixed policy is another.

    Raises
    ------
    LayerError
        If the policy is unknown.
    """
    name = policy_of(config)
    return "float32" if str(name).startswith("mixed_") else policy_dtype(name) or "float32"


def policy_of(config: Mapping[str, Any]) -> Any:
    """What the dtype policy of a config's layer is called; None for Keras's default."""
    name = config.get("name")
    return policy(config.get("dtype"), name if isinstance(name, str) else None)


def policy_dtype(value: Any) -> str | None:
    """The dtype a Keras dtype policy computes in; None for Keras's default.

    Raises
    ------
    LayerError
        If the policy is unknown, or quantized.
    """
    value = policy(value)
    if value is None:
        return None
    if not isinstance(value, str) or value not in _POLICIES:
        choices = ", ".join(_POLICIES)
        raise LayerError(f"dtype policy {shown(str(value))} cannot be computed here; known: {choices}")
    return _POLICIES[value]
