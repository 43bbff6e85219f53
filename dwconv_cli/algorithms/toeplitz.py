"""Block-Toeplitz products: rows of consecutive steps times a banded matrix that holds the kernel.

A row of ``L`` outputs reads ``P = (L - 1)*strides + K`` steps; as a product it is the row's steps times a ``(P, L)``
matrix whose column ``l`` holds the kernel from step ``l*strides`` on. All other entries are zero, and a product
with an exact zero adds nothing, so the result is as accurate, output for output, as the direct sum.

Neighbouring rows overlap, which BLAS does not allow. Every ``phases``-th row does not: a *panel* of ``phases * rows``
rows is ``phases`` products of one fixed shape, each on rows that lie ``phases * L`` outputs apart. BLAS changes its
order of summation with the shape, so the shape never changes: panels start at absolute multiples, and where a call
or the recording leaves a part of one, zeros in scratch make up the rest.

Where the steps of a channel lie side by side, the products read the recording and write the output as they lie.
Otherwise a tile goes through scratch, one sequence of steps after the other, into the same products. With dilation
a channel is as many interleaved sequences. Several channels may share a sequence (`together`): fewer and wider
moves, for a block-diagonal matrix. A complex channel is two real ones that mix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dwconv_cli.algorithms import direct
from dwconv_cli.algorithms._layout import empty_like, is_plain, plain
from dwconv_cli.algorithms._nonfinite import Touched, isolate, suspicious
from dwconv_cli.algorithms._products import Products, choose
from dwconv_cli.algorithms._products import cost as predicted
from dwconv_cli.algorithms._sequences import UNITS, Chunk, gather, in_units, scatter
from dwconv_cli.algorithms.problem import Problem
from dwconv_cli.scratch import SCRATCH

NAME = "toeplitz"

Array = np.ndarray[Any, Any]

# Bytes of what is read in scratch, about. It leaves the second-level cache, and one thread alone would be a fifth faster
# with a third of it; but two threads would be slower by half, since the interpreter's lock changes hands at every call.
TILE = 1 << 20
# Whole cache lines of channels are moved together.
LINE = 16
# Bytes that the matrices of one kernel may take.
MATRICES = 1 << 24
# Numbers that one panel of one sequence may take.
PANEL = 1 << 19


def supports(problem: Problem) -> str | None:
    """None, or why block-Toeplitz products do not fit `problem`."""
    if problem.strided_and_dilated:
        return "strides and dilation are both above 1"
    if np.dtype(problem.dtype).kind in "iu":
        return "integers of 64 bits have no products of matrices"
    products = choose(problem)
    if products.unit * problem.strides * products.width_in > PANEL:
        return f"a panel of one channel would read more than {PANEL} numbers"
    matrices = problem.channels * matrix_size(problem)
    if matrices > MATRICES:
        return f"its matrices would take {matrices >> 20} MiB for this kernel, {MATRICES >> 20} are allowed"
    return None


def matrix_size(problem: Problem) -> int:
    """Bytes of the matrices of one channel."""
    products = choose(problem)
    numbers = products.apart * products.span * products.width_in * products.length * products.width_out
    return numbers // products.together * np.dtype(problem.dtype).itemsize // products.parts


def cost(problem: Problem) -> float:
    """Predicted nanoseconds per output sample on one thread."""
    return predicted(problem, choose(problem))


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
    products : Products
    """

    whole_panels = False

    def __init__(self, problem: Problem, kernel: Array, products: Products) -> None:
        self.problem = problem
        self.kernel = kernel
        self.products = products
        self.groups = problem.channels // products.together
        self.dtype = np.dtype(problem.dtype)
        self.real = self.dtype.type(0).real.dtype
        self.last = problem.data_format == "channels_last"
        self.panel = products.unit * problem.dilation_rate
        self.matrices = _matrices(problem, kernel, products, self.real)

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
        x = plain(x, self.problem)
        target = out if is_plain(out, self.problem) else empty_like(out, self.problem)
        stop = start + out.shape[1]
        with np.errstate(all="ignore"):
            low, high = self._straight(x, first, target, start) if self.products.straight else (start, start)
            self._through_scratch(x, first, target, start, start, low)
            self._through_scratch(x, first, target, start, high, stop)
        if target is not out:
            out[...] = target

    def _straight(self, x: Array, first: int, out: Array, start: int) -> tuple[int, int]:
        """Compute whole panels from the recording as it lies; give the outputs done."""
        problem, products = self.problem, self.products
        stride, unit = problem.strides, products.unit
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
        for apart, matrices in enumerate(self.matrices):
            made = self._rows(out[:, :, :, apart] if products.apart > 1 else out.reshape(*out.shape[:2], -1))
            self._multiply(rows, matrices, number, products.phases, made)
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
        products, dilation, unit = self.products, self.problem.dilation_rate, self.products.unit
        begin, end = low // dilation // unit * unit, -(-high // dilation)
        read = unit * self.problem.strides * products.width_in
        # Whole steps first: channels that lie side by side share cache lines.
        room = TILE // self.real.itemsize
        groups = max(1, min(self.groups, room // read))
        if groups < self.groups:
            groups = max(1, groups // LINE * LINE)
        together = max(1, min(dilation, room // (read * self.groups)))
        panels = _even(-(-(end - begin) // unit), room // (read * groups * together))
        items = _even(len(x), room // (read * panels * groups * together))
        # A short call needs but the first rows of its panel.
        phases = min(products.phases, -(-(end - begin) // products.length))
        chunks = [
            Chunk(phase, min(together, dilation - phase), group, min(groups, self.groups - group))
            for phase in range(0, dilation, together)
            for group in range(0, self.groups, groups)
        ]
        for item in range(0, len(x), items):
            steps = in_units(x[item : item + items], products.together)
            target = out[item : item + items, low - start : high - start]
            for at in range(begin, end, panels * unit):
                number = min(panels, -(-(end - at) // unit))
                for chunk in chunks:
                    self._chunk(steps, first, target, low, chunk, at, number, phases)

    def _chunk(
        self, steps: Array, first: int, out: Array, low: int, chunk: Chunk, at: int, number: int, phases: int
    ) -> None:
        """Compute `number` panels of the chunk's sequences from output `at` on; keep what `out` takes."""
        problem, products = self.problem, self.products
        outputs = number * products.unit
        length = (outputs - 1) * problem.strides + problem.kernel_size
        # An odd number of cache lines, so that sequences do not fall into the same sets of the cache.
        padded = (-(-length // 16) | 1) * 16
        shape = len(out), chunk.phases, chunk.groups
        held = SCRATCH.take("in", (*shape, padded * products.width_in), self.real)
        held[..., length * products.width_in :] = 0
        taken = self._units(held, products.together)[:, :, :, :length]
        gather(steps, first, problem.dilation_rate, chunk, at * problem.strides, taken)
        touched = self._isolate(held, chunk, outputs) if suspicious(held) else None
        made = SCRATCH.take("out", (products.apart, *shape, (outputs + 16) * products.width_out), self.real)
        together = products.together * products.beside
        for apart, sums in enumerate(made):
            matrices = self.matrices[apart, chunk.group : chunk.group + chunk.groups]
            self._multiply(held, matrices, number, phases, sums)
            if touched is not None:
                samples = sums.view(self.dtype).reshape(
                    -1, shape[2], outputs + 16, products.together, products.beside
                )
                samples[touched.where] = touched.values.reshape(-1, products.apart, products.beside)[:, apart]
            target = out[:, :, :, apart] if products.apart > 1 else out.reshape(*out.shape[:2], -1)
            made_units = self._units(sums, together)[:, :, :, :outputs]
            scatter(made_units, at, problem.dilation_rate, chunk, in_units(target, together), low)

    def _isolate(self, held: Array, chunk: Chunk, outputs: int) -> Touched | None:
        together = self.products.together
        steps = held.view(self.dtype).reshape(
            -1, chunk.groups, held.shape[3] // self.products.width_in, together
        )
        channels = slice(chunk.group * together, (chunk.group + chunk.groups) * together)
        kernel = self.kernel[:, channels].reshape(len(self.kernel), chunk.groups, together, -1)
        return isolate(steps, kernel, self.problem.strides, outputs)

    def _multiply(self, rows: Array, matrices: Array, number: int, phases: int, out: Array) -> None:
        """Multiply `number` panels of (…, sequences, numbers), the first `phases` of each, into `out`."""
        products = self.products
        taken = products.length * products.strides * products.width_in
        made = products.length * products.width_out
        np.matmul(
            self._panels(rows, number, phases, taken, products.span * products.width_in),
            matrices[:, None, None],
            out=self._panels(out, number, phases, made, made),
        )

    def _panels(self, numbers: Array, number: int, phases: int, apart: int, width: int) -> Array:
        """(…, numbers) seen as (…, panels, phases, rows, width), rows `apart` numbers from each other."""
        rows, every, size = self.products.rows, self.products.phases, numbers.itemsize
        step = apart * size
        shape = *numbers.shape[:-1], number, phases, rows, width
        strides = *numbers.strides[:-1], rows * every * step, step, every * step, size
        if numbers.flags.c_contiguous:
            # Ten times as fast.
            return np.ndarray(shape, numbers.dtype, numbers, 0, strides)
        return as_strided(numbers, shape, strides)

    def _units(self, sequences: Array, together: int) -> Array:
        """(b, p, g, numbers) as (b, p, g, steps) units of `together` samples, or (b, p, g, steps, numbers)."""
        if together == 1:
            return sequences.view(self.dtype)
        unit = UNITS.get(together * self.dtype.itemsize)
        if unit is not None:
            return sequences.view(unit)
        width = together * (self.dtype.itemsize // self.real.itemsize)
        return sequences.reshape(*sequences.shape[:3], -1, width)


def _even(number: int, most: int) -> int:
    """How many of `number` to take at a time, at most `most`, so that none is left with little."""
    times = -(-number // max(1, most))
    return -(-number // times)


def _matrices(problem: Problem, kernel: Array, products: Products, real: np.dtype[Any]) -> Array:
    """The banded matrices, shape (apart, groups, span*width_in, length*width_out)."""
    taps, together, beside, parts = len(kernel), products.together, products.beside, products.parts
    groups, apart, span, length = problem.channels // together, products.apart, products.span, products.length
    made = np.zeros((apart, groups, span, together, parts, length, together, beside, parts), real)
    # (apart, groups, K, together, beside)
    weights = kernel.reshape(taps, groups, together, apart, beside).transpose(3, 1, 0, 2, 4)
    for output in range(length):
        band = slice(output * problem.strides, output * problem.strides + taps)
        for channel in range(together):
            place, taken = made[:, :, band, channel, :, output, channel], weights[:, :, :, channel]
            place[..., 0, :, 0] = taken.real
            if parts == 2:
                place[..., 1, :, 0] = -taken.imag
                place[..., 0, :, 1] = taken.imag
                place[..., 1, :, 1] = taken.real
    return made.reshape(apart, groups, span * products.width_in, length * products.width_out)
