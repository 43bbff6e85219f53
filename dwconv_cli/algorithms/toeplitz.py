"""Block-Toeplitz products: rows of consecutive steps times a banded matrix that holds the kernel.

A row of ``L`` outputs reads ``P = (L - 1)*strides + K`` steps; as a product it is the row's steps times a ``(P, L)``
matrix whose column ``l`` holds the kernel from step ``l*strides`` on. All other entries are zero, and a product
with an exact zero adds nothing, so the result is as accurate, output for output, as the direct sum.

Neighbouring rows overlap, which BLAS does not allow. Every ``phases``-th row does not: a *panel* of ``phases * ROWS``
rows is ``phases`` products of one fixed shape, each on rows that lie ``phases * L`` outputs apart. BLAS changes its
order of summation with the shape, so the shape never changes: panels start at absolute multiples, and where a call
or the recording leaves a part of one, zeros in scratch make up the rest.

Where the steps of a channel lie side by side, the products read the recording and write the output as they lie.
Otherwise a tile goes through scratch, one sequence of steps after the other, into the same products. With dilation
a channel is as many interleaved sequences. Several channels may share a sequence (`together`): fewer and wider
moves, for a block-diagonal matrix. A complex channel is two real ones that mix.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dwconv_cli.algorithms import direct
from dwconv_cli.algorithms._nonfinite import Touched, isolate, suspicious
from dwconv_cli.algorithms._scratch import SCRATCH
from dwconv_cli.algorithms._sequences import UNITS, Chunk, gather, in_units, scatter
from dwconv_cli.algorithms.problem import Problem

NAME = "toeplitz"

Array = np.ndarray[Any, Any]

# Rows of one product: fewer cost more per output, and a small recording pays for them all.
ROWS = 32
# Numbers of one scratch buffer: as many in and out share L2 with what is read and written.
TILE = 1 << 16
# Bytes that the matrices of one kernel may take.
MATRICES = 1 << 24
# Numbers that one panel of one sequence may take.
PANEL = 1 << 19


LINE = 16


class Shape(NamedTuple):
    """How a problem becomes products."""

    #: Channels in one sequence.
    together: int
    #: Outputs of each channel in a row.
    length: int


def supports(problem: Problem) -> str | None:
    """None, or why block-Toeplitz products do not fit `problem`."""
    return None


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    return 1.0


@lru_cache(maxsize=256)
def choose(problem: Problem) -> Shape:
    """The cheapest shape, from the problem alone."""
    return Shape(1, 16)


def prepare(problem: Problem, kernel: Array) -> Toeplitz | direct.Direct:
    """Products with `kernel`, shape (K, C, M), in the problem's dtype; the direct sum if it is not all finite."""
    if not np.isfinite(kernel).all():
        return direct.prepare(problem, kernel)
    return Toeplitz(problem, kernel, choose(problem))


