"""Catalogue of initializers: Keras's, and the designs of filters in the folder beside.

A new one is a function in one of this folder's files that ``INITIALIZERS.register`` decorates.
"""

from __future__ import annotations

import contextlib

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.initializers import (  # noqa: F401 - they enter their functions
    constant_values,
    designed_kernels,
    stft_kernels,
)
from dwconv_cli.layer.catalogues.initializers.catalogue import INITIALIZERS
from dwconv_cli.layer.catalogues.initializers.random_numbers import compute_fans
from dwconv_cli.layer.registry import Choice

__all__ = ["INITIALIZERS", "compute_fans", "initialized"]


def initialized(choice: Choice, shape: tuple[int, ...], dtype: str, seed: int | None) -> Array:
    """Fresh numbers from a catalogue entry; `seed` is for an entry that takes one and whose `choice` has none.

    Raises
    ------
    LayerError
        If the entry refuses its arguments, or its numbers are too large for `dtype`.

    Examples
    --------
    >>> initialized(Choice("moving_average"), (4, 1, 1), "float32", None).ravel()
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """
    takes_seed = "seed" in INITIALIZERS.arguments(choice.name) and "seed" not in dict(choice.arguments)
    seeds = {"seed": seed} if takes_seed else {}
    finite = False
    with np.errstate(all="ignore"), contextlib.suppress(OverflowError):
        array: Array = INITIALIZERS.function(choice)(shape, dtype, **seeds)
        finite = bool(np.isfinite(array).all())
    if not finite:
        raise LayerError(
            f"initializer {choice}: gives NaN or infinity in {dtype}; use smaller arguments, or a wider dtype"
        )
    return array
