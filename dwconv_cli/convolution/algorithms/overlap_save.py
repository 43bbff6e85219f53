"""Overlap-save: segments of steps are transformed, multiplied by the kernel's spectrum and transformed back.

A segment holds ``outputs + K - 1`` steps and gives `outputs` outputs. Segments start at absolute multiples of `outputs`,
and each is computed whole, so the bits of an output depend on its segment alone. Transforms run along the steps of
either layout, without a transposition. With dilation the steps of each phase are a recording of their own.

The error of a transform is bounded for a segment, not for each output. A check (``_gate.py``) finds the outputs that are
still as exact as the direct sum promises. The others are computed again:

- in float32, their segments are transformed in float64, as are all segments of channels whose kernel seldom passes;
- what fails there too, and what NaN and Inf touch, is summed directly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dwconv_cli.convolution.algorithms import direct
from dwconv_cli.convolution.algorithms._gate import Gate
from dwconv_cli.convolution.algorithms._layout import empty
from dwconv_cli.convolution.algorithms._segment import LONGEST_SEGMENT, Segment, segment_for
from dwconv_cli.convolution.algorithms._spectra import Transform, product
from dwconv_cli.convolution.algorithms.problem import Problem
from dwconv_cli.convolution.scratch import SCRATCH
from dwconv_cli.layer.axes import Array

NAME = "overlap-save"

# Bytes of the segments that are transformed together.
TRANSFORMED_BYTES = 1 << 20
# With fewer taps float32 seldom passes the check.
LEAST_TAPS_IN_FLOAT32 = 200


def supports(problem: Problem) -> str | None:
    """None, or why segments cannot be transformed."""
    if problem.strides > 1 and problem.dilation_rate > 1:
        return "strides and dilation are both above 1"
    if problem.exact:
        return "a transform rounds, and integers are summed exactly"
    if segment_for(problem.kernel_size, problem.strides) is None:
        return f"no transform of up to {LONGEST_SEGMENT} steps holds {problem.kernel_size} taps"
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread; :mod:`~dwconv_cli.convolution.plan` says where the figures are from."""
    segment = segment_for(problem.kernel_size, problem.strides)
    if segment is None:
        return float("inf")
    in_float32 = problem.dtype == "float32" and problem.kernel_size >= LEAST_TAPS_IN_FLOAT32
    sample = (9.8 if in_float32 else 15.0) * segment.length / segment.outputs
    return problem.strides * (sample * (1 + 1 / problem.depth_multiplier) / 2 + 2 / problem.depth_multiplier)


