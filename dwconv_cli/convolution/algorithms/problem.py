"""What an algorithm is to compute, as data, and what it makes of a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dwconv_cli.choices import DataFormat
from dwconv_cli.layer.axes import Array


@dataclass(frozen=True)
class Problem:
    """A depthwise convolution stripped of data, files and padding.

    Output step ``o`` of output channel ``c*M + m`` is ``sum_k x[o*strides + k*dilation_rate, c] * kernel[k, c, m]``
    over padded steps. Nothing here depends on the recording's length, so neither does the choice of algorithm.

    Parameters
    ----------
    kernel_size : int
        Taps, K.
    channels : int
        Input channels, C.
    depth_multiplier : int
        Output channels for each input channel, M.
    strides, dilation_rate : int
        Steps between outputs; steps between taps.
    data_format : str
        ``"channels_last"`` or ``"channels_first"``: which axis of the recording is contiguous.
    dtype : str
        Compute dtype: float32, float64, or int64 for sums of integers.
    exact : bool
        Data and kernel are integers: every sum must be exact while it fits the dtype.
    """

    kernel_size: int
    channels: int
    depth_multiplier: int = 1
    strides: int = 1
    dilation_rate: int = 1
    data_format: DataFormat = "channels_last"
    dtype: str = "float32"
    exact: bool = False

    @property
    def effective_kernel_size(self) -> int:
        """Steps from the first tap to the last, both counted: ``(K - 1) * dilation_rate + 1``."""
        return (self.kernel_size - 1) * self.dilation_rate + 1


class Prepared(Protocol):
    """A kernel that an algorithm has prepared. Calls do not change it, so several threads may use it at once.

    Attributes
    ----------
    panel : int
        A call must begin at a multiple of so many outputs, counted from the recording's first, and hold whole panels
        with all their inputs, except at the recording's end.
    """

    panel: int

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute outputs from `start` on.

        Parameters
        ----------
        x : ndarray, shape (B, N, C)
            Padded steps from `first` on. Steps that it does not hold are padding.
        first : int
        out : ndarray, shape (B, n, C, M)
            Written whole.
        start : int
        """