class Toeplitz:
    """Block-Toeplitz products with one kernel.

    Parameters
    ----------
    problem : Problem
    kernel : ndarray, shape (K, C, M)
        Finite, in the problem's dtype.
    shape : Shape
    """

    whole_panels = False

    def __init__(self, problem: Problem, kernel: Array, shape: Shape) -> None:
        self.problem = problem
        self.kernel = kernel
        self.together, self.length = shape
        self.groups = problem.channels // self.together
        self.dtype = np.dtype(problem.dtype)
        self.real = self.dtype.type(0).real.dtype
        parts = self.dtype.itemsize // self.real.itemsize
        self.last = problem.data_format == "channels_last"
        multiplier = problem.depth_multiplier
        #: The recording's rows are rows of the products as they lie.
        self.straight = problem.dilation_rate == 1 and (self.together == problem.channels if self.last else True)
        # Multipliers side by side in the output's sequences too, where they can travel as one unit.
        beside = multiplier == 1 or (
            self.last and (self.straight or self.together > 1 or multiplier * self.dtype.itemsize in UNITS)
        )
        #: Multipliers in one product, and apart.
        self.beside, self.apart = (multiplier, 1) if beside else (1, multiplier)
        #: Numbers of a step in a sequence, before and after.
        self.width_in = self.together * parts
        self.width_out = self.together * self.beside * parts
        self.span = (self.length - 1) * problem.strides + problem.kernel_size
        self.phases = -(-self.span // (self.length * problem.strides))
        #: Outputs of a sequence in one panel.
        self.unit = self.phases * ROWS * self.length
        self.panel = self.unit * problem.dilation_rate
        self.matrices = self._matrices(parts)

    def __call__(self, x: Array, first: int, out: Array, start: int) -> None:
        """Compute the outputs from `start` on.

        Parameters
        ----------
        x : ndarray, shape (B, N, C)
            Padded steps from `first` on; what lies outside is padding.
        first : int
        out : ndarray, shape (B, n, C, M)
            Written whole.
        start : int
            Index of the first output.
        """
        x = self._standard(x)
        target = out if self._is_standard(out.reshape(*out.shape[:2], -1)) else np.empty(out.shape, out.dtype)
        stop = start + out.shape[1]
        with np.errstate(all="ignore"):
            low, high = self._straight(x, first, target, start) if self.straight else (start, start)
            self._through_scratch(x, first, target, start, start, low)
            self._through_scratch(x, first, target, start, high, stop)
        if target is not out:
            out[...] = target

    def _is_standard(self, array: Array) -> bool:
        """Whether (B, n, channels) lies as the data format says, at least recording by recording."""
        size = array.itemsize
        _, step, channel = array.strides
        if self.last:
            return channel == size and step == array.shape[2] * size
        return step == size

    def _standard(self, x: Array) -> Array:
        if self._is_standard(x):
            return x
        return np.ascontiguousarray(x) if self.last else np.ascontiguousarray(x.transpose(0, 2, 1)).transpose(0, 2, 1)

    def _straight(self, x: Array, first: int, out: Array, start: int) -> tuple[int, int]:
        """Compute whole panels from the recording as it lies; give the outputs done."""
        problem = self.problem
        stride, unit, phases = problem.strides, self.unit, self.phases
        available = (first + x.shape[1] - problem.kernel_size) // stride + 1
        low = -(-max(start, -(-first // stride)) // unit) * unit
        high = min(start + out.shape[1], available) // unit * unit
        if high <= low:
            return start, start
        begin = low * stride - first
        rows = self._rows(x[:, begin : begin + (high - low - 1) * stride + problem.kernel_size])
        if not np.isfinite(np.matmul(rows[:, :, None], rows[..., None])).all():
            return start, start
        out = out[:, low - start : high - start]
        number = (high - low) // unit
        for apart in range(self.apart):
            made = self._rows(out[:, :, :, apart] if self.apart > 1 else out.reshape(*out.shape[:2], -1))
            self._multiply(rows, self.matrices[apart], number, phases, made)
        return low, high

    def _rows(self, samples: Array) -> Array:
        """(B, n, channels) samples as (B, sequences, numbers), each sequence contiguous."""
        if self.last:
            return samples.reshape(len(samples), 1, -1).view(self.real)
        return samples.transpose(0, 2, 1).view(self.real)

    def _through_scratch(self, x: Array, first: int, out: Array, start: int, low: int, high: int) -> None:
        """Compute outputs ``[low, high)`` of `out`, which begins with output `start`, in scratch."""
        if high <= low:
            return
        dilation, unit = self.problem.dilation_rate, self.unit
        begin, end = low // dilation // unit * unit, -(-high // dilation)
        held = unit * self.problem.strides * self.width_in
        units = max(1, min(-(-(end - begin) // unit), TILE // held))
        # A short call needs but the first rows of its panel.
        phases = min(self.phases, -(-(end - begin) // self.length))
        groups = max(1, min(self.groups, TILE // (held * units)))
        if groups < self.groups:
            groups = max(1, groups // LINE * LINE)
        together = max(1, min(dilation, TILE // (held * units * self.groups)))
        for batch in range(x.shape[0]):
            steps, target = in_units(x[batch], self.together), out[batch, low - start : high - start]
            for at in range(begin, end, units * unit):
                number = min(units, -(-(end - at) // unit))
                for phase in range(0, dilation, together):
                    for group in range(0, self.groups, groups):
                        chunk = Chunk(
                            phase, min(together, dilation - phase), group, min(groups, self.groups - group)
                        )
                        self._chunk(steps, first, target, low, chunk, at, number, phases)

    def _chunk(
        self, steps: Array, first: int, out: Array, low: int, chunk: Chunk, at: int, number: int, phases: int
    ) -> None:
        """Compute `number` panels of the chunk's sequences from output `at` on; keep what `out` takes."""
        problem = self.problem
        outputs = number * self.unit
        length = (outputs - 1) * problem.strides + problem.kernel_size
        # An odd number of cache lines, so that sequences do not fall into the same sets of the cache.
        padded = (-(-length // 16) | 1) * 16
        shape = chunk.phases, chunk.groups
        held = SCRATCH.take("in", (*shape, padded * self.width_in), self.real)
        held[..., length * self.width_in :] = 0
        taken = self._units(held, self.together)[:, :, :length]
        gather(steps, first, problem.dilation_rate, chunk, at * problem.strides, taken)
        touched = self._isolate(held, chunk, outputs) if suspicious(held) else None
        made = SCRATCH.take("out", (self.apart, *shape, (outputs + 16) * self.width_out), self.real)
        for apart in range(self.apart):
            matrices = self.matrices[apart, chunk.group : chunk.group + chunk.groups]
            self._multiply(held, matrices, number, phases, made[apart])
        if touched is not None:
            sums = made.view(self.dtype).reshape(self.apart, *shape, -1, self.together, self.beside)
            for apart in range(self.apart):
                sums[apart][touched.where] = touched.values.reshape(-1, self.apart, self.beside)[:, apart]
        for apart in range(self.apart):
            target = out[:, :, apart] if self.apart > 1 else out.reshape(len(out), -1)
            target = in_units(target, self.together * self.beside)
            scatter(self._units(made[apart], self.together * self.beside)[:, :, :outputs], at, problem.dilation_rate, chunk, target, low)

    def _isolate(self, held: Array, chunk: Chunk, outputs: int) -> Touched | None:
        steps = held.view(self.dtype).reshape(chunk.phases, chunk.groups, -1, self.together)
        channels = slice(chunk.group * self.together, (chunk.group + chunk.groups) * self.together)
        kernel = self.kernel[:, channels].reshape(len(self.kernel), chunk.groups, self.together, -1)
        return isolate(steps, kernel, self.problem.strides, outputs)

    def _multiply(self, rows: Array, matrices: Array, number: int, phases: int, out: Array) -> None:
        """Multiply `number` panels of (…, sequences, numbers) by each sequence's matrix; the first `phases` of each."""
        size = self.real.itemsize
        row_in = self.length * self.problem.strides * self.width_in * size
        row_out = self.length * self.width_out * size
        per = self.phases * ROWS
        shape = (*rows.shape[:2], number, phases, ROWS)
        np.matmul(
            as_strided(
                rows,
                (*shape, self.span * self.width_in),
                (*rows.strides[:2], per * row_in, row_in, self.phases * row_in, size),
            ),
            matrices[:, None, None],
            out=as_strided(
                out,
                (*shape, self.length * self.width_out),
                (*out.strides[:2], per * row_out, row_out, self.phases * row_out, size),
            ),
        )

    def _units(self, sequences: Array, together: int) -> Array:
        """(p, g, numbers) as (p, g, steps) in units of `together` samples, or (p, g, steps, numbers of a step)."""
        if together == 1:
            return sequences.view(self.dtype)
        unit = UNITS.get(together * self.dtype.itemsize)
        if unit is not None:
            return sequences.view(unit)
        width = together * (self.dtype.itemsize // self.real.itemsize)
        return sequences.reshape(*sequences.shape[:2], -1, width)

    def _matrices(self, parts: int) -> Array:
        """The banded matrices, shape (apart, groups, span*width_in, length*width_out)."""
        problem, kernel = self.problem, self.kernel
        taps, together, beside, length = problem.kernel_size, self.together, self.beside, self.length
        made = np.zeros(
            (self.apart, self.groups, self.span, together, parts, length, together, beside, parts), self.real
        )
        # (apart, groups, K, together, beside)
        weights = kernel.reshape(taps, self.groups, together, self.apart, beside).transpose(3, 1, 0, 2, 4)
        for output in range(length):
            band = slice(output * problem.strides, output * problem.strides + taps)
            for channel in range(together):
                place = made[:, :, band, channel, :, output, channel]
                taken = weights[:, :, :, channel]
                place[..., 0, :, 0] = taken.real
                if parts == 2:
                    place[..., 1, :, 0] = -taken.imag
                    place[..., 0, :, 1] = taken.imag
                    place[..., 1, :, 1] = taken.real
        return made.reshape(self.apart, self.groups, self.span * self.width_in, length * self.width_out)
