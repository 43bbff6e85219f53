"""The convolution in arrays, by every algorithm, against the definition."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
import strategies
from checks import MEMORY, assert_same_bits, examples, reshaped_in_memory
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dwconv_cli import depthwise_conv1d
from dwconv_cli.convolution import engine
from dwconv_cli.convolution.algorithms import ALGORITHMS
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.convolution.plan import plan_conv, problem_of
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS, NEEDS_WHOLE_AXIS
from dwconv_cli.layer.config import from_config
from dwconv_cli.layer.spec import LayerSpec, Weights

Array = np.ndarray[Any, Any]

GOLDEN = Path(__file__).resolve().parent / "golden"
LAYERS = [entry["config"] for entry in json.loads((GOLDEN / "layers.json").read_text())["layers"]]
# The automatic choice is one of the others; it is tried where it is quick.
EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)
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


def run(algorithm: str, case: strategies.Case, **more: Any) -> Array:
    return convolve(algorithm, case.inputs, case.kernel, case.bias, **case.arguments, **more)


def assert_whole(algorithm: str, found: Array, expected: Array) -> None:
    """Equal to sums of integers, NaN and Inf among them."""
    found = np.rint(found) if algorithm in ROUNDS else found
    assert np.array_equal(found, expected, equal_nan=True)


def exact(case: strategies.Case) -> Array:
    return oracle.depthwise_conv1d(
        *(None if a is None else a.astype(np.int64) for a in (case.inputs, case.kernel, case.bias)),
        **case.arguments,
    )


@AND_AUTO
@examples(2)
@given(case=strategies.exact_cases())
def test_small_integers_are_exact(algorithm: str, case: strategies.Case) -> None:
    found = run(algorithm, case)
    assert found.dtype == case.inputs.dtype
    assert_whole(algorithm, found, exact(case))


@AND_AUTO
@examples(0.5)
@given(case=strategies.exact_cases(strategies.layers(strided_dilation=True)))
def test_strides_with_dilation(algorithm: str, case: strategies.Case) -> None:
    assert_whole(algorithm, run(algorithm, case), exact(case))


@EVERY
@examples(0.3)
@given(case=strategies.exact_cases(LONG, max_steps=300))
def test_small_integers_are_exact_with_long_kernels(algorithm: str, case: strategies.Case) -> None:
    assert_whole(algorithm, run(algorithm, case), exact(case))


@EVERY
@examples(0.5)
@given(case=strategies.exact_cases(dtypes=("complex64", "complex128")))
def test_complex(algorithm: str, case: strategies.Case) -> None:
    found = run(algorithm, case)
    assert found.dtype == case.inputs.dtype
    expected = oracle.depthwise_conv1d(case.inputs, case.kernel, case.bias, **case.arguments)
    assert_whole(algorithm, found, expected)


WHOLE = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@EVERY
@examples(0.5)
@given(case=strategies.exact_cases(magnitude=1), whole=st.sampled_from(WHOLE), other=st.sampled_from(WHOLE))
def test_integers(algorithm: str, case: strategies.Case, whole: str, other: str) -> None:
    case = strategies.Case(
        case.layer, np.abs(case.inputs).astype(whole), np.abs(case.kernel).astype(other), case.bias
    )
    found = run(algorithm, case)
    both_small = case.inputs.dtype.itemsize <= 2 and case.kernel.dtype.itemsize <= 2
    assert found.dtype == (np.float32 if both_small else np.float64)
    assert np.array_equal(found, exact(case))


@EVERY
def test_integers_are_summed_before_they_are_rounded(algorithm: str) -> None:
    x = np.array([30000, 1, -30000], np.int16)
    kernel = np.array([30000, 1, 30000], np.int16)
    # float32 does not hold 9e8 + 1, on the way to 1.
    found = convolve(algorithm, x, kernel)
    expected = oracle.depthwise_conv1d(x, kernel)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected.astype(np.float32))


@EVERY
@examples(0.5)
@given(case=strategies.float_cases(dtypes=("float16",), max_exponent=1))
def test_float16(algorithm: str, case: strategies.Case) -> None:
    found = run(algorithm, case)
    arrays = (case.inputs, case.kernel, case.bias)
    truth = oracle.depthwise_conv1d(*arrays, **case.arguments)
    assert found.dtype == np.float16
    with np.errstate(over="ignore"):
        rounding = np.abs(np.spacing(np.abs(truth).astype(np.float16)).astype(np.float64))
    bound = oracle.error_bound(*arrays, dtype=np.float32, **case.arguments) + rounding * 0.5001
    wide = np.abs(truth) > 65000
    assert (np.abs(found - truth) <= bound)[~wide].all()


@AND_AUTO
@examples(1)
@given(case=strategies.float_cases(dtypes=("float32",)))
def test_float32_keeps_its_bound(algorithm: str, case: strategies.Case) -> None:
    arrays = (case.inputs, case.kernel, case.bias)
    # The truth in float64 is known within 2**-29 of the bound.
    truth = oracle.depthwise_conv1d(
        *(None if a is None else a.astype(np.float64) for a in arrays), **case.arguments
    )
    bound = oracle.error_bound(*arrays, **case.arguments) * (1 + 1e-6)
    assert (np.abs(run(algorithm, case) - truth) <= bound).all()


@EVERY
@examples(0.3)
@given(case=strategies.float_cases(max_batch=1, max_steps=20))
def test_float64_keeps_its_bound(algorithm: str, case: strategies.Case) -> None:
    arrays = (case.inputs, case.kernel, case.bias)
    truth = oracle.depthwise_conv1d(
        *(None if a is None else oracle.fractions(a) for a in arrays), **case.arguments
    )
    bound = oracle.error_bound(*arrays, dtype=case.inputs.dtype, **case.arguments) * (1 + 1e-9)
    error = np.abs(oracle.fractions(run(algorithm, case)) - truth)
    assert (error.astype(np.float64) <= bound).all()


@AND_AUTO
@examples(1)
@given(case=strategies.nonfinite_cases())
def test_nan_and_inf_stay_where_the_sum_puts_them(algorithm: str, case: strategies.Case) -> None:
    arrays = (case.inputs, case.kernel, case.bias)
    expected = oracle.depthwise_conv1d(*arrays, **case.arguments)
    assert_whole(algorithm, run(algorithm, case), expected)


@EVERY
@examples(0.2)
@given(case=strategies.nonfinite_cases(LONG, max_steps=300, in_weights=False))
def test_nan_and_inf_with_long_kernels(algorithm: str, case: strategies.Case) -> None:
    expected = oracle.depthwise_conv1d(case.inputs, case.kernel, case.bias, **case.arguments)
    assert_whole(algorithm, run(algorithm, case), expected)


@EVERY
def test_one_nan_touches_its_taps_alone(algorithm: str) -> None:
    x = np.ones((50_000, 2), np.float32)
    x[31_234, 1] = np.nan
    found = convolve(algorithm, x, np.ones((9, 2, 1), np.float32), padding="same")
    assert np.argwhere(np.isnan(found)).tolist() == [[o, 1] for o in range(31_230, 31_239)]
    assert_whole(algorithm, found[10:31_230], np.full((31_220, 2), 9))


@EVERY
def test_overflow_is_infinite_there_and_nowhere_else(algorithm: str) -> None:
    x = np.ones(1000, np.float32)
    x[500] = 3e38
    found = convolve(algorithm, x, np.full(5, 10, np.float32), padding="same")
    assert np.flatnonzero(np.isinf(found)).tolist() == [498, 499, 500, 501, 502]
    assert not np.isnan(found).any()
    assert_whole(algorithm, found[2:498], np.full(496, 50))


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
    found = convolve(algorithm, np.array(x), np.array(kernel), bias, dtype=dtype)
    assert np.array_equal(found, expected, equal_nan=True)


@EVERY
@examples(0.7)
@given(
    case=strategies.exact_cases(),
    inputs=st.sampled_from(MEMORY),
    weights=st.sampled_from(MEMORY),
    target=st.sampled_from(("fortran", "reversed", "spaced", "unaligned")),
)
def test_any_memory(algorithm: str, case: strategies.Case, inputs: str, weights: str, target: str) -> None:
    plain = run(algorithm, case)
    laid = strategies.Case(
        case.layer,
        reshaped_in_memory(case.inputs, inputs),
        reshaped_in_memory(case.kernel, weights),
        None if case.bias is None else reshaped_in_memory(case.bias, weights),
    )
    kept = laid.inputs.copy(), laid.kernel.copy()
    out = reshaped_in_memory(np.full_like(plain, 7), target)
    assert_same_bits(run(algorithm, laid, out=out), plain)
    assert_same_bits(run(algorithm, laid), plain)
    assert np.array_equal(laid.inputs, kept[0])
    assert np.array_equal(laid.kernel, kept[1])


@EVERY
@pytest.mark.parametrize("data_format", strategies.DATA_FORMATS)
@pytest.mark.parametrize("strides, dilation, multiplier", [(1, 1, 1), (1, 1, 2), (2, 1, 1), (1, 3, 2)])
def test_any_memory_of_many_panels(
    algorithm: str, data_format: str, strides: int, dilation: int, multiplier: int
) -> None:
    """What is read and written in place when it lies well is right when it does not."""
    layer = strategies.Layer(9, 3, multiplier, strides, "same", dilation, data_format)
    x, kernel = long_case(6, (2, 4001, 3), 9, multiplier)
    length, left, _ = oracle.lengths(4001, 9, strides=strides, padding="same", dilation_rate=dilation)
    expected = by_taps(x, kernel, strides, dilation, left, length).astype(np.float32)
    if data_format == "channels_first":
        x, expected = (
            np.ascontiguousarray(x.transpose(0, 2, 1)),
            np.ascontiguousarray(expected.transpose(0, 2, 1)),
        )
    options = layer.arguments
    plain = convolve(algorithm, x, kernel, **options)
    assert_whole(algorithm, plain, expected)
    for how in MEMORY:
        assert_same_bits(convolve(algorithm, reshaped_in_memory(x, how), kernel, **options), plain)
        if how not in ("big-endian", "read-only"):
            out = reshaped_in_memory(np.full_like(plain, np.nan), how)
            assert_same_bits(convolve(algorithm, x, kernel, out=out, **options), plain)
    # One after another in one array of rank 1, channels beside each other.
    one = x[:1, :1] if data_format == "channels_first" else x[:1, :, :1]
    found = convolve(algorithm, one.reshape(-1), kernel[:, :1], **options)
    there = convolve(algorithm, one, kernel[:, :1], **options)[0]
    there = there.T if data_format == "channels_first" else there
    assert_same_bits(found, there[:, 0] if multiplier == 1 else np.ascontiguousarray(there))


@pytest.mark.parametrize("config", LAYERS, ids=lambda config: str(config["name"]))
@AND_AUTO
def test_golden_layers(algorithm: str, config: dict[str, Any]) -> None:
    with np.load(GOLDEN / "layers.npz", allow_pickle=False) as file:
        x, kernel, expected = (file[f"{config['name']}/{key}"] for key in ("inputs", "kernel", "outputs"))
        bias = file[f"{config['name']}/bias"] if config["use_bias"] else None
    spec = from_config(config)
    found = convolve(
        algorithm,
        x,
        kernel,
        bias,
        strides=spec.strides,
        padding=spec.padding,
        data_format=spec.data_format,
        dilation_rate=spec.dilation_rate,
        activation=spec.activation,
        dtype=spec.dtype,
    )
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    tolerance = {"float32": 2e-5, "float64": 1e-12}[found.dtype.name]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert spec.output_shape(x.shape) == expected.shape


def long_case(seed: int, shape: tuple[int, ...], taps: int, multiplier: int = 1) -> tuple[Array, Array]:
    """Small integers, so that sums are exact."""
    rng = np.random.default_rng(seed)
    return (
        rng.integers(-8, 9, shape).astype(np.float32),
        rng.integers(-8, 9, (taps, shape[2], multiplier)).astype(np.float32),
    )


def by_taps(x: Array, kernel: Array, strides: int, dilation: int, left: int, length: int) -> Array:
    """Valid convolution of a padded recording in int64, tap by tap over the whole of it."""
    wide, taps = x.astype(np.int64), kernel.astype(np.int64)
    reach = (len(taps) - 1) * dilation
    right = max(0, (length - 1) * strides + reach + 1 - left - x.shape[1])
    wide = np.pad(wide, ((0, 0), (left, right), (0, 0)))
    total = np.zeros((x.shape[0], length, x.shape[2], taps.shape[2]), np.int64)
    for k in range(len(taps)):
        begin = k * dilation
        total += wide[:, begin : begin + (length - 1) * strides + 1 : strides, :, None] * taps[k]
    return total.reshape(x.shape[0], length, -1)


@pytest.fixture
def many_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles as small as they were not worth it."""
    for name, number in (("TILE", 1 << 13), ("LEAST", 1 << 12), ("LONG", 1 << 9)):
        monkeypatch.setattr(engine, name, number)


