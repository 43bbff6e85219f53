"""What a layer makes of data of some shape, from shapes and dtypes alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dwconv_cli.choices import AUTO
from dwconv_cli.convolution.plan import plan_conv, problem_of
from dwconv_cli.convolution.precision import backend, is_exact, precision
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.jobs.job import resolved
from dwconv_cli.jobs.orientation import shape_note
from dwconv_cli.jobs.report import array_entry
from dwconv_cli.jobs.transfer import Tally
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.config import from_config, to_config
from dwconv_cli.layer.spec import LayerSpec
from dwconv_cli.weights.recipe import Recipe

Shape = tuple[int, ...]


def check(
    recipe: Recipe,
    shape: Shape,
    dtype: np.dtype[Any],
    where: str,
    *,
    algorithm: str = AUTO,
    fs: float | None = None,
) -> dict[str, Any]:
    """The shape check: what the layer of `recipe` makes of data of `shape`.

    Weights in files are read, since their shapes decide; fresh ones are not made, since theirs are known.

    Parameters
    ----------
    recipe : Recipe
    shape : tuple of int
        Of rank 1 to 3.
    dtype : dtype
        Of the data.
    where : str
        Names the data in messages.
    algorithm : str
    fs : float, optional
        Sampling rate in Hz.

    Returns
    -------
    dict
        ``output``, ``layer``, ``layer_source``, ``weights``, ``padding``, ``effective_kernel_size``, ``algorithm`` and
        ``notes`` as in a report; ``receptive_field`` in steps; ``delay`` in ``steps`` and, with `fs`, in ``seconds``:
        how far an output lags the middle of the steps it is made of.

    Raises
    ------
    LayerError, ShapeError, InputError
        If layer, weights and data do not fit each other, or the weights cannot be read.
    """
    try:
        data_format = recipe.data_format()
        _, steps, channels = Axes(len(shape), data_format).canonical_shape(shape)
        layer, kernel, weights, notes, source = _resolve(recipe, channels, steps, len(shape))
        found = precision(dtype, kernel, layer.dtype)
        exact = is_exact(dtype, kernel)
        plan = plan_conv(
            problem_of(layer, channels, found.compute.name, exact=exact, complex_taps=kernel.kind == "c"),
            algorithm,
        )
        doubt = shape_note(steps, channels, layer.effective_kernel_size, data_format)
        try:
            output = layer.output_shape(shape)
        except ShapeError as error:
            raise ShapeError(f"{error}; {doubt}" if doubt else str(error)) from error
        # The engine would refuse such a regularizer.
        Tally(layer.activity_regularizer, 1)
    except (LayerError, ShapeError) as error:
        raise type(error)(f"{where}: {error}") from error
    left, right = layer.pad_amounts(steps)
    size = layer.effective_kernel_size
    nbytes = math.prod(output) * found.output.itemsize
    return {
        "output": array_entry(None, output, found.output, nbytes),
        "layer": to_config(layer, found.output.name),
        "layer_source": source,
        "weights": weights,
        "padding": {"left": left, "right": right},
        "effective_kernel_size": size,
        "receptive_field": size,
        "delay": in_time(left - (size - 1) / 2, fs),
        "algorithm": {"name": plan.algorithm, "reason": plan.reason, "backend": backend(found.compute)},
        "notes": [*notes, doubt] if doubt else notes,
    }


def in_time(steps: float, fs: float | None) -> dict[str, float | None]:
    """A stretch of steps, and of seconds where the sampling rate is known."""
    return {"steps": steps, "seconds": None if fs is None else steps / fs}


def fresh_layer(recipe: Recipe) -> LayerSpec | None:
    """The layer of a recipe whose weights are yet to be made; None where they exist."""
    if (recipe.given, recipe.kernel, recipe.weights) != (None, None, None):
        return None
    return from_config({**recipe.defaults, **recipe.given_config}, **recipe.options)


def _resolve(
    recipe: Recipe, channels: int, steps: int, rank: int
) -> tuple[LayerSpec, np.dtype[Any], dict[str, Any], list[str], dict[str, str]]:
    """The layer, its kernel's dtype, the entry of its weights, notes, and where the settings come from."""
    layer = fresh_layer(recipe)
    if layer is None:
        found = resolved(recipe, channels, steps, rank)
        # A kernel given as it is has not met the data yet.
        kernel = found.weights.for_channels(channels, found.layer.data_format).kernel
        return found.layer, kernel.dtype, found.entry, found.notes, found.source
    outputs = channels * layer.depth_multiplier
    entry = {
        "address": None,
        "kernel_shape": [layer.kernel_size, channels, layer.depth_multiplier],
        "bias_shape": [outputs] if layer.use_bias else None,
        "sha256": None,
    }
    said = {**recipe.given_config, **recipe.options}
    notes = [] if "data_format" in said else list(recipe.default_notes)
    return layer, np.dtype(layer.dtype or "float32"), entry, notes, recipe.layer_source()
