"""Hypothesis strategies: layers that can exist, and data that fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dwconv_cli import LayerSpec

Array = np.ndarray[Any, Any]

PADDINGS = ("valid", "same", "causal")
DATA_FORMATS = ("channels_last", "channels_first")
FLOATS = ("float32", "float64")


@dataclass(frozen=True)
class Layer:
    """A layer's shape, without weights."""

    kernel_size: int = 1
    channels: int = 1
    depth_multiplier: int = 1
    strides: int = 1
    padding: str = "valid"
    dilation_rate: int = 1
    data_format: str = "channels_last"
    use_bias: bool = True

    @property
    def effective_kernel_size(self) -> int:
        return (self.kernel_size - 1) * self.dilation_rate + 1

    @property
    def arguments(self) -> dict[str, Any]:
        """Keywords of ``depthwise_conv1d``, the oracle's and the package's alike."""
        return {
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
        }

    def spec(self, **more: Any) -> LayerSpec:
        """The package's layer of this shape."""
        return LayerSpec(
            kernel_size=self.kernel_size,
            depth_multiplier=self.depth_multiplier,
            use_bias=self.use_bias,
            **self.arguments,
            **more,
        )


@dataclass(frozen=True)
class Case:
    """A layer with data that fits it: ``depthwise_conv1d(*case.arrays, **case.arguments)`` is the convolution."""

    layer: Layer
    inputs: Array
    kernel: Array
    bias: Array | None

    @property
    def arrays(self) -> tuple[Array, Array, Array | None]:
        return self.inputs, self.kernel, self.bias

    @property
    def arguments(self) -> dict[str, Any]:
        return self.layer.arguments

    @property
    def steps(self) -> int:
        if self.inputs.ndim == 1 or self.layer.data_format == "channels_first":
            return int(self.inputs.shape[-1])
        return int(self.inputs.shape[-2])


@st.composite
def layers(
    draw: st.DrawFn,
    *,
    max_kernel_size: int = 9,
    max_channels: int = 5,
    max_depth_multiplier: int = 3,
    max_strides: int = 4,
    max_dilation_rate: int = 4,
    paddings: tuple[str, ...] = PADDINGS,
    data_formats: tuple[str, ...] = DATA_FORMATS,
    strided_dilation: bool = False,
) -> Layer:
    """Layers as Keras documents them, causal padding beside them.

    Strides and dilation are both above 1 only with `strided_dilation`, in every layer then.
    """
    both = st.tuples(st.integers(2, max_strides), st.integers(2, max_dilation_rate))
    strides, dilation_rate = draw(
        both
        if strided_dilation
        else st.one_of(
            st.just((1, 1)),
            st.tuples(st.integers(1, max_strides), st.just(1)),
            st.tuples(st.just(1), st.integers(1, max_dilation_rate)),
        )
    )
    return Layer(
        kernel_size=draw(st.integers(1, max_kernel_size)),
        channels=draw(st.integers(1, max_channels)),
        depth_multiplier=draw(st.integers(1, max_depth_multiplier)),
        strides=strides,
        padding=draw(st.sampled_from(paddings)),
        dilation_rate=dilation_rate,
        data_format=draw(st.sampled_from(data_formats)),
        use_bias=draw(st.booleans()),
    )


@st.composite
def shapes(
    draw: st.DrawFn,
    layer: Layer,
    *,
    ranks: tuple[int, ...] = (1, 2, 3),
    max_batch: int = 3,
    max_steps: int = 40,
) -> tuple[int, ...]:
    """Shapes of recordings that give `layer` at least one output; rank 1 only where it has one channel."""
    fewest = layer.effective_kernel_size if layer.padding == "valid" else 1
    steps = draw(st.integers(fewest, max(fewest, max_steps)))
    rank = draw(st.sampled_from([rank for rank in ranks if rank > 1 or layer.channels == 1] or [2]))
    if rank == 1:
        return (steps,)
    first = layer.data_format == "channels_first"
    one = (layer.channels, steps) if first else (steps, layer.channels)
    return one if rank == 2 else (draw(st.integers(1, max_batch)), *one)


@st.composite
def exact_cases(
    draw: st.DrawFn,
    /,
    layer: st.SearchStrategy[Layer] | None = None,
    *,
    dtypes: tuple[str, ...] = FLOATS,
    magnitude: int = 8,
    **shape: Any,
) -> Case:
    """Small integers in a floating `dtype`: sums are exact in any order, so results are equal bit for bit."""

    def numbers(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return rng.integers(-magnitude, magnitude, size, endpoint=True)

    return draw(_cases(numbers, layer, dtypes, **shape))


@st.composite
def float_cases(
    draw: st.DrawFn,
    /,
    layer: st.SearchStrategy[Layer] | None = None,
    *,
    dtypes: tuple[str, ...] = FLOATS,
    max_exponent: int = 6,
    **shape: Any,
) -> Case:
    """Normal numbers whose sizes differ by up to ``10 ** (2 * max_exponent)``, for results within a bound."""
    spread = draw(st.integers(0, max_exponent))

    def numbers(rng: np.random.Generator, size: tuple[int, ...]) -> Array:
        return rng.standard_normal(size) * 10.0 ** rng.uniform(-spread, spread, size)

    return draw(_cases(numbers, layer, dtypes, **shape))


@st.composite
def nonfinite_cases(
    draw: st.DrawFn,
    /,
    layer: st.SearchStrategy[Layer] | None = None,
    *,
    dtypes: tuple[str, ...] = FLOATS,
    in_weights: bool = True,
    **shape: Any,
) -> Case:
    """Small integers with a few NaN and infinities among the inputs and, if `in_weights`, the weights."""
    case = draw(exact_cases(layer, dtypes=dtypes, **shape))
    targets = [case.inputs]
    if in_weights:
        targets += [case.kernel] if case.bias is None else [case.kernel, case.bias]
    for _ in range(draw(st.integers(1, 3))):
        target = draw(st.sampled_from(targets))
        place = draw(st.integers(0, target.size - 1))
        target.flat[place] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    return case


def splits(steps: int, *, max_blocks: int = 6) -> st.SearchStrategy[list[int]]:
    """Lengths of consecutive blocks that add up to `steps`; some may be empty."""
    cuts = st.lists(st.integers(0, steps), max_size=max_blocks - 1).map(sorted)
    return cuts.map(lambda inner: np.diff([0, *inner, steps]).tolist())


@st.composite
def _cases(
    draw: st.DrawFn,
    /,
    numbers: Any,
    layer: st.SearchStrategy[Layer] | None,
    dtypes: tuple[str, ...],
    **shape: Any,
) -> Case:
    spec = draw(layers() if layer is None else layer)
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    # One seed in place of a draw for each number is far quicker, and failures still shrink in shape.
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def values(size: tuple[int, ...]) -> Array:
        real = numbers(rng, size)
        array: Array = (real + 1j * numbers(rng, size) if dtype.kind == "c" else real).astype(dtype)
        return array

    return Case(
        layer=spec,
        inputs=values(draw(shapes(spec, **shape))),
        kernel=values((spec.kernel_size, spec.channels, spec.depth_multiplier)),
        bias=values((spec.channels * spec.depth_multiplier,)) if spec.use_bias else None,
    )
