"""Which bytes of a row-major array a selection covers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

Selection = tuple[slice, ...]


def contiguous_runs(shape: tuple[int, ...], selection: Selection) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Contiguous runs of `selection` in a row-major array of `shape`, in the order they lie.

    Parameters
    ----------
    shape : tuple of int
    selection : tuple of slice
        One slice of step 1 for each axis.

    Yields
    ------
    offset : int
        Items before the run.
    index : tuple of int
        Where the run begins in the selected array: the index on its leading axes. The run fills what is left.
    """
    bounds = [s.indices(n)[:2] for s, n in zip(selection, shape, strict=True)]
    if any(low >= high for low, high in bounds):
        return
    inner = len(shape)
    while inner > 0 and bounds[inner - 1] == (0, shape[inner - 1]):
        inner -= 1
    lead = max(0, inner - 1)
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    start = sum(low * stride for (low, _), stride in zip(bounds, strides, strict=True))
    for index in itertools.product(*(range(high - low) for low, high in bounds[:lead])):
        yield start + sum(i * stride for i, stride in zip(index, strides, strict=False)), index


def everything(shape: tuple[int, ...]) -> Selection:
    """The selection of everything."""
    return tuple(slice(0, n) for n in shape)
