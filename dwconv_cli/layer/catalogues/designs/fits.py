"""Designs by what they keep of polynomials: means, fitted values, derivatives, and samples as they are."""

from __future__ import annotations

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs.catalogue import Length, design, offsets
from dwconv_cli.layer.registry import above, at_least
from dwconv_cli.text import counted
from dwconv_cli.threads import one_blas_thread


def _savgol_length(*, polyorder: int, **_: object) -> Length:
    return Length(2 * polyorder + 5, {}, f"for polyorder={polyorder}")


@design("savgol(polyorder=3)", _savgol_length, polyorder=at_least(0), deriv=at_least(0), fs=above(0))
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
    Savitzky and Golay, Analytical Chemistry 36 (1964) 1627; as :func:`scipy.signal.savgol_coeffs` computes it, with
    ``use="dot"`` for a correlation.

    Examples
    --------
    >>> (savgol(5, polyorder=2) * 35).round(9)
    array([-3., 12., 17., 12., -3.])
    """
    if not deriv <= polyorder < size:
        raise LayerError(
            f"design savgol: deriv={deriv} and polyorder={polyorder} with {size} taps; "
            "it needs deriv <= polyorder < taps"
        )
    coefficients = scipy_module("signal").savgol_coeffs
    try:
        with np.errstate(all="ignore"), one_blas_thread:
            return np.asarray(coefficients(size, polyorder, deriv, delta=1 / fs if deriv else 1.0, use="dot"))
    except ArithmeticError:
        # The rate's power is beyond all numbers, and so are the taps.
        return np.full(size, np.inf)


def _moving_average_length(*, steps: int | None) -> Length:
    if steps is None:
        raise LayerError(
            "design moving_average: the number of steps is missing; write moving_average(5), or add --kernel-size 5"
        )
    return Length(steps)


@design("moving_average(5)", _moving_average_length, steps=at_least(1))
def moving_average(size: int, *, steps: int | None = None) -> Array:
    """Mean of `steps` samples, or of as many as the kernel has taps.

    Examples
    --------
    >>> moving_average(4)
    array([0.25, 0.25, 0.25, 0.25])
    """
    if steps not in (None, size):
        raise LayerError(
            f"design moving_average: steps={steps}, and the kernel has {counted(size, 'tap')}; leave out one of the two"
        )
    return np.full(size, 1 / size)


def _gaussian_length(*, std: float) -> Length:
    # The width of scipy.ndimage.gaussian_filter1d.
    return Length(2 * int(4 * std + 0.5) + 1, {}, "for 4 standard deviations on each side")


@design("gaussian(2)", _gaussian_length, std=above(0))
def gaussian(size: int, *, std: float) -> Array:
    """Bell of standard deviation `std` steps, of sum 1."""
    exponent = -0.5 * (offsets(size) / std) ** 2
    # Relative to the centre taps, so that a narrow bell on an even kernel does not underflow as a whole.
    bell = np.exp(exponent - exponent.max())
    return np.asarray(bell / bell.sum())


def _differentiator_length(**_: object) -> Length:
    return Length(5, {}, "which is exact for polynomials of order 4")


@design("differentiator", _differentiator_length, fs=above(0))
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
        raise LayerError("design differentiator: one tap has no derivative; use two or more")
    right = offsets(size)[(size + 1) // 2 :]
    weights = 0.5 / right
    for i, other in enumerate(right):
        factor = other**2 / np.where(right == other, 1.0, other**2 - right**2)
        factor[i] = 1.0
        weights *= factor
    middle = np.zeros(size % 2)
    return np.concatenate([-weights[::-1], middle, weights]) * fs


def _delta_length() -> Length:
    return Length(1)


@design("delta", _delta_length)
def delta(size: int) -> Array:
    """1 at the tap that meets the output's own sample under ``same`` padding, ``(size - 1) // 2``, else 0."""
    taps = np.zeros(size)
    taps[(size - 1) // 2] = 1
    return taps
