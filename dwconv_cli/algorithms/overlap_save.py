"""Overlap-save: blocks of steps are transformed, multiplied by the kernel's spectrum and transformed back.

A block holds ``outputs + K - 1`` steps and yields `outputs` outputs; blocks start at absolute multiples of `outputs`,
and each is computed whole, so the bits of an output depend on its block alone. Transforms run along the steps of
either layout, without a transposition.

A transform's error is bounded for a block, not for each output. A check (``_gate.py``) tells the outputs that keep the
promise of the direct sum all the same. In float32 the sequences with others are transformed in float64, and those
of a channel whose kernel leaves float32 no chance. What fails there as well, and a block with NaN or Inf, is computed by
an exact algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dwconv_cli.algorithms import direct, toeplitz
from dwconv_cli.algorithms._block_size import LONGEST, NARROW, Size, block_size
from dwconv_cli.algorithms._block_size import cost as predicted
from dwconv_cli.algorithms._gate import Gate
from dwconv_cli.algorithms._layout import empty_like, is_plain, plain
from dwconv_cli.algorithms._sequences import Chunk, gather, scatter
from dwconv_cli.algorithms._spectra import Transform, product
from dwconv_cli.algorithms.problem import Problem
from dwconv_cli.scratch import SCRATCH

NAME = "overlap-save"

Array = np.ndarray[Any, Any]

# Bytes of the blocks transformed at once, and of matrices that are made for a call alone.
TILE = 1 << 20
ROOM = 1 << 21


def supports(problem: Problem) -> str | None:
    """None, or why blocks cannot be transformed."""
    if problem.strided_and_dilated:
        return "strides and dilation are both above 1"
    if problem.exact:
        return "a transform rounds, and integers are summed exactly"
    if block_size(problem) is None:
        return f"no transform of up to {LONGEST} steps holds {problem.kernel_size} taps"
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    size = block_size(problem)
    return float("inf") if size is None else predicted(problem, size)


def prepare(problem: Problem, kernel: Array) -> OverlapSave | direct.Direct:
    """Transforms for `kernel`, shape (K, C, M), in the problem's dtype; the direct sum if it is not all finite."""
    size = block_size(problem)
    if size is None or not np.isfinite(kernel).all():
        return direct.prepare(problem, kernel)
    return OverlapSave(problem, kernel, size)


