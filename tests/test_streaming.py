"""Recordings in pieces: any split gives the bits of the whole."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import oracle
import pytest
import strategies
from checks import able, assert_same_bits, examples
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli import LayerSpec, StreamingConv, Weights, depthwise_conv1d
from dwconv_cli.convolution.algorithms import ALGORITHMS
from dwconv_cli.convolution.blockwise import BlockwiseConvolution
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer.catalogues.activations import NEEDS_WHOLE_AXIS

Array = np.ndarray[Any, Any]

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
ACTIVE = (
    "linear",
    "linear",
    "linear",
    "tanh",
    "gelu",
    "selu",
    "softplus",
    *sorted(NEEDS_WHOLE_AXIS - {"glu"}),
)


def cut(x: Array, data_format: str, lengths: list[int]) -> list[Array]:
    axis = -1 if x.ndim == 1 or data_format == "channels_first" else -2
    return np.split(x, np.cumsum(lengths)[:-1], axis=axis)


def steps_first(array: Array, rank: int, data_format: str) -> Array:
    """Outputs of any rank as (batch, steps, channels)."""
    if rank == 1:
        return array[None, :, None] if array.ndim == 1 else array[None]
    array = array if array.ndim == 3 else array[None]
    return array if data_format == "channels_last" else array.transpose(0, 2, 1)


def streamed(stream: StreamingConv, x: Array, lengths: list[int]) -> tuple[Array, list[int]]:
    """All outputs as (batch, steps, channels), and how many each push gave."""
    data_format = stream.convolution.layer.data_format
    parts = [
        steps_first(stream.push(block), block.ndim, data_format) for block in cut(x, data_format, lengths)
    ]
    parts.append(steps_first(stream.finish(), 3, data_format))
    return np.concatenate(parts, axis=1), [part.shape[1] for part in parts]


@EVERY
@examples(2)
@given(
    st.data(),
    st.one_of(
        strategies.float_cases(dtypes=("float32", "float64", "float16", "complex64"), max_exponent=3),
        strategies.nonfinite_cases(),
        strategies.float_cases(strategies.layers(max_kernel_size=3, max_strides=12), max_steps=60),
        strategies.float_cases(strategies.layers(max_kernel_size=70, max_channels=2), max_steps=400),
    ),
)
def test_any_split_is_the_whole(algorithm: str, data: st.DataObject, case: strategies.Case) -> None:
    layer, complex_ = case.layer, case.inputs.dtype.kind == "c"
    activation = "linear" if complex_ else data.draw(st.sampled_from(ACTIVE), "activation")
    lengths = data.draw(strategies.splits(case.steps), "lengths")
    known = data.draw(st.booleans(), "length known") or (layer.strides > 1 and layer.padding == "same")
    spec = layer.spec(activation=activation)
    algorithm = able(algorithm, spec, layer.channels, case.inputs.dtype)
    whole = depthwise_conv1d(*case.arrays, **case.arguments, activation=activation, algorithm=algorithm)
    expected = steps_first(whole, case.inputs.ndim, layer.data_format)
    stream = StreamingConv(
        spec,
        Weights(case.kernel, case.bias),
        dtype=case.inputs.dtype,
        batch=case.inputs.shape[0] if case.inputs.ndim == 3 else 1,
        steps=case.steps if known else None,
        algorithm=algorithm,
    )
    outputs, given_ = streamed(stream, case.inputs, lengths)
    assert_same_bits(outputs, expected)
    if stream.convolution.panel == 1 and not stream.convolution.needs_all_steps:
        keys = ("strides", "padding", "dilation_rate")
        options = {key: case.arguments[key] for key in keys}
        _, left, right = oracle.lengths(case.steps, layer.kernel_size, **options)
        # Whatever a block completes is given at once: finish() has but the outputs that reach into the right padding.
        for received, ready in zip(np.cumsum(lengths), np.cumsum(given_[:-1]), strict=True):
            last_taps = np.arange(expected.shape[1]) * spec.strides + spec.effective_kernel_size - 1 - left
            assert ready == np.count_nonzero(last_taps < received)
        assert right > 0 or given_[-1] == 0


@pytest.mark.usefixtures("small_tiles")
@EVERY
@pytest.mark.parametrize("data_format", strategies.DATA_FORMATS)
@pytest.mark.parametrize("strides, dilation, taps", [(1, 1, 9), (3, 1, 9), (1, 4, 9), (7, 1, 2), (1, 1, 120)])
def test_long_recordings(algorithm: str, data_format: str, strides: int, dilation: int, taps: int) -> None:
    """Blocks on both sides of tiles and panels, and blocks of one step."""
    rng = np.random.default_rng(4)
    x = (rng.standard_normal((2, 8_003, 2)) * 10.0 ** rng.uniform(-5, 5, (2, 8_003, 2))).astype(np.float32)
    x[:, 4_000] = np.nan
    kernel = rng.standard_normal((taps, 2, 1)).astype(np.float32)
    options = {"strides": strides, "dilation_rate": dilation, "data_format": data_format, "padding": "causal"}
    spec = LayerSpec(kernel_size=taps, **options)
    algorithm = able(algorithm, spec, 2, "float32")
    for steps, length in ((8_003, 8_003), (8_003, 1_021), (300, 1)):
        part = x[:, :steps] if data_format == "channels_last" else x[:, :steps].transpose(0, 2, 1).copy()
        whole = depthwise_conv1d(part, kernel, algorithm=algorithm, **options)
        stream = StreamingConv(spec, Weights(kernel), batch=2, algorithm=algorithm)
        outputs, _ = streamed(stream, part, [length] * (steps // length) + [steps % length])
        assert_same_bits(outputs, steps_first(whole, 3, data_format))


def test_a_stream_lasts_as_long_as_it_likes_in_little_memory() -> None:
    stream = StreamingConv(LayerSpec(kernel_size=65), Weights(np.ones((65, 1, 1), np.float32)))
    block = np.ones(4096, np.float32)
    stream.push(block)
    tracemalloc.start()
    try:
        given_ = sum(len(stream.push(block)) for _ in range(400))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert given_ > 399 * 4096
    assert peak < 4 << 20


def test_outputs_given_stay_as_they_are() -> None:
    stream = StreamingConv(LayerSpec(kernel_size=2), Weights(np.ones((2, 1, 1))), dtype=np.float64)
    block = np.arange(5.0)
    first = stream.push(block)
    block[:] = np.nan
    second = stream.push(np.arange(5.0))
    assert first.tolist() == [1, 3, 5, 7]
    assert second.tolist() == [4, 1, 3, 5, 7]


@pytest.mark.parametrize(
    "padding, strides, steps, pushed, finished",
    [
        ("valid", 1, None, [0, 3, 4, 0, 1], 0),
        ("causal", 1, None, [2, 5, 4, 0, 1], 0),
        ("same", 1, None, [0, 5, 4, 0, 1], 2),
        ("valid", 3, None, [0, 1, 2, 0, 0], 0),
        ("causal", 3, None, [1, 2, 1, 0, 0], 0),
        # 12 steps at 3 apart: 4 outputs, two steps of padding, one on each side.
        ("same", 3, 12, [0, 2, 1, 0, 0], 1),
    ],
)
def test_sizes(padding: str, strides: int, steps: int | None, pushed: list[int], finished: int) -> None:
    """Blocks of 2, 5, 4, 0 and 1 steps, 5 taps."""
    spec = LayerSpec(
        kernel_size=5, padding=padding, strides=strides, data_format="channels_first", depth_multiplier=2
    )
    stream = StreamingConv(spec, Weights(np.ones((5, 3, 2), np.float32)), batch=2, steps=steps)
    shapes = [stream.push(np.ones((2, 3, n), np.float32)).shape for n in (2, 5, 4, 0, 1)]
    assert shapes == [(2, 6, n) for n in pushed]
    assert stream.finish().shape == (2, 6, finished)


@pytest.mark.parametrize("activation", sorted(NEEDS_WHOLE_AXIS))
def test_activations_over_all_steps_wait_for_the_end(activation: str) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 21)).astype(np.float32)
    kernel = np.ones((2, 3, 2), np.float32)
    spec = LayerSpec(kernel_size=2, depth_multiplier=2, data_format="channels_first", activation=activation)
    stream = StreamingConv(spec, Weights(kernel), batch=2)
    assert stream.convolution.needs_all_steps
    for block in np.split(x, [4, 4, 20], axis=2):
        assert stream.push(block).shape == (2, 6, 0)
    expected = depthwise_conv1d(x, kernel, data_format="channels_first", activation=activation)
    assert_same_bits(stream.finish(), expected)


def test_a_shared_kernel_needs_the_channels() -> None:
    kernel = np.arange(3.0, dtype=np.float32)[:, None, None]
    spec = LayerSpec(kernel_size=3)
    stream = StreamingConv(spec, Weights(kernel, shared=True), channels=4)
    x = np.arange(40.0, dtype=np.float32).reshape(10, 4)
    assert np.array_equal(stream.push(x), oracle.depthwise_conv1d(x, kernel[:, 0, 0]))


def test_over_a_convolution_that_is_ready() -> None:
    convolution = Convolution(LayerSpec(kernel_size=3), Weights(np.ones((3, 1, 1))), 1, np.float64)
    for _ in range(2):
        blockwise = BlockwiseConvolution(convolution)
        blockwise.space(5)[...] = np.arange(5.0)[:, None]
        assert blockwise.advance(5).ravel().tolist() == [3, 6, 9]
        assert blockwise.advance(0, last=True).shape == (1, 0, 1)


class TestRefused:
    weights = Weights(np.ones((3, 2, 1), np.float32))

    def stream(self, **more: Any) -> StreamingConv:
        layer = {key: more.pop(key) for key in ("padding", "strides", "activation") if key in more}
        return StreamingConv(LayerSpec(kernel_size=3, **layer), self.weights, **more)

    def test_same_with_strides_of_unknown_length(self) -> None:
        with pytest.raises(LayerError, match="padding=same with strides=2 depends on the recording's length"):
            self.stream(padding="same", strides=2)
        assert self.stream(padding="same", strides=2, steps=9).finish  # known

    @pytest.mark.parametrize("shape", [(5, 3), (2, 5, 2), (5,), (), (1, 1, 5, 2), (2, 5)])
    def test_blocks_of_other_shapes(self, shape: tuple[int, ...]) -> None:
        stream = self.stream()
        with pytest.raises(ShapeError):
            stream.push(np.ones(shape, np.float32))
        # The stream goes on as if nothing had been pushed.
        assert stream.push(np.ones((5, 2), np.float32)).tolist() == [[3, 3]] * 3

    @pytest.mark.parametrize("dtype", ["complex64", "U1", "O"])
    def test_blocks_of_other_dtypes(self, dtype: str) -> None:
        with pytest.raises(ShapeError, match="expected float32"):
            self.stream().push(np.ones((5, 2)).astype(dtype))

    @pytest.mark.parametrize("received", [0, 5, 7])
    def test_another_length_than_was_said(self, received: int) -> None:
        stream = self.stream(steps=6)
        stream.push(np.ones((received, 2), np.float32))
        with pytest.raises(ShapeError, match=f"ended after {received} of 6 steps"):
            stream.finish()

    @pytest.mark.parametrize("padding, steps", [("valid", 2), ("valid", 0), ("same", 0), ("causal", 0)])
    def test_too_short(self, padding: str, steps: int) -> None:
        stream = self.stream(padding=padding)
        assert stream.push(np.ones((steps, 2), np.float32)).shape == (0, 2)
        with pytest.raises(ShapeError, match=f"{steps} steps are too few"):
            stream.finish()

    def test_after_the_end(self) -> None:
        stream = self.stream(padding="same")
        stream.push(np.ones((5, 2), np.float32))
        stream.finish()
        with pytest.raises(ShapeError, match="has ended"):
            stream.push(np.ones((5, 2), np.float32))
        with pytest.raises(ShapeError, match="has ended"):
            stream.finish()

    def test_glu_of_an_odd_number_of_steps(self) -> None:
        spec = LayerSpec(kernel_size=3, data_format="channels_first", activation="glu")
        stream = StreamingConv(spec, self.weights)
        stream.push(np.ones((2, 5), np.float32))
        with pytest.raises(LayerError, match="odd"):
            stream.finish()


def test_overflow_into_the_stream_is_silent() -> None:
    stream = StreamingConv(LayerSpec(kernel_size=1), Weights(np.ones((1, 1, 1), np.float32)))
    assert stream.push(np.array([1e300, 1.0])).tolist() == [np.inf, 1.0]
