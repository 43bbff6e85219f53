"""What a kernel does to a signal: gain, half-power points and group delay.

The layer computes a correlation, ``y[o] = sum_k w[k] x[o + k*d - left]``. With ``padding="causal"`` it is a causal
filter whose impulse response is the reversed kernel; delays are given for that padding. With another padding they are
less by ``effective_kernel_size - 1 - left`` steps, and gains are the same.

A. V. Oppenheim, R. W. Schafer: *Discrete-Time Signal Processing*, 3rd edition, sections 5.1 (group delay) and 5.7
(linear phase).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.text import SPARKS
from dwconv_cli.threads import one_blas_thread

TAPS_WIDTH = 48
RESPONSE_WIDTH = 32
FLOOR_DB = -60.0

# Points of the grid for each tap. So many that the point nearest to the top of a lobe is at most 0.7% below it.
_OVERSAMPLING = 8
_LEAST_POINTS = 1024
# Powers that differ by less, relatively, are equal: the rest is rounding.
_SAME = 1e-9
# With more products than this, half-power points are only interpolated between points of the grid.
_REFINABLE = 1 << 22
# Each step multiplies the number of correct digits by 1.4; the grid gives the first two.
_STEPS = 10


@dataclass(frozen=True)
class Response:
    """How one kernel of one channel responds.

    Parameters
    ----------
    dc_gain : float or complex
        The gain of a constant signal, which is the sum of the taps.
    peak_gain : float
        The largest gain at any frequency.
    peak_frequency : float or None
        The frequency of that gain (the lowest, if there are several), in cycles per step, or Hz.
    cutoffs : tuple of float
        -3 dB points: frequencies where the power passes half of the peak's, in rising order.
    group_delay : float or None
        The delay of the causal filter at the peak, in steps.
    group_delay_range : (float, float) or None
        The smallest and the largest delay of frequencies with at least half of the peak's power.
    linear_phase : bool
        Whether the taps are symmetric or antisymmetric, so that all frequencies are delayed alike.
    taps, gains : str
        Sparklines of the real parts of the taps, the first of which is multiplied by the earliest step; and of the
        gain, from -60 dB to 0 dB of the peak, over frequencies from 0 (complex kernels: minus half the sampling rate)
        to half the sampling rate.
    """

    dc_gain: float | complex
    peak_gain: float
    peak_frequency: float | None
    cutoffs: tuple[float, ...]
    group_delay: float | None
    group_delay_range: tuple[float, float] | None
    linear_phase: bool
    taps: str
    gains: str


def response(kernel: Array, dilation_rate: int = 1, fs: float = 1.0) -> Response:
    """The response of one kernel.

    Parameters
    ----------
    kernel : ndarray, shape (K,)
        Correlation taps.
    dilation_rate : int
        Steps between taps. Above 1 the gain repeats every ``fs / dilation_rate``; the response has the frequencies of
        the first period.
    fs : float
        Sampling rate, which gives the frequencies their unit.

    Returns
    -------
    Response
        If the taps are all zero or not finite, it has only the gain of a constant signal and the taps.
    """
    real = not np.iscomplexobj(kernel)
    taps = kernel.astype(np.float64 if real else np.complex128)[::-1]
    gain = taps.sum().item()
    line = sparkline(_pooled(kernel.real.astype(np.float64), TAPS_WIDTH))
    if not np.isfinite(taps).all() or not taps.any():
        return Response(gain, abs(gain), None, (), None, None, False, line, "")
    # Scaled, so that squares neither overflow nor vanish, whatever the unit of the taps.
    scale = float(np.abs(taps).max())
    taps = taps / scale
    frequencies, values = spectrum(taps, real)
    power = np.abs(values) ** 2
    peak, top = _peak(taps, frequencies, power)
    passing = power >= top / 2
    linear = _is_linear_phase(taps, kernel.dtype)
    delays = np.array([(len(taps) - 1) / 2])
    if not linear:
        # The group delay is Re(DTFT(n h[n]) / DTFT(h[n])).
        slopes, at_peak = np.arange(len(taps)) * taps, np.array([peak])
        delays = (_at(slopes, at_peak) / _at(taps, at_peak)).real
        delays = np.append(delays, (spectrum(slopes, real)[1][passing] / values[passing]).real)
    delays *= dilation_rate
    unit = fs / dilation_rate
    return Response(
        dc_gain=gain,
        peak_gain=scale * float(np.sqrt(top)),
        peak_frequency=peak * unit,
        cutoffs=tuple((_edges(taps, frequencies, power, top / 2) * unit).tolist()),
        group_delay=float(delays[0]),
        group_delay_range=(float(delays.min()), float(delays.max())),
        linear_phase=linear,
        taps=line,
        gains=sparkline(_decibels(power, top), FLOOR_DB, 0.0),
    )


def sparkline(values: Array, low: float | None = None, high: float | None = None) -> str:
    """`values` as a row of bars of eight heights, from `low` to `high`; by default over all values and 0.

    Examples
    --------
    >>> sparkline(np.array([0.0, 2.0, 7.0, 1.0]))
    '▁▃█▂'
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ""
    low = min(0.0, float(finite.min())) if low is None else low
    high = max(0.0, float(finite.max())) if high is None else high
    heights = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    levels = np.rint(heights.clip(0, 1) * (len(SPARKS) - 1)).astype(int)
    return "".join(SPARKS[level] for level in levels)