class OverlapSave:
    """Overlap-save with one kernel.

    Parameters
    ----------
    problem : Problem
    kernel : ndarray, shape (K, C, M)
        Finite, in the problem's dtype.
    size : Size
    """

    whole_panels = True

    def __init__(self, problem: Problem, kernel: Array, size: Size) -> None:
        self.problem = problem
        self.kernel = kernel
        self.size = size
        self.exact: dict[int, direct.Direct | toeplitz.Toeplitz] = {}
        self.dtype = np.dtype(problem.dtype)
        self.last = problem.data_format == "channels_last"
        #: Blocks are (blocks, steps, sequences) or (sequences, blocks, steps): as the recording lies.
        self.axis = 1 if self.last else 2
        self.transform = Transform(size.length, self.dtype.kind == "c")
        self.panel = size.outputs // problem.strides * problem.dilation_rate
        #: Sequences transformed together: a number fixed by the problem.
        room = TILE // (size.length * self.dtype.itemsize)
        self.together = max(1, min(problem.channels * problem.dilation_rate, room))
        double = kernel.astype(np.result_type(self.dtype, np.float64))
        gate, gain = Gate(kernel, *size, self.last), 1.0
        #: float64, for those sequences that float32 is not good enough for, and channels where it never is.
        self.wide: np.dtype[Any] | None = None
        self.hopeless = np.zeros(problem.channels, bool)
        self.work = self.dtype
        if double.dtype != self.dtype:
            gain = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
            fits = problem.kernel_size >= NARROW
            self.hopeless = ~(fits & _white_noise_passes(gate, size, problem.channels))
            if self.hopeless.all():
                self.work, gate = double.dtype, Gate(double, *size, self.last, gain)
            else:
                self.wide, self.wide_gate = double.dtype, Gate(double, *size, False, gain)
        self.gate = gate
        self.wide_spectra = self.transform.correlated_with(double.transpose(2, 1, 0), 2)
        spectra = self.wide_spectra.transpose(0, 2, 1) if self.last else self.wide_spectra[:, :, None]
        #: (M, bins, C) or (M, C, 1, bins).
        self.spectra = np.ascontiguousarray(spectra, np.result_type(self.work, np.complex64))

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute the outputs from `start` on, a multiple of `panel`.

        Parameters
        ----------
        x : ndarray, shape (B, N, C)
            Padded steps from `first` on; what lies outside is padding. All steps of all blocks begun, unless the
            recording ends before.
        first : int
        out : ndarray, shape (B, n, C, M)
            Written whole.
        start : int
            Index of the first output.
        """
        problem = self.problem
        stop = start + out.shape[1]
        # A block's steps are those that its outputs read; what lies beyond the last output is none of its business.
        x = plain(
            x[:, : max(0, (stop - 1) * problem.strides + problem.effective_kernel_size - first)], problem
        )
        target = out if is_plain(out, problem) else empty_like(out, problem)
        blocks = -(-(stop - start) // self.panel)
        with np.errstate(all="ignore"):
            for item in range(len(out)):
                failed = np.zeros((blocks, self.gate.groups, problem.dilation_rate, problem.channels), bool)
                for chunk in self._chunks():
                    held = self.size.length * chunk.phases * chunk.groups * self.work.itemsize
                    at_once = max(1, TILE // held)
                    for block in range(0, blocks, at_once):
                        count = min(at_once, blocks - block)
                        part = failed[block : block + count]
                        begin = start + block * self.panel
                        self._blocks(x[item], first, target[item, begin - start :], begin, chunk, part)
                if failed.any():
                    self._exactly(x[item : item + 1], first, target[item : item + 1], start, failed)
        if target is not out:
            out[...] = target

    def _chunks(self) -> list[Chunk]:
        phases, channels = self.problem.dilation_rate, self.problem.channels
        groups = min(channels, self.together)
        together = max(1, self.together // channels)
        return [
            Chunk(phase, min(together, phases - phase), group, min(groups, channels - group))
            for phase in range(0, phases, together)
            for group in range(0, channels, groups)
        ]

    def _blocks(self, x: Array, first: int, out: Array, start: int, chunk: Chunk, failed: Array) -> None:
        """Transform some blocks of a chunk's sequences; note in `failed` (blocks, cells, …) what must be done again."""
        count, axis = len(failed), self.axis
        phases = slice(chunk.phase, chunk.phase + chunk.phases)
        groups = slice(chunk.group, chunk.group + chunk.groups)
        channels = np.tile(np.arange(groups.start, groups.stop), chunk.phases)
        held = self._as_they_lie(x, first, start, chunk, count)
        if held is None:
            shape = (count, self.size.length, len(channels))
            held = SCRATCH.take("in", shape if self.last else (shape[2], *shape[:2]), self.work)
            self._fill(held, x, first, start, chunk)
        fine = self.gate.passes(held, channels)
        if self.wide is not None:
            fine &= ~self.hopeless[channels]
        spectrum = self.transform.forward(held, axis)
        again = None if fine.all() else self._again(held, channels, fine)
        failed[:, :, phases, groups] = ~fine.reshape(count, -1, chunk.phases, chunk.groups)
        for m, weights in enumerate(self.spectra):
            taken = weights[:, channels] if self.last else weights[channels]
            made = self.transform.backward(product(spectrum, taken), axis)
            if again is not None:
                block, sequence, values = again[0], again[1], again[2][m]
                if self.last:
                    made[block, :, sequence] = values
                else:
                    made[sequence, block] = values
            rows = made if self.last else made.transpose(1, 2, 0)
            rows = rows[:, : self.size.outputs : self.problem.strides]
            self._put(rows.reshape(count, -1, chunk.phases, chunk.groups), out[:, :, m], start, chunk)

    def _as_they_lie(self, x: Array, first: int, start: int, chunk: Chunk, count: int) -> Array | None:
        """Blocks as views of the recording, if it holds them whole and nothing is to be added or converted."""
        problem, size = self.problem, self.size
        begin = start * problem.strides - first
        end = begin + (count - 1) * size.outputs + size.length
        padded = size.outputs - problem.strides + problem.kernel_size != size.length
        if padded or problem.dilation_rate > 1 or begin < 0 or end > len(x) or x.dtype != self.work:
            return None
        x = x[begin:, chunk.group : chunk.group + chunk.groups]
        step, channel = x.strides
        if self.last:
            return as_strided(x, (count, size.length, chunk.groups), (size.outputs * step, step, channel))
        return as_strided(x, (chunk.groups, count, size.length), (channel, size.outputs * step, step))

    def _fill(self, held: Array, x: Array, first: int, start: int, chunk: Chunk) -> None:
        """Copy the steps of blocks into `held`, each followed by zeros up to the transform's length."""
        problem, size = self.problem, self.size
        dilation, channels = problem.dilation_rate, x.shape[1]
        steps = size.outputs - problem.strides + problem.kernel_size
        phases, groups = (
            slice(chunk.phase, chunk.phase + chunk.phases),
            slice(chunk.group, chunk.group + chunk.groups),
        )
        rows = held if self.last else held.transpose(1, 2, 0)
        rows[:, steps:] = 0
        rows = _split(rows[:, :steps], chunk)
        row = start // dilation * problem.strides
        # Whole blocks of the recording at once, then the others.
        low = min(len(rows), max(0, -(-(-(-first // dilation) - row) // size.outputs)))
        high = max(low, ((first + len(x)) // dilation - row - steps) // size.outputs + 1)
        high = max(low, min(len(rows), high))
        if low < high:
            step, channel = x.strides
            begin = (row + low * size.outputs) * dilation - first
            taken = as_strided(
                x[begin:],
                (high - low, steps, dilation, channels),
                (size.outputs * dilation * step, dilation * step, step, channel),
            )
            rows[low:high] = taken[:, :, phases, groups]
        for block in (*range(low), *range(high, len(rows))):
            sequences = rows[block : block + 1].transpose(0, 2, 3, 1)
            gather(x[None], first, dilation, chunk, row + block * size.outputs, sequences)

    def _put(self, rows: Array, out: Array, start: int, chunk: Chunk) -> None:
        """Write (blocks, n, phases, groups) into (n, C) outputs, as many as there are."""
        dilation, each = self.problem.dilation_rate, rows.shape[1]
        whole = min(len(rows), len(out) // self.panel)
        if whole:
            into = out[: whole * self.panel].reshape(whole, each, dilation, out.shape[1])
            phases = slice(chunk.phase, chunk.phase + chunk.phases)
            into[:, :, phases, chunk.group : chunk.group + chunk.groups] = rows[:whole]
        if whole < len(rows):
            done = whole * self.panel
            rest = rows[whole : whole + 1].transpose(0, 2, 3, 1)
            scatter(rest, start // dilation + whole * each, dilation, chunk, out[None, done:], start + done)

    def _again(self, held: Array, channels: Array, fine: Array) -> tuple[Array, Array, list[Array]] | None:
        """Transform sequences that fail the check in float64; note in `fine` which of their outputs pass."""
        if self.wide is None:
            return None
        block, sequence = np.nonzero(~fine.all(axis=1))
        taken = held[block, :, sequence] if self.last else held[sequence, block]
        wide = taken.astype(self.wide)
        of = channels[sequence]
        fine[block, :, sequence] = self.wide_gate.passes(wide[:, None], of)[0].T
        spectrum = self.transform.forward(wide, 1)
        values = [
            self.transform.backward(product(spectrum, weights[of]), 1).astype(self.dtype)
            for weights in self.wide_spectra
        ]
        return block, sequence, values

    def _exactly(self, x: Array, first: int, out: Array, start: int, failed: Array) -> None:
        """Compute outputs again where `failed` (blocks, cells, phases, channels) by the exact algorithm."""
        problem = self.problem
        cell, strides, dilation = self.size.cell, problem.strides, problem.dilation_rate
        cells = failed.reshape(-1, *failed.shape[2:])
        for channels, exact in self._exact(np.asarray(cells.any(axis=(0, 1)))):
            some = np.pad(cells[..., channels].any(axis=(1, 2)), 1)
            for low, high in np.flatnonzero(np.diff(some.astype(np.int8))).reshape(-1, 2):
                begin = start + -(-low * cell // strides) * dilation
                end = min(start + -(-high * cell // strides) * dilation, start + out.shape[1])
                if begin >= end:
                    continue
                part = out[:, begin - start : end - start, channels]
                made = empty_like(part, problem)
                exact(x[..., channels], first, made, begin)
                index = np.arange(begin - start, end - start)
                of = cells[index // dilation * strides // cell, index % dilation][:, channels]
                np.copyto(part, made, where=of[None, :, :, None])

    def _exact(self, failed: Array) -> Iterator[tuple[slice, direct.Direct | toeplitz.Toeplitz]]:
        """The exact algorithm for the channels that `failed`, as many at a time as their matrices leave room for."""
        problem = self.problem
        if toeplitz.supports(replace(problem, channels=1)):
            yield slice(0, problem.channels), direct.prepare(problem, self.kernel)
            return
        width = max(1, ROOM // toeplitz.matrix_size(problem))
        for low in range(0, problem.channels, width):
            channels = slice(low, min(low + width, problem.channels))
            if failed[channels].any():
                if low not in self.exact:
                    part = replace(problem, channels=channels.stop - low)
                    exact = toeplitz.prepare(part, self.kernel[:, channels])
                    if width < problem.channels:
                        yield channels, exact
                        continue
                    self.exact[low] = exact
                yield channels, self.exact[low]


def _white_noise_passes(gate: Gate, size: Size, channels: int) -> Array:
    """Whether white noise passes the check, for each channel."""
    noise = np.random.default_rng(0).standard_normal((1, size.length), np.float32)
    fine = np.empty(channels, bool)
    together = max(1, TILE // noise.nbytes)
    for low in range(0, channels, together):
        some = np.arange(low, min(low + together, channels))
        blocks = np.repeat(
            noise[..., None] if gate.last else noise[None], len(some), axis=2 if gate.last else 0
        )
        fine[some] = gate.passes(blocks, some)[0].all(axis=0)
    return fine


def _split(rows: Array, chunk: Chunk) -> Array:
    """(F, N, Q) seen as (F, N, phases, groups)."""
    step = rows.strides[2]
    return as_strided(
        rows, (*rows.shape[:2], chunk.phases, chunk.groups), (*rows.strides[:2], step * chunk.groups, step)
    )
