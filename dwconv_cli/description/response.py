"""What a kernel does to a signal: gain, half-power points and group delay. Pure NumPy.

The layer computes a correlation, ``y[o] = sum_k w[k] x[o + k*d - left]``. As a causal filter, which is what
``padding="causal"`` makes of it, its impulse response is the reversed kernel. The delay of another padding is less
by ``effective_kernel_size - 1 - left`` steps; gains are the same.

A. V. Oppenheim, R. W. Schafer: *Discrete-Time Signal Processing*, 3rd edition, sections 5.1 (group delay) and 5.7
(linear phase).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.threads import one_blas_thread

SPARKS = "▁▂▃▄▅▆▇█"
TAPS_WIDTH = 48
RESPONSE_WIDTH = 32
FLOOR_DB = -60.0

# Points of the grid for each tap: between two of them a lobe's top falls by less than 0.7%.
_OVERSAMPLING = 8
_LEAST_POINTS = 1024
# Powers this near to each other are one: what is left is rounding.
_SAME = 1e-9
# Beyond so many products a half-power point is only interpolated on the grid.
_REFINABLE = 1 << 22
# Each step multiplies the number of right digits by 1.4; the grid gives the first two.
_STEPS = 10


@dataclass(frozen=True)
class Response:
    """How one kernel of one channel responds.

    Parameters
    ----------
    dc_gain : float or complex
        Of a constant signal: the sum of the taps.
    peak_gain : float
        The largest gain at any frequency.
    peak_frequency : float or None
        Where that is (the lowest such frequency), in cycles per step, or Hz.
    cutoffs : tuple of float
        -3 dB points: frequencies where the power passes half of the peak's, in rising order.
    group_delay : float or None
        At the peak, in steps, of the causal filter.
    group_delay_range : (float, float) or None
        Least and largest at frequencies with at least half of the peak's power.
    linear_phase : bool
        The taps are symmetric or antisymmetric, so that all frequencies are delayed alike.
    taps, gains : str
        Sparklines: of the taps (their real parts) in their order, the first meeting the earliest step, and of the gain from -60 dB to
        0 dB of the peak, from frequency 0 to half the sampling rate (complex kernels: from minus half).
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
        Steps between taps. Above 1 the gain repeats every ``fs / dilation_rate``; the frequencies given are those of
        its first repetition.
    fs : float
        Sampling rate; frequencies come in its unit.

    Returns
    -------
    Response
        Of a kernel that is zero, or not finite, only the gain at 0 and the taps.
    """
    real = not np.iscomplexobj(kernel)
    taps = kernel.astype(np.float64 if real else np.complex128)[::-1]
    gain = taps.sum().item()
    line = sparkline(_pooled(kernel.real.astype(np.float64), TAPS_WIDTH))
    if not np.isfinite(taps).all() or not taps.any():
        return Response(gain, abs(gain), None, (), None, None, False, line, "")
    # Free of overflow, whatever the unit of the taps.
    scale = float(np.abs(taps).max())
    taps = taps / scale
    frequencies, spectrum = _spectrum(taps, real)
    power = np.abs(spectrum) ** 2
    peak, top = _peak(taps, frequencies, power)
    passing = power >= top / 2
    edges = _edges(taps, frequencies, power, passing, top / 2)
    middle = (len(taps) - 1) / 2
    linear = _is_linear_phase(taps, kernel.dtype)
    delay, spread = middle, (middle, middle)
    if not linear:
        delay = _delay(taps, np.array([peak])).item()
        slopes = (_spectrum(np.arange(len(taps)) * taps, real)[1][passing] / spectrum[passing]).real
        found = np.append(slopes, delay)
        spread = (float(found.min()), float(found.max()))
    unit = fs / dilation_rate
    return Response(
        gain,
        scale * float(np.sqrt(top)),
        peak * unit,
        tuple(edge * unit for edge in edges),
        delay * dilation_rate,
        (spread[0] * dilation_rate, spread[1] * dilation_rate),
        linear,
        line,
        sparkline(_decibels(power, top), FLOOR_DB, 0.0),
    )


def sparkline(values: Array, low: float | None = None, high: float | None = None) -> str:
    """`values` as a row of eight heights from `low` to `high`, which are the values' own and 0 where not given."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ""
    low = min(0.0, float(finite.min())) if low is None else low
    high = max(0.0, float(finite.max())) if high is None else high
    heights = np.nan_to_num((values - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    levels = np.rint(heights.clip(0, 1) * (len(SPARKS) - 1)).astype(int)
    return "".join(SPARKS[level] for level in levels)


def _spectrum(taps: Array, real: bool) -> tuple[Array, Array]:
    """Frequencies in rising order with both ends, and the response there."""
    points = 1 << max(_LEAST_POINTS, _OVERSAMPLING * len(taps) - 1).bit_length()
    if real:
        return np.fft.rfftfreq(points), np.fft.rfft(taps, points)
    found = np.fft.fftshift(np.fft.fft(taps, points))
    return np.linspace(-0.5, 0.5, points + 1), np.append(found, found[0])


def _at(taps: Array, frequencies: Array) -> Array:
    """The response at any frequencies."""
    turns = np.multiply.outer(frequencies, np.arange(len(taps)))
    with one_blas_thread:
        found: Array = np.exp(-2j * np.pi * turns) @ taps
    return found


def _delay(taps: Array, frequencies: Array) -> Array:
    """Group delay, ``Re(DTFT(n h[n]) / DTFT(h[n]))``."""
    found: Array = (_at(np.arange(len(taps)) * taps, frequencies) / _at(taps, frequencies)).real
    return found


def _peak(taps: Array, frequencies: Array, power: Array) -> tuple[float, float]:
    """Where the power is largest, and how large."""
    best = float(power.max())
    level = np.flatnonzero(power >= best * (1 - _SAME))
    where = float(frequencies[level[np.abs(frequencies[level]).argmin()]])
    step = float(frequencies[1] - frequencies[0])
    first = where
    for _ in range(4):
        near = np.clip(first + np.linspace(-step, step, 33), frequencies[0], frequencies[-1])
        found = np.abs(_at(taps, near)) ** 2
        index = int(found.argmax())
        first, step = float(near[index]), step / 16
        if found[index] > best * (1 + _SAME):
            where, best = first, float(found[index])
    return where, best


def _edges(taps: Array, frequencies: Array, power: Array, passing: Array, half: float) -> list[float]:
    """Frequencies where the power passes `half`: by false position, in its Illinois variant.

    M. Dowell, P. Jarratt: "A modified regula falsi method for computing the root of an equation", BIT 11, 1971.
    """
    index = np.flatnonzero(passing[1:] != passing[:-1])
    low, high = frequencies[index], frequencies[index + 1]
    below, above = power[index] - half, power[index + 1] - half
    found = low - below * (high - low) / (above - below)
    for _ in range(_STEPS if len(index) * len(taps) <= _REFINABLE else 0):
        there = np.abs(_at(taps, found)) ** 2 - half
        before = np.sign(there) == np.sign(below)
        # The end that stays counts half, lest it stay for ever.
        below, above = np.where(before, there, below / 2), np.where(before, above / 2, there)
        low, high = np.where(before, found, low), np.where(before, high, found)
        found = low - below * (high - low) / (above - below)
    return [float(edge) for edge in found]


def _is_linear_phase(taps: Array, dtype: np.dtype[Any]) -> bool:
    rounding = 4 * np.finfo(dtype).eps if dtype.kind in "fc" else 0.0
    mirrored = taps[::-1].conj()
    return any(bool(np.abs(taps - sign * mirrored).max() <= rounding) for sign in (1, -1))


def _decibels(power: Array, top: float) -> Array:
    best = np.array([part.max() for part in np.array_split(power, RESPONSE_WIDTH)])
    return 10 * np.log10(np.maximum(best / top, 1e-30))


def _pooled(values: Array, width: int) -> Array:
    """At most `width` values: of each stretch the one farthest from 0."""
    if len(values) <= width:
        return values
    return np.array([part[np.abs(part).argmax()] for part in np.array_split(values, width)])
