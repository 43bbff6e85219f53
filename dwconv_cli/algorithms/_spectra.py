"""Transforms along one axis, and products of spectra whose bits do not depend on how many there are."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.algorithms._scratch import SCRATCH

Array = np.ndarray[Any, Any]


class Transform:
    """The discrete Fourier transform of one length, for real or complex samples.

    Parameters
    ----------
    length : int
    is_complex : bool
    """

    def __init__(self, length: int, is_complex: bool = False) -> None:
        import scipy.fft  # a quarter of a second, only for those who transform

        self.length = length
        self._forward: Any = scipy.fft.fft if is_complex else scipy.fft.rfft
        self._backward: Any = scipy.fft.ifft if is_complex else scipy.fft.irfft

    def forward(self, samples: Array, axis: int) -> Array:
        """Spectra of samples, zeros added up to the length."""
        spectrum: Array = self._forward(samples, self.length, axis=axis)
        return spectrum

    def backward(self, spectrum: Array, axis: int) -> Array:
        """Samples of spectra, which may be overwritten."""
        samples: Array = self._backward(spectrum, self.length, axis=axis, overwrite_x=True)
        return samples

    def correlated_with(self, taps: Array, axis: int) -> Array:
        """What to multiply a spectrum by for the sums ``sum_k x[o + k] * taps[k]``, complex taps as they are."""
        spectrum: Array = self.forward(taps.conj(), axis).conj()
        return spectrum


def product(spectrum: Array, weights: Array, axis: int) -> Array:
    """``spectrum * weights`` in scratch.

    NumPy rounds complex products differently at the end of a loop, and makes one loop of all that lies without gaps.
    So each block, whose bins lie along `axis`, is followed by a gap.
    """
    shape = list(spectrum.shape)
    shape[axis] += 1
    made = SCRATCH.take("product", tuple(shape), spectrum.dtype)
    return np.multiply(spectrum, weights, out=made[(slice(None),) * axis + (slice(-1),)])
