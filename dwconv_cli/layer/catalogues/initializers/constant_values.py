"""Keras's initializers whose values are given and not drawn: zeros, ones, constant and identity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.initializers.catalogue import INITIALIZERS, Shape
from dwconv_cli.layer.registry import Limit


def _numbers(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_numbers, value))
    return isinstance(value, int | float | complex)


@INITIALIZERS.register("zero")
def zeros(shape: Shape, dtype: DTypeLike) -> Array:
    """All 0."""
    return np.zeros(shape, dtype)


@INITIALIZERS.register("one")
def ones(shape: Shape, dtype: DTypeLike) -> Array:
    """All 1."""
    return np.ones(shape, dtype)


@INITIALIZERS.register(limits={"value": Limit("a number or a list of numbers", _numbers)})
def constant(shape: Shape, dtype: DTypeLike, *, value: complex | tuple[Any, ...] = 0.0) -> Array:
    """All `value`, or an array that broadcasts to `shape`.

    Examples
    --------
    >>> constant((2, 3), "float32", value=(1, 2, 3))
    array([[1., 2., 3.],
           [1., 2., 3.]], dtype=float32)
    """
    try:
        return np.broadcast_to(np.asarray(value, dtype), shape).copy()
    except (ValueError, TypeError, OverflowError):
        raise LayerError(
            f"initializer constant: value does not fit shape {shape} and {np.dtype(dtype)}"
        ) from None


@INITIALIZERS.register("IdentityInitializer")
def identity(shape: Shape, dtype: DTypeLike, *, gain: float = 1.0) -> Array:
    """`gain` times the identity matrix."""
    if len(shape) != 2:
        raise LayerError(
            f"initializer identity: it makes matrices only, not arrays of shape {shape}; use delta"
        )
    matrix: Array = np.eye(*shape, dtype=dtype) * np.asarray(gain, dtype)
    return matrix
