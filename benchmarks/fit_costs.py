"""Measure what the algorithms' work costs, and write the table in ``dwconv_cli/algorithms/costs.py``.

    python benchmarks/fit_costs.py [--write]

Processor time of one thread, the least of several runs, so that other work on the machine does little harm. The
constants are rounded to two digits: a difference that does not outlive rounding is none.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np  # noqa: E402

from dwconv_cli.algorithms import _products, costs, direct, overlap_save, toeplitz  # noqa: E402
from dwconv_cli.algorithms.problem import Problem  # noqa: E402

FILE = Path(costs.__file__)
OUTPUTS = 1 << 18
RUNS = 40


def least(work: Callable[[], Any]) -> float:
    """Seconds of processor time."""
    work()
    best = float("inf")
    for _ in range(RUNS):
        begin = time.thread_time()
        work()
        best = min(best, time.thread_time() - begin)
    return best


def nanoseconds(problem: Problem, prepare: Callable[[np.ndarray[Any, Any]], Any]) -> float:
    """Time of one output in a tile of :data:`OUTPUTS`."""
    rng = np.random.default_rng(0)
    taps, channels, multiplier = problem.kernel_size, problem.channels, problem.depth_multiplier
    prepared = prepare(rng.standard_normal((taps, channels, multiplier)).astype(problem.dtype))
    panels = max(1, OUTPUTS // (channels * multiplier * prepared.panel))
    count = panels * prepared.panel if prepared.panel > 1 else OUTPUTS // (channels * multiplier)
    steps = (count - 1) * problem.strides + problem.effective_kernel_size
    if problem.data_format == "channels_last":
        x, out = np.empty((1, steps, channels)), np.empty((1, count, channels, multiplier))
    else:
        x = np.empty((1, channels, steps)).transpose(0, 2, 1)
        out = np.empty((1, channels, multiplier, count)).transpose(0, 3, 1, 2)
    x, out = x.astype(problem.dtype, order="K"), out.astype(problem.dtype, order="K")
    x[...] = rng.standard_normal(x.shape)
    return least(lambda: prepared(x, 0, out, 0)) / out.size * 1e9


def line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Slope and offset by least squares of the relative errors."""
    xs, ys = np.array(points).T
    slope, offset = np.linalg.lstsq(np.stack([xs / ys, 1 / ys], axis=1), np.ones(len(xs)), rcond=None)[0]
    return float(slope), float(offset)


def fit(dtype: str) -> costs.Costs:
    """All constants for one dtype."""
    number = np.dtype(dtype).itemsize
    lanes = _products.VECTOR // number

    def products(problem: Problem, together: int, length: int) -> float:
        shape = _products.Products.of(problem, together, length)
        return nanoseconds(problem, lambda kernel: toeplitz.Toeplitz(problem, kernel, shape))

    points = []
    for taps in (3, 9, 17, 31, 63):
        problem = Problem(taps, 4, data_format="channels_first", dtype=dtype)
        points.append((lanes + taps - 1.0, products(problem, 1, lanes)))
    mac, put = line(points)

    points = []
    for channels in (6, 16, 32, 128):
        for together in (1, 2, 4):
            problem = Problem(9, channels, dtype=dtype)
            if channels % together or together * number > 16:
                continue
            length = lanes // together
            work = (length + 8) * together * mac + put
            points.append((2.0 / together, products(problem, together, length) - work))
    move, moved = line(points)

    def by_rows(taps: int, strides: int = 1) -> float:
        problem = Problem(taps, 32, strides=strides, dtype=dtype)
        return nanoseconds(problem, lambda kernel: direct.prepare(problem, kernel))

    tap, offset = line([(float(taps), by_rows(taps)) for taps in (2, 4, 8, 16)])
    sort = (by_rows(16, 4) - 16 * tap - offset) / 4
    problem = Problem(8, 4, data_format="channels_first", dtype=dtype)
    plain = nanoseconds(problem, lambda kernel: direct.prepare(problem, kernel)) / 8

    points, checks = [], []
    rng = np.random.default_rng(0)
    for taps in (257, 1025, 4097):
        problem = Problem(taps, 4, data_format="channels_first", dtype=dtype)
        prepared = overlap_save.prepare(problem, rng.standard_normal((taps, 4, 1)).astype(dtype))
        assert isinstance(prepared, overlap_save.OverlapSave)
        length = prepared.size.length
        blocks = rng.standard_normal((4, max(1, OUTPUTS // 4 // length), length)).astype(dtype)
        check = least(lambda blocks=blocks, gate=prepared.gate: gate.passes(blocks, np.arange(4)))
        checks.append(check / blocks.size * 1e9)
        whole = nanoseconds(problem, lambda kernel, problem=problem: overlap_save.prepare(problem, kernel))
        points.append((float(np.log2(length)), whole * prepared.size.outputs / length - checks[-1]))
    fft_log, fft = line(points)
    made = (mac, put, move, moved / 2, sort, tap, plain, fft, fft_log, float(np.median(checks)))
    return costs.Costs(*(float(f"{max(value, 0.0):.2g}") for value in made))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write the table into costs.py")
    options = parser.parse_args()
    rows = []
    for dtype in costs.COSTS:
        fitted = fit(dtype)
        for name, value in fitted._asdict().items():
            print(
                f"{dtype} {name:8} {value:8.3g}   (table: {getattr(costs.COSTS[dtype], name):.3g})",
                flush=True,
            )
        values = ", ".join(f"{name}={value!r}" for name, value in fitted._asdict().items())
        rows.append(f'    "{dtype}": Costs(\n        {values}\n    ),\n')
    if options.write:
        text = FILE.read_text()
        table = "COSTS = {\n" + "".join(rows) + "}\n"
        FILE.write_text(re.sub(r"COSTS = \{\n.*?\n\}\n", lambda _: table, text, flags=re.S))


if __name__ == "__main__":
    main()
