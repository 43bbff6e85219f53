"""Overlap-save: blocks of steps are transformed, multiplied by the kernel's spectrum and transformed back.

A block holds ``outputs + K - 1`` steps and yields `outputs` outputs; blocks start at absolute multiples of `outputs`,
and each is computed whole, so the bits of an output depend on its block alone. Transforms run along the steps of
either layout, without a transposition. With dilation the steps of each phase are a recording of their own.

A transform's error is bounded for a block, not for each output. A check (``_gate.py``) tells the outputs that keep the
promise of the direct sum all the same. In float32 the sequences with others are transformed in float64, and those
of a channel whose kernel leaves float32 no chance. What fails there as well, and what NaN and Inf touch, is summed
directly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.convolution.algorithms import direct
from dwconv_cli.convolution.algorithms._block_size import LONGEST, Size, block_size
from dwconv_cli.convolution.algorithms._gate import Gate
from dwconv_cli.convolution.algorithms._layout import empty
from dwconv_cli.convolution.algorithms._spectra import Transform, product
from dwconv_cli.convolution.algorithms.problem import Problem
from dwconv_cli.convolution.scratch import SCRATCH

NAME = "overlap-save"

# Bytes of the blocks transformed at once.
TILE = 1 << 20
# With fewer taps float32 seldom passes the check.
NARROW = 200


def supports(problem: Problem) -> str | None:
    """None, or why blocks cannot be transformed."""
    if problem.strided_and_dilated:
        return "strides and dilation are both above 1"
    if problem.exact:
        return "a transform rounds, and integers are summed exactly"
    if block_size(problem.kernel_size, problem.strides) is None:
        return f"no transform of up to {LONGEST} steps holds {problem.kernel_size} taps"
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread; :mod:`~dwconv_cli.convolution.plan` says where the figures are from."""
    size = block_size(problem.kernel_size, problem.strides)
    if size is None:
        return float("inf")
    narrow = problem.dtype == "float32" and problem.kernel_size >= NARROW
    sample = (9.8 if narrow else 15.0) * size.length / size.outputs
    return problem.strides * (sample * (1 + 1 / problem.depth_multiplier) / 2 + 2 / problem.depth_multiplier)


