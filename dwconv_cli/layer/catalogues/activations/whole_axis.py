"""Activations that need the whole last axis for each element: softmax, log_softmax, sparsemax and glu."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.activations.catalogue import ACTIVATIONS, real
from dwconv_cli.layer.catalogues.activations.smooth import sigmoid
from dwconv_cli.layer.registry import Choice, LayerClass, one_of

NEEDS_WHOLE_AXIS: set[str] = set()
"""Names of the entries of this module; all others work element by element."""


def _whole_axis(function: Callable[..., Array]) -> Callable[..., Array]:
    """Enter a function of the last axis, which its argument `axis` has to name."""
    NEEDS_WHOLE_AXIS.add(function.__name__)
    # A layer's output has rank 3, so -1 and 2 are the same axis.
    return real(axis=one_of(-1, 2))(function)


def output_channels(choice: Choice, channels: int) -> int:
    """Size of the last axis after the activation.

    Raises
    ------
    LayerError
        If glu is to halve an odd number.
    """
    if choice.name != "glu":
        return channels
    if channels % 2:
        raise LayerError(f"activation glu: it halves the last axis, which has the odd size {channels}")
    return channels // 2


@_whole_axis
def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x) / sum(exp(x))`` over the last axis.

    Examples
    --------
    >>> softmax(np.zeros((2, 4)))
    array([[0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25]])
    """
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


ACTIVATIONS.add_layer("Softmax", LayerClass("softmax"))


@_whole_axis
def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x - log(sum(exp(x)))`` over the last axis."""
    x -= x.max(axis=-1, keepdims=True)
    total = np.exp(x).sum(axis=-1, keepdims=True)
    x -= np.log(total, out=total)
    return x


@_whole_axis
def sparsemax(x: Array, axis: int = -1) -> Array:
    """``max(x - tau, 0)`` over the last axis, tau as Keras computes it.

    Keras adds up all partial sums of the support, where Martins and Astudillo (2016, algorithm 1) take the
    last; a row of two or more supporting elements may therefore not sum to 1, here as there.
    """
    order = np.sort(x, axis=-1)[..., ::-1]
    sums = np.cumsum(order, axis=-1)
    ranks = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = order - (sums - 1) / ranks > 0
    tau = np.where(support, sums, 0).sum(axis=-1, keepdims=True)
    tau -= 1
    tau /= support.sum(axis=-1, keepdims=True).astype(x.dtype)
    x -= tau
    return np.clip(x, 0, np.inf, out=x)


@_whole_axis
def glu(x: Array, axis: int = -1) -> Array:
    """``a * sigmoid(b)`` of the last axis's halves a and b (Dauphin et al. 2017)."""
    half = output_channels(Choice("glu"), x.shape[-1])
    # Copied, because the result must be contiguous and NumPy's loop for strided arrays may round otherwise.
    gate = sigmoid(x[..., half:].copy())
    gate *= x[..., :half]
    return gate
