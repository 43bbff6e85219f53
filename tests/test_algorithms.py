"""Every algorithm against the sum by its definition, on integers, on noise, on NaN, and on pieces of recordings."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.convolution.algorithms import _spectra, direct, overlap_save
from dwconv_cli.convolution.algorithms.problem import Problem

Array = np.ndarray[Any, Any]

MODULES = (direct, overlap_save)
LAYOUTS = ("channels_last", "channels_first")
DTYPES = ("float32", "float64")

# K, C, M, strides, dilation
SHAPES = (
    (1, 1, 1, 1, 1),
    (1, 3, 2, 3, 1),
    (2, 5, 1, 7, 1),
    (3, 4, 1, 1, 1),
    (5, 8, 2, 3, 1),
    (9, 6, 3, 1, 1),
    (9, 20, 1, 1, 8),
    (16, 6, 4, 1, 1),
    (16, 8, 1, 4, 1),
    (63, 2, 1, 1, 2),
    (130, 5, 2, 1, 1),
    (200, 1, 1, 3, 1),
)


def in_layout(array: Array, data_format: str) -> Array:
    """(B, n, C…) that lies in memory as `data_format` says."""
    if data_format == "channels_last":
        return np.ascontiguousarray(array)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def defined(problem: Problem, x: Array, first: int, kernel: Array, start: int, count: int) -> Array:
    """The sum by its definition, in the arithmetic of the operands; padding is skipped."""
    batch, steps, channels = x.shape
    out = np.zeros((batch, count, channels, kernel.shape[2]), np.result_type(x, kernel))
    with np.errstate(all="ignore"):
        for tap in range(problem.kernel_size):
            at = (start + np.arange(count)) * problem.strides + tap * problem.dilation_rate - first
            inside = (at >= 0) & (at < steps)
            out[:, inside] += x[:, at[inside], :, None] * kernel[tap]
    return out


def run(prepared: Any, problem: Problem, x: Array, first: int, start: int, count: int) -> Array:
    shape = (len(x), count, problem.channels, problem.depth_multiplier)
    out = in_layout(np.full(shape, np.nan, problem.dtype), problem.data_format)
    prepared(x, first, out, start)
    return out


def outputs(problem: Problem, first: int, steps: int, right: int = 0) -> int:
    return (first + steps + right - problem.effective_kernel_size) // problem.strides + 1


def integers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    return rng.integers(-9, 10, shape).astype(dtype)


def noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    return rng.standard_normal(shape).astype(dtype)


def case(shape: tuple[int, ...], data_format: str, dtype: str) -> Problem:
    return Problem(*shape, data_format, dtype)  # type: ignore[arg-type]


def weights_shape(problem: Problem) -> tuple[int, int, int]:
    return problem.kernel_size, problem.channels, problem.depth_multiplier


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_integers_are_exact(module: ModuleType, data_format: str, dtype: str, shape: tuple[int, ...]) -> None:
    problem, rng = case(shape, data_format, dtype), np.random.default_rng(1)
    assert module.supports(problem) is None
    kernel = integers(rng, weights_shape(problem), dtype)
    x = in_layout(integers(rng, (2, 1100 * problem.strides, problem.channels), dtype), data_format)
    first, right = 5, 9
    count = outputs(problem, first, x.shape[1], right)
    made = run(module.prepare(problem, kernel), problem, x, first, 0, count)
    if module is overlap_save:
        made = np.round(made)
    np.testing.assert_array_equal(made, defined(problem, x, first, kernel, 0, count))


def scenes(rng: np.random.Generator, steps: int, channels: int, dtype: str) -> dict[str, Array]:
    """Recordings of which a bound for a whole block says too little."""
    plain = noise(rng, (1, steps, channels), dtype)
    spike, silence, drift = plain * 1e-3, plain.copy(), plain * np.geomspace(1e-9, 1e9, steps)[:, None]
    spike[0, steps // 3, 0] = 1e6
    silence[0, steps // 4 : steps // 2 + 300] = 0
    made = {"plain": plain, "spike": spike, "silence": silence, "drift": drift}
    made |= {"tiny": plain * 1e-18, "huge": plain * 1e18}
    return {name: x.astype(dtype) for name, x in made.items()}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(9, 3, 2, 1, 1), (16, 4, 1, 4, 1), (63, 2, 1, 1, 2), (257, 2, 1, 1, 1)])
def test_errors_keep_the_bound(
    module: ModuleType, data_format: str, dtype: str, shape: tuple[int, ...]
) -> None:
    problem, rng = case(shape, data_format, dtype), np.random.default_rng(3)
    kernel = noise(rng, weights_shape(problem), dtype)
    steps = 900 * problem.strides
    count = outputs(problem, 0, steps)
    prepared = module.prepare(problem, kernel)
    wide, terms = np.longdouble, problem.kernel_size + 1
    unit = np.finfo(dtype).eps / 2
    for name, scene in scenes(rng, steps, problem.channels, dtype).items():
        x = in_layout(scene, data_format)
        made = run(prepared, problem, x, 0, 0, count)
        true = defined(problem, x.astype(wide), 0, kernel.astype(wide), 0, count)
        scale = defined(problem, np.abs(x.astype(wide)), 0, np.abs(kernel.astype(wide)), 0, count)
        error = np.abs(made.astype(wide) - true)
        assert (error <= terms * unit / (1 - terms * unit) * scale).all(), name


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_nan_and_inf_stay_where_the_sum_puts_them(
    module: ModuleType, data_format: str, dtype: str, shape: tuple[int, ...]
) -> None:
    problem, rng = case(shape, data_format, dtype), np.random.default_rng(4)
    kernel = integers(rng, weights_shape(problem), dtype)
    x = integers(rng, (2, 1100 * problem.strides, problem.channels), dtype)
    flat = x.reshape(-1)
    flat[rng.integers(0, flat.size, 3)] = np.nan
    flat[rng.integers(0, flat.size, 3)] = np.inf
    x[0, 100 * problem.strides - 4, 0] = -np.inf
    x = in_layout(x, data_format)
    count = outputs(problem, 4, x.shape[1], 6)
    made = run(module.prepare(problem, kernel), problem, x, 4, 0, count)
    true = defined(problem, x, 4, kernel, 0, count)
    np.testing.assert_array_equal(np.round(made), true)
    assert not np.isfinite(true[0, 100, 0]).any()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_padding_is_skipped_not_multiplied(module: ModuleType, data_format: str, weight: float) -> None:
    problem = Problem(5, 3, 1, data_format=data_format)
    kernel = np.ones((5, 3, 1), np.float32)
    kernel[4, 1] = weight
    x = in_layout(np.ones((1, 40, 3), np.float32), data_format)
    made = run(module.prepare(problem, kernel), problem, x, 2, 0, 40)
    np.testing.assert_array_equal(made, defined(problem, x, 2, kernel, 0, 40))
    assert np.isfinite(made[0, -2:, 1]).all()


@st.composite
def pieces(draw: st.DrawFn) -> tuple[Problem, list[tuple[int, int]], int, bool]:
    """A problem, ranges of its outputs (as shares of all), a seed, and whether there are NaNs."""
    strides, dilation = draw(st.sampled_from([(1, 1), (1, 1), (1, 3), (4, 1)]))
    problem = Problem(
        draw(st.sampled_from([1, 2, 3, 8, 17, 33, 70])),
        draw(st.sampled_from([1, 2, 3, 4, 6, 16, 20])),
        draw(st.sampled_from([1, 1, 2, 3])),
        strides,
        dilation,
        draw(st.sampled_from(LAYOUTS)),
        draw(st.sampled_from(["float32", "float64"])),
    )
    cuts = draw(st.lists(st.integers(0, 2000), min_size=1, max_size=6, unique=True))
    edges = [0, *sorted(cuts), 2000]
    return problem, list(pairwise(edges)), draw(st.integers(0, 99)), draw(st.booleans())


@pytest.mark.parametrize("module", MODULES)
@given(drawn=pieces())
def test_bits_do_not_depend_on_the_pieces(module: ModuleType, drawn: Any) -> None:
    problem, ranges, seed, broken = drawn
    rng = np.random.default_rng(seed)
    kernel = noise(rng, weights_shape(problem), problem.dtype)
    x = noise(rng, (2, 2600 * problem.strides, problem.channels), problem.dtype)
    if broken:
        x.reshape(-1)[rng.integers(0, x.size, 4)] = [np.nan, np.inf, -np.inf, 1e30]
    x, first = in_layout(x, problem.data_format), 7
    count = outputs(problem, first, x.shape[1], 7)
    prepared = module.prepare(problem, kernel)
    whole = run(prepared, problem, x, first, 0, count)
    panel = prepared.panel if prepared.whole_panels else 1
    for edges in ranges:
        low, high = (edge * count // 2000 // panel * panel for edge in edges)
        if high + panel > count:
            high = count
        if low >= high:
            continue
        # Only what these outputs need, in memory of its own, one recording by itself.
        begin = max(0, low * problem.strides - first)
        end = (high - 1) * problem.strides + problem.effective_kernel_size - first
        held = in_layout(x[1:, begin:end], problem.data_format)
        part = run(prepared, problem, held, first + begin, low, high - low)
        assert part.tobytes() == np.ascontiguousarray(whole[1:, low:high]).tobytes()


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("data_format", LAYOUTS)
def test_threads_share_what_is_prepared(module: ModuleType, data_format: str) -> None:
    problem, rng = Problem(40, 4, data_format=data_format), np.random.default_rng(5)
    prepared = module.prepare(problem, noise(rng, (40, 4, 1), "float32"))
    x = in_layout(noise(rng, (1, 60_000, 4), "float32"), data_format)
    count = outputs(problem, 0, 60_000)
    whole = run(prepared, problem, x, 0, 0, count)
    out = in_layout(np.empty_like(whole), data_format)
    step = prepared.panel * max(1, 5000 // prepared.panel)

    def work(low: int) -> None:
        high = min(count, low + step)
        prepared(x[:, low : high + 39], low, out[:, low:high], low)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(0, count, step)))
    np.testing.assert_array_equal(out, whole)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("shape", [(3, 6, 1, 1, 1), (20, 6, 2, 1, 1), (20, 4, 1, 2, 1), (9, 4, 1, 1, 3)])
def test_any_strides_in_memory(module: ModuleType, data_format: str, shape: tuple[int, ...]) -> None:
    problem, rng = case(shape, data_format, "float32"), np.random.default_rng(6)
    kernel = noise(rng, weights_shape(problem), "float32")
    x = noise(rng, (2, 5000, problem.channels), "float32")
    prepared = module.prepare(problem, kernel)
    count = outputs(problem, 0, 5000)
    expected = run(prepared, problem, in_layout(x, data_format), 0, 0, count)
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.float32, offset=1).reshape(x.shape)
    for odd in (
        np.asfortranarray(x),
        x[:, ::-1].copy()[:, ::-1],
        np.repeat(x, 2, axis=2)[:, :, ::2],
        np.repeat(x, 2, axis=1)[:, ::2],
        in_layout(x, LAYOUTS[data_format == LAYOUTS[0]]),
        unaligned,
    ):
        out = np.full((*expected.shape[:3], 2 * expected.shape[3]), np.nan, np.float32)[..., ::2]
        prepared(odd, 0, out, 0)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("taps", [257, 1025])
def test_transforms_suffice_for_ordinary_data(
    data_format: str, dtype: str, taps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, rng = Problem(taps, 2, data_format=data_format, dtype=dtype), np.random.default_rng(8)
    prepared = overlap_save.prepare(problem, noise(rng, (taps, 2, 1), dtype))
    assert isinstance(prepared, overlap_save.OverlapSave)
    steps = 40_000
    monkeypatch.setattr(prepared, "_directly", None)
    monkeypatch.setattr(prepared, "_again", None)
    steady = np.sin(np.arange(steps) / 9)[:, None] + 0.1 * rng.standard_normal((steps, 2))
    for x in (
        noise(rng, (1, steps, 2), dtype),
        rng.random((1, steps, 2)).astype(dtype),
        steady[None].astype(dtype),
    ):
        # The last block ends in the silence after the recording.
        count = outputs(problem, 0, steps) // prepared.panel * prepared.panel
        run(prepared, problem, in_layout(x, data_format), 0, 0, count)


def test_a_spike_is_no_work_for_a_float32_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, rng = Problem(257, 2), np.random.default_rng(9)
    prepared = overlap_save.prepare(problem, noise(rng, (257, 2, 1), "float32"))
    x = noise(rng, (1, 9000, 2), "float32") * np.float32(1e-3)
    x[0, 4500, 1] = 1e6
    again: list[Array] = []
    original = overlap_save.OverlapSave._again

    def spy(self: Any, held: Array, channels: Array, fine: Array) -> Any:
        again.append(np.unique(np.nonzero(~fine.all(axis=1))[1]))
        return original(self, held, channels, fine)

    monkeypatch.setattr(overlap_save.OverlapSave, "_again", spy)
    run(prepared, problem, x, 0, 0, 9000 // prepared.panel * prepared.panel)
    assert [list(channels) for channels in again] == [[1]]


@pytest.mark.parametrize("module", MODULES)
def test_working_memory_is_bounded(module: ModuleType) -> None:
    for problem, steps in (
        (Problem(33, 3000), 500),
        (Problem(33, 400, dilation_rate=40), 4000),
        (Problem(9, 2000, data_format="channels_first"), 600),
        (Problem(300, 6, strides=5), 60_000),
        (Problem(16, 64, 4), 4000),
    ):
        if module.supports(problem):
            continue
        prepared = module.prepare(problem, np.ones(weights_shape(problem), np.float32))
        x = in_layout(np.ones((1, steps, problem.channels), np.float32), problem.data_format)
        count = outputs(problem, 0, steps)
        out = in_layout(
            np.empty((1, count, problem.channels, problem.depth_multiplier), np.float32), problem.data_format
        )
        tracemalloc.start()
        prepared(x, 0, out, 0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 12 << 20, (problem, peak)
        assert out[0, 0, 0, 0] == pytest.approx(problem.kernel_size)


def test_kernels_too_long_for_a_transform_are_refused() -> None:
    assert "taps" in str(overlap_save.supports(Problem(1_000_000, 1)))


@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 6, 32, 128])
def test_predicted_cost_grows_no_faster_than_the_kernel(data_format: str, dtype: str, channels: int) -> None:
    previous = 0.0
    for taps in (1, 2, 3, 5, 9, 15, 31, 63, 129, 257, 513, 1025, 4097):
        problem = Problem(taps, channels, data_format=data_format, dtype=dtype)
        costs = [module.cost(problem) for module in MODULES if module.supports(problem) is None]
        best = min(costs)
        assert best > 0
        assert previous == 0 or best <= 2.2 * previous
        previous = best


def test_sums_of_integers_are_not_transformed() -> None:
    assert overlap_save.supports(Problem(2000, 1)) is None
    assert "integers" in str(overlap_save.supports(Problem(2000, 1, exact=True)))


@pytest.mark.parametrize("data_format", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("taps", "multiplier"), [(129, 3), (300, 1)])
def test_blocks_one_by_one(data_format: str, dtype: str, taps: int, multiplier: int) -> None:
    problem, rng = Problem(taps, 5, multiplier, 1, 1, data_format, dtype), np.random.default_rng(10)
    prepared = overlap_save.prepare(problem, noise(rng, weights_shape(problem), dtype))
    x = noise(rng, (1, 9 * prepared.panel, 5), dtype)
    # Some blocks fail the check in float32, in one channel and another.
    x[0, 3 * prepared.panel, 1] *= 1e7
    x[0, 5 * prepared.panel : 5 * prepared.panel + 2 * taps, 4] = 0
    x = in_layout(x, data_format)
    count = outputs(problem, 0, x.shape[1])
    whole = run(prepared, problem, x, 0, 0, count)
    for low in range(0, count, prepared.panel):
        high = min(count, low + prepared.panel)
        part = run(prepared, problem, x[:, low : high + taps - 1], low, low, high - low)
        assert part.tobytes() == np.ascontiguousarray(whole[:, low:high]).tobytes()


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_products_of_spectra_do_not_depend_on_how_many_there_are(dtype: Any) -> None:
    rng = np.random.default_rng(11)
    spectra, weights = ((rng.standard_normal((64, 1025, 2)) @ [1, 1j]).astype(dtype) for _ in range(2))
    rows = np.arange(64)
    alone = [_spectra.product(spectra[row], weights[[row]][0]).copy() for row in rows]
    for count in (1, 2, 7, 64):
        # A large temporary operand, which NumPy would use again for the result.
        together = _spectra.product(spectra[:count], weights[rows[:count]])
        assert together.tobytes() == np.array(alone[:count]).tobytes()
