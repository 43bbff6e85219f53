"""Activations that are a polynomial in each of a few ranges, such as relu, hard_sigmoid and hard_shrink."""

from __future__ import annotations

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.activations.catalogue import ACTIVATIONS, positive_plus, real
from dwconv_cli.layer.registry import LayerClass, above, at_least


@ACTIVATIONS.register()
def linear(x: Array) -> Array:
    """``x`` itself."""
    return x


@real(max_value=at_least(0))
def relu(
    x: Array, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """``x`` above `threshold`, at most `max_value`; below, ``negative_slope * (x - threshold)``.

    Examples
    --------
    >>> relu(np.array([-2.0, 1.0, 8.0]), negative_slope=0.5, max_value=6)
    array([-1.,  1.,  6.])
    """
    if max_value is None and threshold == 0:
        return leaky_relu(x, negative_slope)
    below = None
    if negative_slope:
        below = np.clip(x, -np.inf, threshold)
        below -= below.dtype.type(threshold)
        below *= negative_slope
    if threshold:
        np.putmask(x, x <= threshold, 0)
    else:
        np.clip(x, 0, np.inf, out=x)
    if max_value is not None:
        np.clip(x, 0, max_value, out=x)
    if below is not None:
        x += below
    return x


@real()
def leaky_relu(x: Array, negative_slope: float = 0.2) -> Array:
    """``x`` above 0, ``negative_slope * x`` below."""
    if negative_slope == 0:
        return np.clip(x, 0, np.inf, out=x)
    if 0 < negative_slope <= 1:
        below = np.multiply(x, negative_slope)
        return np.maximum(x, below, out=x)
    below = np.clip(x, -np.inf, 0)
    below *= negative_slope
    return positive_plus(x, below)


ACTIVATIONS.add_layer(
    "ReLU", LayerClass("relu", limits={"negative_slope": at_least(0), "threshold": at_least(0)})
)
ACTIVATIONS.add_layer(
    "LeakyReLU",
    LayerClass(
        "leaky_relu",
        defaults={"negative_slope": 0.3},
        renames={"alpha": "negative_slope"},
        limits={"negative_slope": at_least(0)},
    ),
)
ACTIVATIONS.refuse(
    "it has weights of its own, one for each step; only functions without weights can be used",
    "PReLU",
    "prelu",
)


@real()
def relu6(x: Array) -> Array:
    """``x`` within 0 and 6."""
    return np.clip(x, 0, 6, out=x)


@real(slope=above(0))
def hard_sigmoid(x: Array, slope: float | None = None) -> Array:
    """``x * slope + 1/2`` within 0 and 1; the slope is 1/6 by default, 0.2 in Keras 2."""
    if slope is None:
        x /= 6
    else:
        x *= slope
    x += 0.5
    return np.clip(x, 0, 1, out=x)


@real("hard_swish")
def hard_silu(x: Array) -> Array:
    """``x * hard_sigmoid(x)``."""
    x *= hard_sigmoid(x.copy())
    return x


@real()
def hard_tanh(x: Array) -> Array:
    """``x`` within -1 and 1."""
    return np.clip(x, -1, 1, out=x)


@real()
def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x`` where ``|x| > threshold``, else 0."""
    np.putmask(x, np.abs(x) <= threshold, 0)
    return x


@real(threshold=at_least(0))
def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """``x`` moved towards 0 by `threshold`, at most to 0."""
    x -= np.clip(x, -threshold, threshold)
    return x


@real()
def threshold(x: Array, *, threshold: float, default_value: float) -> Array:
    """``x`` above `threshold`, else `default_value`."""
    np.putmask(x, x <= threshold, default_value)
    return x


ACTIVATIONS.add_layer(
    "ThresholdedReLU",
    LayerClass(
        "threshold",
        defaults={"threshold": 1.0, "default_value": 0.0},
        renames={"theta": "threshold"},
        current=False,
    ),
)


@real()
def sparse_plus(x: Array) -> Array:
    """0 up to -1, ``x`` from 1 on, ``(x + 1)**2 / 4`` between."""
    between = np.clip(x, -1, 1)
    between += 1
    np.square(between, out=between)
    between *= 0.25
    np.putmask(x, x < 1, between)
    return x


@real()
def sparse_sigmoid(x: Array) -> Array:
    """``(x + 1) / 2`` within 0 and 1."""
    x += 1
    x *= 0.5
    return np.clip(x, 0, 1, out=x)
