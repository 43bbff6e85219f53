"""Complex numbers as twice as many real channels, so that an algorithm needs to know real numbers only.

With real taps the real and the imaginary part of a channel are two channels with the same taps. With complex taps each
of them meets the real and the imaginary part of every tap, and what belongs together is added up afterwards:
``re = x.re*w.re - x.im*w.im`` and ``im = x.re*w.im + x.im*w.re``, each of the four a sum over the taps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dwconv_cli.choices import DataFormat
from dwconv_cli.convolution.algorithms._layout import empty
from dwconv_cli.convolution.algorithms.problem import Prepared, Problem
from dwconv_cli.convolution.scratch import SCRATCH
from dwconv_cli.layer.axes import Array


def real_problem(problem: Problem, complex_taps: bool) -> Problem:
    """The problem in real numbers that replaces `problem`, whose dtype is complex."""
    return replace(
        problem,
        channels=2 * problem.channels,
        depth_multiplier=problem.depth_multiplier * (2 if complex_taps else 1),
        dtype=np.empty(0, problem.dtype).real.dtype.name,
    )


def real_kernel(kernel: Array, complex_taps: bool) -> Array:
    """(K, 2*C, M) real taps, or (K, 2*C, 2*M) with the real parts before the imaginary ones."""
    parts = [kernel.real, kernel.imag] if complex_taps else [kernel.real]
    return np.ascontiguousarray(np.repeat(np.concatenate(parts, axis=2), 2, axis=1))


class ComplexParts:
    """A prepared kernel of real numbers, for complex data.

    Parameters
    ----------
    inner : Prepared
        For the real problem and kernel.
    complex_taps : bool
    data_format : str
    """

    def __init__(self, inner: Prepared, complex_taps: bool, data_format: DataFormat) -> None:
        self._inner, self._complex_taps, self._data_format = inner, complex_taps, data_format
        self.panel = inner.panel

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        batch, steps, channels = x.shape
        parts = self._real("parts", (batch, steps, 2 * channels, 1), x.real.dtype)[..., 0]
        parts[:, :, ::2], parts[:, :, 1::2] = x.real, x.imag
        rows = out.shape[3] * (2 if self._complex_taps else 1)
        sums = self._real("products", (batch, out.shape[1], 2 * channels, rows), x.real.dtype)
        self._inner(parts, first, sums, start)
        real, imaginary = sums[:, :, ::2], sums[:, :, 1::2]
        if not self._complex_taps:
            out.real, out.imag = real, imaginary
            return
        half = out.shape[3]
        with np.errstate(all="ignore"):
            np.subtract(real[..., :half], imaginary[..., half:], out=out.real)
            np.add(real[..., half:], imaginary[..., :half], out=out.imag)

    def _real(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        return empty(shape, dtype, self._data_format, partial(SCRATCH.take, name))
