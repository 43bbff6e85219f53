"""Weights, described: shapes, the layer they are for, and how each channel responds."""

from __future__ import annotations

from typing import Any

from dwconv_cli.description.json_values import json_number
from dwconv_cli.description.kernels import distinct_kernels
from dwconv_cli.description.response import Response
from dwconv_cli.jobs.plan import in_time
from dwconv_cli.layer.config import to_config
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.weights.recipe import Recipe


def describe_weights(recipe: Recipe, fs: float | None = None) -> dict[str, Any]:
    """The weights of `recipe`, without data.

    Fresh weights are made for one channel, since a design responds alike however many channels there are.

    Returns
    -------
    dict
        ``weights``, ``layer``, ``layer_source``, ``effective_kernel_size`` and ``notes`` as in a report; ``dtype``;
        ``receptive_field`` in steps; ``frequency_unit``; and ``channels``, one object for each output channel.
    """
    fresh = recipe.is_fresh
    resolved = recipe.resolve(1 if fresh else None, fs=fs)
    layer, notes, fs = resolved.layer, list(resolved.notes), fs or resolved.fs
    unit = "Hz" if fs else "cycles/step"
    if fresh:
        notes.append("fresh weights of one channel; --input-shape says how many there are")
    if layer.dilation_rate > 1:
        period = (fs or 1.0) / layer.dilation_rate
        notes.append(f"dilation_rate {layer.dilation_rate}: the response repeats every {period:g} {unit}")
    return {
        "weights": resolved.entry,
        "dtype": str(resolved.weights.kernel.dtype),
        "layer": to_config(layer),
        "layer_source": resolved.source,
        "effective_kernel_size": layer.effective_kernel_size,
        "receptive_field": layer.effective_kernel_size,
        "frequency_unit": unit,
        "channels": _channels(layer, resolved.weights, fs),
        "notes": notes,
    }


def _channels(layer: LayerSpec, weights: Weights, fs: float | None) -> list[dict[str, Any]]:
    responses = {
        output: kernel.response
        for kernel in distinct_kernels(layer, weights, fs or 1.0)
        for output in kernel.outputs
    }
    entries = []
    for output, response in sorted(responses.items()):
        bias = None if weights.bias is None or weights.shared else weights.bias[output].item()
        entry = {
            "channel": output,
            "input": output // weights.kernel.shape[2],
            **_entry(response, fs),
            "bias": json_number(bias),
        }
        entries.append(entry)
    return entries


def _entry(response: Response, fs: float | None) -> dict[str, Any]:
    delay, spread = response.group_delay, response.group_delay_range
    return {
        "dc_gain": json_number(response.dc_gain),
        "peak_gain": json_number(response.peak_gain),
        "peak_frequency": response.peak_frequency,
        "cutoffs": list(response.cutoffs),
        "group_delay": None if delay is None else in_time(delay, fs),
        "group_delay_range": None if spread is None else list(spread),
        "linear_phase": response.linear_phase,
        "sparklines": {"taps": response.taps, "response": response.gains},
    }
