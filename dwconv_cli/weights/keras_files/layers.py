"""A layer out of a Keras file, whose config and weights are checked against each other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dwconv_cli.errors import InputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.dtype_policy import policy_name
from dwconv_cli.layer.keras_models import ListedLayer
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


# Layers with these are read from a file in any case, the others only on request.
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
    kernel: Array
    bias: Array | None
    dtype_policy: str | None
    group: str
    doubt: Doubt
    named: bool


def read_all(
    listed: Iterable[ListedLayer],
    read_listed: Callable[[ListedLayer], KerasLayer],
    read_others: Callable[[set[str]], list[KerasLayer]],
    possible: bool,
) -> list[KerasLayer]:
    """Read the layers that the config of a file lists, if it has one, and those that its weights show besides.

    `read_listed` reads one of the former; `read_others` gets their groups and reads the latter. Those that only may be
    a DepthwiseConv1D, and classes of somebody's own, are returned only if `possible` asks for them.
    """
    layers: list[KerasLayer] = []
    for layer in listed:
        # A class of somebody's own may keep other weights than its config suggests; then it is none of these layers.
        with contextlib.suppress(InputError) if layer.alike else contextlib.nullcontext():
            layers.append(read_listed(layer))
    layers += read_others({layer.group for layer in layers})
    return [layer for layer in layers if possible or layer.doubt in SURE]


def configured_layer(
    label: str, listed: ListedLayer, kernel: Array | None, bias: Array | None, group: str
) -> KerasLayer:
    """Put a layer together from its config and its weights; see :func:`make_layer`."""
    path, doubt = "/".join(listed.names), Doubt.CUSTOM if listed.alike else Doubt.NONE
    return make_layer(
        label, listed.names[-1], path, listed.class_name, listed.config, kernel, bias, group, doubt
    )


def make_layer(
    label: str,
    name: str,
    path: str,
    class_name: str,
    config: dict[str, Any] | None,
    kernel: Array | None,
    bias: Array | None,
    group: str,
    doubt: Doubt,
    named: bool = True,
) -> KerasLayer:
    """Put a layer of the file `label` together; refuse weights that are missing or do not fit the config."""
    where = f"{label}::{printable(path)}"
    if class_name == SEPARABLE:
        # Its bias and activation come after the pointwise half, which is another layer here.
        bias = None
        if config is not None:
            config = {key: value for key, value in config.items() if key in _SHARED_KEYS}
            config |= {"activation": "linear", "use_bias": False}
    if kernel is None:
        raise InputError(
            f"{where}: the layer has no weights in the file; was the model saved before it was built?"
        )
    if kernel.ndim != 3 or not kernel.size:
        raise InputError(
            f"{where}: the kernel has the shape {kernel.shape}, not (taps, channels, multiplier)"
        )
    outputs = kernel.shape[1] * kernel.shape[2]
    if bias is not None and bias.shape != (outputs,):
        raise InputError(f"{where}: the bias has the shape {bias.shape}, not ({outputs},) as the kernel asks")
    for title, array in (("kernel", kernel), ("bias", bias)):
        if array is not None and array.dtype.kind not in "fiu":
            raise InputError(f"{where}: the {title} is of type {array.dtype}, not real numbers")
    if config is None:
        return KerasLayer(name, path, class_name, None, kernel, bias, None, group, doubt, named)
    size = config.get("kernel_size")
    for key, configured, stored in (
        ("kernel_size", size[0] if isinstance(size, list) and len(size) == 1 else size, kernel.shape[0]),
        ("depth_multiplier", config.get("depth_multiplier", 1), kernel.shape[2]),
        ("use_bias", bool(config.get("use_bias", True)), bias is not None),
    ):
        if configured is not None and configured != stored:
            raise InputError(
                f"{where}: its config says {key}={printable(str(configured))}, its weights say {stored}"
            )
    policy = policy_name(config.get("dtype"), name)
    return KerasLayer(name, path, class_name, config, kernel, bias, policy, group, doubt, named)


def class_by(name: str) -> str | None:
    """The class that Keras names like this, with or without a count: ``depthwise_conv1d_1``."""
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
    # A depthwise bias has C * M elements. A Conv1D's has as many as its kernel's last axis, which is the same for C = 1.
    return kernel[1] > 1 if bias == (kernel[1] * kernel[2],) else None
