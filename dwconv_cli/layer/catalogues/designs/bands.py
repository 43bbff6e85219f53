"""Filters that pass or stop bands of frequencies: :func:`scipy.signal.firwin` and :func:`scipy.signal.remez`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs.catalogue import Length, design
from dwconv_cli.layer.catalogues.designs.checks import (
    call,
    check_frequency,
    check_odd,
    check_order,
    kaiser_length,
)
from dwconv_cli.layer.registry import Limit, above, at_least, one_of
from dwconv_cli.text import counted

RIPPLE = 60.0
"""How far in dB the bands may lie from 1 and 0, where nothing is typed: a thousandth."""

# SciPy's kaiserord needs at least 8 dB.
LIMITS = {
    "transition": above(0),
    "ripple": at_least(8),
    "method": one_of("window", "remez"),
    "fs": above(0),
}


def _above_zero(value: float | tuple[float, ...]) -> bool:
    return all(edge > 0 for edge in (value if isinstance(value, tuple) else [value]))


def no_length(*, cutoff: Any, **_: Any) -> Length:
    """Of firwin, which is called as in SciPy, with a number of taps."""
    raise LayerError(
        "design firwin: the number of taps is missing; add --kernel-size 31, or use lowpass, highpass, bandpass or "
        "bandstop, which have one of their own"
    )


@design("firwin([5, 15], pass_zero=bandpass)", no_length, cutoff=Limit("above 0", _above_zero), fs=above(0))
def firwin(
    size: int,
    *,
    cutoff: float | tuple[float, ...],
    fs: float = 2.0,
    window: str | tuple[Any, ...] = "hamming",
    pass_zero: bool | str | None = None,
) -> Array:
    """Windowed ideal filter, as :func:`scipy.signal.firwin` designs it.

    Parameters
    ----------
    cutoff : float or tuple of float
        Band edges in the units of `fs`.
    fs : float
        Sampling rate.
    window : str or tuple
        A window's name, or name and parameter, e.g. ``("kaiser", 8.6)``.
    pass_zero : bool or str
        Whether frequency 0 passes, or ``lowpass``, ``highpass``, ``bandpass``, ``bandstop``. True for one cutoff;
        required for several, since they may mean either a band-pass or a band-stop.
    """
    if pass_zero is None and isinstance(cutoff, tuple) and len(cutoff) > 1:
        raise LayerError(
            f"design firwin: {len(cutoff)} cutoffs make a band-pass or a band-stop; add pass_zero=bandpass to "
            "keep what is between the first two, or pass_zero=bandstop to remove it"
        )
    zero = True if pass_zero is None else pass_zero
    what = f"firwin of {counted(size, 'tap')}, cutoff={cutoff!r}, fs={fs!r}, window={window!r}, pass_zero={zero!r}"
    return call("firwin", what, size, cutoff, window=window, pass_zero=zero, fs=fs)


class Bands:
    """The bands of a filter: their `edges`, and whether each band passes, from frequency 0 on."""

    def __init__(self, name: str, edges: Sequence[float], passes_zero: bool, fs: float) -> None:
        self._name, self._edges, self._fs = name, list(edges), fs
        self._gains = [1 if passes_zero else 0]
        for _ in edges:
            self._gains.append(1 - self._gains[-1])

    def transition(self, transition: float | None) -> float:
        """The width of the bands' transitions: as typed, or half of the narrowest band."""
        sides = (self._edges[0], self._fs / 2 - self._edges[-1])
        between = [high - low for low, high in pairwise(self._edges)]
        if transition is None:
            return float(min(*sides, *between) / 2)
        widest = min(2 * sides[0], 2 * sides[1], *between)
        if transition >= widest:
            raise LayerError(
                f"design {self._name}: transition={transition!r} does not fit between its bands; it must be below "
                f"{widest:g}"
            )
        return transition

    def length(self, transition: float | None, ripple: float | None) -> Length:
        """The number of taps for a transition and a ripple."""
        width, decibels = self.transition(transition), RIPPLE if ripple is None else ripple
        size = kaiser_length(decibels, width, self._fs, f"{self._name} with transition={width:g}")
        default = (
            "" if transition else f"for a transition of {width:g} {{unit}} and a ripple of {decibels:g} dB"
        )
        return Length(size, {"transition": width, "ripple": decibels}, default)

    def taps(
        self,
        size: int,
        transition: float | None,
        ripple: float | None,
        window: str | tuple[Any, ...] | None,
        method: str,
    ) -> Array:
        """The taps, by either method."""
        name, what = self._name, f"{self._name} of {counted(size, 'tap')}"
        if self._gains[-1]:
            check_odd(name, size, "has no gain at half the sampling rate")
        if method == "remez":
            if window is not None:
                raise LayerError(f"design {name}: method=remez has no window; leave out one of the two")
            half = self.transition(transition) / 2
            inner = [side for edge in self._edges for side in (edge - half, edge + half)]
            bands = [0, *inner, self._fs / 2]
            taps = call("remez", f"{what} by method=remez", size, bands, self._gains, fs=self._fs)
        else:
            keywords: dict[str, Any] = {"window": "hamming" if window is None else window}
            if window is None and ripple is not None:
                keywords["window"] = ("kaiser", scipy_module("signal").kaiser_beta(ripple))
            elif window is None and transition is not None:
                keywords["width"] = self.transition(transition)
            taps = call(
                "firwin", what, size, self._edges, pass_zero=bool(self._gains[0]), fs=self._fs, **keywords
            )
        return taps


