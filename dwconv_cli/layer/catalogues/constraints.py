"""Catalogue of constraints: Keras's projections of weights.

A new one is a function with the decorator ``CONSTRAINTS.register``. It takes an array and returns a new one of the same
dtype, or raises LayerError where it cannot. Norms are taken along ``axis``; axis 0 of a kernel ``(K, C, M)`` is the taps
of each filter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.registry import Registry, at_least

CONSTRAINTS: Registry[Callable[..., Array]] = Registry("constraint", "keras.constraints")

# keras.config.epsilon(): what Keras adds to a norm before it divides by it.
_EPSILON = 1e-7


def _norms(name: str, w: Array, axis: int | tuple[int, ...]) -> Array:
    try:
        squares = np.square(np.abs(w) if w.dtype.kind == "c" else w)
        return np.asarray(np.sqrt(np.sum(squares, axis=axis, keepdims=True)))
    except (np.exceptions.AxisError, ValueError):
        raise LayerError(f"constraint {name}: weights of shape {w.shape} have no axis {axis}") from None


def _scaled(w: Array, desired: Array, norms: Array) -> Array:
    return np.asarray(w * (desired / (norms.dtype.type(_EPSILON) + norms)), w.dtype)


@CONSTRAINTS.register(limits={"max_value": at_least(0)})
def max_norm(w: Array, max_value: float = 2, axis: int | tuple[int, ...] = 0) -> Array:
    """Norms of at most `max_value`.

    Examples
    --------
    >>> max_norm(np.array([6.0, 8.0]), max_value=5).round(3)
    array([3., 4.])
    """
    norms = _norms("max_norm", w, axis)
    return _scaled(w, np.clip(norms, 0, max_value), norms)


@CONSTRAINTS.register(limits={"min_value": at_least(0), "max_value": at_least(0)})
def min_max_norm(
    w: Array,
    min_value: float = 0.0,
    max_value: float = 1.0,
    rate: float = 1.0,
    axis: int | tuple[int, ...] = 0,
) -> Array:
    """Norms moved by `rate` of the way into the range from `min_value` to `max_value`."""
    if min_value > max_value:
        raise LayerError(f"constraint min_max_norm: min_value={min_value!r} is above max_value={max_value!r}")
    norms = _norms("min_max_norm", w, axis)
    desired = rate * np.clip(norms, min_value, max_value) + (1 - rate) * norms
    return _scaled(w, desired, norms)


@CONSTRAINTS.register()
def non_neg(w: Array) -> Array:
    """No weight below 0."""
    if w.dtype.kind == "c":
        raise LayerError(f"constraint non_neg: {w.dtype} weights have no order")
    return np.maximum(w, 0)


@CONSTRAINTS.register()
def unit_norm(w: Array, axis: int | tuple[int, ...] = 0) -> Array:
    """Norms of 1."""
    norms = _norms("unit_norm", w, axis)
    return np.asarray(w / (norms.dtype.type(_EPSILON) + norms), w.dtype)
