"""Fresh weights from initializers, and weights projected by constraints."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import replace
from typing import Any

import numpy as np

from dwconv_cli.choices import LARGEST
from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, initialized
from dwconv_cli.layer.keys import CONSTRAINT_KEYS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec, Weights


def fresh_weights(layer: LayerSpec, channels: int, dtype: str, seed: int | None) -> Weights:
    """Weights from the layer's initializers.

    Raises
    ------
    LayerError
        If the kernel would be too large, or an initializer refuses its shape.

    Examples
    --------
    >>> layer = LayerSpec(kernel_size=3, depthwise_initializer="delta")
    >>> fresh_weights(layer, 2, "float32", None).kernel[:, 1, 0]
    array([0., 1., 0.], dtype=float32)
    """
    shape = (layer.kernel_size, channels, layer.depth_multiplier)
    if math.prod(shape) > LARGEST:
        raise LayerError(f"a kernel of shape {shape} is too large to be made; take fewer taps or channels")
    kernel = initialized(layer.depthwise_initializer, shape, dtype, seed)
    if not layer.use_bias:
        return Weights(kernel)
    # With the same seed a random bias would repeat the kernel's first numbers.
    seed = None if seed is None else (seed + 1) % 2**32
    return Weights(kernel, initialized(layer.bias_initializer, (math.prod(shape[1:]),), dtype, seed))


def is_random(layer: LayerSpec) -> bool:
    """Whether a seed changes the fresh weights of `layer`."""
    choices = [layer.depthwise_initializer, *([layer.bias_initializer] if layer.use_bias else [])]
    return any("seed" in INITIALIZERS.arguments(choice.name) for choice in choices)


def projected(layer: LayerSpec, weights: Weights, keys: Container[str]) -> tuple[Weights, list[str]]:
    """Weights under those constraints of `layer` whose keys are among `keys`, and notes that say so."""
    notes = []
    for key, name in zip(CONSTRAINT_KEYS, ("kernel", "bias"), strict=True):
        array, constraint = getattr(weights, name), getattr(layer, key)
        if key in keys and constraint and array is not None:
            projection: dict[str, Any] = {name: _constrained(array, constraint)}
            weights = replace(weights, **projection)
            notes.append(f"{name} projected by {constraint}")
    return weights, notes


def _constrained(weights: Array, constraint: Choice) -> Array:
    """Weights projected in floating point. Of integers the result stays float, since it is seldom whole."""
    working = weights.astype(np.promote_types(weights.dtype, np.float32))
    with np.errstate(all="ignore"):
        projection: Array = CONSTRAINTS.function(constraint)(working)
        return projection.astype(weights.dtype) if weights.dtype.kind in "fc" else projection
