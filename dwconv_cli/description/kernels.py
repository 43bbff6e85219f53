"""Weights, described: shapes, the layer they are for, and how each channel responds."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.description.check import in_time
from dwconv_cli.description.plain import number
from dwconv_cli.description.response import Response, response
from dwconv_cli.jobs.plan import is_fresh
from dwconv_cli.layer.config import to_config
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.weights.recipe import Recipe


def describe_weights(recipe: Recipe, fs: float | None = None) -> dict[str, Any]:
    """The weights of `recipe`, without data.

    Fresh weights are made for one channel: how a design responds does not depend on how many there are.

    Returns
    -------
    dict
        ``weights``, ``layer``, ``layer_source``, ``effective_kernel_size`` and ``notes`` as in a report; ``dtype``;
        ``receptive_field`` in steps; ``frequency_unit``; and ``channels``, one object for each output channel.

    Raises
    ------
    LayerError, ShapeError, InputError
        If the layer is impossible, or the weights cannot be read.
    """
    fresh = is_fresh(recipe)
    found = recipe.resolve(1 if fresh else None)
    layer, weights = found.layer, found.weights
    notes = list(found.notes)
    if fresh:
        notes.append("fresh weights of one channel; --input-shape says how many there are")
    if layer.dilation_rate > 1:
        period = (fs or 1.0) / layer.dilation_rate
        unit = "Hz" if fs else "cycles/step"
        notes.append(f"dilation_rate {layer.dilation_rate}: the response repeats every {period:g} {unit}")
    return {
        "weights": found.entry,
        "dtype": str(weights.kernel.dtype),
        "layer": to_config(layer),
        "layer_source": found.source,
        "effective_kernel_size": layer.effective_kernel_size,
        "receptive_field": layer.effective_kernel_size,
        "frequency_unit": "Hz" if fs else "cycles/step",
        "channels": _channels(layer, weights, fs),
        "notes": notes,
    }


def _channels(layer: LayerSpec, weights: Weights, fs: float | None) -> list[dict[str, Any]]:
    _, channels, multiplier = weights.kernel.shape
    known: dict[bytes, Response] = {}
    found = []
    for output in range(channels * multiplier):
        channel, row = divmod(output, multiplier)
        kernel = np.ascontiguousarray(weights.kernel[:, channel, row])
        # The channels of one design are alike.
        key = kernel.tobytes()
        if key not in known:
            known[key] = response(kernel, layer.dilation_rate, fs or 1.0)
        bias = None if weights.bias is None or weights.shared else weights.bias[output].item()
        found.append({"channel": output, "input": channel, **_entry(known[key], fs), "bias": number(bias)})
    return found


def _entry(found: Response, fs: float | None) -> dict[str, Any]:
    delay = found.group_delay
    spread = found.group_delay_range
    return {
        "dc_gain": number(found.dc_gain),
        "peak_gain": number(found.peak_gain),
        "peak_frequency": found.peak_frequency,
        "cutoffs": list(found.cutoffs),
        "group_delay": None if delay is None else in_time(delay, fs),
        "group_delay_range": None if spread is None else list(spread),
        "linear_phase": found.linear_phase,
        "sparklines": {"taps": found.taps, "response": found.gains},
    }
