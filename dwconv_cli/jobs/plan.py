"""One job as data: what a layer makes of a recording, known from the recording's shape and dtype alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.convolution.compiled import missing_extension_notes
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.convolution.plan import Plan, plan_conv, problem_of
from dwconv_cli.convolution.precision import Precision, backend, precision
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.jobs.orientation import attributes_note, shape_note
from dwconv_cli.jobs.report import Report, array_entry
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.layer.axes import Axes, other_data_format
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.config import to_config
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.weights.recipe import Recipe
from dwconv_cli.weights.resolved import Resolved


class Part(NamedTuple):
    """The data of a job; the steps of a stream are ``slice(0, None)`` until its end is known."""

    axes: Axes
    batch: int
    steps: slice
    channels: int
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an array of this part alone."""
        return self.axes.arrange(self.batch, self.steps.stop - self.steps.start, self.channels)


class Outline(NamedTuple):
    """What is known of a convolution whose fresh weights were not drawn."""

    precision: Precision
    plan: Plan
    backend: str
    notes: list[str]


@dataclass(frozen=True, eq=False)
class JobPlan:
    """What becomes of data of one shape and dtype.

    Parameters
    ----------
    data : Part
    layer : LayerSpec
    convolution : Convolution or Outline
        Layer and weights, ready for the data, unless the weights are fresh and were not drawn.
    layer_source, weights, losses : dict
        The report's entries of these names; the losses without the penalty on the output.
    notes : list of str
        What a careful person should know.
    fs : float, optional
        Sampling rate of the data in Hz.
    """

    data: Part
    layer: LayerSpec
    convolution: Convolution | Outline
    layer_source: dict[str, str]
    weights: dict[str, Any]
    losses: dict[str, float] | None
    notes: list[str]
    fs: float | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the output."""
        return self.convolution.precision.output

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return self.layer.output_shape(self.data.shape)

    @property
    def padding(self) -> dict[str, int]:
        """Zero steps ``left`` and ``right`` of the data."""
        left, right = self.layer.pad_amounts(self.data.steps.stop - self.data.steps.start)
        return {"left": left, "right": right}

    @property
    def delay(self) -> dict[str, float | None]:
        """How far an output lags the middle of the steps that it is made of, in steps of the data and in seconds."""
        steps = self.padding["left"] - (self.layer.effective_kernel_size - 1) / 2
        return in_time(steps, self.fs)

    def ready(self) -> Convolution:
        """The convolution; only an outline has none, and is not run."""
        assert isinstance(self.convolution, Convolution)
        return self.convolution

    def report(self, source: str | None, output: str | None) -> Report:
        """The report of the job before it runs, with the addresses of its input and output."""
        plan = self.convolution.plan
        return Report(
            input=array_entry(source, self.data.shape, self.data.dtype),
            output=array_entry(output, self.shape, self.dtype, math.prod(self.shape) * self.dtype.itemsize),
            layer=to_config(self.layer, self.dtype.name),
            layer_source=self.layer_source,
            weights=self.weights,
            padding=self.padding,
            effective_kernel_size=self.layer.effective_kernel_size,
            delay=self.delay,
            algorithm={
                "name": plan.algorithm,
                "reason": plan.reason,
                "backend": self.convolution.backend,
            },
            losses=None if self.losses is None else dict(self.losses),
            notes=list(self.notes),
        )


def plan_job(
    recipe: Recipe,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    settings: Settings,
    *,
    attributes: Mapping[str, Any] | None = None,
    draw: bool = True,
    fs: float | None = None,
) -> JobPlan:
    """Plan what the layer of `recipe` makes of data; the data itself is not needed.

    Parameters
    ----------
    recipe : Recipe
        Its weights are read here, if that was not done before.
    shape : tuple of int
        Of the data, rank 1 to 3.
    dtype : dtype
        Of the data.
    settings : Settings
        Decide the steps to take, the algorithm and the threads.
    attributes : mapping, optional
        Of the data, which may say that its axes lie the other way round.
    draw : bool
        Whether fresh weights are drawn. Without them a plan is ready sooner, but cannot be run.
    fs : float, optional
        Sampling rate of the data in Hz.

    Raises
    ------
    LayerError, ShapeError, InputError
        If layer, weights and data do not fit each other, or the weights cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from dwconv_cli import Recipe, Settings
    >>> recipe = Recipe(options={"kernel_size": 3, "padding": "same"})
    >>> plan = plan_job(recipe, (100, 6), np.dtype("float32"), Settings())
    >>> plan.shape, plan.padding, str(plan.dtype)
    ((100, 6), {'left': 1, 'right': 1}, 'float32')
    """
    axes = Axes(len(shape), recipe.data_format())
    batch, steps, channels = axes.canonical_shape(shape)
    data = Part(axes, batch, steps_of(settings.steps, steps), channels, dtype)
    if draw or not recipe.is_fresh:
        plan = _ready(_resolved(recipe, data, steps, fs), data, settings)
    else:
        plan = _outlined(recipe, data, settings)
    layer, length = plan.layer, data.steps.stop - data.steps.start
    doubt = shape_note(length, channels, layer.effective_kernel_size, layer.data_format)
    try:
        outputs = math.prod(plan.shape)
    except ShapeError as error:
        raise ShapeError(f"{error}; {doubt}" if doubt else str(error)) from error
    notes = [*plan.notes, *missing_extension_notes(0 if settings.dry_run else outputs * layer.kernel_size)]
    if axes.rank > 1:
        notes += filter(None, (doubt, attributes_note(attributes or {}, layer.data_format)))
    return replace(plan, notes=notes, fs=fs or recipe.fs)


def plan_stream(recipe: Recipe, channels: int, dtype: np.dtype[Any], settings: Settings) -> JobPlan:
    """Plan what the layer of `recipe` makes of interleaved samples of unknown length, as :func:`plan_job` does.

    Interleaved samples have their channels last, whatever the layer was trained on.
    """
    resolved = recipe.resolve(channels, dtype, settings.fs)
    channels_first = resolved.layer.data_format == "channels_first"
    if channels_first:
        resolved = replace(resolved, layer=replace(resolved.layer, data_format="channels_last"))
    plan = _ready(resolved, Part(Axes(2), 1, slice(0, None), channels, dtype), settings)
    if channels_first and plan.ready().needs_all_channels:
        raise LayerError("an activation along the steps of channels_first needs a recording, not a stream")
    return replace(plan, fs=settings.fs)


def in_time(steps: float, fs: float | None) -> dict[str, float | None]:
    """A stretch of steps, and of seconds where the sampling rate is known."""
    return {"steps": steps, "seconds": None if fs is None else steps / fs}


def steps_of(part: slice, steps: int) -> slice:
    """The `part` of `steps` steps as a slice with bounds; refused if it is empty."""
    begin, end, _ = part.indices(steps)
    if end <= begin and part != slice(None):
        stop = "" if part.stop is None else part.stop
        raise ShapeError(f"--slice {part.start or 0}:{stop} takes none of its {steps} steps")
    return slice(begin, end)


def weight_losses(layer: LayerSpec, weights: Weights) -> dict[str, float]:
    """Penalties of the regularizers of kernel and bias."""
    losses = {"depthwise": 0.0, "bias": 0.0, "activity": 0.0}
    if layer.depthwise_regularizer is not None:
        losses["depthwise"] = float(REGULARIZERS.function(layer.depthwise_regularizer)(weights.kernel))
    if layer.bias_regularizer is not None and weights.bias is not None:
        losses["bias"] = float(REGULARIZERS.function(layer.bias_regularizer)(weights.bias))
    return {**losses, "total": losses["depthwise"] + losses["bias"]}


def _resolved(recipe: Recipe, data: Part, steps: int, fs: float | None) -> Resolved:
    """The recipe for the data; where the other data format fits, the error says so."""
    try:
        return recipe.resolve(data.channels, data.dtype, fs)
    except ShapeError as error:
        if data.axes.rank == 1 or error.kernel_channels != steps:
            raise
        other = other_data_format(recipe.data_format())
        text = str(error).partition("; ")[0]
        raise ShapeError(f"{text}; read as {other} it has {steps}, so say --data-format {other}") from error


def _ready(resolved: Resolved, data: Part, settings: Settings) -> JobPlan:
    """The plan with weights that are there."""
    layer, weights = resolved.layer, resolved.weights
    convolution = Convolution(
        layer, weights, data.channels, data.dtype, algorithm=settings.algorithm, threads=settings.threads
    )
    _check_output_functions(layer, convolution.precision.compute)
    losses, notes = weight_losses(layer, weights), [*resolved.notes, *convolution.notes]
    return JobPlan(data, layer, convolution, resolved.source, resolved.entry, losses, notes)


def _outlined(recipe: Recipe, data: Part, settings: Settings) -> JobPlan:
    """The plan with fresh weights that are not drawn, since their shapes and dtype are known without that."""
    layer, channels = recipe.settings.layer(), data.channels
    kernel = np.dtype(layer.dtype or "float32")
    dtypes = precision(data.dtype, kernel, layer.dtype)
    problem = problem_of(layer, channels, dtypes.compute.name, complex_taps=kernel.kind == "c")
    outline = Outline(dtypes, plan_conv(problem, settings.algorithm), backend(dtypes.compute), [])
    _check_output_functions(layer, dtypes.compute)
    entry = {
        "address": None,
        "kernel_shape": [layer.kernel_size, channels, layer.depth_multiplier],
        "bias_shape": [channels * layer.depth_multiplier] if layer.use_bias else None,
        "sha256": None,
    }
    notes = [] if "data_format" in recipe.settings.known else list(recipe.default_notes)
    sources = recipe.settings.sources()
    return JobPlan(data, layer, outline, sources, entry, None, [*notes, *recipe.settings.notes()])


def _check_output_functions(layer: LayerSpec, compute: np.dtype[Any]) -> None:
    """Refuse a penalty on the output that does not add up over blocks, and an activation that has no complex values."""
    Tally(layer.activity_regularizer, 1)
    if compute.kind == "c":
        ACTIVATIONS.function(layer.activation)(np.zeros((1, 2, 2), compute))