# With small tiles, recordings of many tiles and panels, with borders that fall on none of them.
MANY_TILES = [
    ((1, 140_001, 1), 3, 1, 1, 1),
    ((1, 35_003, 4), 9, 1, 1, 1),
    ((3, 25_001, 2), 31, 1, 1, 1),
    ((1, 80_001, 1), 129, 1, 1, 1),
    ((2, 30_001, 3), 16, 4, 1, 1),
    ((1, 40_001, 2), 9, 1, 8, 1),
    ((2, 9_001, 5), 8, 1, 1, 4),
    ((1, 1_501, 130), 7, 1, 1, 1),
    ((1, 499, 1000), 3, 2, 1, 2),
    ((40, 501, 7), 5, 1, 3, 1),
    ((300, 11, 3), 4, 1, 1, 2),
]


@pytest.mark.usefixtures("many_tiles")
@EVERY
@pytest.mark.parametrize(
    "padding, shape, taps, strides, dilation, multiplier",
    [(strategies.PADDINGS[i % 3], *entry) for i, entry in enumerate(MANY_TILES)],
)
def test_many_tiles(
    algorithm: str,
    padding: str,
    shape: tuple[int, int, int],
    taps: int,
    strides: int,
    dilation: int,
    multiplier: int,
) -> None:
    x, kernel = long_case(taps, shape, taps, multiplier)
    length, left, _ = oracle.lengths(shape[1], taps, strides=strides, padding=padding, dilation_rate=dilation)
    expected = by_taps(x, kernel, strides, dilation, left, length)
    options: dict[str, Any] = {"padding": padding}
    options |= {"strides": strides, "dilation_rate": dilation}
    assert_whole(algorithm, convolve(algorithm, x, kernel, **options), expected)
    found = convolve(algorithm, x.transpose(0, 2, 1), kernel, data_format="channels_first", **options)
    assert_whole(algorithm, found, expected.transpose(0, 2, 1))


