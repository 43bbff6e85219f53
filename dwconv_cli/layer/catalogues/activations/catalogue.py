"""The catalogue of activations, and the decorator that enters a function into it.

A function takes a C-contiguous float32 or float64 array, may overwrite it, and returns the result in the same dtype.
It computes each element by the same operations wherever the element stands, so that results do not depend on how a
recording is cut into tiles. NaN stays NaN, also where Keras's comparisons would turn it into a number (relu with a
threshold, the shrinks, threshold).

Bounds are applied with ``np.clip``, the only bounding ufunc that NumPy vectorizes for a scalar bound.

Formulas are those of ``keras.activations`` in Keras 3, rearranged where the arrangement there overflows or
cancels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.registry import Limit, Registry

ACTIVATIONS: Registry[Callable[..., Array]] = Registry("activation", "keras.activations", functions=True)


def real(*aliases: str, **limits: Limit) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Enter a function of real floats into the catalogue, under its own name and `aliases`.

    The entry refuses complex numbers, and computes without NumPy's warnings, since Inf and NaN are right results here.
    The decorated function itself stays as it is, so that other activations can call it.
    """

    def enter(function: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(function)
        def entry(x: Array, **arguments: Any) -> Array:
            if x.dtype.kind != "f":
                raise LayerError(
                    f"activation {function.__name__}: defined for real floats, not {x.dtype}; only linear is"
                )
            with np.errstate(all="ignore"):
                return function(x, **arguments)

        ACTIVATIONS.register(*aliases, limits=limits)(entry)
        return function

    return enter


def positive_plus(x: Array, rest: Array) -> Array:
    """``max(x, 0) + rest``, the last step of a function whose part below 0 is computed apart."""
    np.clip(x, 0, np.inf, out=x)
    x += rest
    return x
