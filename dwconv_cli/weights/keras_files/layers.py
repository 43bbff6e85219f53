"""A layer out of a Keras file, checked against itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.keras_json import policy_name
from dwconv_cli.layer.keys import AFTER_SUM, SETTINGS
from dwconv_cli.text import printable

DEPTHWISE, SEPARABLE = "DepthwiseConv1D", "SeparableConv1D"
CLASSES = (DEPTHWISE, SEPARABLE)
_BY_LABEL = {"depthwise_conv1d": DEPTHWISE, "separable_conv1d": SEPARABLE}

# What a SeparableConv1D shares with a DepthwiseConv1D.
_SHARED_KEYS = {*SETTINGS, "trainable"} - set(AFTER_SUM)


class Doubt(Enum):
    """What a file leaves open about a layer."""

    NONE = "it is of Keras's own class"
    UNNAMED = "the file does not hold its class, but its weights have the shapes of a DepthwiseConv1D's"
    CONV1D = "nothing in the file tells it from a Conv1D"
    CUSTOM = "its class is somebody's own, whose code is not in the file"


# Those that are handed out unless somebody asks for more.
SURE = (Doubt.NONE, Doubt.UNNAMED)


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
        ``DepthwiseConv1D``, ``SeparableConv1D`` for the depthwise half of one, or somebody's own class, in
        ``snake_case`` where the file has no config.
    config : dict or None
        The Keras config of a DepthwiseConv1D, as the file has it; None where it has none.
    kernel : ndarray, shape (K, C, M)
        In the dtype of the file, bfloat16 as float32.
    bias : ndarray, shape (C * M,), or None
    dtype_policy : str or None
        E.g. ``float32`` or ``mixed_bfloat16``.
    group : str
        Where the file keeps the weights.
    doubt : Doubt
        What the file leaves open.
    named : bool
        The file has names of layers; without them `name` and `path` are those of groups.
    """

    name: str
    path: str
    class_name: str
    config: dict[str, Any] | None
    kernel: np.ndarray
    bias: np.ndarray | None
    dtype_policy: str | None
    group: str = ""
    doubt: Doubt = Doubt.NONE
    named: bool = True


def make_layer(
    where: str,
    name: str,
    path: str,
    class_name: str,
    config: dict[str, Any] | None,
    kernel: np.ndarray | None,
    bias: np.ndarray | None,
    group: str = "",
    doubt: Doubt = Doubt.NONE,
) -> KerasLayer:
    """Put a layer together.

    Raises
    ------
    InputError
        Weights are missing, of the wrong shape, or not those of the config.
    """
    where = f"{where}::{printable(path)}"
    if config is not None and class_name == SEPARABLE:
        config = {key: value for key, value in config.items() if key in _SHARED_KEYS}
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
    policy = None if config is None else policy_name(config.get("dtype"), name)
    return KerasLayer(name, path, class_name, config, kernel, bias, policy, group, doubt)


def class_by(name: str) -> str | None:
    """The class that Keras names like this, with a count behind it or not: ``depthwise_conv1d_1``."""
    return _BY_LABEL.get(split_count(name)[0])


def split_count(name: str) -> tuple[str, int]:
    """A name that Keras gave, and the count behind it."""
    label, _, count = name.rpartition("_")
    return (label, int(count)) if label and count.isdecimal() and len(count) < 10 else (name, 0)


def only_depthwise(kernel: tuple[int, ...], bias: tuple[int, ...] | None) -> bool | None:
    """Whether only a depthwise layer has weights of these shapes; None if no depthwise layer has."""
    if len(kernel) != 3:
        return None
    if bias is None:
        return False
    # Conv1D has a bias for each of its kernel's last axis alone.
    return kernel[1] > 1 if bias == (kernel[1] * kernel[2],) else None


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
            raise InputError(
                f"{where}: its config says {key}={printable(str(told))}, its weights say {found}"
            )
