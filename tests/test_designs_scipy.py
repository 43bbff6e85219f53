"""Designs against SciPy's functions of the same names to the last bit, and by what they do to sines."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from checks import refused
from scipy import signal

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.wording import for_the_command_line
from dwconv_cli.layer.catalogues.designs import DESIGNS, Designed, designed

Array = np.ndarray[Any, Any]

# Edges of the filters, and what SciPy calls their bands: pass_zero of firwin, the gains of remez.
BANDS: dict[str, tuple[list[float], bool, list[int]]] = {
    "lowpass(5)": ([5], True, [1, 0]),
    "highpass(8)": ([8], False, [0, 1]),
    "bandpass(5, 15)": ([5, 15], False, [0, 1, 0]),
    "bandstop(5, 15)": ([5, 15], True, [1, 0, 1]),
    "notch(10, 4)": ([8, 12], True, [1, 0, 1]),
}
FS = 50.0
REMEZ_BANDS = {
    1: lambda e: [0, e[0] - 1, e[0] + 1, 25],
    2: lambda e: [0, e[0] - 1, e[0] + 1, e[1] - 1, e[1] + 1, 25],
}


def of(text: str, size: int | None = None, fs: float | None = FS) -> Designed:
    return designed(DESIGNS.parse(text), size, fs)


def added(text: str, more: str) -> str:
    return f"{text[:-1]}, {more})"


def same_bits(ours: Array, theirs: Array) -> None:
    assert ours.tobytes() == np.asarray(theirs, np.float64).tobytes()


@pytest.mark.parametrize("text", BANDS)
@pytest.mark.parametrize("size", [31, 101])
def test_firwin(text: str, size: int) -> None:
    edges, pass_zero, _ = BANDS[text]
    same_bits(of(text, size).taps, signal.firwin(size, edges, pass_zero=pass_zero, fs=FS))
    hann = signal.firwin(size, edges, pass_zero=pass_zero, fs=FS, window="hann")
    same_bits(of(added(text, "window=hann"), size).taps, hann)
    width = signal.firwin(size, edges, pass_zero=pass_zero, fs=FS, width=2.0)
    same_bits(of(added(text, "transition=2"), size).taps, width)


@pytest.mark.parametrize("text", BANDS)
@pytest.mark.parametrize("transition, ripple", [(1, 40), (2, 60), (2.5, 80.5)])
def test_kaiserord(text: str, transition: float, ripple: float) -> None:
    edges, pass_zero, _ = BANDS[text]
    size, beta = signal.kaiserord(ripple, transition / (FS / 2))
    expected = signal.firwin(size | 1, edges, pass_zero=pass_zero, fs=FS, window=("kaiser", beta))
    result = of(added(text, f"transition={transition}, ripple={ripple}"))
    same_bits(result.taps, expected)
    # Nothing was left to a default.
    assert result.notes == ()
    # The design with its number of taps makes the same taps again.
    same_bits(DESIGNS.function(result.choice)(len(expected)), expected)


@pytest.mark.parametrize("text", BANDS)
def test_remez(text: str) -> None:
    edges, _, gains = BANDS[text]
    for typed, size in [(61, 61), (None, signal.kaiserord(60, 2 / 25)[0] | 1)]:
        expected = signal.remez(size, REMEZ_BANDS[len(edges)](edges), gains, fs=FS)
        same_bits(of(added(text, "method=remez, transition=2"), typed).taps, expected)


@pytest.mark.parametrize(
    "text, width", [("lowpass(5)", 2.5), ("bandpass(5, 15)", 2.5), ("highpass(0.5)", 0.25)]
)
def test_a_transition_by_default_is_half_of_the_narrowest_band(text: str, width: float) -> None:
    size = signal.kaiserord(60, width / (FS / 2))[0]
    result = of(text)
    assert len(result.taps) == size | 1
    assert result.notes == (
        f"{text.partition('(')[0]}: {size | 1} taps, for a transition of {width:g} Hz and a ripple of 60 dB; "
        "--kernel-size K sets another number",
    )


@pytest.mark.parametrize("size, polyorder, deriv", [(5, 2, 0), (9, 3, 1), (11, 3, 0), (10, 4, 2), (31, 5, 3)])
def test_savgol_coeffs(size: int, polyorder: int, deriv: int) -> None:
    expected = signal.savgol_coeffs(size, polyorder, deriv, delta=1 / FS, use="dot")
    same_bits(of(f"savgol({polyorder}, {deriv})", size).taps, expected)


@pytest.mark.parametrize("std", [0.5, 2, 3.3])
def test_gaussian_is_as_wide_as_that_of_ndimage(std: float) -> None:
    from scipy import ndimage

    impulse = np.zeros(101)
    impulse[50] = 1
    expected = ndimage.gaussian_filter1d(impulse, std)
    result = of(f"gaussian({std})").taps
    np.testing.assert_allclose(result, expected[expected != 0], rtol=1e-12)


@pytest.mark.parametrize("method", ["window", "remez"])
def test_hilbert(method: str) -> None:
    w = of(f"hilbert(4, method={method})").taps
    x = np.cos(2 * np.pi * 8 / FS * np.arange(300))
    expected = signal.hilbert(x).imag[50:-50]
    result = oracle.depthwise_conv1d(x, w, padding="same")[50:-50]
    np.testing.assert_allclose(result, expected, atol=4e-3)
    if method == "remez":
        same_bits(w, signal.remez(len(w), [4, 21], [1], type="hilbert", fs=FS))


@pytest.mark.parametrize("delay", [0.25, -0.5, 0.999, 3.3])
@pytest.mark.parametrize("frequency", [0.01, 0.2, 0.4])
def test_fractional_delay(delay: float, frequency: float) -> None:
    w = of(f"fractional_delay({delay})").taps
    t = np.arange(200)
    result = oracle.depthwise_conv1d(np.sin(2 * np.pi * frequency * t), w, padding="same")
    expected = np.sin(2 * np.pi * frequency * (t - delay))
    np.testing.assert_allclose(result[40:-40], expected[40:-40], atol=3e-3)


def test_one_delay_for_each_channel() -> None:
    w = of("fractional_delay(0, 1, 0.5)", 21).taps
    assert w.shape == (21, 3)
    for channel, delay in enumerate([0, 1, 0.5]):
        assert (w[:, channel] == of(f"fractional_delay({delay})", 21).taps).all()
    x = np.arange(30.0)
    assert oracle.depthwise_conv1d(x, w[:, 1], padding="same")[12:18] == pytest.approx(x[11:17])
    assert (of("fractional_delay([0, 1, 0.5])", 21).taps == w).all()


def test_lengths_without_a_transition() -> None:
    assert [
        len(of(text).taps) for text in ("moving_average(7)", "savgol(polyorder=3)", "delta", "differentiator")
    ] == [
        7,
        11,
        1,
        5,
    ]


@pytest.mark.parametrize("name", DESIGNS.names())
def test_every_example_is_a_filter(name: str) -> None:
    entry = DESIGNS.entry(name)
    assert entry.summary.endswith("."), "the first line of the docstring is what dwconv list says"
    result = of(str(entry.example), 31 if name == "firwin" else None)
    assert result.taps.dtype == np.float64
    assert len(result.taps) % 2 == 1
    # The design whose gaps are filled says the same as text.
    assert DESIGNS.parse(str(result.choice)) == result.choice


MISTAKES = [
    ("lowpass", None, "cutoff is missing; .* write e.g. 'lowpass\\(5\\)'"),
    ("lowpas(5)", None, "unknown design 'lowpas', did you mean lowpass\\?"),
    ("Low-Pass(5)", None, "did you mean lowpass\\?"),
    ("lowpass(5Hz)", None, "without units: lowpass\\(5\\)"),
    ("lowpass(0.005 kHz)", None, "without units: lowpass\\(5\\)"),
    ("lowpass(30)", None, "cutoff=30 is not between 0 and half the sampling rate, 25 Hz"),
    ("lowpass(25)", None, "cutoff=25 is not between 0 and half"),
    ("lowpass(0)", None, "cutoff=0 is not between 0 and half"),
    ("lowpass(-5)", None, "cutoff=-5 is not between"),
    ("bandpass(15, 5)", None, "low=15 is not below high=5; write bandpass\\(5, 15\\)"),
    ("bandpass(5)", None, "high is missing; .* write e.g. 'bandpass\\(5, 15\\)'"),
    ("bandpass([5, 15])", None, "low must be a finite number, .* write e.g. 'bandpass\\(5, 15\\)'"),
    ("bandstop(5, 5)", None, "two different edges"),
    ("highpass(5)", 30, "has no gain at half the sampling rate; use an odd number, e.g. --kernel-size 31"),
    ("bandstop(5, 15)", 30, "--kernel-size 31"),
    ("notch(10)", 30, "--kernel-size 31"),
    ("hilbert(1)", 30, "--kernel-size 31"),
    ("notch(24)", None, "width=2.4 around 24 leaves no band on one side"),
    ("hilbert(20)", None, "low=20 is not below a quarter of the sampling rate, 12.5"),
    ("lowpass(5, transition=12)", None, "transition=12 does not fit between its bands; it must be below 10"),
    ("lowpass(5, transition=1e-7)", None, "it would take .* taps; use a wider one, or --kernel-size"),
    ("lowpass(5, transition=1, ripple=60)", 31, "leave out ripple, or --kernel-size"),
    ("lowpass(5, method=remez, window=hann)", 31, "method=remez has no window"),
    ("lowpass(5, method=butter)", None, "method must be one of window, remez"),
    ("lowpass(5, ripple=3)", None, "ripple must be at least 8"),
    ("lowpass(5, window=hanning)", 31, "lowpass of 31 taps: .*window.*; use e.g. hann"),
    ("firwin(5)", None, "add --kernel-size 31, or use lowpass"),
    ("moving_average", None, "write moving_average\\(5\\), or add --kernel-size 5"),
    ("fractional_delay(3)", 5, "3 steps do not fit into 5 taps; use --kernel-size 7 or more"),
    ("butter(4, 5)", None, "butter: a recursive filter .* use lowpass"),
    ("remez(31)", None, "e.g. 'lowpass\\(5, method=remez\\)'"),
    ("lowpass 5", None, "did you mean lowpass"),
    ("savgol_filter(11, 3)", None, "did you mean savgol"),
    ("lowpass(5", None, "the closing bracket too: lowpass\\(5\\)"),
    ("gaussian(1e9)", None, "it would take 8000000001 taps"),
    ("moving_average(1000000000000)", None, "it would take 1000000000000 taps"),
    ("fractional_delay(1e9)", None, "it would take .* taps"),
    ("bandpass(5;15)", None, "write name or name\\(key=value"),
]


@pytest.mark.parametrize("text, size, message", MISTAKES)
def test_mistakes(text: str, size: int | None, message: str) -> None:
    with for_the_command_line(), refused(LayerError, message):
        of(text, size)


def test_hertz_without_a_sampling_rate() -> None:
    with (
        for_the_command_line(),
        refused(LayerError, "0.5 cycles per step; where it is in Hz, give the sampling rate with --fs"),
    ):
        of("lowpass(5)", fs=None)
    result = of("lowpass(0.1)", 31, fs=None)
    assert result.notes == (
        "lowpass: no sampling rate is known, so frequencies are in cycles per step; --fs HZ says it",
    )
    same_bits(result.taps, signal.firwin(31, 0.1, fs=1))
    assert of("savgol", 7, fs=None).notes == of("gaussian(2)", 7, fs=None).notes == ()
    assert "the derivative is by step" in of("savgol(deriv=1)", 7, fs=None).notes[0]
