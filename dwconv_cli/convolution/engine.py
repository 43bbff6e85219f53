"""Runs a plan on arrays, tile by tile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.choices import AUTO, AlgorithmName
from dwconv_cli.convolution.algorithms import ALGORITHMS, ComplexParts, Prepared, real_kernel
from dwconv_cli.convolution.epilogue import Epilogue
from dwconv_cli.convolution.integers import IntegerSums
from dwconv_cli.convolution.plan import Plan, plan_conv, problem_of
from dwconv_cli.convolution.precision import Precision, backend, is_exact, precision
from dwconv_cli.convolution.scratch import SCRATCH
from dwconv_cli.errors import ShapeError
from dwconv_cli.layer import geometry
from dwconv_cli.layer.arguments import whole_number
from dwconv_cli.layer.axes import Array, Axes
from dwconv_cli.layer.catalogues.activations import NEEDS_WHOLE_AXIS
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.threads import available, run_all

# Outputs of a tile: enough that the time of its few calls does not count. There are fewer, down to LEAST_TILE_OUTPUTS,
# where the recording would not give each thread a tile.
TILE_OUTPUTS, LEAST_TILE_OUTPUTS = 1 << 19, 1 << 17
# In channels_first a tile may be larger, so that each channel has enough steps in it to be summed at full speed.
FULL_SPEED_STEPS, LARGEST_TILE_OUTPUTS = 1 << 13, 1 << 21
# So few outputs are summed at once, since cutting them into tiles would take longer than it saves.
UNTILED_OUTPUTS = 1 << 14


class Placement(NamedTuple):
    """How data of one shape and its output lie."""

    shape: tuple[int, ...]
    axes: Axes
    #: Steps of padding before the first step of the data.
    left: int
    output_axes: Axes
    output_shape: tuple[int, ...]


class Convolution:
    """A layer with its weights, ready for data of one dtype and number of channels.

    Parameters
    ----------
    layer : LayerSpec
    weights : Weights
    channels : int
    dtype : dtype
        Of the data; with the kernel's and the layer's it decides :attr:`precision`.
    algorithm : str
        A name in ``ALGORITHMS``, or ``auto``.
    threads : int, optional
        At most as many; all processors by default. The result does not depend on it.
    plan : Plan, optional
        To be used instead of one made here.

    Raises
    ------
    ShapeError, LayerError
        If layer, weights and data do not fit each other.
    """

    def __init__(
        self,
        layer: LayerSpec,
        weights: Weights,
        channels: int,
        dtype: Any,
        *,
        algorithm: AlgorithmName = AUTO,
        threads: int | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.layer = layer
        self.channels = channels
        self.threads = available() if threads is None else whole_number("threads", threads)
        #: For as many channels as the data has.
        self.weights = weights = weights.for_channels(channels, layer.data_format)
        self._dtype = np.dtype(dtype)
        self._axes = Axes(3, layer.data_format)
        self.precision = precision(self._dtype, weights.kernel.dtype, layer.dtype)
        exact = is_exact(self._dtype, weights.kernel.dtype)
        self._integers: IntegerSums | None = None
        #: What a user should know of how the sums are computed.
        self.notes: list[str] = []
        if exact and layer.dtype is None:
            self._integers = IntegerSums(self._dtype, weights.kernel, self.precision.output)
            self.precision = Precision(self._integers.compute, self.precision.output)
            self.notes = self._integers.notes
        compute = self.precision.compute
        self.backend = backend(compute)
        complex_taps = weights.kernel.dtype.kind == "c"
        problem = problem_of(layer, channels, compute.name, exact=exact, complex_taps=complex_taps)
        self.plan = plan or plan_conv(problem, algorithm)
        expected = (layer.kernel_size, channels, layer.depth_multiplier)
        if weights.kernel.shape != expected:
            raise ShapeError(f"the kernel has shape {weights.kernel.shape}, the layer needs {expected}")
        whole = compute.kind in "iu"
        with np.errstate(all="ignore"):
            kernel = np.ascontiguousarray(weights.kernel, np.int64 if whole else compute)
            if self.plan.algorithm != "direct" and not np.isfinite(kernel).all():
                # A transform would spread NaN and Inf. This is decided for all channels, so that part() has the same bits.
                self.plan = replace(self.plan, algorithm="direct", reason="a weight is not finite")
            prepare = ALGORITHMS[self.plan.algorithm].prepare
            if compute.kind == "c":
                inner = prepare(problem, real_kernel(kernel, complex_taps))
                self._prepared: Prepared = ComplexParts(inner, complex_taps, layer.data_format)
            else:
                self._prepared = prepare(problem, kernel)
        #: Calls of :meth:`run` must begin at multiples of so many outputs, and end there but for the recording's end.
        self.panel = self._prepared.panel
        bias = _bias_for(
            weights.bias, channels, layer.depth_multiplier, self.precision.output if whole else compute
        )
        self._epilogue = Epilogue(layer, bias)
        self.output_channels = layer.output_channels(channels)
        self._placement: Placement | None = None
        whole_axis = layer.activation.name in NEEDS_WHOLE_AXIS
        #: The activation reads all steps of a recording at once.
        self.needs_all_steps = whole_axis and self._axes.channels_first
        #: The activation reads all channels of a step at once.
        self.needs_all_channels = whole_axis and not self.needs_all_steps

    def part(self, channels: slice) -> Convolution:
        """The same convolution for a range of the channels, with the same bits; for channels_first alone.

        There each channel is computed on its own. In channels_last some transforms take channels together.
        """
        assert self._axes.channels_first
        multiplier, bias = self.layer.depth_multiplier, self.weights.bias
        if bias is not None:
            bias = bias[channels.start * multiplier : channels.stop * multiplier]
        weights = Weights(self.weights.kernel[:, channels], bias)
        width = channels.stop - channels.start
        return Convolution(self.layer, weights, width, self._dtype, threads=self.threads, plan=self.plan)

    def placed(self, shape: tuple[int, ...]) -> Placement:
        """How data of `shape` and its output lie. The last answer is kept, which saves time in small calls."""
        # One attribute, read once: another thread may replace it at any time.
        placement = self._placement
        if placement is None or placement.shape != shape:
            axes = Axes(len(shape), self.layer.data_format)
            left, _ = self.layer.pad_amounts(axes.canonical_shape(shape)[1])
            output_axes, output_shape = axes.of_output(self.output_channels), self.layer.output_shape(shape)
            placement = self._placement = Placement(shape, axes, left, output_axes, output_shape)
        return placement

    def empty_input(self, shape: tuple[int, ...]) -> Array:
        """A new array (batch, steps, channels) for data, in the compute dtype."""
        return self._axes.empty(shape, self.precision.compute)

    def empty_output(self, shape: tuple[int, ...]) -> Array:
        """A new array (batch, steps, channels) for outputs."""
        return self._axes.empty(shape, self.precision.output)

    def run(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute outputs from `start` on.

        Parameters
        ----------
        x : ndarray, shape (B, N, C)
            Padded steps from `first` on, of any numeric dtype; steps outside are zero padding.
        first : int
        out : ndarray, shape (B, n, output channels)
            Written whole, in the output dtype.
        start : int
            Index of the first output.
        """
        if not out.size:
            return
        if out.size <= UNTILED_OUTPUTS and not self.needs_all_steps:
            self._tile(x, first, out, start, out.shape[1])
            return
        layer = self.layer
        tiles: Iterable[tuple[slice, int, int]]
        if self.needs_all_steps:
            steps = layer.unactivated_steps(out.shape[1])
            tiles = ((slice(item, item + 1), 0, steps) for item in range(len(out)))
        else:
            tiles = self._tiles(len(out), start, start + out.shape[1])

        def compute_tile(place: tuple[slice, int, int]) -> None:
            batch, low, high = place
            begin, end = geometry.needed_input(
                low, high, layer.kernel_size, layer.strides, layer.dilation_rate
            )
            begin = min(max(begin - first, 0), x.shape[1])
            needed = x[batch, begin : max(begin, end - first)]
            target = out[batch] if self.needs_all_steps else out[batch, low - start : high - start]
            self._tile(needed, first + begin, target, low, high - low)

        run_all(compute_tile, tiles, self.threads)

    def _tiles(self, batch: int, start: int, stop: int) -> Iterator[tuple[slice, int, int]]:
        """Tiles of outputs from `start` to `stop`: a range of recordings, the first output, the end."""
        width = self.channels * self.layer.depth_multiplier
        outputs = min(TILE_OUTPUTS, max(LEAST_TILE_OUTPUTS, batch * (stop - start) * width // self.threads))
        steps = max(1, outputs // width)
        if self._axes.channels_first:
            share = -(-(stop - start) // self.threads)
            steps = max(steps, min(FULL_SPEED_STEPS, LARGEST_TILE_OUTPUTS // width, share))
        steps = max(self.panel, steps // self.panel * self.panel)
        together = max(1, outputs // (width * max(1, min(steps, stop - start))))
        for item in range(0, batch, together):
            low = start
            while low < stop:
                # Tiles end at multiples of `steps` from output 0 on, so that few panels are computed in two tiles.
                high = min(stop, (low // steps + 1) * steps)
                yield slice(item, min(batch, item + together)), low, high
                low = high

    # NaN, Inf and overflow are results here, not errors.
    @np.errstate(all="ignore")
    def _tile(self, x: Array, first: int, out: Array, start: int, steps: int) -> None:
        """Compute one tile as :meth:`run` says; `steps` counts its outputs before the activation."""
        compute, axes, integers = self.precision.compute, self._axes, self._integers
        if x.dtype != compute:
            data, x = x, axes.empty(x.shape, compute, partial(SCRATCH.take, "cast"))
            np.copyto(x, data, casting="unsafe")
        if integers is not None:
            x = integers.as_signed(x)
        width = self.channels * self.layer.depth_multiplier
        target = axes.restore(out)
        # Sums stand in the output from the start where they fit it, else in scratch until the epilogue moves them.
        in_place = integers is None and self._epilogue.sums_fit(target, len(out) * steps * width, compute)
        sums = out
        if not in_place:
            sums = axes.empty((len(out), steps, width), x.dtype, partial(SCRATCH.take, "sums"))
        self._prepared(x, first, sums.reshape(*sums.shape[:2], self.channels, -1), start)
        if integers is not None:
            sums = integers.checked(sums)
        self._epilogue(target if in_place else axes.restore(sums), target)


def _bias_for(bias: Array | None, channels: int, multiplier: int, compute: np.dtype[Any]) -> Array | None:
    if bias is None or not bias.any():
        return None
    if bias.shape != (channels * multiplier,):
        raise ShapeError(f"the bias has shape {bias.shape}, {channels} channels x {multiplier} need as many")
    if bias.dtype.kind == "c" and compute.kind != "c":
        raise ShapeError(f"the bias is complex, data and kernel are {compute}; use --dtype complex64")
    with np.errstate(all="ignore"):
        return bias.astype(compute)
