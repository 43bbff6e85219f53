"""The direct sum by rows where a tap is no row of the recording: with strides, and for complex numbers.

Steps are sorted into planes in scratch. With strides, plane ``p`` holds steps ``p, p + strides, …``, so that tap
``q*strides + p`` is a row of plane ``p``. A complex product is real: its two parts are the sample's parts times the real
weight, plus the parts in reverse order, a second plane, times the imaginary weight, of opposite sign for the real part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dwconv_cli.algorithms.problem import Problem
from dwconv_cli.scratch import SCRATCH

Array = np.ndarray[Any, Any]

# A block of rows is so many times as long as what it shares with the next.
HALOS = 8
# Bytes sorted at a time.
TILE = 1 << 20


class Planes:
    """The direct sum with one kernel, of recordings in channels_last.

    Parameters
    ----------
    problem : Problem
    kernel : ndarray, shape (K, C, M)
    row : int
        Numbers of einsum's inner loop, about.
    """

    def __init__(self, problem: Problem, kernel: Array, row: int) -> None:
        self.problem = problem
        self.parts = 2 if kernel.dtype.kind == "c" else 1
        self.real = kernel.real.dtype
        taps, strides = problem.kernel_size, problem.strides
        self.width = problem.channels * self.parts
        #: Phases of the strides that some tap falls on, and how many taps the first ones have.
        self.phases = min(taps, strides)
        most = -(-taps // strides)
        self.halo = (most - 1) * problem.dilation_rate
        steps = max(1, row // self.width)
        self.row = steps * self.width
        #: Outputs of a block, and rows of it.
        self.rows = max(1, -(-self.halo * HALOS // steps))
        self.block = self.rows * steps
        #: Groups of planes with equally many taps: the first plane, and weights (M, planes, taps, row).
        self.groups: list[tuple[int, Array]] = []
        full = taps % strides or self.phases
        for low, high in ((0, min(full, self.phases)), (full, self.phases)):
            if low < high:
                self.groups.append((low, self._weights(kernel, low, high, steps)))

    def _weights(self, kernel: Array, low: int, high: int, steps: int) -> Array:
        """Weights of phases ``[low, high)``, shape (M, planes, taps, steps*width)."""
        strides = self.problem.strides
        taps = np.stack([kernel[phase::strides] for phase in range(low, high)])
        planes = taps.transpose(3, 0, 1, 2)
        if self.parts == 2:
            real = np.repeat(planes.real, 2, axis=-1)
            crossed = np.stack([-planes.imag, planes.imag], axis=-1).reshape(real.shape)
            planes = np.stack([real, crossed], axis=2).reshape(*planes.shape[:1], -1, *real.shape[2:])
        return np.tile(planes, (1, 1, 1, steps))

    def __call__(self, x: Array, out: Array) -> None:
        """Sum (B, n, C, M) outputs from (B, N, C) samples, of which the first is the first output's first tap."""
        batch, steps = out.shape[:2]
        blocks = max(1, TILE // (self.block * self.width * self.phases * self.parts * self.real.itemsize))
        for item in range(batch):
            for at in range(0, steps, blocks * self.block):
                part = out[item, at : at + blocks * self.block]
                self._tile(x[item, at * self.problem.strides :], part)

    def _tile(self, x: Array, out: Array) -> None:
        steps, channels, multiplier = out.shape
        blocks = -(-steps // self.block)
        long = self.block + self.halo
        held = SCRATCH.take("in", (blocks, self.phases, self.parts, long, self.width), self.real)
        self._sort(x, held, steps)
        spare = SCRATCH.take("out", (2, blocks * self.block, self.width), self.real)
        whole = multiplier == 1 and steps == blocks * self.block
        for m in range(multiplier):
            sums = out.reshape(steps, channels).view(self.real) if whole else spare[0]
            for group, (phase, weights) in enumerate(self.groups):
                self._add_up(held[:, phase:], weights[m], spare[1] if group else sums)
            if len(self.groups) > 1:
                sums += spare[1]
            if not whole:
                out[..., m] = sums[:steps].view(out.dtype)

    def _add_up(self, held: Array, weights: Array, sums: Array) -> None:
        """Sum the first planes of `held`, as many as `weights` (planes, taps, row) has."""
        blocks, _, _, long, width = held.shape
        count, taps, row = weights.shape
        size = held.itemsize
        # Planes lie closer together than blocks, so einsum's outer loop runs over blocks, which fit the cache.
        view = as_strided(
            held,
            (blocks, count, self.rows, taps, row),
            (
                held.strides[0],
                long * width * size,
                row * size,
                self.problem.dilation_rate * width * size,
                size,
            ),
        )
        np.einsum("bpskn,pkn->bsn", view, weights, out=sums.reshape(blocks, self.rows, row))

    def _sort(self, x: Array, held: Array, steps: int) -> None:
        """Fill the planes from (N, C) samples; what lies beyond `steps` outputs is not read."""
        blocks, phases, parts, long, _ = held.shape
        strides, channels = self.problem.strides, x.shape[1]
        # All channels of a step move as one piece of memory.
        step = np.dtype((np.void, channels * x.itemsize))
        rows = x.reshape(-1).view(step)
        to = held.view(step)[:, :, 0, :, 0]
        size = step.itemsize
        if blocks > 1:
            taken = as_strided(
                rows, (blocks - 1, phases, long), (self.block * strides * size, size, strides * size)
            )
            to[:-1] = taken
        done = (blocks - 1) * self.block
        held[-1] = 0
        for phase in range(phases):
            taken = rows[done * strides + phase :: strides][: steps - done + self.halo]
            to[-1, phase, : len(taken)] = taken
        if parts == 2:
            pairs = held.reshape(blocks, phases, parts, long, channels, 2)
            pairs[:, :, 1, ..., 0] = pairs[:, :, 0, ..., 1]
            pairs[:, :, 1, ..., 1] = pairs[:, :, 0, ..., 0]
