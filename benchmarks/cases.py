"""The twelve cases on which the engine is compared with its peers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Case:
    """A depthwise convolution: data of (batch, steps, channels), K taps, padding valid."""

    batch: int
    steps: int
    channels: int
    taps: int
    data_format: str = "channels_last"
    multiplier: int = 1
    strides: int = 1
    dilation: int = 1

    @property
    def outputs(self) -> int:
        """Output samples."""
        steps = (self.steps - (self.taps - 1) * self.dilation - 1) // self.strides + 1
        return self.batch * steps * self.channels * self.multiplier

    def __str__(self) -> str:
        extra = "".join(
            f", {name} {value}"
            for name, value in (("M", self.multiplier), ("stride", self.strides), ("dilation", self.dilation))
            if value > 1
        )
        order = self.data_format.removeprefix("channels_")
        return f"{self.batch}x{_short(self.steps)}x{self.channels}, K {self.taps}{extra}, {order}"

    def data(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """The recording in its layout, and the kernel (K, C, M)."""
        rng = np.random.default_rng(0)
        shape = (self.batch, self.steps, self.channels)
        if self.data_format == "channels_first":
            shape = (self.batch, self.channels, self.steps)
        # In single precision by blocks: 100 million doubles at once would be swapped.
        x = rng.standard_normal(shape, np.float32).astype(dtype, copy=False)
        return x, rng.standard_normal((self.taps, self.channels, self.multiplier), np.float32).astype(dtype)


def _short(number: int) -> str:
    for size, letter in ((1 << 20, "Mi"), (1 << 10, "Ki")):
        if number >= size and number % size == 0:
            return f"{number // size}{letter}"
    return str(number)


FIRST = "channels_first"
CASES = (
    *(Case(1, 4 << 20, 4, taps, FIRST) for taps in (3, 9, 31, 129, 1025)),
    Case(1, 2 << 20, 6, 9),
    Case(1, 2 << 20, 6, 31),
    Case(32, 4096, 128, 3),
    Case(32, 4096, 128, 31),
    Case(8, 65536, 16, 16, multiplier=4),
    Case(8, 65536, 32, 16, strides=4),
    Case(8, 65536, 32, 9, dilation=8),
)
