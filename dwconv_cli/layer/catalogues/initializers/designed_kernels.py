"""Designs of filters as initializers, for layers whose kernel size is known: the same taps for every channel."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers.catalogue import INITIALIZERS, Shape
from dwconv_cli.layer.registry import Entry


def _as_initializer(entry: Entry) -> Callable[..., Array]:
    """The function of a design as one that takes a shape and a dtype."""
    name = entry.function.__name__

    @functools.wraps(entry.function)
    def initializer(shape: Shape, dtype: DTypeLike, **arguments: Any) -> Array:
        if len(shape) < 2:
            raise LayerError(
                f"initializer {name}: it designs a kernel (K, C, M), not an array of shape {shape}"
            )
        taps = entry.function(shape[0], **arguments)
        return for_channels(name, taps, shape).astype(dtype)

    return initializer


def for_channels(name: str, taps: Array, shape: Shape) -> Array:
    """Taps ``(K,)`` or ``(K, C)`` of the design `name` as a kernel of `shape`, in which they are repeated.

    Raises
    ------
    LayerError
        If they are for another number of channels.
    """
    channels = taps.shape[1] if taps.ndim > 1 else 1
    if channels not in (1, shape[1]):
        raise LayerError(
            f"design {name}: it has values for {channels} channels, and the data has {shape[1]}; give one value for "
            f"all, or {shape[1]}"
        )
    kernel = taps.reshape(len(taps), channels, *[1] * (len(shape) - 2))
    return np.broadcast_to(kernel, shape).copy()


for _name in DESIGNS.names():
    _entry = DESIGNS.entry(_name)
    INITIALIZERS.register(in_keras=False, limits=_entry.limits, example=_entry.example)(
        _as_initializer(_entry)
    )
