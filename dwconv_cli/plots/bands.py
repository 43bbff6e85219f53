"""Pass and stop bands of a frequency response."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dwconv_cli.layer.axes import Array

# Where no lobe says how much a stop band damps: in a response that only falls, and in one that falls very far.
_MONOTONIC, _DEEPEST = -20.0, -60.0
# A region that damps less is no stop band.
_LEAST = -10.0


class Band(NamedTuple):
    """Frequencies from `low` to `high`, with gains of at most `decibels` relative to the largest gain."""

    low: float
    high: float
    decibels: float


class Bands(NamedTuple):
    """Pass bands, with at least half of the largest power, and stop bands."""

    passing: list[Band]
    stopping: list[Band]


def bands_of(frequencies: Array, decibels: Array) -> Bands:
    """The bands of a response.

    Parameters
    ----------
    frequencies : ndarray
        In rising order.
    decibels : ndarray
        The gain relative to the largest one.

    Returns
    -------
    Bands
        A stop band damps as much as its highest lobe, and begins where the response has fallen so far.

    Examples
    --------
    >>> bands_of(np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.0, -1.0, -20.0, -70.0, -40.0, -50.0])).stopping
    [Band(low=0.3, high=0.5, decibels=-40.0)]
    """
    passing, stopping = [], []
    is_passing = decibels >= 10 * np.log10(0.5)
    changes = np.flatnonzero(is_passing[1:] != is_passing[:-1]) + 1
    for begin, end in zip([0, *changes], [*changes, len(decibels)], strict=True):
        if is_passing[begin]:
            low, high = frequencies[begin], frequencies[end - 1]
            passing.append(Band(float(low), float(high), 0.0))
            continue
        level = _level(decibels, begin, end)
        stopped = begin + np.flatnonzero(decibels[begin:end] <= level)
        if level <= _LEAST and stopped.size:
            low, high = frequencies[stopped[0]], frequencies[stopped[-1]]
            stopping.append(Band(float(low), float(high), float(level)))
    return Bands(passing, stopping)


def _level(decibels: Array, begin: int, end: int) -> float:
    """How much the points from `begin` to `end` damp, which lie between pass bands or the ends of the axis."""
    # An end of the axis is a lobe where the response rises to it; it is symmetric there.
    padded = np.concatenate([[-np.inf], decibels, [-np.inf]])[begin : end + 2]
    inner = padded[1:-1]
    is_lobe = (inner >= padded[:-2]) & (inner > padded[2:])
    if not is_lobe.any():
        return _MONOTONIC
    return float(max(inner[is_lobe].max(), _DEEPEST))
