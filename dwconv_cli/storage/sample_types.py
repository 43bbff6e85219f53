"""How files hold the numbers of a sample, and what they are as floating-point numbers from -1 to 1.

Integers are divided by their full scale, 32768 for 16 bits. That is a power of two, so that nothing is rounded, and
what comes back is the same integer. Integers of up to 16 bits become float32, longer ones float64, which holds each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.axes import Array
from dwconv_cli.text import counted


class Losses(NamedTuple):
    """How many numbers of samples could not be kept when they were rounded to integers."""

    clipped: int = 0
    nan: int = 0

    def __add__(self, other: object) -> Losses:
        assert isinstance(other, Losses)
        return Losses(self.clipped + other.clipped, self.nan + other.nan)

    def notes(self, sample_format: str) -> list[str]:
        """One line for each kind that occurred."""
        notes = []
        if self.clipped:
            notes.append(
                f"{counted(self.clipped, 'sample')} beyond the full scale of {sample_format} clipped; a smaller "
                "kernel or a floating-point --sample-format keeps what is beyond"
            )
        if self.nan:
            notes.append(f"{counted(self.nan, 'NaN')} written as 0, since {sample_format} has no NaN")
        return notes


@dataclass(frozen=True)
class SampleType:
    """How a file holds a sample.

    Parameters
    ----------
    dtype : str
        NumPy's name of the real numbers in the file, such as ``<i2``. ``<i3`` is an integer of 24 bits.
    is_complex : bool
        Whether a sample is two of them, the real and the imaginary part.

    Examples
    --------
    >>> pcm = SampleType("<i2")
    >>> pcm.decoded(np.array([-32768, 16384], "<i2").view("u1"))
    array([-1. ,  0.5], dtype=float32)
    >>> encoded, losses = pcm.encoded(np.array([0.5, 2.0]))
    >>> encoded.view("<i2"), losses.clipped
    (array([16384, 32767], dtype=int16), 1)
    """

    dtype: str
    is_complex: bool = False

    @property
    def size(self) -> int:
        """Bytes of a sample."""
        return int(self.dtype[-1]) * (2 if self.is_complex else 1)

    @property
    def is_integer(self) -> bool:
        """Whether samples are rounded and clipped."""
        return self.dtype[1] != "f"

    @property
    def result(self) -> np.dtype[Any]:
        """The dtype that holds each sample without rounding."""
        real = np.dtype(f"f{4 if self.size // (2 if self.is_complex else 1) <= self._longest_single else 8}")
        return np.result_type(real, np.complex64) if self.is_complex else real

    @property
    def _longest_single(self) -> int:
        """Bytes of the longest numbers that float32 holds."""
        return 2 if self.is_integer else 4

    @property
    def _stored(self) -> np.dtype[Any]:
        """The dtype in which numbers are converted: 24 bits are the upper ones of 32."""
        return np.dtype(self.dtype.replace("i3", "i4"))

    @property
    def _scales(self) -> tuple[float, float]:
        """The number at the middle of the range, and full scale."""
        full = float(1 << (8 * self._stored.itemsize - 1))
        return (full if self._stored.kind == "u" else 0.0), full

    def decoded(self, data: Array) -> Array:
        """The samples in contiguous bytes `data`, shape (bytes,), as numbers of the dtype `result`."""
        if self.dtype == "<i3":
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = data.reshape(-1, 3)
            data = wide.reshape(-1)
        numbers = data.view(self._stored)
        real = np.empty(0, self.result).real.dtype
        result = numbers.astype(real)
        if self.is_integer:
            middle, full = self._scales
            result -= middle
            result /= full
        return result.view(self.result)

    def encoded(self, samples: Array) -> tuple[Array, Losses]:
        """The bytes that hold `samples`, and how many of their numbers were clipped or NaN.

        Integers are the nearest ones, and the even one of two that are as near.

        Raises
        ------
        ShapeError
            If the samples are complex and this is real.
        """
        if samples.dtype.kind == "c" and not self.is_complex:
            raise ShapeError("complex samples cannot be held as real ones")
        work = np.promote_types(samples.dtype, np.complex64 if self.is_complex else np.float32)
        if self.is_integer and self._stored.itemsize > 2:
            # The largest integers of 32 bits are no numbers of float32.
            work = np.promote_types(work, np.float64)
        samples = np.ascontiguousarray(samples, work).reshape(-1)
        numbers: Array = samples.view(samples.real.dtype)
        if not self.is_integer:
            with np.errstate(over="ignore"):
                return numbers.astype(self.dtype).view(np.uint8), Losses()
        unit = 256 if self.dtype == "<i3" else 1
        middle, full = self._scales
        rounded = np.multiply(numbers, full / unit)
        np.rint(rounded, out=rounded)
        low, high = -full / unit, full / unit - 1
        outside, nan = (rounded < low) | (rounded > high), np.isnan(rounded)
        losses = Losses(int(np.count_nonzero(outside)), int(np.count_nonzero(nan)))
        if losses.nan:
            rounded[nan] = 0
        np.clip(rounded, low, high, out=rounded)
        rounded *= unit
        rounded += middle
        data: Array = rounded.astype(self._stored).view(np.uint8)
        if unit > 1:
            data = np.ascontiguousarray(data.reshape(-1, 4)[:, 1:]).reshape(-1)
        return data, losses
