"""The convolution in arrays, by every algorithm, against the definition."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
import strategies
from checks import MEMORY, assert_same_bits, examples, recorded, refused, reshaped_in_memory
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dwconv_cli import depthwise_conv1d
from dwconv_cli.convolution.algorithms import ALGORITHMS
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.convolution.plan import plan_conv, problem_of
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS, NEEDS_WHOLE_AXIS
from dwconv_cli.layer.config import from_config
from dwconv_cli.layer.spec import LayerSpec, Weights

Array = np.ndarray[Any, Any]

LAYERS = [entry["config"] for entry in recorded("layers")[0]["layers"]]
EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
# The automatic choice is one of the others; it is tried where it is quick.
AND_AUTO = pytest.mark.parametrize("algorithm", ["auto", *ALGORITHMS])
# Kernels as long as each algorithm was made for, and longer than most recordings here.
LONG = strategies.layers(max_kernel_size=70, max_channels=3, max_depth_multiplier=2)
# What sums in the frequency domain is exact on small integers once it is rounded.
ROUNDS = {"auto", "overlap-save"}


def convolve(algorithm: str, *arrays: Any, **options: Any) -> Array:
    """By an algorithm, or by the automatic choice where that one does not take the layer."""
    try:
        return depthwise_conv1d(*arrays, algorithm=algorithm, **options)
    except LayerError as error:
        if "cannot do this layer" not in str(error):
            raise
        return depthwise_conv1d(*arrays, **options)


def assert_whole(algorithm: str, outputs: Array, expected: Array) -> None:
    """Equal to sums of integers, NaN and Inf among them."""
    outputs = np.rint(outputs) if algorithm in ROUNDS else outputs
    assert np.array_equal(outputs, expected, equal_nan=True)


def whole_numbers(shape: tuple[int, int, int], taps: int, multiplier: int = 1) -> tuple[Array, Array]:
    """A recording and a kernel of small integers, whose sums are exact."""
    rng = np.random.default_rng(taps)
    return (
        rng.integers(-8, 9, shape).astype(np.float32),
        rng.integers(-8, 9, (taps, shape[2], multiplier)).astype(np.float32),
    )


@AND_AUTO
@examples(3)
@given(
    case=st.one_of(
        strategies.exact_cases(),
        strategies.exact_cases(strategies.layers(strided_dilation=True)),
        strategies.exact_cases(LONG, max_steps=300),
        strategies.exact_cases(dtypes=("complex64", "complex128")),
        strategies.nonfinite_cases(),
        strategies.nonfinite_cases(LONG, max_steps=300, in_weights=False),
    )
)
def test_sums_are_those_of_the_definition(algorithm: str, case: strategies.Case) -> None:
    outputs = convolve(algorithm, *case.arrays, **case.arguments)
    assert outputs.dtype == case.inputs.dtype
    assert_whole(algorithm, outputs, oracle.depthwise_conv1d(*case.arrays, **case.arguments))


@AND_AUTO
@examples(2)
@given(case=strategies.float_cases() | strategies.float_cases(dtypes=("float16",), max_exponent=1))
def test_rounding_errors_keep_their_bound(algorithm: str, case: strategies.Case) -> None:
    outputs = convolve(algorithm, *case.arrays, **case.arguments)
    assert outputs.dtype == case.inputs.dtype
    wide = (None if array is None else array.astype(np.longdouble) for array in case.arrays)
    truth = oracle.depthwise_conv1d(*wide, **case.arguments)
    with np.errstate(over="ignore"):
        last_bit = np.spacing(np.abs(truth).astype(outputs.dtype)).astype(np.float64)
    # Sums of float16 are added up in float32; the longdouble is as long as a float64 on some machines.
    computed = np.promote_types(outputs.dtype, np.float32)
    bound = sum(
        oracle.error_bound(*case.arrays, dtype=dtype, **case.arguments) for dtype in (computed, np.longdouble)
    )
    bound = (bound + 0.5 * last_bit * (outputs.dtype == np.float16)) * (1 + 1e-6)
    fits = np.abs(truth) < np.finfo(outputs.dtype).max * 0.99
    assert (np.abs(outputs - truth) <= bound)[fits].all()


WHOLE = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@EVERY
@given(case=strategies.exact_cases(magnitude=1), whole=st.sampled_from(WHOLE), other=st.sampled_from(WHOLE))
def test_integers(algorithm: str, case: strategies.Case, whole: str, other: str) -> None:
    arrays = np.abs(case.inputs).astype(whole), np.abs(case.kernel).astype(other), case.bias
    outputs = convolve(algorithm, *arrays, **case.arguments)
    both_small = arrays[0].itemsize <= 2 and arrays[1].itemsize <= 2
    assert outputs.dtype == (np.float32 if both_small else np.float64)
    assert np.array_equal(outputs, oracle.depthwise_conv1d(*arrays, **case.arguments))


EDGES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    # float32 does not hold 9e8 + 1, on the way to 1.
    "integers are summed before they are rounded": (
        np.array([30000, 1, -30000], "i2"), np.array([30000, 1, 30000], "i2"), {}),
    **{
        f"{padding} with taps {apart} steps apart": (
            np.arange(1.0, 6), np.array([1.0, 10, 100]), {"padding": padding, "dilation_rate": apart})
        for padding in ("same", "causal") for apart in (7, 1000, 10**5)
    },
    **{
        f"one output of strides {strides}": (np.arange(5.0), np.array([1.0, 10, 100]), {"strides": strides})
        for strides in (7, 1000, 10**5)
    },
    # With 3 taps 4 steps apart, the outer taps of 2 steps see padding alone.
    "NaN and Inf on padding": (
        np.array([1.0, 2]), np.array([np.nan, 3, np.inf]), {"padding": "same", "dilation_rate": 4}),
    "outputs of padding alone": (
        np.array([1.0, 2]), np.array([np.nan, 0]), {"padding": "same", "dilation_rate": 4}),
    "a batch of none": (np.empty((0, 5, 3)), np.ones(1), {}),
    "a batch of none of one step": (np.empty((0, 1, 1)), np.ones(1), {}),
    "rank 1 has no layout": (np.arange(6.0), np.array([[[1.0, 10]]]), {"data_format": "channels_first"}),
}  # fmt: skip


@EVERY
@pytest.mark.parametrize("x, kernel, options", EDGES.values(), ids=EDGES)
def test_edges(algorithm: str, x: Array, kernel: Array, options: dict[str, Any]) -> None:
    expected = oracle.depthwise_conv1d(x, kernel, **options)
    assert_whole(algorithm, convolve(algorithm, x, kernel, **options), expected)
    out = np.empty(expected.shape, np.promote_types(x.dtype, np.float32))
    assert convolve(algorithm, x, kernel, out=out, **options) is out
    assert_whole(algorithm, out, expected)


@EVERY
def test_one_nan_touches_its_taps_alone(algorithm: str) -> None:
    x = np.ones((20_000, 2), np.float32)
    x[11_234, 1] = np.nan
    outputs = convolve(algorithm, x, np.ones((9, 2, 1), np.float32), padding="same")
    assert np.argwhere(np.isnan(outputs)).tolist() == [[o, 1] for o in range(11_230, 11_239)]
    assert_whole(algorithm, outputs[10:11_230], np.full((11_220, 2), 9))


@EVERY
def test_overflow_is_infinite_there_and_nowhere_else(algorithm: str) -> None:
    x = np.ones(1000, np.float32)
    x[500] = 3e38
    outputs = convolve(algorithm, x, np.full(5, 10, np.float32), padding="same")
    assert np.flatnonzero(np.isinf(outputs)).tolist() == [498, 499, 500, 501, 502]
    assert not np.isnan(outputs).any()
    assert_whole(algorithm, outputs[2:498], np.full(496, 50))


@AND_AUTO
@pytest.mark.parametrize("x, kernel, bias, dtype, expected", [
    ([1e300, 1], [1.0], None, "float32", [np.inf, 1]),
    ([1e300, 1], [1.0], None, "float16", [np.inf, 1]),
    ([70000.0, 1], [1.0], None, "float16", [np.inf, 1]),
    ([2.0, -1], [1e300], None, "float32", [np.inf, -np.inf]),
    ([2.0, -1], [1.0], [1e300], "float32", [np.inf, np.inf]),
    ([np.inf, 1], [1.0], [-np.inf], None, [np.nan, -np.inf]),
    ([np.inf, 1], [0.0], None, None, [np.nan, 0]),
    ([1.7e308, 1], [1.7e308], [-np.inf], None, [np.nan, -np.inf]),
    ([5e-324, 1], [0.5], None, None, [0, 0.5]),
])  # fmt: skip
def test_casts_and_sums_at_the_edge_are_silent(
    algorithm: str, x: list[float], kernel: list[float], bias: Any, dtype: str | None, expected: list[float]
) -> None:
    outputs = convolve(algorithm, np.array(x), np.array(kernel), bias, dtype=dtype)
    assert np.array_equal(outputs, expected, equal_nan=True)


@EVERY
@given(
    case=strategies.exact_cases(max_steps=20)
    | strategies.exact_cases(strategies.layers(max_channels=3, max_depth_multiplier=2), max_steps=4000),
    inputs=st.sampled_from(MEMORY),
    weights=st.sampled_from(MEMORY),
    target=st.sampled_from(("plain", "fortran", "reversed", "spaced", "unaligned")),
)
def test_any_memory(algorithm: str, case: strategies.Case, inputs: str, weights: str, target: str) -> None:
    """What is read and written in place when it lies well is right when it does not."""
    plain = convolve(algorithm, *case.arrays, **case.arguments)
    assert_whole(algorithm, plain, oracle.depthwise_conv1d(*case.arrays, **case.arguments))
    x, kernel = reshaped_in_memory(case.inputs, inputs), reshaped_in_memory(case.kernel, weights)
    bias = None if case.bias is None else reshaped_in_memory(case.bias, weights)
    out = reshaped_in_memory(np.full_like(plain, 7), target)
    assert_same_bits(convolve(algorithm, x, kernel, bias, out=out, **case.arguments), plain)
    assert_same_bits(convolve(algorithm, x, kernel, bias, **case.arguments), plain)
    assert np.array_equal(x, case.inputs)
    assert np.array_equal(kernel, case.kernel)


@pytest.mark.parametrize("config", LAYERS, ids=lambda config: str(config["name"]))
@AND_AUTO
def test_layers_of_keras(algorithm: str, config: dict[str, Any]) -> None:
    arrays = recorded("layers")[1]
    x, kernel, bias, expected = (
        arrays.get(f"{config['name']}/{key}") for key in ("inputs", "kernel", "bias", "outputs")
    )
    spec = from_config(config)
    keys = ("strides", "padding", "data_format", "dilation_rate", "activation", "dtype")
    outputs = convolve(algorithm, x, kernel, bias, **{key: getattr(spec, key) for key in keys})
    assert outputs.dtype == expected.dtype
    assert outputs.shape == expected.shape == spec.output_shape(x.shape)
    tolerance = {"float32": 2e-5, "float64": 1e-12}[outputs.dtype.name]
    np.testing.assert_allclose(outputs, expected, rtol=tolerance, atol=tolerance)


class Tiled(NamedTuple):
    """A recording of many small tiles and panels, with borders that fall on none of them, and its layer."""

    shape: tuple[int, int, int]
    taps: int
    strides: int = 1
    dilation: int = 1
    multiplier: int = 1


MANY_TILES = [
    Tiled((1, 35_001, 1), 3),
    Tiled((1, 9_003, 4), 9),
    Tiled((3, 6_001, 2), 31),
    Tiled((1, 20_001, 1), 129),
    Tiled((2, 8_001, 3), 16, strides=4),
    Tiled((1, 10_001, 2), 9, dilation=8),
    Tiled((2, 2_001, 5), 8, multiplier=4),
    Tiled((1, 501, 130), 7),
    Tiled((1, 99, 600), 3, strides=2, multiplier=2),
    Tiled((40, 131, 7), 5, dilation=3),
    Tiled((90, 11, 3), 4, multiplier=2),
]


@pytest.mark.usefixtures("small_tiles")
@EVERY
@pytest.mark.parametrize(
    "case, padding",
    [(case, strategies.PADDINGS[i % 3]) for i, case in enumerate(MANY_TILES)],
    ids=str,
)
def test_many_tiles(algorithm: str, case: Tiled, padding: str) -> None:
    x, kernel = whole_numbers(case.shape, case.taps, case.multiplier)
    options: dict[str, Any] = {"padding": padding, "strides": case.strides, "dilation_rate": case.dilation}
    expected = oracle.depthwise_conv1d(x, kernel, **options)
    assert_whole(algorithm, convolve(algorithm, x, kernel, **options), expected)
    outputs = convolve(algorithm, x.transpose(0, 2, 1), kernel, data_format="channels_first", **options)
    assert_whole(algorithm, outputs, expected.transpose(0, 2, 1))


def noisy(shape: tuple[int, int, int], taps: int, multiplier: int, dtype: str) -> tuple[Array, Array, Array]:
    """Numbers of many sizes, some of which no transform is good enough for."""
    rng = np.random.default_rng(5)
    x = (rng.standard_normal(shape) * 10.0 ** rng.uniform(-6, 6, shape)).astype(dtype)
    x[:, shape[1] // 2, 0] = np.nan
    x[:, -1, -1] = np.inf
    kernel = rng.standard_normal((taps, shape[2], multiplier)).astype(dtype)
    return x, kernel, rng.standard_normal(shape[2] * multiplier).astype(dtype)


@pytest.mark.usefixtures("small_tiles")
@EVERY
@pytest.mark.parametrize(
    "dtype, data_format",
    [("float32", "channels_last"), ("float64", "channels_first"), ("complex64", "channels_last")],
)
@pytest.mark.parametrize("case", MANY_TILES[2:10], ids=str)
def test_bits_depend_on_the_taps_alone(algorithm: str, dtype: str, data_format: str, case: Tiled) -> None:
    """Not on threads, batch, what surrounds a recording, or how it lies in memory."""
    shape, taps, strides, dilation, multiplier = case
    x, kernel, bias = noisy((min(shape[0], 3), *shape[1:]), taps, multiplier, dtype)
    options: dict[str, Any] = {"strides": strides, "dilation_rate": dilation, "data_format": data_format}

    def outputs(x: Array, **more: Any) -> Array:
        if data_format == "channels_first":
            x = np.ascontiguousarray(x.transpose(0, 2, 1))
        y = convolve(algorithm, x, kernel, bias, padding="valid", **options, **more)
        return y if data_format == "channels_last" else y.transpose(0, 2, 1)

    whole = outputs(x)
    spec = LayerSpec(kernel_size=taps, depth_multiplier=multiplier, **options)
    panel = Convolution(spec, Weights(kernel), shape[2], dtype, algorithm=algorithm).panel
    for threads in (1, 3):
        assert_same_bits(outputs(x, threads=threads), whole)
    assert_same_bits(outputs(x[-1:]), whole[-1:])
    assert_same_bits(outputs(np.concatenate([x, x])), np.concatenate([whole, whole]))
    # Leaving off the end changes no output that stays.
    span = (taps - 1) * dilation + 1
    for length in (span, span + 1, min(x.shape[1] - 1, span + 777)):
        shorter = outputs(x[:, :length])
        stays = shorter.shape[1] // panel * panel
        assert_same_bits(shorter[:, :stays], whole[:, :stays])


@EVERY
def test_a_part_of_the_channels_has_the_same_bits(algorithm: str) -> None:
    x, kernel, bias = noisy((2, 3000, 12), 9, 2, "float32")
    spec = LayerSpec(kernel_size=9, depth_multiplier=2, data_format="channels_first")
    whole = Convolution(spec, Weights(kernel, bias), 12, np.float32, algorithm=algorithm)

    def outputs(convolution: Convolution, x: Array) -> Array:
        out = convolution.empty_output((2, 2992, convolution.output_channels))
        convolution.run(x, 0, out, 0)
        return out

    expected = outputs(whole, x)
    for channels in (slice(0, 12), slice(0, 1), slice(3, 8), slice(11, 12), slice(4, 8)):
        part = outputs(whole.part(channels), x[..., channels])
        assert_same_bits(part, expected[..., 2 * channels.start : 2 * channels.stop])


def test_the_plan_is_that_of_the_problem() -> None:
    spec = LayerSpec(kernel_size=9)
    convolution = Convolution(spec, Weights(np.ones((9, 2, 1))), 2, np.float32)
    assert convolution.plan == plan_conv(problem_of(spec, 2, "float64"))


@EVERY
def test_the_algorithm_asked_for_is_the_one_that_runs(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = ALGORITHMS[algorithm].prepare

    def spied(*arguments: Any) -> Any:
        calls.append(algorithm)
        return real(*arguments)

    monkeypatch.setattr(ALGORITHMS[algorithm], "prepare", spied)
    convolve(algorithm, np.arange(50.0), np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5.5]))
    assert calls == [algorithm]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", ACTIVATIONS.names())
@pytest.mark.parametrize("data_format", strategies.DATA_FORMATS)
def test_activations_after_the_bias_in_any_tile(name: str, data_format: str) -> None:
    """By an activation of the whole output at once, and the same bits with any number of threads."""
    text = {"threshold": "threshold(threshold=0.5, default_value=1)"}.get(name, name)
    choice = ACTIVATIONS.parse(text)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 1001, 4), np.float32) * 3
    kernel, bias = rng.standard_normal((2, 4, 2), np.float32), rng.standard_normal(8, np.float32)
    first = data_format == "channels_first"

    def outputs(x: Array, activation: Any = None, **more: Any) -> Array:
        x = x.transpose(0, 2, 1) if first else x
        return depthwise_conv1d(x, kernel, bias, data_format=data_format, activation=activation, **more)

    # Keras's softmax and its like work on the last axis whatever data_format says.
    expected = ACTIVATIONS.function(choice)(outputs(x))
    for activation in (text, choice):
        for threads in (1, 3):
            assert_same_bits(outputs(x, activation, threads=threads), expected)
    if name not in NEEDS_WHOLE_AXIS:
        part = expected[1:, :, :899] if first else expected[1:, :899]
        assert_same_bits(outputs(x[1:, :900], text), part)


class TestOut:
    x = np.arange(20.0)
    kernel = np.array([1.0, 2, 3])

    @pytest.mark.parametrize(
        "out", [np.empty(17), np.empty((18, 1)), np.empty(18, "f4"), np.empty(18, ">f8")]
    )
    def test_of_another_kind(self, out: Array) -> None:
        with pytest.raises(ShapeError, match=r"out has shape .*, the output has"):
            depthwise_conv1d(self.x, self.kernel, out=out)

    def test_read_only(self) -> None:
        out = reshaped_in_memory(np.zeros(18), "read-only")
        with pytest.raises(ValueError, match="out must be an array that can be written"):
            depthwise_conv1d(self.x, self.kernel, out=out)
        assert not out.any()

    @pytest.mark.usefixtures("small_tiles")
    @EVERY
    @pytest.mark.parametrize("shift", [0, 1, 7])
    @pytest.mark.parametrize("padding", ["same", "causal"])
    def test_over_the_input(self, algorithm: str, shift: int, padding: str) -> None:
        room = np.arange(10_007.0) % 17
        x, out = room[:-7], room[shift : 10_000 + shift]
        expected = convolve(algorithm, x.copy(), self.kernel, padding=padding)
        convolve(algorithm, x, self.kernel, padding=padding, out=out)
        assert_same_bits(out, expected)


class TestRecentKernels:
    """Small kernels are kept prepared; nobody may notice."""

    x = np.arange(12.0)

    def test_changed_in_place(self) -> None:
        kernel, bias = np.array([1.0, 2.0, 4.25]), np.array([0.125])
        for _ in range(2):
            expected = oracle.depthwise_conv1d(self.x, kernel, bias)
            assert np.array_equal(depthwise_conv1d(self.x, kernel, bias), expected)
            kernel *= 2
            bias += 1
        before = kernel / 4, bias - 2
        assert np.array_equal(depthwise_conv1d(self.x, *before), oracle.depthwise_conv1d(self.x, *before))

    @pytest.mark.parametrize("wrong", [1.0, True, (1.0,), (True,)])
    def test_equal_but_not_whole(self, wrong: Any) -> None:
        kernel = np.array([1.0, 2.0, 4.5])
        for right in (1, (1,)):
            depthwise_conv1d(self.x, kernel, strides=right)
        with pytest.raises(LayerError, match="strides must be a whole number"):
            depthwise_conv1d(self.x, kernel, strides=wrong)

    @pytest.mark.parametrize(
        "data_format", ["channels_last", "CHANNELS_LAST", "channels_first", "Channels_First"]
    )
    def test_shared_kernel_over_other_channels(self, data_format: str) -> None:
        kernel = np.array([1.0, 2.0, 4.75])
        for channels in (4, 6, 1):
            x = np.arange(10.0 * channels).reshape(10, channels)
            x = x if data_format.lower() == "channels_last" else x.T
            expected = oracle.depthwise_conv1d(x, kernel, data_format=data_format.lower())
            assert np.array_equal(depthwise_conv1d(x, kernel, data_format=data_format), expected)

    def test_the_same_bytes_of_another_dtype_or_shape(self) -> None:
        single = np.array([1.0, 2.0], np.float32)
        taps = np.array([1.0, 2, 3, 4])
        for x, kernels in (
            (self.x, (single, single.view(np.int32), single.astype(">f4"))),
            (np.ones((6, 2)), (taps.reshape(2, 2), taps.reshape(2, 2, 1), taps.reshape(1, 2, 2), taps)),
        ):
            for kernel in kernels:
                assert np.array_equal(depthwise_conv1d(x, kernel), oracle.depthwise_conv1d(x, kernel))

    def test_from_many_threads_at_once(self) -> None:
        """More kernels than are kept, so that some are put in while others are taken out."""
        x = whole_numbers((3, 500, 3), 1)[0]
        kernels = [whole_numbers((1, 1, 3), taps)[1] for taps in range(1, 41)] * 2
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda kernel: depthwise_conv1d(x, kernel), kernels))
        for kernel, outputs in zip(kernels, results, strict=True):
            assert_whole("auto", outputs, oracle.depthwise_conv1d(x, kernel))


# Recordings of five million numbers, of which a second copy would not fit: dtype, shape, taps by algorithm, layer.
LARGE = [
    ("float32", (1, 5_000_000, 1), (3, 129), {}),
    ("float16", (1, 5_000_000, 1), (5, 129), {}),
    ("float32", (1, 40_000, 128), (3, 129), {}),
    ("float32", (1, 1_600, 3_000), (33, 33), {}),
    ("float32", (1, 12_500, 400), (33, 33), {"dilation_rate": 40}),
    ("float32", (1, 2_000, 2_500), (9, 9), {"data_format": "channels_first"}),
    ("float32", (1, 800_000, 6), (65, 300), {"strides": 5}),
]


@pytest.mark.parametrize("algorithm, number", [("direct", 0), ("overlap-save", 1)])
@pytest.mark.parametrize("dtype, shape, taps, layer", LARGE)
def test_working_memory_is_bounded(
    algorithm: str,
    number: int,
    dtype: str,
    shape: tuple[int, ...],
    taps: tuple[int, ...],
    layer: dict[str, Any],
) -> None:
    options = {"padding": "same", "algorithm": algorithm, "threads": 1, **layer}
    x, kernel = np.ones(shape, dtype), np.ones(taps[number], np.float32)
    # What is imported and what is prepared of the kernel are not the recording's.
    depthwise_conv1d(x[:, :, :50] if "data_format" in layer else x[:, :50], kernel, **options)
    out = np.empty(LayerSpec(kernel_size=len(kernel), padding="same", **layer).output_shape(shape), dtype)
    tracemalloc.start()
    try:
        depthwise_conv1d(x, kernel, out=out, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 12 << 20
    middle = out[0, out.shape[1] // 2, out.shape[2] // 2]
    assert middle == pytest.approx(taps[number], rel=1e-5)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"inputs": 3.0}, ShapeError, "rank 0"),
        ({"inputs": np.ones((1, 1, 1, 1))}, ShapeError, "rank 4"),
        ({"inputs": np.ones(2)}, ShapeError, "2 steps are too few for padding=valid"),
        ({"inputs": np.ones(0), "padding": "same"}, ShapeError, "0 steps"),
        ({"inputs": np.ones((2, 9, 0))}, ShapeError, "kernel"),
        ({"inputs": np.ones(9, "longdouble")}, ShapeError, "data of dtype"),
        ({"inputs": np.ones(9, object)}, ShapeError, "data of dtype object"),
        ({"inputs": ["a"] * 9}, ShapeError, "data of dtype <U1"),
        ({"inputs": np.ones((9, 2)), "kernel": np.ones((3, 3))}, ShapeError, "2 channels .* is for 3"),
        ({"kernel": 3.0}, ShapeError, r"a kernel has shape \(K, C, M\), \(K, C\) or \(K,\), got \(\)"),
        ({"kernel": []}, ShapeError, "a kernel has shape"),
        ({"kernel": np.ones((1, 1, 1, 1))}, ShapeError, "a kernel has shape"),
        ({"kernel": ["a"]}, ShapeError, "a kernel holds numbers"),
        ({"bias": 1.0}, ShapeError, "bias has shape"),
        ({"bias": [1.0, 2.0]}, ShapeError, "bias has shape"),
        ({"bias": [0.0, 0.0]}, ShapeError, "bias has shape"),
        ({"bias": ["a"]}, ShapeError, "a bias holds numbers"),
        ({"bias": [1j]}, ShapeError, "the bias is complex"),
        ({"inputs": np.ones(9) * 1j, "dtype": "float32"}, LayerError, "imaginary"),
        ({"inputs": np.ones(9) * 1j, "activation": "relu"}, LayerError, "real floats"),
        ({"strides": 0}, LayerError, "strides must be"),
        ({"dilation_rate": [2, 2]}, LayerError, "dilation_rate must be"),
        ({"padding": "full"}, LayerError, "padding must be"),
        ({"data_format": "NCW"}, LayerError, "data_format must be"),
        ({"data_format": ["channels_last"]}, LayerError, "data_format must be"),
        ({"activation": "no_such"}, LayerError, "no_such"),
        ({"dtype": "int8"}, LayerError, "dtype must be"),
        ({"algorithm": "fft"}, LayerError, "algorithm must be one of"),
    ],
)
def test_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with refused(error, message):
        depthwise_conv1d(**{"inputs": np.ones(9), "kernel": np.ones(3), **arguments})


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@given(
    SHAPES,
    SHAPES,
    hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4) | st.none(),
    st.sampled_from(strategies.PADDINGS),
    st.sampled_from(strategies.DATA_FORMATS),
)
def test_any_shapes_fit_or_are_refused(
    inputs: tuple[int, ...],
    kernel: tuple[int, ...],
    bias: tuple[int, ...] | None,
    padding: str,
    data_format: str,
) -> None:
    arrays = np.ones(inputs), np.ones(kernel), None if bias is None else np.ones(bias)
    try:
        outputs = depthwise_conv1d(*arrays, padding=padding, data_format=data_format)
    except (ShapeError, LayerError):
        return
    assert np.array_equal(outputs, oracle.depthwise_conv1d(*arrays, padding=padding, data_format=data_format))
