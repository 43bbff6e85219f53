"""Arrays and their layouts: in which order batch, steps and channels stand. No other module knows it.

Everywhere else data is seen in its *canonical* form, ``(batch, steps, channels)``, however it lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from dwconv_cli.choices import DATA_FORMATS, DataFormat
from dwconv_cli.errors import ShapeError

T = TypeVar("T")

# The type of an array whose shape and dtype are known only at run time.
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Axes:
    """The axes of arrays of one rank and data format.

    ==== ======================== ========================
    rank channels_last            channels_first
    ==== ======================== ========================
    1    (steps,)                 (steps,)
    2    (steps, channels)        (channels, steps)
    3    (batch, steps, channels) (batch, channels, steps)
    ==== ======================== ========================

    Parameters
    ----------
    rank : int
    data_format : str
        ``channels_last`` or ``channels_first``.

    Raises
    ------
    ShapeError
        If the rank is another.

    Examples
    --------
    >>> axes = Axes(2, "channels_first")
    >>> axes.canonical_shape((3, 100))
    (1, 100, 3)
    >>> axes.arrange("batch", "steps", "channels")
    ('channels', 'steps')
    """

    rank: int
    data_format: DataFormat = "channels_last"

    def __post_init__(self) -> None:
        if self.rank not in (1, 2, 3):
            raise ShapeError(f"data of rank {self.rank} cannot be filtered; ranks 1, 2 and 3 can")

    @property
    def channels_first(self) -> bool:
        """Whether an axis of channels stands before the steps."""
        return self.rank > 1 and self.data_format == "channels_first"

    def arrange(self, batch: T, steps: T, channels: T) -> tuple[T, ...]:
        """One thing for each axis, such as a size or a slice, in the order of the array's own axes."""
        if self.rank == 1:
            return (steps,)
        pair = (channels, steps) if self.channels_first else (steps, channels)
        return pair if self.rank == 2 else (batch, *pair)

    def assign(self, own: tuple[T, ...], missing: T) -> tuple[T, T, T]:
        """The inverse of :meth:`arrange`: what stands for batch, steps and channels, `missing` where there is no axis."""
        if self.rank == 1:
            return missing, own[0], missing
        batch = own[0] if self.rank == 3 else missing
        first, second = own[-2:]
        return (batch, second, first) if self.channels_first else (batch, first, second)

    def canonical_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """``(batch, steps, channels)`` of an array of `shape`."""
        return self.assign(shape, 1)

    def canonical(self, array: Array) -> Array:
        """A view of `array` as (batch, steps, channels)."""
        if self.rank == 1:
            return array[None, :, None]
        if self.rank == 2:
            array = array[None]
        return array.transpose(0, 2, 1) if self.channels_first else array

    def restore(self, array: Array) -> Array:
        """The inverse of :meth:`canonical`: a view of a (batch, steps, channels) array with these axes."""
        if self.rank == 1:
            return array[0, :, 0]
        if self.channels_first:
            array = array.transpose(0, 2, 1)
        return array[0] if self.rank == 2 else array

    def empty(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        allocate: Callable[[tuple[int, ...], np.dtype[Any]], Array] = np.empty,
    ) -> Array:
        """A new array that lies in memory with these axes, in its canonical form.

        Parameters
        ----------
        shape : (int, int, int)
            Of the canonical form: (batch, steps, channels).
        dtype : dtype
        allocate : callable
            Makes the array of a shape and dtype.
        """
        return self.canonical(allocate(self.arrange(*shape), dtype))

    def of_output(self, channels: int) -> Axes:
        """The axes of an output of `channels` channels: rank 1 becomes (steps, channels) where there are several."""
        return Axes(2) if self.rank == 1 and channels > 1 else self


def other_data_format(data_format: DataFormat) -> DataFormat:
    """``channels_first`` for ``channels_last``, and the other way round."""
    return next(name for name in DATA_FORMATS if name != data_format)
