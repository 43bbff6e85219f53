"""Selections of an array: one slice for each axis, and which stretches of the stored array they cover."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

Selection = tuple[slice, ...]


def contiguous_runs(shape: tuple[int, ...], selection: Selection) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The stretches of a row-major array that `selection` covers without gaps, in the order in which they are stored.

    Parameters
    ----------
    shape : tuple of int
    selection : tuple of slice
        One slice of step 1 for each axis.

    Yields
    ------
    offset : int
        Items of the array before the run.
    index : tuple of int
        Where the run belongs in the selected part: an index for each of the leading axes. The run is all that the
        part has at this index.

    Examples
    --------
    >>> list(contiguous_runs((4, 3), (slice(1, 3), slice(0, 2))))
    [(3, (0,)), (6, (1,))]
    >>> list(contiguous_runs((4, 3), (slice(1, 3), slice(0, 3))))
    [(3, ())]
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
