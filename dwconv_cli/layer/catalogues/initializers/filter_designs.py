"""Designs of filters as initializers: taps that are computed from a specification, the same for every channel.

A layer correlates, so taps stand in the order of the samples they meet: ``y[t] = sum_k x[t + k] * w[k]``. A kernel
of `size` taps is centred on tap ``(size - 1) / 2``.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.initializers.catalogue import INITIALIZERS, Shape
from dwconv_cli.layer.registry import Limit, above, at_least
from dwconv_cli.threads import one_blas_thread


def _design(**limits: Limit) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Enter a function of `size` and keyword arguments, which returns taps of shape ``(size,)``, as an initializer."""

    def enter(function: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(function)
        def initializer(shape: Shape, dtype: DTypeLike, **arguments: Any) -> Array:
            if len(shape) < 2:
                raise LayerError(
                    f"initializer {function.__name__}: it designs a kernel (K, C, M), not an array of shape {shape}"
                )
            taps = function(shape[0], **arguments).reshape(-1, *[1] * (len(shape) - 1))
            return np.broadcast_to(taps.astype(dtype), shape).copy()

        INITIALIZERS.register(in_keras=False, limits=limits)(initializer)
        return function

    return enter


def _offsets(size: int) -> Array:
    """Distance of each tap from the kernel's centre, in steps."""
    return np.arange(size) - (size - 1) / 2


def _above_zero(value: float | tuple[float, ...]) -> bool:
    return all(edge > 0 for edge in (value if isinstance(value, tuple) else [value]))


@_design(cutoff=Limit("above 0", _above_zero), fs=above(0))
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
            f"initializer firwin: {len(cutoff)} cutoffs make a band-pass or a band-stop; add pass_zero=bandpass to "
            "keep what is between the first two, or pass_zero=bandstop to remove it"
        )
    zero = True if pass_zero is None else pass_zero
    design = scipy_module("signal").firwin
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return np.asarray(design(size, cutoff, window=window, pass_zero=zero, fs=fs))
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise LayerError(
            f"initializer firwin of {size} taps, cutoff={cutoff!r}, fs={fs!r}, window={window!r}, "
            f"pass_zero={zero!r}: {why}"
        ) from None


@_design(polyorder=at_least(0), deriv=at_least(0), fs=above(0))
def savgol(size: int, *, polyorder: int = 3, deriv: int = 0, fs: float = 1.0) -> Array:
    """Savitzky-Golay filter: the value, or a derivative, at the centre of a polynomial fitted to `size` samples.

    Parameters
    ----------
    polyorder : int
        Order of the polynomial, below `size`.
    deriv : int
        Order of the derivative.
    fs : float
        Samples per unit of time, which the derivative is by.

    Notes
    -----
    Savitzky and Golay, Analytical Chemistry 36 (1964) 1627; here over Legendre polynomials on [-1, 1], which
    keep high orders well conditioned.

    Examples
    --------
    >>> (savgol(5, polyorder=2) * 35).round(9)
    array([-3., 12., 17., 12., -3.])
    """
    if not deriv <= polyorder < size:
        raise LayerError(
            f"initializer savgol: deriv={deriv} and polyorder={polyorder} with {size} taps; "
            "it needs deriv <= polyorder < taps"
        )
    from numpy.polynomial import legendre

    half = max(size - 1, 1) / 2
    basis = legendre.legvander(_offsets(size) / half, polyorder)
    at_centre = legendre.legval(0.0, legendre.legder(np.eye(polyorder + 1), deriv))
    with one_blas_thread:
        taps: Array = at_centre @ np.linalg.pinv(basis) * (fs / half) ** deriv
    # The taps are even or odd but for rounding; made exactly so, the filter's phase is exactly linear.
    return np.asarray((taps + (-1) ** deriv * taps[::-1]) / 2)


@_design()
def moving_average(size: int) -> Array:
    """Mean of `size` samples.

    Examples
    --------
    >>> moving_average(4)
    array([0.25, 0.25, 0.25, 0.25])
    """
    return np.full(size, 1 / size)


@_design(std=above(0))
def gaussian(size: int, *, std: float) -> Array:
    """Bell of standard deviation `std` steps, of sum 1."""
    exponent = -0.5 * (_offsets(size) / std) ** 2
    # Relative to the centre taps, so that a narrow bell on an even kernel does not underflow as a whole.
    bell = np.exp(exponent - exponent.max())
    return np.asarray(bell / bell.sum())


@_design(fs=above(0))
def differentiator(size: int, *, fs: float = 1.0) -> Array:
    """First derivative at the centre, exact for polynomials below degree `size`.

    Parameters
    ----------
    fs : float
        Samples per unit of time, which the derivative is by.

    Notes
    -----
    The derivative of the Lagrange polynomial through samples at offsets 0 and ±s_i: a tap at offset s has
    weight ``1/(2s) * prod(s_i**2 / (s_i**2 - s**2))`` over the other s_i.

    Examples
    --------
    >>> differentiator(3, fs=100)
    array([-50.,   0.,  50.])
    """
    if size < 2:
        raise LayerError("initializer differentiator: one tap has no derivative; use two or more")
    right = _offsets(size)[(size + 1) // 2 :]
    weights = 0.5 / right
    for i, other in enumerate(right):
        factor = other**2 / np.where(right == other, 1.0, other**2 - right**2)
        factor[i] = 1.0
        weights *= factor
    middle = np.zeros(size % 2)
    return np.concatenate([-weights[::-1], middle, weights]) * fs


@_design()
def delta(size: int) -> Array:
    """1 at the tap that meets the output's own sample under ``same`` padding, ``(size - 1) // 2``, else 0."""
    taps = np.zeros(size)
    taps[(size - 1) // 2] = 1
    return taps