def noisy(shape: tuple[int, int, int], taps: int, multiplier: int, dtype: str) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(5)
    x = (rng.standard_normal(shape) * 10.0 ** rng.uniform(-6, 6, shape)).astype(dtype)
    # Something to fall back from, in the middle and at the end.
    x[:, shape[1] // 2, 0] = np.nan
    x[:, -1, -1] = np.inf
    kernel = rng.standard_normal((taps, shape[2], multiplier)).astype(dtype)
    return x, kernel, rng.standard_normal(shape[2] * multiplier).astype(dtype)


@pytest.mark.usefixtures("many_tiles")
@EVERY
@pytest.mark.parametrize(
    "dtype, data_format",
    [("float32", "channels_last"), ("float64", "channels_first"), ("complex64", "channels_last")],
)
@pytest.mark.parametrize("shape, taps, strides, dilation, multiplier", MANY_TILES[2:10])
def test_bits_depend_on_the_taps_alone(
    algorithm: str,
    dtype: str,
    data_format: str,
    shape: tuple[int, int, int],
    taps: int,
    strides: int,
    dilation: int,
    multiplier: int,
) -> None:
    """Not on threads, batch, what surrounds a recording, or how it lies in memory."""
    shape = min(shape[0], 3), min(shape[1], 80_000 // shape[2] // shape[0]), shape[2]
    x, kernel, bias = noisy(shape, taps, multiplier, dtype)
    options: dict[str, Any] = {"strides": strides, "dilation_rate": dilation, "data_format": data_format}

    def outputs(x: Array, **more: Any) -> Array:
        if data_format == "channels_first":
            x = np.ascontiguousarray(x.transpose(0, 2, 1))
        found = convolve(algorithm, x, kernel, bias, padding="valid", **options, **more)
        return found if data_format == "channels_last" else found.transpose(0, 2, 1)

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
        left = outputs(x[:, :length])
        kept = left.shape[1] // panel * panel
        assert_same_bits(left[:, :kept], whole[:, :kept])


@EVERY
def test_a_part_of_the_channels_has_the_same_bits(algorithm: str) -> None:
    x, kernel, bias = noisy((2, 3000, 12), 9, 2, "float32")
    spec = LayerSpec(kernel_size=9, depth_multiplier=2, data_format="channels_first")
    whole = Convolution(spec, Weights(kernel, bias), 12, np.float32, algorithm=algorithm)

    def outputs(convolution: Convolution, x: Array) -> Array:
        out = convolution.empty(2, 2992)
        convolution.run(x, 0, out, 0)
        return out

    expected = outputs(whole, x)
    for channels in (slice(0, 12), slice(0, 1), slice(3, 8), slice(11, 12), slice(4, 8)):
        found = outputs(whole.part(channels), x[..., channels])
        assert_same_bits(found, expected[..., 2 * channels.start : 2 * channels.stop])


def test_the_plan_is_that_of_the_problem() -> None:
    spec = LayerSpec(kernel_size=9)
    convolution = Convolution(spec, Weights(np.ones((9, 2, 1))), 2, np.float32)
    assert convolution.plan == plan_conv(problem_of(spec, 2, "float64"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
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


@pytest.mark.parametrize("name", ACTIVATIONS.names())
@pytest.mark.parametrize("data_format", strategies.DATA_FORMATS)
def test_activations_after_the_bias_in_any_tile(name: str, data_format: str) -> None:
    """By an activation of the whole output at once, and the same bits with any number of threads."""
    text = {"threshold": "threshold(threshold=0.5, default_value=1)"}.get(name, name)
    choice = ACTIVATIONS.parse(text)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 1001, 4)).astype(np.float32) * 3
    kernel = rng.standard_normal((2, 4, 2)).astype(np.float32)
    bias = rng.standard_normal(8).astype(np.float32)
    if data_format == "channels_first":
        x = x.transpose(0, 2, 1)
    plain = depthwise_conv1d(x, kernel, bias, data_format=data_format)
    # Keras's softmax and its like work on the last axis whatever data_format says.
    expected = ACTIVATIONS.function(choice)(plain.copy())
    for threads in (1, 3):
        found = depthwise_conv1d(x, kernel, bias, data_format=data_format, activation=text, threads=threads)
        assert_same_bits(found, expected)
        chosen = depthwise_conv1d(
            x, kernel, bias, data_format=data_format, activation=choice, threads=threads
        )
        assert_same_bits(chosen, expected)
    if name not in NEEDS_WHOLE_AXIS:
        part = (slice(1, 2), slice(None), slice(None, 900))
        one = (
            depthwise_conv1d(x[part], kernel, bias, data_format=data_format, activation=text)
            if (data_format == "channels_first")
            else depthwise_conv1d(x[1:, :900], kernel, bias, activation=text)
        )
        there = expected[1:, :, :899] if data_format == "channels_first" else expected[1:, :899]
        assert_same_bits(one, there)


def test_rank_1_with_channels_first() -> None:
    x, kernel = np.arange(6.0), np.array([[[1.0, 10.0]]])
    found = depthwise_conv1d(x, kernel, data_format="channels_first")
    assert found.tolist() == [[v, 10 * v] for v in range(6)]
    out = np.empty((6, 2))
    assert depthwise_conv1d(x, kernel, data_format="channels_first", out=out) is out
    assert np.array_equal(out, found)


@pytest.mark.parametrize("shape", [(0, 5, 3), (0, 1, 1)])
@EVERY
def test_a_batch_of_none(algorithm: str, shape: tuple[int, int, int]) -> None:
    found = convolve(algorithm, np.empty(shape), np.ones(1))
    assert found.shape == shape


@EVERY
@pytest.mark.parametrize("padding", ["same", "causal"])
@pytest.mark.parametrize("dilation", [7, 1000, 10**5])
def test_taps_far_outside(algorithm: str, padding: str, dilation: int) -> None:
    x, kernel = np.arange(1.0, 6), np.array([1.0, 10, 100])
    found = convolve(algorithm, x, kernel, padding=padding, dilation_rate=dilation)
    assert_whole(algorithm, found, x * (10 if padding == "same" else 100))


@EVERY
@pytest.mark.parametrize("strides", [7, 1000, 10**5])
def test_strides_beyond_the_recording(algorithm: str, strides: int) -> None:
    found = convolve(algorithm, np.arange(5.0), np.array([1.0, 10, 100]), strides=strides)
    assert_whole(algorithm, found, np.array([210.0]))


@EVERY
def test_outputs_of_padding_alone_are_zero_whatever_the_weights(algorithm: str) -> None:
    # With 3 taps 4 steps apart, the outer taps of 2 steps see padding alone.
    found = convolve(
        algorithm,
        np.array([1.0, 2.0]),
        np.array([np.nan, 3.0, np.inf]),
        padding="same",
        dilation_rate=4,
    )
    assert found.tolist() == [3.0, 6.0]
    found = convolve(
        algorithm, np.array([1.0, 2.0]), np.array([np.nan, 0.0]), padding="same", dilation_rate=4
    )
    assert found.tolist() == [0.0, 0.0]


@EVERY
def test_linearity_of_a_delta(algorithm: str) -> None:
    """The response to one sample is the kernel itself, reversed, wherever the sample stands."""
    kernel = np.arange(1.0, 8)
    for place in range(6, 94, 11):
        x = np.zeros(100)
        x[place] = 1
        found = convolve(algorithm, x, kernel)
        expected = np.zeros(94)
        expected[place - 6 : place + 1] = kernel[::-1]
        assert_whole(algorithm, found, expected)


class TestOut:
    x = np.arange(20.0)
    kernel = np.array([1.0, 2, 3])

    def test_is_returned(self) -> None:
        out = np.full(18, np.nan)
        assert depthwise_conv1d(self.x, self.kernel, out=out) is out
        assert np.array_equal(out, oracle.depthwise_conv1d(self.x, self.kernel))

    @pytest.mark.parametrize(
        "out", [np.empty(17), np.empty((18, 1)), np.empty(18, "f4"), np.empty(18, ">f8")]
    )
    def test_of_another_kind(self, out: Array) -> None:
        with pytest.raises(ShapeError, match=r"out has shape .*, the output has"):
            depthwise_conv1d(self.x, self.kernel, out=out)

    def test_read_only(self) -> None:
        out = np.zeros(18)
        out.flags.writeable = False
        with pytest.raises(ValueError, match="out must be an array that can be written"):
            depthwise_conv1d(self.x, self.kernel, out=out)
        assert not out.any()

    @EVERY
    @pytest.mark.parametrize("shift", [0, 1, 7])
    @pytest.mark.parametrize("padding", ["same", "causal"])
    def test_over_the_input(self, algorithm: str, shift: int, padding: str) -> None:
        held = np.arange(100_007.0) % 17
        x, out = held[:-7], held[shift : 100_000 + shift]
        expected = convolve(algorithm, x.copy(), self.kernel, padding=padding)
        convolve(algorithm, x, self.kernel, padding=padding, out=out)
        assert_same_bits(out, expected)


class TestRecentKernels:
    """Small kernels are kept prepared; nobody may notice."""

    x = np.arange(12.0)

    def test_changed_in_place(self) -> None:
        kernel, bias = np.array([1.0, 2.0, 4.25]), np.array([0.125])
        first = depthwise_conv1d(self.x, kernel, bias)
        kept = kernel.copy(), bias.copy()
        kernel *= 2
        bias += 1
        assert np.array_equal(depthwise_conv1d(self.x, kernel, bias), 2 * (first - 0.125) + 1.125)
        assert np.array_equal(depthwise_conv1d(self.x, *kept), first)

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
            laid = x if data_format.lower() == "channels_last" else x.T
            found = depthwise_conv1d(laid, kernel, data_format=data_format)
            expected = oracle.depthwise_conv1d(laid, kernel, data_format=data_format.lower())
            assert np.array_equal(found, expected)

    def test_other_types_of_the_same_bytes(self) -> None:
        kernel = np.array([1.0, 2.0], np.float32)
        assert np.array_equal(depthwise_conv1d(self.x, kernel), 3 * self.x[:-1] + 2)
        whole = kernel.view(np.int32)
        assert np.array_equal(depthwise_conv1d(self.x, whole), np.correlate(self.x, whole, "valid"))
        swapped = kernel.astype(">f4")
        assert np.array_equal(depthwise_conv1d(self.x, swapped), 3 * self.x[:-1] + 2)

    def test_same_bytes_of_another_shape(self) -> None:
        taps = np.array([1.0, 2, 3, 4])
        x = np.ones((6, 2))
        for kernel in (taps.reshape(2, 2), taps.reshape(2, 2, 1), taps.reshape(1, 2, 2), taps):
            assert np.array_equal(depthwise_conv1d(x, kernel), oracle.depthwise_conv1d(x, kernel))

    @EVERY
    def test_from_many_threads_at_once(self, algorithm: str) -> None:
        rng = np.random.default_rng(2)
        x = rng.integers(-9, 9, (3, 2000, 3)).astype(np.float32)
        kernels = [rng.integers(-9, 9, (9, 3, 1)).astype(np.float32) for _ in range(40)]
        expected = [by_taps(x, kernel, 1, 1, 0, 1992) for kernel in kernels]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda k: convolve(algorithm, x, k), kernels * 2))
        for one, other in zip(found, expected * 2, strict=True):
            assert_whole(algorithm, one, other)


