"""The kernels of a layer that differ, each with the outputs that it makes and how it responds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dwconv_cli.description.response import Response, response
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.spec import LayerSpec, Weights


class DistinctKernel(NamedTuple):
    """Taps that one or several output channels have in common.

    Parameters
    ----------
    outputs : list of int
        The output channels, in rising order.
    taps : ndarray, shape (K,)
        Correlation taps: the first one is multiplied by the earliest step.
    response : Response
    """

    outputs: list[int]
    taps: Array
    response: Response


def distinct_kernels(layer: LayerSpec, weights: Weights, fs: float = 1.0) -> list[DistinctKernel]:
    """The kernels of `weights` that differ, in the order of their first outputs."""
    kernels: dict[bytes, DistinctKernel] = {}
    _, channels, multiplier = weights.kernel.shape
    for output in range(channels * multiplier):
        taps = np.ascontiguousarray(weights.kernel[:, output // multiplier, output % multiplier])
        key = taps.tobytes()
        if key not in kernels:
            kernels[key] = DistinctKernel([], taps, response(taps, layer.dilation_rate, fs))
        kernels[key].outputs.append(output)
    return list(kernels.values())