def spectrum(taps: Array, real: bool) -> tuple[Array, Array]:
    """Frequencies in rising order with both ends, and the response there, of a causal filter."""
    points = 1 << max(_LEAST_POINTS, _OVERSAMPLING * len(taps) - 1).bit_length()
    if real:
        return np.fft.rfftfreq(points), np.fft.rfft(taps, points)
    values = np.fft.fftshift(np.fft.fft(taps, points))
    return np.linspace(-0.5, 0.5, points + 1), np.append(values, values[0])


def _at(taps: Array, frequencies: Array) -> Array:
    """The response at any frequencies."""
    turns = np.multiply.outer(frequencies, np.arange(len(taps)))
    with one_blas_thread:
        return np.asarray(np.exp(-2j * np.pi * turns) @ taps)


def _peak(taps: Array, frequencies: Array, power: Array) -> tuple[float, float]:
    """Where the power is largest, and how large: the best point of the grid, and of finer ones around it."""
    top = float(power.max())
    equal = frequencies[power >= top * (1 - _SAME)]
    peak = center = float(equal[np.abs(equal).argmin()])
    step = float(frequencies[1] - frequencies[0])
    for _ in range(4):
        near = np.clip(center + np.linspace(-step, step, 33), frequencies[0], frequencies[-1])
        finer = np.abs(_at(taps, near)) ** 2
        best = int(finer.argmax())
        center, step = float(near[best]), step / 16
        if finer[best] > top * (1 + _SAME):
            peak, top = center, float(finer[best])
    return peak, top


def _edges(taps: Array, frequencies: Array, power: Array, half: float) -> Array:
    """Frequencies where the power passes `half`, all at once by false position, in its Illinois variant.

    M. Dowell, P. Jarratt: "A modified regula falsi method for computing the root of an equation", BIT 11, 1971.
    SciPy has root searches too, but to import scipy.optimize would double the time that the command takes.
    """
    passing = power >= half
    index = np.flatnonzero(passing[1:] != passing[:-1])
    low, high = frequencies[index], frequencies[index + 1]
    below, above = power[index] - half, power[index + 1] - half
    edges: Array = low - below * (high - low) / (above - below)
    for _ in range(_STEPS if len(index) * len(taps) <= _REFINABLE else 0):
        value = np.abs(_at(taps, edges)) ** 2 - half
        is_low = np.sign(value) == np.sign(below)
        # The end that stays counts half, or it could stay for ever.
        below, above = np.where(is_low, value, below / 2), np.where(is_low, above / 2, value)
        low, high = np.where(is_low, edges, low), np.where(is_low, high, edges)
        edges = low - below * (high - low) / (above - below)
    return edges


def _is_linear_phase(taps: Array, dtype: np.dtype[Any]) -> bool:
    rounding = 4 * np.finfo(dtype).eps if dtype.kind in "fc" else 0.0
    mirrored = taps[::-1].conj()
    return any(bool(np.abs(taps - sign * mirrored).max() <= rounding) for sign in (1, -1))


def _decibels(power: Array, top: float) -> Array:
    best = np.array([part.max() for part in np.array_split(power, RESPONSE_WIDTH)])
    return 10 * np.log10(np.maximum(best / top, 1e-30))


def _pooled(values: Array, width: int) -> Array:
    """At most `width` values: of each part the one that is farthest from 0."""
    if len(values) <= width:
        return values
    return np.array([part[np.abs(part).argmax()] for part in np.array_split(values, width)])
