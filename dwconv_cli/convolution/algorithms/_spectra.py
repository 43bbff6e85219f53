"""Fourier transforms along one axis, and products of spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.convolution.scratch import SCRATCH
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array


class Transform:
    """The discrete Fourier transform of real samples, of one length."""

    def __init__(self, length: int) -> None:
        self.length = length
        # Imported here since it takes a quarter of a second, and most recordings need no transform.
        self._fft: Any = scipy_module("fft")

    def forward(self, samples: Array, axis: int) -> Array:
        """Spectra of samples, which are filled up with zeros to the length."""
        return np.asarray(self._fft.rfft(samples, self.length, axis=axis))

    def backward(self, spectrum: Array, axis: int) -> Array:
        """Samples of spectra, which may be overwritten."""
        return np.asarray(self._fft.irfft(spectrum, self.length, axis=axis, overwrite_x=True))

    def correlated_with(self, taps: Array, axis: int) -> Array:
        """The factors of a spectrum that give the sums ``sum_k x[o + k] * taps[k]``."""
        return self.forward(taps, axis).conj()


def product(spectrum: Array, weights: Array) -> Array:
    """``spectrum * weights`` in scratch, with the operands always in this order.

    Without `out`, NumPy swaps them where it can reuse the memory of the second one, and a product of complex numbers
    that is computed with fused additions has other bits then.
    """
    return np.multiply(spectrum, weights, out=SCRATCH.take("product", spectrum.shape, spectrum.dtype))
