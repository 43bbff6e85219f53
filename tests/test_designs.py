"""Signal designs by what they do to polynomials, sines and impulses under correlation."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import oracle
import pytest
from checks import refused

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, initialized

# Arguments of those designs that need some, with frequencies in cycles per step.
ARGUMENTS = {
    "firwin": "cutoff=0.5",
    "gaussian": "std=1",
    "lowpass": "cutoff=0.2",
    "highpass": "cutoff=0.2",
    "bandpass": "low=0.1, high=0.3",
    "bandstop": "low=0.1, high=0.3",
    "notch": "frequency=0.2",
    "fractional_delay": "delay=0.25",
}
TEXTS = {name: f"{name}({ARGUMENTS.get(name, '')})" for name in DESIGNS.names()}


def taps(text: str, size: int) -> np.ndarray[Any, Any]:
    kernel: np.ndarray[Any, Any] = INITIALIZERS.function(INITIALIZERS.parse(text))((size, 1, 1), "float64")
    return kernel[:, 0, 0]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_every_channel_gets_the_same(text: str, dtype: str) -> None:
    kernel = INITIALIZERS.function(INITIALIZERS.parse(text))((5, 3, 2), dtype)
    assert kernel.shape == (5, 3, 2)
    assert kernel.dtype == dtype
    assert (kernel == kernel[:, :1, :1]).all()
    assert kernel.flags.writeable
    assert kernel.flags.c_contiguous


@pytest.mark.parametrize("size", [5, 6, 9, 12])
@pytest.mark.parametrize("deriv", [0, 1, 2, 3])
def test_savgol_differentiates(size: int, deriv: int) -> None:
    fs = 10.0
    t = np.arange(30) / fs
    centre = (np.arange(30 - size + 1) + (size - 1) / 2) / fs
    cubic = np.polynomial.Polynomial([0.5, -2, 0.75, 0.25])
    w = taps(f"savgol(polyorder=3, deriv={deriv}, fs=10)", size)
    expected = cubic.deriv(deriv)(centre) if deriv else cubic(centre)
    np.testing.assert_allclose(oracle.depthwise_conv1d(cubic(t), w), expected, rtol=1e-9, atol=1e-9)


def test_savgol_published_coefficients() -> None:
    # Savitzky and Golay (1964), tables I and III: quadratic smoothing over 5 points, quadratic derivative over 5.
    np.testing.assert_allclose(taps("savgol(2)", 5) * 35, [-3, 12, 17, 12, -3], rtol=1e-12)
    np.testing.assert_allclose(taps("savgol(2, 1)", 5) * 10, [-2, -1, 0, 1, 2], atol=1e-14)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 11])
def test_differentiator_is_exact_below_degree_k(size: int) -> None:
    w = taps("differentiator", size)
    offsets = [Fraction(2 * k - size + 1, 2) for k in range(size)]
    for degree in range(size):
        moment = sum(Fraction(float(one)) * offset**degree for one, offset in zip(w, offsets, strict=True))
        scale = sum(abs(float(one) * float(offset) ** degree) for one, offset in zip(w, offsets, strict=True))
        assert abs(float(moment) - (degree == 1)) <= 1e-14 * scale


def test_differentiator_known_stencils() -> None:
    np.testing.assert_allclose(taps("differentiator", 2), [-1, 1])
    np.testing.assert_allclose(taps("differentiator", 3), [-1 / 2, 0, 1 / 2])
    np.testing.assert_allclose(taps("differentiator", 5) * 12, [1, -8, 0, 8, -1])
    np.testing.assert_allclose(taps("differentiator(fs=50)", 3), [-25, 0, 25])


@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize("text", ["savgol(2, 1)", "differentiator"])
def test_ramp(text: str, size: int) -> None:
    np.testing.assert_allclose(
        oracle.depthwise_conv1d(3.0 * np.arange(20), taps(text, size)), 3.0, rtol=1e-12
    )


@pytest.mark.parametrize("text", ["gaussian(std=2)", "differentiator"])
@pytest.mark.parametrize("size", [6, 7, 40, 41])
def test_linear_phase_exactly(text: str, size: int) -> None:
    w, odd = taps(text, size), text == "differentiator"
    assert (w == (-w[::-1] if odd else w[::-1])).all()


def test_moving_average() -> None:
    assert taps("moving_average", 4).tolist() == [0.25] * 4


def test_gaussian() -> None:
    w = taps("gaussian(std=1.5)", 7)
    assert w.sum() == pytest.approx(1)
    assert w[5] / w[3] == pytest.approx(math.exp(-0.5 * (2 / 1.5) ** 2))
    assert taps("gaussian(std=1e-3)", 4).tolist() == [0, 0.5, 0.5, 0]


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_delta_keeps_data_under_same_padding(size: int) -> None:
    x = np.arange(1.0, 9)
    assert oracle.depthwise_conv1d(x, taps("delta", size), padding="same").tolist() == x.tolist()


@pytest.mark.parametrize(
    ("text", "passed", "stopped"),
    [
        ("firwin(cutoff=5, fs=50)", 1, 12),
        ("firwin(cutoff=5, fs=50, window='hann')", 1, 12),
        ("firwin(cutoff=5, fs=50, window=('kaiser', 8.6))", 1, 12),
        ("firwin(cutoff=8, fs=50, pass_zero=False)", 16, 1),
        ("firwin(cutoff=(6, 14), fs=50, pass_zero='bandpass')", 10, 1),
        ("firwin(cutoff=[6, 14], fs=50, pass_zero='bandstop')", 1, 10),
        ("firwin(cutoff=[6, 14], fs=50, pass_zero=bandpass)", 10, 1),
        ("firwin(cutoff=[6, 14], fs=50, pass_zero=bandstop, window=hann)", 1, 10),
        ("firwin(cutoff=[6, 14], fs=50, pass_zero=bandpass, window=(kaiser, 4))", 10, 1),
        ("firwin(cutoff=[8], fs=50)", 1, 16),
    ],
)
def test_firwin_passes_and_stops(text: str, passed: float, stopped: float) -> None:
    w = taps(text, 101)
    gain = {f: abs(np.sum(w * np.exp(2j * np.pi * f / 50 * np.arange(101)))) for f in (passed, stopped)}
    assert gain[passed] == pytest.approx(1, abs=0.01)
    assert gain[stopped] < 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("firwin", "firwin: cutoff is missing; it takes cutoff, fs=2.0"),
        ("firwin(cutoff=30, fs=50)", "firwin of 5 taps, cutoff=30, fs=50, .*Invalid cutoff"),
        ("firwin(cutoff=-1)", "cutoff must be above 0, got -1"),
        ("firwin(cutoff=())", "firwin of 5 taps"),
        ("firwin(cutoff='a')", "cutoff must be a finite number or numbers"),
        ("firwin(cutoff=5, fs=0)", "fs must be above 0"),
        ("firwin(cutoff=5, fs=50, window='nope')", "firwin of 5 taps, .*window"),
        ("firwin(cutoff=5, fs=50, window=(1, 2))", "firwin of 5 taps"),
        ("firwin(cutoff=5, fs=50, pass_zero='x')", "firwin of 5 taps, .*pass_zero"),
        ("firwin(cutoff=(9, 5), fs=50, pass_zero=bandpass)", "firwin of 5 taps"),
        ("firwin(cutoff=[5, 15], fs=360)", "2 cutoffs .* add pass_zero=bandpass .* or pass_zero=bandstop"),
        ("firwin(cutoff=5, fs=50, window=(chebwin, 1e9))", "firwin of 5 taps"),
        ("savgol(polyorder=5)", "deriv=0 and polyorder=5 with 5 taps; it needs deriv <= polyorder < taps"),
        ("savgol(deriv=4)", "it needs deriv <= polyorder"),
        ("savgol(polyorder=-1)", "polyorder must be at least 0"),
        ("savgol(polyorder=1.5)", "polyorder must be a whole number, got 1.5"),
        ("savgol(fs=0)", "fs must be above 0"),
        ("gaussian", "std is missing"),
        ("gaussian(std=0)", "std must be above 0"),
        ("moving_average(3)", "steps=3, and the kernel has 5 taps; leave out one"),
        ("delta(gain=2)", "unknown argument 'gain'; it takes no arguments"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with refused(LayerError, message):
        taps(text, 5)


def test_highpass_of_even_length() -> None:
    with pytest.raises(LayerError, match="even number of coefficients"):
        taps("firwin(cutoff=0.5, pass_zero=False)", 6)


def test_one_tap() -> None:
    assert taps("savgol(polyorder=0)", 1) == pytest.approx([1])
    assert taps("gaussian(std=1)", 1).tolist() == [1]
    with pytest.raises(LayerError, match="one tap has no derivative"):
        taps("differentiator", 1)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_bias_is_no_kernel(text: str) -> None:
    with pytest.raises(LayerError, match=r"not an array of shape \(12,\)"):
        INITIALIZERS.function(INITIALIZERS.parse(text))((12,), "float32")


@pytest.mark.parametrize(
    "text",
    [
        "firwin(cutoff=5, fs=50, window=(gaussian, 0))",
        "savgol(deriv=3, fs=1e308)",
        "random_uniform(minval=-1e308, maxval=1e308)",
        "orthogonal(gain=1e300)",
    ],
)
def test_numbers_beyond_the_dtype(text: str) -> None:
    with pytest.raises(LayerError, match="gives NaN or infinity in float32; use smaller arguments"):
        initialized(INITIALIZERS.parse(text), (9, 2, 1), "float32", None)