@EVERY
@pytest.mark.parametrize("dtype, taps", [("float32", 3), ("int16", 3), ("float16", 5), ("float32", 129)])
@pytest.mark.parametrize("shape", [(1, 6_000_000, 1), (1, 46_000, 128)])
def test_working_memory_is_bounded(
    algorithm: str, dtype: str, taps: int, shape: tuple[int, int, int]
) -> None:
    if taps in {"direct": (129,), "overlap-save": (3, 5)}.get(algorithm, ()):
        pytest.skip("slow, and no other memory than with as many taps as it is made for")
    x = np.ones(shape, dtype)
    kernel = np.ones(taps, np.float32)
    out = np.empty((1, shape[1], shape[2]), np.float16 if dtype == "float16" else np.float32)
    tracemalloc.start()
    try:
        convolve(algorithm, x, kernel, padding="same", out=out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 64 << 20
    assert_whole(algorithm, out[:, taps:-taps], np.full_like(out[:, taps:-taps], taps))


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
    with pytest.raises(error, match=message) as caught:
        depthwise_conv1d(**{"inputs": np.ones(9), "kernel": np.ones(3), **arguments})
    assert "\n" not in str(caught.value)


@examples(0.5)
@given(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
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
        found = depthwise_conv1d(*arrays, padding=padding, data_format=data_format)
    except (ShapeError, LayerError):
        return
    assert np.array_equal(found, oracle.depthwise_conv1d(*arrays, padding=padding, data_format=data_format))


def test_the_oracle_sees_a_wrong_tap() -> None:
    """The comparison above can fail."""
    assert Fraction(3) != oracle.depthwise_conv1d([1, 2], [1, 2])[0]
