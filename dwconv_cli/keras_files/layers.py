"""A layer out of a Keras file, checked against itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.hdf5 import shown
from dwconv_cli.keras_json import policy_name

DEPTHWISE, SEPARABLE = "DepthwiseConv1D", "SeparableConv1D"
CLASSES = (DEPTHWISE, SEPARABLE)

# What SeparableConv1D shares with DepthwiseConv1D; its bias and activation come after the pointwise half.
_DEPTHWISE_KEYS = (
    "name",
    "trainable",
    "dtype",
    "kernel_size",
    "strides",
    "padding",
    "depth_multiplier",
    "data_format",
    "dilation_rate",
    "depthwise_initializer",
    "depthwise_regularizer",
    "depthwise_constraint",
)


@dataclass(frozen=True, eq=False)
class KerasLayer:
    """One layer of a Keras file.

    Parameters
    ----------
    name : str
        The layer's own; where the file does not say, the name of its group.
    path : str
        Tells it from every other layer of the file: names of the models around it and its own, joined with ``/``,
        or its HDF5 group where the file has no names.
    class_name : str
        ``DepthwiseConv1D``, or ``SeparableConv1D`` for the depthwise half of one.
    config : dict or None
        The Keras config of a DepthwiseConv1D, as the file has it; None in files of weights only.
    kernel : ndarray, shape (K, C, M)
        In the dtype of the file, bfloat16 as float32.
    bias : ndarray, shape (C * M,), or None
    dtype_policy : str or None
        E.g. ``float32`` or ``mixed_bfloat16``.
    """

    name: str
    path: str
    class_name: str
    config: dict[str, Any] | None
    kernel: np.ndarray
    bias: np.ndarray | None
    dtype_policy: str | None


def make_layer(
    where: str,
    name: str,
    path: str,
    class_name: str,
    config: dict[str, Any] | None,
    kernel: np.ndarray | None,
    bias: np.ndarray | None,
) -> KerasLayer:
    """Put a layer together.

    Raises
    ------
    InputError
        Weights are missing, of the wrong shape, or not those of the config.
    """
    where = f"{where}::{shown(path)}"
    if config is not None and class_name == SEPARABLE:
        config = {key: config[key] for key in _DEPTHWISE_KEYS if key in config}
        config |= {"activation": "linear", "use_bias": False}
    if class_name == SEPARABLE:
        bias = None
    if kernel is None:
        raise InputError(
            f"{where}: the layer has no weights in the file; was the model saved before it was built?"
        )
    _check_arrays(where, kernel, bias)
    if config is not None:
        _check_config(where, config, kernel, bias)
    policy = None if config is None else policy_name(config.get("dtype"))
    return KerasLayer(name, path, class_name, config, kernel, bias, policy)


def _check_arrays(where: str, kernel: np.ndarray, bias: np.ndarray | None) -> None:
    if kernel.ndim != 3 or not kernel.size:
        raise InputError(
            f"{where}: the kernel has the shape {kernel.shape}, not (taps, channels, multiplier)"
        )
    outputs = kernel.shape[1] * kernel.shape[2]
    if bias is not None and bias.shape != (outputs,):
        raise InputError(f"{where}: the bias has the shape {bias.shape}, not ({outputs},) as the kernel asks")
    for label, array in (("kernel", kernel), ("bias", bias)):
        if array is not None and array.dtype.kind not in "fiu":
            raise InputError(f"{where}: the {label} is of type {array.dtype}, not real numbers")


def _check_config(where: str, config: dict[str, Any], kernel: np.ndarray, bias: np.ndarray | None) -> None:
    size = config.get("kernel_size")
    taps = size[0] if isinstance(size, list) and len(size) == 1 else size
    for key, told, found in (
        ("kernel_size", taps, kernel.shape[0]),
        ("depth_multiplier", config.get("depth_multiplier", 1), kernel.shape[2]),
        ("use_bias", bool(config.get("use_bias", True)), bias is not None),
    ):
        if told is not None and told != found:
            raise InputError(f"{where}: its config says {key}={shown(str(told))}, its weights say {found}")
