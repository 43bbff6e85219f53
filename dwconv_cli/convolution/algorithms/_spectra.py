"""Transforms along one axis, and products of spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.convolution.scratch import SCRATCH
from dwconv_cli.errors.memory import scipy_module


class Transform:
    """The discrete Fourier transform of one length, for real samples.

    Parameters
    ----------
    length : int
    """

    def __init__(self, length: int) -> None:
        fft = scipy_module("fft")  # a quarter of a second, only for those who transform

        self.length = length
        self._forward: Any = fft.rfft
        self._backward: Any = fft.irfft

    def forward(self, samples: Array, axis: int) -> Array:
        """Spectra of samples, zeros added up to the length."""
        spectrum: Array = self._forward(samples, self.length, axis=axis)
        return spectrum

    def backward(self, spectrum: Array, axis: int) -> Array:
        """Samples of spectra, which may be overwritten."""
        samples: Array = self._backward(spectrum, self.length, axis=axis, overwrite_x=True)
        return samples

    def correlated_with(self, taps: Array, axis: int) -> Array:
        """What to multiply a spectrum by for the sums ``sum_k x[o + k] * taps[k]``."""
        spectrum: Array = self.forward(taps, axis).conj()
        return spectrum


def product(spectrum: Array, weights: Array) -> Array:
    """``spectrum * weights`` in scratch.

    Left to itself NumPy swaps the operands to put the result into a large temporary one, and complex products with
    fused additions are not the same when swapped.
    """
    return np.multiply(spectrum, weights, out=SCRATCH.take("product", spectrum.shape, spectrum.dtype))
