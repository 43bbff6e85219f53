"""A layer and weights that fit each other: what a recipe resolves to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.weights.load import checksum


@dataclass(frozen=True, eq=False)
class Resolved:
    """A layer and weights that fit each other and the data.

    Parameters
    ----------
    layer : LayerSpec
    weights : Weights
    address : str or None
        Where the weights were read, or the design that they come from.
    notes : list of str
        What was replaced, changed or left to defaults.
    source : dict
        ``file``, ``typed`` or ``default`` for each setting of the layer.
    config : mapping, optional
        The known settings under Keras's keys, for a file of weights to hold; None without a config.
    defaults_note : str, optional
        That one of the notes which names the settings left to defaults.
    fs : float, optional
        The sampling rate, where it is known.
    """

    layer: LayerSpec
    weights: Weights
    address: str | None
    notes: list[str]
    source: dict[str, str]
    config: Mapping[str, Any] | None = None
    defaults_note: str | None = None
    fs: float | None = None

    @cached_property
    def entry(self) -> dict[str, Any]:
        """The report's entry of the weights."""
        kernel, bias = self.weights.kernel, self.weights.bias
        if self.weights.shared:
            kernel = kernel[:, 0, 0]
        return {
            "address": self.address,
            "kernel_shape": list(kernel.shape),
            "bias_shape": None if bias is None else list(bias.shape),
            "sha256": checksum(kernel, bias),
        }

    def stored(self, channels: int | None, dtype: str | None) -> Resolved:
        """As a file is to hold it: a shared kernel for each of `channels` channels, numbers of `dtype`.

        Raises
        ------
        LayerError
            If the numbers do not fit.
        """
        weights = self.weights if channels is None else self.weights.for_channels(channels)
        if dtype is not None:
            bias = None if weights.bias is None else _cast(weights.bias, dtype)
            weights = Weights(_cast(weights.kernel, dtype), bias, weights.shared)
        return replace(self, weights=weights)


def _cast(array: Array, dtype: str) -> Array:
    if array.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise LayerError(f"dtype={dtype} would drop the imaginary part; use complex64 or complex128")
    with np.errstate(all="ignore"):
        result: Array = array.astype(dtype)
    if not np.array_equal(np.isfinite(result), np.isfinite(array)):
        raise LayerError(f"the weights are too large for dtype={dtype}; use a wider one")
    return result
