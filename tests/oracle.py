"""The definition of the depthwise convolution, in a loop too plain to be wrong.

Every expected value of a convolution in these tests comes from here, from Keras, or from integers that are written
down. For exact answers pass integers, or fractions (see :func:`fractions`): both are added up without rounding.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def lengths(
    steps: int, kernel_size: int, *, strides: int = 1, padding: str = "valid", dilation_rate: int = 1
) -> tuple[int, int, int]:
    """Output steps and the padding left and right of `steps` steps.

    ``same`` is TensorFlow's, the extra step on the right; ``causal`` pads
    ``(kernel_size - 1) * dilation_rate`` on the left.
    """
    reach = (kernel_size - 1) * dilation_rate
    if padding == "same":
        length = -(-steps // strides)
        total = max((length - 1) * strides + reach + 1 - steps, 0)
        return length, total // 2, total - total // 2
    left = {"valid": 0, "causal": reach}[padding]
    length = len(range(0, steps + left - reach, strides))
    return length, left, 0


def sums(x: Array, kernel: Array, at: int, count: int, strides: int = 1, dilation_rate: int = 1) -> Array:
    """The sums over the taps, in the arithmetic of the operands.

    ``sum of x[b, at + o*strides + k*dilation_rate, c] * kernel[k, c, m]`` over the taps ``k`` in ascending order, each
    product and each sum rounded to the operands' dtype. A tap that falls outside of `x` is left out, not multiplied.

    Parameters
    ----------
    x : (B, N, C) array
    kernel : (K, C, M) array
    at : int
        The step of `x` under the first tap of output 0; may be negative.
    count : int
        Outputs.

    Returns
    -------
    (B, count, C, M) array
    """
    dtype = np.result_type(x, kernel)
    # Minus zero is the one number that changes nothing it is added to, not even the sign of a zero.
    out = np.full((len(x), count, *kernel.shape[1:]), -0.0 if dtype.kind in "fc" else 0, dtype)
    summed = np.zeros(count, bool)
    with np.errstate(all="ignore"):
        for tap, weights in enumerate(kernel):
            steps = at + np.arange(count) * strides + tap * dilation_rate
            inside = (steps >= 0) & (steps < x.shape[1])
            out[:, inside] += x[:, steps[inside], :, None] * weights
            summed |= inside
    out[:, ~summed] = 0
    return out


def depthwise_conv1d(
    inputs: Any,
    kernel: Any,
    bias: Any = None,
    *,
    strides: int = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: int = 1,
) -> Array:
    """Depthwise convolution by its definition; padding is skipped, not multiplied.

    Parameters
    ----------
    inputs : (batch, steps, channels), (steps, channels) or (steps,) array
        With ``channels_first`` the last two axes trade places.
    kernel : (K, C, M), (K, C) or (K,) array
        ``(K, C)`` means M = 1, ``(K,)`` one filter for every channel.
    bias : (C * M,) array, optional

    Returns
    -------
    array of the inputs' rank
        Rank 1 becomes ``(steps, M)`` where M > 1. In complex128 or float64, or wider if an argument is; int64 for
        integers (object where int64 is too small) and objects for fractions, both exact.
    """
    x, w = np.asarray(inputs), np.asarray(kernel)
    b = None if bias is None else np.asarray(bias)
    working = _working_dtype(x, w, b)
    rank = x.ndim

    x = x.astype(working)
    if rank == 1:
        x = x[None, :, None]
    else:
        x = x if rank == 3 else x[None]
        x = x.transpose(0, 2, 1) if data_format == "channels_first" else x
    batch, steps, channels = x.shape
    w = w.astype(working)
    if w.ndim == 1:
        w = np.stack([w] * channels, axis=1)
    w = w[:, :, None] if w.ndim == 2 else w
    taps, kernel_channels, multiplier = w.shape
    assert kernel_channels == channels, f"kernel for {kernel_channels} channels, data has {channels}"

    length, left, _ = lengths(steps, taps, strides=strides, padding=padding, dilation_rate=dilation_rate)
    out = sums(x, w, -left, length, strides, dilation_rate).reshape(batch, length, channels * multiplier)
    if b is not None:
        with np.errstate(all="ignore"):
            out = out + b.astype(working)
    if working.kind == "O":
        out = _integers(out)
    if rank == 1:
        return out[0, :, 0] if multiplier == 1 else out[0]
    out = out.transpose(0, 2, 1) if data_format == "channels_first" else out
    return out if rank == 3 else out[0]


def absolute_sum(inputs: Any, kernel: Any, bias: Any = None, **layer: Any) -> Array:
    """The scale of the rounding errors of every output: S = sum of ``|x| |w|``, plus ``|bias|``."""
    arrays = (None if array is None else np.abs(np.asarray(array)) for array in (inputs, kernel, bias))
    return depthwise_conv1d(*arrays, **layer)


def gamma(n: int, dtype: Any = np.float32) -> float:
    """``n u / (1 - n u)``, u the unit roundoff of `dtype` (Higham, Accuracy and Stability, section 3.1)."""
    u = float(np.finfo(dtype).eps) / 2
    return n * u / (1 - n * u)


def error_bound(
    inputs: Any, kernel: Any, bias: Any = None, *, dtype: Any = np.float32, **layer: Any
) -> Array:
    """How far a sum in `dtype`, in any order, may be from the exact one: ``gamma(K + 1) S`` for every output.

    A complex sum's real and imaginary parts are each a sum of 2 K products and keep ``gamma(2 K + 1) S``.
    Underflow is not counted.
    """
    taps = np.asarray(kernel).shape[0]
    n = (2 * taps if np.dtype(dtype).kind == "c" else taps) + 1
    scale: Array = gamma(n, dtype) * absolute_sum(inputs, kernel, bias, **layer)
    return scale


def fractions(array: Any) -> Array:
    """The same finite real numbers as :class:`fractions.Fraction`: sums of them are exact."""
    array = np.asarray(array)
    exact = np.empty(array.shape, object)
    exact[...] = np.reshape(np.array([Fraction(value.item()) for value in array.flat], object), array.shape)
    return exact


def _working_dtype(*arrays: Array | None) -> np.dtype[Any]:
    dtypes = [array.dtype for array in arrays if array is not None]
    for kind, narrowest in (("c", np.complex128), ("f", np.float64)):
        wide = [dtype for dtype in dtypes if dtype.kind in f"{kind}f"]
        if any(dtype.kind == kind for dtype in wide):
            return np.result_type(narrowest, *wide)
    return np.dtype(object)


def _integers(exact: Array) -> Array:
    """Objects as int64 where all are integers that fit it."""
    limits = np.iinfo(np.int64)
    if all(isinstance(value, int) and limits.min <= value <= limits.max for value in exact.flat):
        return exact.astype(np.int64)
    return exact
