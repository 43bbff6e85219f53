"""Layers to and from configs of Keras's ``DepthwiseConv1D``. Nothing that a config names is imported or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.dtype_policy import policy_dtype, policy_of
from dwconv_cli.layer.keys import SETTINGS, STEP_KEYS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.registry.serialized import keras_object
from dwconv_cli.layer.spec import CATALOGUES, LayerSpec
from dwconv_cli.text import shown

# A key that Keras 2 writes for every convolution, and Keras 3 for no depthwise one.
KERAS_2_KEY = "groups"
# Activations that compute something else in Keras 2 under the same name.
_KERAS_2_ACTIVATIONS = {Choice("hard_sigmoid"): Choice("hard_sigmoid", (("slope", 0.2),))}
# Keys that do not change what the layer computes. Keras 3 refuses all but the first in a layer's config.
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
        Fields of :class:`~dwconv_cli.LayerSpec` that replace the config's.

    Raises
    ------
    LayerError
        If a key or a value that no override replaces is unknown.

    Examples
    --------
    >>> layer = from_config({"kernel_size": [5], "padding": "same"}, strides=2)
    >>> layer.kernel_size, layer.strides, layer.padding
    (5, 2, 'same')
    """
    config = inner_config(config)
    fields: dict[str, Any] = {}
    for key, value in config.items():
        if key in overrides:
            continue
        if key == "dtype":
            fields["dtype"] = policy_dtype(policy_of(config))
        elif key in SETTINGS:
            fields[key] = value
        elif key not in _IGNORED:
            raise LayerError(f"the layer's config has an unknown key {shown(str(key))}")
    if "kernel_size" not in fields and "kernel_size" not in overrides:
        raise LayerError("the layer's config has no kernel_size")
    for key, catalogue in CATALOGUES.items():
        if fields.get(key) is not None:
            try:
                fields[key] = catalogue.from_config(fields[key])
            except LayerError as error:
                option = "--" + key.replace("_", "-")
                raise LayerError(f"{error}; to compute with another one, give {option} NAME") from error
    if all(_is_several(fields.get(key)) for key in ("strides", "dilation_rate")):
        # Keras's documentation refuses the two together, and its layer computes them.
        fields["allow_strided_dilation"] = True
    if "activation" in fields:
        if KERAS_2_KEY in config:
            fields["activation"] = _KERAS_2_ACTIVATIONS.get(fields["activation"], fields["activation"])
        fields["dtype"] = policy_dtype(_activation_policy(config["activation"])) or fields.get("dtype")
    return LayerSpec(**{**fields, **overrides})


def _is_several(value: Any) -> bool:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return isinstance(value, int) and value > 1


def _activation_policy(value: Any) -> Any:
    """The policy of a layer that serves as activation; it casts its input, and so the output, to that policy's dtype."""
    if not isinstance(value, Mapping) or not ACTIVATIONS.is_layer(value.get("class_name")):
        return None
    inner = value.get("config")
    return inner.get("dtype") if isinstance(inner, Mapping) else None


def field_of(config: Mapping[str, Any], key: str) -> Any:
    """One field of the layer that a config describes; where it cannot be read, what the config calls it."""
    # The version and the activation's own policy decide about the activation and the dtype.
    related = (key, "activation", KERAS_2_KEY) if key in ("activation", "dtype") else (key,)
    for keys in (related, (key,)):
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
    """A layer's own config, out of the serialized layer if it is in one.

    Raises
    ------
    LayerError
        If it is another layer's.
    """
    class_name = config.get("class_name") if isinstance(config, Mapping) else None
    if class_name is not None:
        if class_name != "DepthwiseConv1D":
            raise LayerError(f"the config is of a {shown(str(class_name))}, not of a DepthwiseConv1D")
        config = config.get("config", {})
    if not isinstance(config, Mapping):
        raise LayerError("the layer's config is not an object of keys and values")
    return config


def to_config(layer: LayerSpec, dtype: str | None = None) -> dict[str, Any]:
    """`layer` under Keras's keys, with catalogue entries as Keras serializes them; `dtype` replaces the layer's own."""
    config = {name: getattr(layer, name) for name in SETTINGS}
    for key, catalogue in CATALOGUES.items():
        if config[key] is not None:
            config[key] = catalogue.to_config(config[key])
    config["dtype"] = dtype or layer.dtype
    activation = config["activation"]
    if config["dtype"] and isinstance(activation, dict) and ACTIVATIONS.is_layer(activation["class_name"]):
        # Without a policy of its own the activation would cast to Keras's default.
        activation["config"]["dtype"] = config["dtype"]
    return config


def serialized(layer: LayerSpec, dtype: str | None = None) -> dict[str, Any]:
    """`layer` as ``keras.layers.serialize`` gives it and ``keras.layers.deserialize`` takes it; `dtype` as in to_config.

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
    return keras_object("keras.layers", "DepthwiseConv1D", config)


def keras_3_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's config without the keys that Keras 3 refuses."""
    return {key: value for key, value in config.items() if key == "trainable" or key not in _IGNORED}


def foreign_keys(config: Mapping[str, Any]) -> list[str]:
    """Keys of a config that a DepthwiseConv1D does not have."""
    return [key for key in config if key not in SETTINGS and key not in _IGNORED]
