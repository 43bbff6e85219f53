"""What belongs to a recording beside its numbers and attributes: labels and scales of its dimensions, and its groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dwconv_cli.layer.axes import Array

# Bytes of a scale's values in memory at once.
BLOCK_BYTES = 4 << 20


@dataclass(frozen=True)
class Scale:
    """The values along a dimension, such as the time of each step.

    `name` is that of the dataset, and `title` what the scale itself is called. `storage` is as
    :func:`~dwconv_cli.storage.hdf5.describe` tells it; `options` are h5py's where the scale is written.
    ``read(start, stop)`` returns some of the values, and ``texts(start, stop)`` the same as they stand in a table.
    """

    name: str
    title: str
    length: int
    dtype: np.dtype[Any]
    attributes: dict[str, Any]
    storage: dict[str, Any]
    read: Callable[[int, int], Array]
    options: dict[str, Any] = field(default_factory=dict)
    texts: Callable[[int, int], Array] | None = None

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """The values in order, and where each block of them begins."""
        step = max(1, BLOCK_BYTES // max(1, self.dtype.itemsize))
        for start in range(0, self.length, step):
            yield start, self.read(start, min(start + step, self.length))


@dataclass(frozen=True)
class Dimension:
    """One axis of a dataset: its label, empty if there is none, and its scales."""

    label: str = ""
    scales: tuple[Scale, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What belongs to a dataset beside its numbers and attributes.

    Parameters
    ----------
    dimensions : tuple of Dimension
        One for each axis.
    groups : dict
        Attributes of the groups that it lies in, by absolute name, from the root on.
    notes : list of str
        What could not be read, and why.
    """

    dimensions: tuple[Dimension, ...]
    groups: dict[str, dict[str, Any]]
    notes: list[str]