def prepare(problem: Problem, kernel: Array) -> OverlapSave | direct.Direct:
    """Transforms for `kernel`, shape (K, C, M), in the problem's dtype; the direct sum if it is not all finite."""
    size = block_size(problem.kernel_size, problem.strides)
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
        self.dtype = np.dtype(problem.dtype)
        self.last = problem.data_format == "channels_last"
        #: Blocks are (blocks, steps, channels) or (channels, blocks, steps): as the recording lies.
        self.axis = 1 if self.last else 2
        self.transform = Transform(size.length)
        self.panel = size.outputs // problem.strides * problem.dilation_rate
        #: Channels transformed together: a number fixed by the problem.
        self.together = max(1, min(problem.channels, TILE // (size.length * self.dtype.itemsize)))
        double = kernel.astype(np.float64)
        gate, gain = Gate(kernel, *size, self.last), 1.0
        #: float64 for those blocks that float32 is not good enough for, and channels where it never is.
        self.wide_gate: Gate | None = None
        self.hopeless = np.zeros(problem.channels, bool)
        self.work = self.dtype
        if self.dtype != np.float64:
            gain = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
            fits = problem.kernel_size >= NARROW
            self.hopeless = ~(fits & _white_noise_passes(gate, size, problem.channels))
            if self.hopeless.all():
                self.work, gate = double.dtype, Gate(double, *size, self.last, gain)
            else:
                self.wide_gate = Gate(double, *size, False, gain)
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
        problem, dilation = self.problem, self.problem.dilation_rate
        # A block's steps are those that its outputs read; what lies beyond the last output is none of its business.
        stop = (start + out.shape[1] - 1) * problem.strides + problem.effective_kernel_size
        x = x[:, : max(0, stop - first)]
        with np.errstate(all="ignore"):
            for item in range(len(out)):
                for phase in range(min(dilation, out.shape[1])):
                    # Step number i of this phase is padded step i*dilation + phase.
                    begin = -((phase - first) // dilation)
                    steps = x[item, begin * dilation + phase - first :: dilation]
                    self._phase(steps, begin, out[item, phase::dilation], start // dilation)

    def _phase(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute (n, C, M) outputs from `start` on from (N, C) steps from `first` on."""
        each = self.size.outputs // self.problem.strides
        blocks = -(-len(out) // each)
        for low in range(0, self.problem.channels, self.together):
            channels = np.arange(low, min(low + self.together, self.problem.channels))
            group = slice(low, low + len(channels))
            at_once = max(1, TILE // (self.size.length * len(channels) * self.work.itemsize))
            for block in range(0, blocks, at_once):
                count, begin = min(at_once, blocks - block), block * each
                part = out[begin : begin + count * each, group]
                fine = self._blocks(x[:, group], first, part, start + begin, count, channels)
                if not fine.all():
                    self._directly(x, first, part, start + begin, channels, fine)

    def _blocks(self, x: Array, first: int, out: Array, start: int, count: int, channels: Array) -> Array:
        """Transform `count` blocks of some channels; give which outputs are fine, (blocks, cells, channels)."""
        each = self.size.outputs // self.problem.strides
        shape = (count, self.size.length, len(channels))
        samples = SCRATCH.take("blocks", shape if self.last else (shape[2], *shape[:2]), self.work)
        self._fill(
            samples if self.last else samples.transpose(1, 2, 0), x, start * self.problem.strides - first
        )
        fine = self.gate.passes(samples, channels)
        if self.wide_gate is not None:
            fine &= ~self.hopeless[channels]
        spectrum = self.transform.forward(samples, self.axis)
        again = None if fine.all() else self._again(samples, channels, fine)
        for m, weights in enumerate(self.spectra):
            some = weights[:, channels] if self.last else weights[channels]
            made = self.transform.backward(product(spectrum, some), self.axis)
            rows = made if self.last else made.transpose(1, 2, 0)
            if again is not None:
                block, sequence, values = again
                rows[block, :, sequence] = values[m]
            for number, row in enumerate(rows):
                part = out[number * each : (number + 1) * each, :, m]
                part[...] = row[: len(part) * self.problem.strides : self.problem.strides]
        return fine

    def _fill(self, rows: Array, x: Array, begin: int) -> None:
        """Copy the steps of blocks from `begin` on into (blocks, length, channels), and zeros where there are none."""
        steps = self.size.outputs - self.problem.strides + self.problem.kernel_size
        for row in rows:
            low, high = max(0, -begin), max(0, min(steps, len(x) - begin))
            low = min(low, high)
            row[:low] = 0
            row[low:high] = x[begin + low : begin + high]
            row[high:] = 0
            begin += self.size.outputs

    def _again(self, samples: Array, channels: Array, fine: Array) -> tuple[Array, Array, list[Array]] | None:
        """Transform sequences that fail the check in float64; note in `fine` which of their outputs pass."""
        if self.wide_gate is None:
            return None
        block, sequence = np.nonzero(~fine.all(axis=1))
        wide = (samples[block, :, sequence] if self.last else samples[sequence, block]).astype(np.float64)
        of = channels[sequence]
        fine[block, :, sequence] = self.wide_gate.passes(wide[:, None], of)[0].T
        spectrum = self.transform.forward(wide, 1)
        values = [
            self.transform.backward(product(spectrum, weights[of]), 1).astype(self.dtype)
            for weights in self.wide_spectra
        ]
        return block, sequence, values

    def _directly(self, x: Array, first: int, out: Array, start: int, channels: Array, fine: Array) -> None:
        """Sum outputs directly where they are not `fine` (blocks, cells, channels)."""
        strides, cell = self.problem.strides, self.size.cell
        cells = ~fine.reshape(-1, len(channels))
        failed = np.flatnonzero(cells.any(axis=0))
        some = slice(failed[0], failed[-1] + 1)
        group = slice(channels[some][0], channels[some][-1] + 1)
        problem = replace(self.problem, channels=some.stop - some.start, dilation_rate=1)
        exact = direct.prepare(problem, np.ascontiguousarray(self.kernel[:, group]))
        ends = np.flatnonzero(np.diff(np.pad(cells[:, some].any(axis=1), 1).astype(np.int8)))
        for low, high in ends.reshape(-1, 2):
            begin, end = -(-low * cell // strides), min(-(-high * cell // strides), len(out))
            if begin >= end:
                continue
            # Only the steps that are needed, since the direct sum may copy them.
            left = max(0, (start + begin) * strides - first)
            right = max(left, (start + end - 1) * strides + self.problem.kernel_size - first)
            made = empty(out[None, begin:end, some].shape, out.dtype, problem.data_format)
            exact(x[None, left:right, group], first + left, made, start + begin)
            where = cells[np.arange(begin, end) * strides // cell, some]
            np.copyto(out[begin:end, some], made[0], where=where[..., None])


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
