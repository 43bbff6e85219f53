"""Statistics of each channel in one pass over the data, in the order in which it lies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.description.plain import number
from dwconv_cli.layer.axes import Axes
from dwconv_cli.storage.formats import Reader

BLOCK_ITEMS = 1 << 18


class ChannelStats:
    """Running statistics of some channels; those of blocks are merged.

    T. F. Chan, G. H. Golub, R. J. LeVeque: "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", Stanford STAN-CS-79-773, 1979, equations 2.1.

    Parameters
    ----------
    channels : int
    dtype : dtype
        Of the data, in native byte order.
    """

    def __init__(self, channels: int, dtype: np.dtype[Any]) -> None:
        self._complex = dtype.kind == "c"
        wide = np.complex128 if self._complex else np.float64
        self._count = np.zeros(channels, np.int64)
        self._nan = np.zeros(channels, np.int64)
        self._inf = np.zeros(channels, np.int64)
        self._mean = np.zeros(channels, wide)
        self._squares = np.zeros(channels)
        # In the data's own dtype: 64-bit integers would be rounded by another.
        self._low, self._high = _extremes(dtype)
        self._lows = np.full(channels, self._low, dtype)
        self._highs = np.full(channels, self._high, dtype)

    def add(self, block: Array, channels: slice) -> None:
        """Count `block`, shape (items, channels)."""
        if not block.size:
            return
        finite = np.isfinite(block)
        count = finite.sum(axis=0)
        missing = np.isnan(block).sum(axis=0)
        self._nan[channels] += missing
        self._inf[channels] += len(block) - count - missing
        with np.errstate(over="ignore", invalid="ignore"):
            values = block.astype(self._mean.dtype)
            every = bool(finite.all())
            if not every:
                values[~finite] = 0
            mean = values.sum(axis=0) / np.maximum(count, 1)
            values -= mean
            if not every:
                values[~finite] = 0
            squares = (np.abs(values) ** 2).sum(axis=0)
            before, total = self._count[channels], np.maximum(self._count[channels] + count, 1)
            apart = mean - self._mean[channels]
            self._mean[channels] += apart * (count / total)
            self._squares[channels] += squares + np.abs(apart) ** 2 * (before * (count / total))
        self._count[channels] += count
        if not self._complex:
            low = block.min(axis=0, where=finite, initial=self._low)
            high = block.max(axis=0, where=finite, initial=self._high)
            self._lows[channels] = np.minimum(self._lows[channels], low)
            self._highs[channels] = np.maximum(self._highs[channels], high)

    def result(self) -> list[dict[str, Any]]:
        """One object per channel; what finite samples alone can tell is None where there are none."""
        found = []
        for channel, count in enumerate(self._count.tolist()):
            bounded = count and not self._complex
            mean = self._mean[channel].item() if count else None
            deviation = math.sqrt(self._squares[channel] / count) if count else None
            found.append(
                {
                    "channel": channel,
                    "min": _plain(self._lows[channel]) if bounded else None,
                    "max": _plain(self._highs[channel]) if bounded else None,
                    "mean": number(mean),
                    "std": number(deviation),
                    "nan": int(self._nan[channel]),
                    "inf": int(self._inf[channel]),
                }
            )
        return found


def channel_stats(reader: Reader, axes: Axes, steps: slice) -> list[dict[str, Any]]:
    """Statistics of each channel of a recording, with bounded memory.

    Parameters
    ----------
    reader : Reader
    axes : Axes
        Of the reader's array.
    steps : slice
        Part of the steps to take, with bounds.

    Returns
    -------
    list of dict
        ``channel``; ``min``, ``max``, ``mean`` and ``std`` (of the population) over finite samples; counts of
        ``nan`` and ``inf``. Complex data has no ``min`` and ``max``, and its ``mean`` is a pair.
    """
    batch, _, channels = axes.canonical_shape(reader.shape)
    taken = axes.arrange(slice(0, batch), steps, slice(0, channels))
    native = reader.dtype.newbyteorder("=")
    stats = ChannelStats(channels, native)
    for selection in _slabs(reader, taken):
        shape = tuple(part.stop - part.start for part in selection)
        block = np.empty(shape[::-1], native).transpose() if reader.fortran else np.empty(shape, native)
        reader.read(selection, block)
        _, _, channels_read = axes.assign(selection, slice(0, 1))
        stats.add(axes.canonical(block).reshape(-1, channels_read.stop - channels_read.start), channels_read)
    reader.finish()
    return stats.result()


def _slabs(reader: Reader, taken: tuple[slice, ...]) -> Iterator[tuple[slice, ...]]:
    """Selections that cover `taken`, in the order in which the data lies, so that a stream can give them."""
    sides = reader.chunks or (1,) * len(taken)
    if not reader.fortran:
        yield from slabs(taken, sides, BLOCK_ITEMS)
        return
    for selection in slabs(taken[::-1], sides[::-1], BLOCK_ITEMS):
        yield selection[::-1]


def slabs(taken: tuple[slice, ...], sides: tuple[int, ...], items: int) -> Iterator[tuple[slice, ...]]:
    """Row-major selections of about `items` numbers that cover `taken`.

    Parameters
    ----------
    taken : tuple of slice
        With bounds.
    sides : tuple of int
        Of a storage chunk; along the first axes chunks are not cut.
    items : int
    """
    if not taken:
        yield ()
        return
    first, rest, side = taken[0], taken[1:], sides[0]
    inner = max(1, math.prod(part.stop - part.start for part in rest))
    if not rest or inner * side <= items:
        count = max(1, items // inner // side) * side
        for start, stop in _cuts(first, count):
            yield (slice(start, stop), *rest)
        return
    for start, stop in _cuts(first, side):
        for selection in slabs(rest, sides[1:], max(1, items // side)):
            yield (slice(start, stop), *selection)


def _cuts(part: slice, count: int) -> Iterator[tuple[int, int]]:
    """`part` in pieces that end at multiples of `count`."""
    start = part.start
    while start < part.stop:
        stop = min(part.stop, (start // count + 1) * count)
        yield start, stop
        start = stop


def _extremes(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """What every number of `dtype` is at most, and at least."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.max, limits.min
    return (True, False) if dtype.kind == "b" else (np.inf, -np.inf)


def _plain(value: Any) -> float | int:
    found = value.item()
    return int(found) if isinstance(found, bool) else found
