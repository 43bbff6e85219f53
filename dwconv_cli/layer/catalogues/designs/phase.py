"""Filters that turn phases: the Hilbert transform, and delays by parts of a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs.bands import RIPPLE
from dwconv_cli.layer.catalogues.designs.catalogue import Length, design, odd, offsets
from dwconv_cli.layer.catalogues.designs.checks import call, check_frequency, check_odd, kaiser_length
from dwconv_cli.layer.registry import above, at_least, one_of
from dwconv_cli.text import counted

# The band between this part of the sampling rate and half the sampling rate is not delayed exactly.
_DELAYED_UP_TO = 0.4


def _lowest(low: float | None, fs: float) -> float:
    """The lowest frequency that a Hilbert transform passes."""
    if low is None:
        return fs / 20
    if low >= fs / 4:
        check_frequency("hilbert", "low", low, fs)
        raise LayerError(
            f"design hilbert: low={low!r} is not below a quarter of the sampling rate, {fs / 4:g}; use a lower one"
        )
    return low


def _hilbert_length(*, low: float | None, ripple: float | None, fs: float, **_: Any) -> Length:
    lowest, decibels = _lowest(low, fs), RIPPLE if ripple is None else ripple
    # The gain rises from -1 below frequency 0 to 1 above it, over twice the lowest frequency.
    size = kaiser_length(decibels, 2 * lowest, fs, f"hilbert with low={lowest:g}")
    default = "" if low else f"for frequencies from {lowest:g} {{unit}} and a ripple of {decibels:g} dB"
    return Length(size, {"low": lowest, "ripple": decibels}, default)


@design(
    "hilbert(1)",
    _hilbert_length,
    low=above(0),
    ripple=at_least(8),
    method=one_of("window", "remez"),
    fs=above(0),
)
def hilbert(
    size: int,
    *,
    low: float | None = None,
    ripple: float | None = None,
    window: str | tuple[Any, ...] | None = None,
    method: str = "window",
    fs: float = 1.0,
) -> Array:
    """Hilbert transform, which turns a cosine into a sine: the imaginary part of the analytic signal.

    Parameters
    ----------
    low : float, optional
        The lowest frequency that passes; the highest one is as far below half the sampling rate. By default a twentieth
        of the sampling rate.
    ripple, window, method, fs
        As of :func:`~dwconv_cli.layer.catalogues.designs.bands.lowpass`.

    Notes
    -----
    The ideal taps are ``2 sin(pi n / 2)**2 / (pi n)``: A. V. Oppenheim, R. W. Schafer, *Discrete-Time Signal Processing*,
    3rd edition, section 12.4.
    """
    check_odd("hilbert", size, "has no tap in its middle, and delays by half a step")
    lowest = _lowest(low, fs)
    if method == "remez":
        if window is not None:
            raise LayerError("design hilbert: method=remez has no window; leave out one of the two")
        what, bands = f"hilbert of {counted(size, 'tap')} by method=remez", [lowest, fs / 2 - lowest]
        # As an impulse response SciPy's taps turn the other way, and so in the order of a correlation the right way.
        return call("remez", what, size, bands, [1], type="hilbert", fs=fs)
    n = offsets(size)
    ideal = np.where(n % 2 == 1, 2 / (np.pi * np.where(n == 0, 1, n)), 0.0)
    chosen: Any = "hamming" if window is None else window
    if window is None and ripple is not None:
        chosen = ("kaiser", scipy_module("signal").kaiser_beta(ripple))
    what = f"hilbert of {counted(size, 'tap')}, window={chosen!r}"
    impulse_response = ideal * call("get_window", what, chosen, size, fftbins=False)
    # A correlation meets the earliest sample first.
    return np.asarray(impulse_response[::-1])


def _delays(delay: float | tuple[float, ...]) -> Array:
    return np.atleast_1d(np.asarray(delay, np.float64))


def _delay_length(*, delay: float | tuple[float, ...]) -> Length:
    # Both sides of half the sampling rate belong to the transition.
    size = kaiser_length(RIPPLE, 2 * (0.5 - _DELAYED_UP_TO), 1.0, "fractional_delay")
    size += 2 * int(np.ceil(np.abs(_delays(delay)).max(initial=0)))
    return Length(odd(size), {}, f"for frequencies up to {_DELAYED_UP_TO:g} cycles per step")


@design("fractional_delay(0.25)", _delay_length)
def fractional_delay(size: int, *, delay: float | tuple[float, ...]) -> Array:
    """Delays by any number of steps, the same for all channels or one number for each.

    Parameters
    ----------
    delay : float or tuple of float
        Steps; negative ones look ahead. With padding ``same`` they are counted from each step itself, with ``causal``
        from the kernel's middle.

    Notes
    -----
    The sinc function under a Kaiser window, both delayed, for 60 dB: T. I. Laakso, V. Välimäki, M. Karjalainen,
    U. K. Laine, "Splitting the unit delay", IEEE Signal Processing Magazine 13(1), 1996, section on windowing.

    Examples
    --------
    >>> fractional_delay(5, delay=1).round(9) + 0.0
    array([0., 1., 0., 0., 0.])
    """
    delays = _delays(delay)
    farthest = float(np.abs(delays).max(initial=0))
    if not delays.size:
        raise LayerError("design fractional_delay: there is no delay; write fractional_delay(0.25)")
    if farthest > (size - 1) / 2:
        raise LayerError(
            f"design fractional_delay: {farthest:g} steps do not fit into {counted(size, 'tap')}; "
            f"use --kernel-size {odd(2 * farthest + 1)} or more"
        )
    taps = [_delayed(size, float(one)) for one in delays]
    return np.stack(taps, axis=1) if isinstance(delay, tuple) else taps[0]


def _delayed(size: int, delay: float) -> Array:
    distance, half = offsets(size) + delay, (size + 1) / 2 - abs(delay)
    inside = np.clip(1 - (distance / half) ** 2, 0, None)
    beta = scipy_module("signal").kaiser_beta(RIPPLE)
    taps = np.sinc(distance) * np.where(np.abs(distance) < half, np.i0(beta * np.sqrt(inside)), 0.0)
    return np.asarray(taps / taps.sum())