def _lowpass(*, cutoff: float, fs: float, **_: Any) -> Bands:
    check_frequency("lowpass", "cutoff", cutoff, fs)
    return Bands("lowpass", [cutoff], True, fs)


def _highpass(*, cutoff: float, fs: float, **_: Any) -> Bands:
    check_frequency("highpass", "cutoff", cutoff, fs)
    return Bands("highpass", [cutoff], False, fs)


def _band(name: str, low: float, high: float, fs: float) -> Bands:
    check_frequency(name, "low", low, fs)
    check_frequency(name, "high", high, fs)
    check_order(name, low, high)
    return Bands(name, [low, high], name == "bandstop", fs)


def _notch(*, frequency: float, width: float | None, fs: float, **_: Any) -> Bands:
    check_frequency("notch", "frequency", frequency, fs)
    half = (frequency / 10 if width is None else width) / 2
    if not 0 < frequency - half < frequency + half < fs / 2:
        raise LayerError(
            f"design notch: width={2 * half:g} around {frequency!r} leaves no band on one side; use a smaller width"
        )
    return Bands("notch", [frequency - half, frequency + half], True, fs)


@design("lowpass(5)", lambda **a: _lowpass(**a).length(a["transition"], a["ripple"]), **LIMITS)
def lowpass(
    size: int,
    *,
    cutoff: float,
    transition: float | None = None,
    ripple: float | None = None,
    window: str | tuple[Any, ...] | None = None,
    method: str = "window",
    fs: float = 1.0,
) -> Array:
    """Passes frequencies below `cutoff`.

    Parameters
    ----------
    cutoff : float
        Edge of the pass band, where the gain is a half.
    transition : float, optional
        Width of the transition between two bands, whose middle is the edge. It decides the number of taps where none is
        typed; by default it is half of the narrowest band.
    ripple : float, optional
        How far the bands may lie from 1 and 0, in dB (60). It decides the Kaiser window.
    window : str or tuple, optional
        Another window, e.g. ``hann`` or ``(kaiser, 8.6)``. With a number of taps, and neither transition nor ripple, it is
        ``hamming``, as in SciPy.
    method : str
        ``window`` for :func:`scipy.signal.firwin`, ``remez`` for :func:`scipy.signal.remez`.
    fs : float
        Sampling rate; 1 for frequencies in cycles per step.

    Examples
    --------
    >>> taps = lowpass(31, cutoff=5, fs=50)
    >>> round(float(taps.sum()), 9), int(taps.argmax())
    (1.0, 15)
    """
    return _lowpass(cutoff=cutoff, fs=fs).taps(size, transition, ripple, window, method)


@design("highpass(0.5)", lambda **a: _highpass(**a).length(a["transition"], a["ripple"]), **LIMITS)
def highpass(
    size: int,
    *,
    cutoff: float,
    transition: float | None = None,
    ripple: float | None = None,
    window: str | tuple[Any, ...] | None = None,
    method: str = "window",
    fs: float = 1.0,
) -> Array:
    """Passes frequencies above `cutoff`.

    Parameters
    ----------
    cutoff : float
        Edge of the pass band, where the gain is a half.
    transition, ripple, window, method, fs
        As of :func:`lowpass`.
    """
    return _highpass(cutoff=cutoff, fs=fs).taps(size, transition, ripple, window, method)


@design(
    "bandpass(5, 15)",
    lambda **a: _band("bandpass", a["low"], a["high"], a["fs"]).length(a["transition"], a["ripple"]),
    **LIMITS,
)
def bandpass(
    size: int,
    *,
    low: float,
    high: float,
    transition: float | None = None,
    ripple: float | None = None,
    window: str | tuple[Any, ...] | None = None,
    method: str = "window",
    fs: float = 1.0,
) -> Array:
    """Passes frequencies from `low` to `high`.

    Parameters
    ----------
    low, high : float
        Edges of the pass band, where the gain is a half.
    transition, ripple, window, method, fs
        As of :func:`lowpass`.
    """
    return _band("bandpass", low, high, fs).taps(size, transition, ripple, window, method)


@design(
    "bandstop(5, 15)",
    lambda **a: _band("bandstop", a["low"], a["high"], a["fs"]).length(a["transition"], a["ripple"]),
    **LIMITS,
)
def bandstop(
    size: int,
    *,
    low: float,
    high: float,
    transition: float | None = None,
    ripple: float | None = None,
    window: str | tuple[Any, ...] | None = None,
    method: str = "window",
    fs: float = 1.0,
) -> Array:
    """Stops frequencies from `low` to `high`.

    Parameters
    ----------
    low, high : float
        Edges of the stop band, where the gain is a half.
    transition, ripple, window, method, fs
        As of :func:`lowpass`.
    """
    return _band("bandstop", low, high, fs).taps(size, transition, ripple, window, method)


@design("notch(10)", lambda **a: _notch(**a).length(a["transition"], a["ripple"]), width=above(0), **LIMITS)
def notch(
    size: int,
    *,
    frequency: float,
    width: float | None = None,
    transition: float | None = None,
    ripple: float | None = None,
    window: str | tuple[Any, ...] | None = None,
    method: str = "window",
    fs: float = 1.0,
) -> Array:
    """Stops frequencies around `frequency`, such as the hum of the mains.

    Parameters
    ----------
    frequency : float
        Middle of the stop band.
    width : float, optional
        Width of the stop band between the frequencies where the gain is a half; by default a tenth of `frequency`.
    transition, ripple, window, method, fs
        As of :func:`lowpass`.
    """
    return _notch(frequency=frequency, width=width, fs=fs).taps(size, transition, ripple, window, method)
