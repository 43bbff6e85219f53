"""Signal designs: kernels computed from a specification instead of drawn, the same for every channel.

Each takes ``shape``, ``(K, …)``, and gives the taps along the first axis. A layer correlates, so taps stand in
the order of the samples they meet: ``y[t] = sum_k x[t + k] * w[k]``. A kernel is centred on ``(K - 1) / 2``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.arrays import Array
from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.argument_limits import Limit, above, at_least
from dwconv_cli.threads import one_blas_thread


def _fill(name: str, taps: Callable[[int], Array], shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """The taps for ``shape[0]`` in every channel."""
    if len(shape) < 2:
        raise LayerError(f"initializer {name}: it designs a kernel (K, C, M), not an array of shape {shape}")
    column = taps(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(column.astype(dtype), shape).copy()


def _offsets(size: int) -> Array:
    """Distance of each tap from the kernel's centre, in steps."""
    return np.arange(size) - (size - 1) / 2


def firwin(
    shape: tuple[int, ...],
    dtype: DTypeLike,
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
        several say nothing of what is meant, so that it has to be said.

    Raises
    ------
    LayerError
        If there is no such filter.
    """
    if pass_zero is None and isinstance(cutoff, tuple) and len(cutoff) > 1:
        raise LayerError(
            f"initializer firwin: {len(cutoff)} cutoffs make a band-pass or a band-stop; add pass_zero=bandpass to "
            "keep what is between the first two, or pass_zero=bandstop to remove it"
        )
    zero = True if pass_zero is None else pass_zero

    def taps(size: int) -> Array:
        design = scipy_module("signal").firwin
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                found = design(size, cutoff, window=window, pass_zero=zero, fs=fs)
        except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
            why = " ".join(str(error).split())
            raise LayerError(
                f"initializer firwin of {size} taps, cutoff={cutoff!r}, fs={fs!r}, window={window!r}, "
                f"pass_zero={zero!r}: {why}"
            ) from None
        return np.asarray(found)

    return _fill("firwin", taps, shape, dtype)


def savgol(
    shape: tuple[int, ...], dtype: DTypeLike, *, polyorder: int = 3, deriv: int = 0, fs: float = 1.0
) -> Array:
    """Savitzky-Golay filter: the value, or a derivative, at the centre of a polynomial fitted to K samples.

    Parameters
    ----------
    polyorder : int
        Order of the polynomial, below K.
    deriv : int
        Order of the derivative.
    fs : float
        Samples per unit of time, which the derivative is by.

    Raises
    ------
    LayerError
        If K samples do not determine the polynomial, or all its derivatives of that order are zero.

    Notes
    -----
    Savitzky and Golay, Analytical Chemistry 36 (1964) 1627; here over Legendre polynomials on [-1, 1], which
    keep high orders well conditioned.
    """

    def taps(size: int) -> Array:
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
            found: Array = at_centre @ np.linalg.pinv(basis) * (fs / half) ** deriv
        # Exactly even or odd, as they are but for rounding: a kernel of linear phase.
        return np.asarray((found + (-1) ** deriv * found[::-1]) / 2)

    return _fill("savgol", taps, shape, dtype)


def moving_average(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Mean of K samples."""
    return _fill("moving_average", lambda size: np.full(size, 1 / size), shape, dtype)


def gaussian(shape: tuple[int, ...], dtype: DTypeLike, *, std: float) -> Array:
    """Bell of standard deviation `std` steps, of sum 1."""

    def taps(size: int) -> Array:
        exponent = -0.5 * (_offsets(size) / std) ** 2
        # Relative to the centre taps, so that a narrow bell on an even kernel does not underflow as a whole.
        bell = np.exp(exponent - exponent.max())
        return np.asarray(bell / bell.sum())

    return _fill("gaussian", taps, shape, dtype)


def differentiator(shape: tuple[int, ...], dtype: DTypeLike, *, fs: float = 1.0) -> Array:
    """First derivative at the centre, exact for polynomials below degree K.

    Parameters
    ----------
    fs : float
        Samples per unit of time, which the derivative is by.

    Raises
    ------
    LayerError
        If K is 1.

    Notes
    -----
    The derivative of the Lagrange polynomial through samples at offsets 0 and ±s_i: a tap at offset s has
    weight ``1/(2s) * prod(s_i**2 / (s_i**2 - s**2))`` over the other s_i.
    """

    def taps(size: int) -> Array:
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

    return _fill("differentiator", taps, shape, dtype)


def delta(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """1 at the tap that meets the output's own sample under ``same`` padding, ``(K - 1) // 2``, else 0."""

    def taps(size: int) -> Array:
        found = np.zeros(size)
        found[(size - 1) // 2] = 1
        return found

    return _fill("delta", taps, shape, dtype)


_BAND = Limit(
    "above 0", lambda value: all(edge > 0 for edge in (value if isinstance(value, tuple) else [value]))
)

DESIGNS: Mapping[Callable[..., Array], Mapping[str, Limit]] = {
    firwin: {"cutoff": _BAND, "fs": above(0)},
    savgol: {"polyorder": at_least(0), "deriv": at_least(0), "fs": above(0)},
    moving_average: {},
    gaussian: {"std": above(0)},
    differentiator: {"fs": above(0)},
    delta: {},
}
"""Every design, with the limits of its arguments."""