class OverlapSave:
    """Overlap-save with a finite kernel of shape (K, C, M) in the problem's dtype; a :class:`~.problem.Prepared`."""

    def __init__(self, problem: Problem, kernel: Array) -> None:
        segment = segment_for(problem.kernel_size, problem.strides)
        assert segment is not None
        self.problem = problem
        self.kernel = kernel
        self.segment = segment
        self.dtype = np.dtype(problem.dtype)
        self.last = problem.data_format == "channels_last"
        #: Segments are (segments, steps, channels) or (channels, segments, steps): as the recording lies.
        self.axis = 1 if self.last else 2
        self.transform = Transform(segment.length)
        self.panel = segment.outputs // problem.strides * problem.dilation_rate
        #: Channels transformed together: a number fixed by the problem.
        self.together = max(
            1, min(problem.channels, TRANSFORMED_BYTES // (segment.length * self.dtype.itemsize))
        )
        double = kernel.astype(np.float64)
        gate = Gate(kernel, segment, self.last)
        #: In float32, the check of the segments that are transformed again in float64.
        self.wide_gate: Gate | None = None
        #: Channels that float32 never suffices for.
        self.hopeless = np.zeros(problem.channels, bool)
        #: The dtype of the first transforms: float64 from the start if float32 suffices for no channel.
        self.work = self.dtype
        if self.dtype != np.float64:
            gain = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
            long_enough = problem.kernel_size >= LEAST_TAPS_IN_FLOAT32
            self.hopeless = ~(long_enough & _white_noise_passes(gate, segment, problem.channels))
            if self.hopeless.all():
                self.work, gate = double.dtype, Gate(double, segment, self.last, gain)
            else:
                self.wide_gate = Gate(double, segment, False, gain)
        self.gate = gate
        self.wide_spectra = self.transform.correlated_with(double.transpose(2, 1, 0), 2)
        spectra = self.wide_spectra.transpose(0, 2, 1) if self.last else self.wide_spectra[:, :, None]
        #: (M, bins, C) or (M, C, 1, bins).
        self.spectra = np.ascontiguousarray(spectra, np.result_type(self.work, np.complex64))

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        problem, dilation = self.problem, self.problem.dilation_rate
        # Steps after those of the last output would only change the bits of the transform.
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
        each = self.segment.outputs // self.problem.strides
        segments = -(-len(out) // each)
        for low in range(0, self.problem.channels, self.together):
            channels = np.arange(low, min(low + self.together, self.problem.channels))
            group = slice(low, low + len(channels))
            at_once = max(1, TRANSFORMED_BYTES // (self.segment.length * len(channels) * self.work.itemsize))
            for number in range(0, segments, at_once):
                count, begin = min(at_once, segments - number), number * each
                part = out[begin : begin + count * each, group]
                fine = self._segments(x[:, group], first, part, start + begin, count, channels)
                if not fine.all():
                    self._directly(x, first, part, start + begin, channels, fine)

    def _segments(self, x: Array, first: int, out: Array, start: int, count: int, channels: Array) -> Array:
        """Transform `count` segments of some channels; give which outputs are fine, (segments, cells, channels)."""
        strides = self.problem.strides
        each = self.segment.outputs // strides
        shape = (count, self.segment.length, len(channels))
        samples = SCRATCH.take("segments", shape if self.last else (shape[2], *shape[:2]), self.work)
        self._fill(samples if self.last else samples.transpose(1, 2, 0), x, start * strides - first)
        fine = self.gate.passes(samples, channels)
        if self.wide_gate is not None:
            fine &= ~self.hopeless[channels]
        spectrum = self.transform.forward(samples, self.axis)
        replacements = None if fine.all() else self._in_float64(samples, channels, fine)
        for m, weights in enumerate(self.spectra):
            factors = weights[:, channels] if self.last else weights[channels]
            sums = self.transform.backward(product(spectrum, factors), self.axis)
            rows = sums if self.last else sums.transpose(1, 2, 0)
            if replacements is not None:
                segment, sequence, values = replacements
                rows[segment, :, sequence] = values[m]
            for number, row in enumerate(rows):
                part = out[number * each : (number + 1) * each, :, m]
                part[...] = row[: len(part) * strides : strides]
        return fine

    def _fill(self, rows: Array, x: Array, begin: int) -> None:
        """Copy the steps of segments from `begin` on into (segments, length, channels), zeros where there are none."""
        steps = self.segment.outputs - self.problem.strides + self.problem.kernel_size
        for row in rows:
            low, high = max(0, -begin), max(0, min(steps, len(x) - begin))
            low = min(low, high)
            row[:low] = 0
            row[low:high] = x[begin + low : begin + high]
            row[high:] = 0
            begin += self.segment.outputs

    def _in_float64(
        self, samples: Array, channels: Array, fine: Array
    ) -> tuple[Array, Array, list[Array]] | None:
        """Transform in float64 what failed the check; note in `fine` which outputs pass then.

        Returns
        -------
        (ndarray, ndarray, list of ndarray) or None
            Numbers of the segments and of the channels among `channels`, and for each m the sums of these.
        """
        if self.wide_gate is None:
            return None
        segment, sequence = np.nonzero(~fine.all(axis=1))
        wide = samples[segment, :, sequence] if self.last else samples[sequence, segment]
        wide, of = wide.astype(np.float64), channels[sequence]
        fine[segment, :, sequence] = self.wide_gate.passes(wide[:, None], of)[0].T
        spectrum = self.transform.forward(wide, 1)
        values = [
            self.transform.backward(product(spectrum, weights[of]), 1).astype(self.dtype)
            for weights in self.wide_spectra
        ]
        return segment, sequence, values

    def _directly(self, x: Array, first: int, out: Array, start: int, channels: Array, fine: Array) -> None:
        """Sum outputs directly where they are not `fine` (segments, cells, channels)."""
        strides, cell = self.problem.strides, self.segment.cell
        failed = ~fine.reshape(-1, len(channels))
        failed_channels = np.flatnonzero(failed.any(axis=0))
        some = slice(failed_channels[0], failed_channels[-1] + 1)
        group = slice(channels[some][0], channels[some][-1] + 1)
        problem = replace(self.problem, channels=some.stop - some.start, dilation_rate=1)
        exact = direct.prepare(problem, np.ascontiguousarray(self.kernel[:, group]))
        # Ranges of consecutive cells in which some channel fails.
        edges = np.flatnonzero(np.diff(np.pad(failed[:, some].any(axis=1), 1).astype(np.int8)))
        for low, high in edges.reshape(-1, 2):
            begin, end = -(-low * cell // strides), min(-(-high * cell // strides), len(out))
            if begin >= end:
                continue
            # Only the steps that are needed, since the direct sum may copy them.
            left = max(0, (start + begin) * strides - first)
            right = max(left, (start + end - 1) * strides + self.problem.kernel_size - first)
            target = out[begin:end, some]
            sums = empty((1, *target.shape), out.dtype, problem.data_format)
            exact(x[None, left:right, group], first + left, sums, start + begin)
            where = failed[np.arange(begin, end) * strides // cell, some]
            np.copyto(target, sums[0], where=where[..., None])


prepare = OverlapSave


def _white_noise_passes(gate: Gate, segment: Segment, channels: int) -> Array:
    """Whether white noise passes the check, for each channel."""
    noise = np.random.default_rng(0).standard_normal((1, segment.length), np.float32)
    fine = np.empty(channels, bool)
    together = max(1, TRANSFORMED_BYTES // noise.nbytes)
    for low in range(0, channels, together):
        some = np.arange(low, min(low + together, channels))
        samples = np.repeat(
            noise[..., None] if gate.last else noise[None], len(some), axis=2 if gate.last else 0
        )
        fine[some] = gate.passes(samples, some)[0].all(axis=0)
    return fine
