"""Recordings as sequences of steps in scratch, and back.

A sequence holds the steps of `together` neighbouring channels at one phase of the dilation: the steps
``i*dilation + phase`` for ``i = 0, 1, …``. Sequences lie one after the other, `together` samples a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.scratch import SCRATCH

Array = np.ndarray[Any, Any]

# NumPy moves 4, 8 and 16 bytes in one instruction each; samples that stay together travel as one of these.
UNITS: dict[int, np.dtype[Any]] = {8: np.dtype(np.complex64), 16: np.dtype(np.complex128)}
# The same for a ufunc that leaves every bit as it is.
REALS: dict[int, np.dtype[Any]] = {4: np.dtype(np.float32), 8: np.dtype(np.float64)}
# An assignment's inner loop runs along the target's nearest axis: too short a one costs more than a call for each.
FEW = 8
# Channels, and steps, from which on two moves are faster than one.
MANY = 32


class Chunk(NamedTuple):
    """The sequences of phases ``[phase, phase + phases)`` and of groups ``[group, group + groups)`` of channels."""

    phase: int
    phases: int
    group: int
    groups: int


def in_units(samples: Array, together: int) -> Array:
    """(B, N, G*together) samples as (B, N, G), or as (B, N, G, numbers) where no unit is as wide."""
    unit = UNITS.get(together * samples.itemsize)
    if together == 1:
        return samples
    if unit is not None:
        return samples.view(unit)
    numbers = samples.view(samples.real.dtype)
    return numbers.reshape(*samples.shape[:2], samples.shape[2] // together, -1)


def gather(steps: Array, first: int, dilation: int, chunk: Chunk, begin: int, out: Array) -> None:
    """Fill sequences from recordings; what those do not hold becomes zero.

    Parameters
    ----------
    steps : ndarray, shape (B, N, G) or (B, N, G, E)
        Padded steps from `first` on, in units.
    begin : int
        Number of the first step of each sequence.
    out : ndarray, shape (B, phases, groups, T) or (B, phases, groups, T, E)
    """
    stop = begin + out.shape[3]
    low, high = max(first, begin * dilation), min(first + steps.shape[1], stop * dilation)
    if low > begin * dilation or high < stop * dilation:
        head = min(max(-(-low // dilation) - begin, 0), out.shape[3])
        tail = min(max(high // dilation - begin, head), out.shape[3])
        out[:, :, :, :head] = 0
        out[:, :, :, tail:] = 0
    for there, here in _pairs(steps, first, dilation, chunk, begin, out, low, high):
        _sort(there, here)


def _sort(there: Array, here: Array) -> None:
    """``here[...] = there``, by way of the widest unit where channels are many and lie side by side."""
    together = 16 // there.itemsize
    batch, phases, groups, rows = there.shape[:4]
    many = there.ndim == 4 and together > 1 and groups >= MANY and groups % together == 0
    if not many or rows < MANY or there.strides[2] != there.itemsize:
        here[...] = there
        return
    # Every line of the cache is met once for each move from it. Sorting the units afterwards is cheap.
    wide = SCRATCH.take("wide", (batch, phases, groups // together, rows), UNITS[16])
    wide[...] = there.transpose(0, 3, 1, 2).view(UNITS[16]).transpose(0, 2, 3, 1)
    split = wide.view(there.dtype).reshape(*wide.shape, together).transpose(0, 1, 2, 4, 3)
    here.reshape(split.shape)[...] = split


def scatter(sequences: Array, begin: int, dilation: int, chunk: Chunk, out: Array, start: int) -> None:
    """Write sequences into recordings: the reverse of :func:`gather`.

    Parameters
    ----------
    sequences : ndarray, shape (B, phases, groups, T) or (B, phases, groups, T, E)
        From step number `begin` of each sequence on.
    out : ndarray, shape (B, n, G) or (B, n, G, E)
        Steps from `start` on. Those of the chunk that the sequences hold are written.
    """
    low = max(start, begin * dilation)
    high = min(start + out.shape[1], (begin + sequences.shape[3]) * dilation)
    for there, here in _pairs(out, start, dilation, chunk, begin, sequences, low, high):
        _, phases, groups, rows = here.shape[:4]
        few = phases * groups <= FEW < rows // FEW and here.ndim == 4
        if few and here.dtype == there.dtype and here.itemsize in REALS:
            # Unlike an assignment a ufunc keeps its inner loop along the rows, where the two disagree.
            real = REALS[here.itemsize]
            np.positive(here.view(real), out=there.view(real))
        elif few:
            for phase in range(phases):
                for group in range(groups):
                    there[:, phase, group] = here[:, phase, group]
        else:
            there[...] = here


def _pairs(
    steps: Array, first: int, dilation: int, chunk: Chunk, begin: int, sequences: Array, low: int, high: int
) -> Iterator[tuple[Array, Array]]:
    """Views of the same steps ``[low, high)``: in recordings and in sequences, both (B, phase, group, row)."""
    groups = slice(chunk.group, chunk.group + chunk.groups)
    last = chunk.phase + chunk.phases
    for row, rows, phase, phases in _rectangles(low, high, dilation):
        left, right = max(phase, chunk.phase), min(phase + phases, last)
        if left >= right:
            continue
        at = row * dilation + phase - first
        block = steps[:, at : at + rows * phases, groups]
        block = block.reshape(len(block), rows, phases, *block.shape[2:])[:, :, left - phase : right - phase]
        there = block.transpose(0, 2, 3, 1, *range(4, block.ndim))
        here = sequences[:, left - chunk.phase : right - chunk.phase, :, row - begin : row - begin + rows]
        yield there, here


def _rectangles(low: int, high: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut ``[low, high)`` into (row, rows, column, columns) of a table that is `width` wide; at most three."""
    if low >= high:
        return
    row, column = divmod(low, width)
    if column:
        columns = min(width - column, high - low)
        yield row, 1, column, columns
        row += 1
    if row * width < high:
        rows, columns = divmod(high - row * width, width)
        if rows:
            yield row, rows, 0, width
        if columns:
            yield row + rows, 1, 0, columns
