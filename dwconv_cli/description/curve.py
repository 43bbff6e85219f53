"""The frequency response of a kernel as a curve that can be drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dwconv_cli.description.response import spectrum
from dwconv_cli.layer.axes import Array

# Of a response that repeats oftener than this, only the first period is drawn.
_MOST_PERIODS = 32
# Group delays are left out where the gain is this much below the largest one, since they mean nothing at its zeros.
_FAINT_DB = -40.0


class Curve(NamedTuple):
    """Gain and group delay over frequencies.

    Parameters
    ----------
    frequencies : ndarray
        In Hz, or in cycles per step, from 0 (of complex kernels: from minus half the sampling rate) upwards.
    decibels : ndarray
        Gain, where 0 dB leaves a signal as large as it is.
    delay : ndarray
        Group delay of the causal filter in steps; NaN where the gain is faint.
    """

    frequencies: Array
    decibels: Array
    delay: Array


def curve_of(taps: Array, dilation_rate: int = 1, fs: float = 1.0) -> Curve | None:
    """The curve of one kernel, or None where the taps are all zero or not all finite.

    Parameters
    ----------
    taps : ndarray, shape (K,)
        Correlation taps.
    dilation_rate : int
        Steps between taps. The response has `dilation_rate` periods up to the sampling rate.
    fs : float
        Sampling rate.

    Examples
    --------
    >>> curve = curve_of(np.array([0.25, 0.5, 0.25]))
    >>> float(abs(curve.decibels[0]).round(6)), float(curve.delay[0])
    (0.0, 1.0)
    """
    real = not np.iscomplexobj(taps)
    causal = taps.astype(np.float64 if real else np.complex128)[::-1]
    if not np.isfinite(causal).all() or not causal.any():
        return None
    scale = float(np.abs(causal).max())
    causal = causal / scale
    frequencies, values = spectrum(causal, real)
    slopes = spectrum(np.arange(len(causal)) * causal, real)[1]
    magnitude = np.abs(values)
    loud = magnitude > magnitude.max() * 10 ** (_FAINT_DB / 20)
    delay = np.full(len(values), np.nan)
    # The group delay is Re(DTFT(n h[n]) / DTFT(h[n])).
    delay[loud] = (slopes[loud] / values[loud]).real * dilation_rate
    decibels = 20 * np.log10(np.maximum(magnitude, magnitude.max() * 1e-16)) + 20 * np.log10(scale)
    if not 1 < dilation_rate <= _MOST_PERIODS:
        return Curve(frequencies * (fs / dilation_rate), decibels, delay)
    points = (len(frequencies) - 1) * dilation_rate + 1
    spread = np.linspace(0.0 if real else -0.5, 0.5, points)
    within = spread * dilation_rate - np.rint(spread * dilation_rate)
    if real:
        within = np.abs(within)
    nearest = np.rint((within - frequencies[0]) / (frequencies[1] - frequencies[0])).astype(int)
    return Curve(spread * fs, decibels[nearest], delay[nearest])
