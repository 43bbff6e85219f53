"""What is overlap-save's own: which outputs it transforms, which it sums, and that they keep the promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
import strategies

from dwconv_cli import depthwise_conv1d
from dwconv_cli.convolution.algorithms import _spectra, direct, overlap_save
from dwconv_cli.convolution.algorithms.problem import Problem

Array = np.ndarray[Any, Any]

BOTH_LAYOUTS = pytest.mark.parametrize("data_format", strategies.DATA_FORMATS)
BOTH_DTYPES = pytest.mark.parametrize("dtype", strategies.FLOATS)


def noise(shape: tuple[int, ...], dtype: str = "float32") -> Array:
    return np.random.default_rng(3).standard_normal(shape).astype(dtype)


def scenes(steps: int, channels: int, dtype: str) -> dict[str, Array]:
    """Recordings of which a bound for a whole block says too little."""
    plain = noise((1, steps, channels), dtype)
    spike, silence, drift = plain * 1e-3, plain.copy(), plain * np.geomspace(1e-9, 1e9, steps)[:, None]
    spike[0, steps // 3, 0] = 1e6
    silence[0, steps // 4 : steps // 2 + 300] = 0
    broken = plain.copy()
    broken[0, [steps // 5, steps // 2, -1], [0, 1, -1]] = [np.nan, np.inf, -np.inf]
    scenes = {"plain": plain, "spike": spike, "silence": silence, "drift": drift, "broken": broken}
    scenes |= {"tiny": plain * 1e-18, "huge": plain * 1e18}
    # Of the spike alone the square does not vanish altogether.
    scenes["tiny spike"] = spike.astype(np.float64) * {"float32": 1e-26, "float64": 1e-165}[dtype]
    return {name: x.astype(dtype) for name, x in scenes.items()}


@BOTH_LAYOUTS
@BOTH_DTYPES
@pytest.mark.parametrize(
    "taps, channels, multiplier, strides, dilation",
    [(9, 3, 2, 1, 1), (16, 4, 1, 4, 1), (63, 2, 1, 1, 2), (130, 5, 2, 1, 1), (257, 2, 1, 1, 1)],
)
def test_errors_keep_the_bound(
    data_format: str, dtype: str, taps: int, channels: int, multiplier: int, strides: int, dilation: int
) -> None:
    kernel = noise((taps, channels, multiplier), dtype)
    layer = {"strides": strides, "dilation_rate": dilation, "data_format": data_format, "padding": "causal"}
    for name, scene in scenes(900 * strides, channels, dtype).items():
        x = scene if data_format == "channels_last" else np.ascontiguousarray(scene.transpose(0, 2, 1))
        outputs = depthwise_conv1d(x, kernel, algorithm="overlap-save", **layer)
        truth = oracle.depthwise_conv1d(x.astype(np.longdouble), kernel, **layer)
        bound = oracle.error_bound(x.astype(np.longdouble), kernel, dtype=dtype, **layer)
        finite = np.isfinite(truth)
        assert np.array_equal(outputs[~finite], truth[~finite].astype(dtype), equal_nan=True), name
        assert (np.abs(outputs[finite] - truth[finite]) <= bound[finite]).all(), name


class Watched:
    """A check in float64 that notes which channels come to it, for those that float32 is not good enough for."""

    def __init__(self, gate: Any) -> None:
        self.gate, self.channels = gate, list[list[int]]()

    def passes(self, blocks: Array, channels: Array) -> Any:
        self.channels.append(channels.tolist())
        return self.gate.passes(blocks, channels)


def prepared(taps: int, data_format: str = "channels_last", dtype: str = "float32") -> tuple[Any, Watched]:
    """A kernel of two channels made ready, and its check in float64."""
    problem = Problem(taps, 2, data_format=data_format, dtype=dtype)
    ready = overlap_save.prepare(problem, noise((taps, 2, 1), dtype))
    assert isinstance(ready, overlap_save.OverlapSave)
    gate = Watched(ready.wide_gate)
    if ready.wide_gate is not None:
        ready.wide_gate = gate  # type: ignore[assignment]
    return ready, gate


def run(ready: Any, x: Array) -> Array:
    """As many whole blocks as there are; the last ends in the silence after the recording."""
    problem = ready.problem
    count = (x.shape[1] - problem.kernel_size + 1) // ready.panel * ready.panel
    out = np.full((len(x), count, problem.channels, problem.depth_multiplier), np.nan, problem.dtype)
    if problem.data_format == "channels_first":
        x, out = (np.ascontiguousarray(np.moveaxis(array, 1, -1)) for array in (x, out))
        x, out = (np.moveaxis(array, -1, 1) for array in (x, out))
    ready(x, 0, out, 0)
    return out


@BOTH_LAYOUTS
@BOTH_DTYPES
@pytest.mark.parametrize("taps", [257, 1025])
def test_transforms_suffice_for_ordinary_data(
    data_format: str, dtype: str, taps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, gate = prepared(taps, data_format, dtype)
    # Without it nothing can be summed directly.
    monkeypatch.delattr(direct, "prepare")
    steady = np.sin(np.arange(20_000) / 9)[None, :, None] + 0.1 * noise((1, 20_000, 2))
    for x in (noise((1, 20_000, 2)), np.random.default_rng(1).random((1, 20_000, 2)), steady):
        assert np.isfinite(run(ready, x.astype(dtype))).all()
    assert gate.channels == []


def test_a_spike_is_no_work_for_a_float32_transform() -> None:
    ready, gate = prepared(257)
    x = noise((1, 9000, 2)) * np.float32(1e-3)
    x[0, 4500, 1] = 1e6
    run(ready, x)
    assert gate.channels == [[1]]


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_products_of_spectra_do_not_depend_on_how_many_there_are(dtype: Any) -> None:
    spectra, weights = ((noise((64, 1025, 2)) @ [1, 1j]).astype(dtype) for _ in range(2))
    rows = np.arange(64)
    alone = [_spectra.product(spectra[row], weights[[row]][0]).copy() for row in rows]
    for count in (1, 2, 7, 64):
        # A large temporary operand, which NumPy would use again for the result.
        together = _spectra.product(spectra[:count], weights[rows[:count]])
        assert together.tobytes() == np.array(alone[:count]).tobytes()
