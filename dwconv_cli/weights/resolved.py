"""A layer and weights that fit each other, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.errors import LayerError
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.weights.load import checksum


@dataclass(frozen=True, eq=False)
class Resolved:
    """A layer and weights that fit each other and the data.

    Parameters
    ----------
    layer : LayerSpec
    weights : Weights
    entry : dict
        The report's entry of the weights.
    notes : list of str
        What was overridden, changed or left to defaults on the way.
    source : dict
        ``file``, ``typed`` or ``default`` for each setting of the layer.
    config : mapping, optional
        The settings that a file's or a given config holds, as far as they are known; None without a config.
    untold : str, optional
        That one of the notes which names the settings left to defaults.
    """

    layer: LayerSpec
    weights: Weights
    entry: dict[str, Any]
    notes: list[str]
    source: dict[str, str]
    config: Mapping[str, Any] | None = None
    untold: str | None = None

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
        entry = weights_entry(weights, self.entry["address"])
        return replace(self, weights=weights, entry=entry)


def weights_entry(weights: Weights, address: str | None = None) -> dict[str, Any]:
    """The report's entry of weights."""
    kernel, bias = weights.kernel[:, 0, 0] if weights.shared else weights.kernel, weights.bias
    return {
        "address": address,
        "kernel_shape": list(kernel.shape),
        "bias_shape": None if bias is None else list(bias.shape),
        "sha256": checksum(kernel, bias),
    }


def _cast(array: Array, dtype: str) -> Array:
    if array.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise LayerError(f"dtype={dtype} would drop the imaginary part; use complex64 or complex128")
    with np.errstate(all="ignore"):
        found: Array = array.astype(dtype)
    if not np.array_equal(np.isfinite(found), np.isfinite(array)):
        raise LayerError(f"the weights are too large for dtype={dtype}; use a wider one")
    return found
