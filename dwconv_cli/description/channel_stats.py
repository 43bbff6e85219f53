"""Statistics of each channel in one pass over the data, in the order of its file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dwconv_cli.description.json_values import json_number
from dwconv_cli.jobs.blocks import Storage, lanes
from dwconv_cli.layer.axes import Array, Axes
from dwconv_cli.storage.protocols import Reader

BLOCK_ITEMS = 1 << 18


class ChannelStats:
    """Running statistics of several channels: those of each block are merged with those of the blocks before.

    T. F. Chan, G. H. Golub, R. J. LeVeque: "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", Stanford STAN-CS-79-773, 1979, equations 2.1. The `dtype` is the data's, in native byte order.
    """

    def __init__(self, channels: int, dtype: np.dtype[Any]) -> None:
        self._complex = dtype.kind == "c"
        wide = np.complex128 if self._complex else np.float64
        self._count = np.zeros(channels, np.int64)
        self._nan = np.zeros(channels, np.int64)
        self._inf = np.zeros(channels, np.int64)
        self._mean = np.zeros(channels, wide)
        self._squares = np.zeros(channels)
        # In the data's own dtype, since float64 would round 64-bit integers.
        self._largest, self._smallest = _extremes(dtype)
        self._lows = np.full(channels, self._largest, dtype)
        self._highs = np.full(channels, self._smallest, dtype)

    def add(self, block: Array, channels: slice) -> None:
        """Merge the statistics of `block`, shape (items, channels)."""
        if not block.size:
            return
        finite = np.isfinite(block)
        count = finite.sum(axis=0)
        missing = np.isnan(block).sum(axis=0)
        self._nan[channels] += missing
        self._inf[channels] += len(block) - count - missing
        with np.errstate(over="ignore", invalid="ignore"):
            values = block.astype(self._mean.dtype)
            all_finite = bool(finite.all())
            if not all_finite:
                values[~finite] = 0
            mean = values.sum(axis=0) / np.maximum(count, 1)
            values -= mean
            if not all_finite:
                values[~finite] = 0
            squares = (np.abs(values) ** 2).sum(axis=0)
            before, total = self._count[channels], np.maximum(self._count[channels] + count, 1)
            difference = mean - self._mean[channels]
            self._mean[channels] += difference * (count / total)
            self._squares[channels] += squares + np.abs(difference) ** 2 * (before * (count / total))
        self._count[channels] += count
        if not self._complex:
            low = block.min(axis=0, where=finite, initial=self._largest)
            high = block.max(axis=0, where=finite, initial=self._smallest)
            self._lows[channels] = np.minimum(self._lows[channels], low)
            self._highs[channels] = np.maximum(self._highs[channels], high)

    def result(self) -> list[dict[str, Any]]:
        """One object per channel; without finite samples `min`, `max`, `mean` and `std` are None."""
        entries = []
        for channel, count in enumerate(self._count.tolist()):
            entry = {"channel": channel, **dict.fromkeys(("min", "max", "mean", "std"))}
            if count:
                entry["mean"] = json_number(self._mean[channel].item())
                entry["std"] = json_number(math.sqrt(self._squares[channel] / count))
            if count and not self._complex:
                # The extremes of booleans are numbers too.
                entry["min"], entry["max"] = +self._lows[channel].item(), +self._highs[channel].item()
            entries.append({**entry, "nan": int(self._nan[channel]), "inf": int(self._inf[channel])})
        return entries


def channel_stats(reader: Reader, axes: Axes, steps: slice) -> list[dict[str, Any]]:
    """Statistics of each channel of a recording (`axes` are those of the reader's array), with bounded memory.

    Returns
    -------
    list of dict
        ``channel``; ``min``, ``max``, ``mean`` and ``std`` (of the population) over finite samples; counts of
        ``nan`` and ``inf``. Complex data has no ``min`` and ``max``, and its ``mean`` is a pair.
    """
    batch, _, channels = axes.canonical_shape(reader.shape)
    dtype = reader.dtype.newbyteorder("=")
    stats = ChannelStats(channels, dtype)
    # The axes of a Fortran array lie in the reverse order.
    storage = Storage(
        channel_major=axes.channels_first != reader.fortran,
        batch_inside=reader.fortran and axes.rank == 3,
        chunks=axes.canonical_shape(reader.chunks) if reader.chunks else (1, 1, 1),
    )
    for lane in lanes((batch, steps.stop - steps.start, channels), storage, BLOCK_ITEMS):
        for block_steps in lane.blocks(steps):
            block = axes.empty((lane.recordings, block_steps.stop - block_steps.start, lane.width), dtype)
            reader.read(axes.arrange(lane.batch, block_steps, lane.channels), axes.restore(block))
            stats.add(block.reshape(-1, lane.width), lane.channels)
    reader.finish()
    return stats.result()


def _extremes(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """The largest and the smallest number of `dtype`."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.max, limits.min
    return (True, False) if dtype.kind == "b" else (np.inf, -np.inf)
