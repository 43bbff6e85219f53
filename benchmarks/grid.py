"""Every algorithm on a grid of problems: how far the plan's choice is from the best, and what the costs are fitted to.

    python benchmarks/grid.py [--dtype float32] [--json grid.json]

One thread, on arrays larger than the caches. The contenders of one problem take turns, and each one's least time
counts, so that other work on the machine does little harm. An algorithm predicted to be five times slower than
another is left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np  # noqa: E402

from dwconv_cli.algorithms import ALGORITHMS, Problem, overlap_save, toeplitz  # noqa: E402
from dwconv_cli.algorithms._block_size import Size, block_size, sizes  # noqa: E402
from dwconv_cli.algorithms._products import Products, candidates, choose, cost  # noqa: E402
from dwconv_cli.engine import LONG, TILE  # noqa: E402
from dwconv_cli.plan import plan_conv  # noqa: E402

OUTPUTS = 1 << 20
# Steps over taps.
LEAST = 64
RUNS = 7
# Beyond the cheapest, so many shapes of products and lengths of transforms are measured too.
SHAPES = 2
LEFT_OUT = 5.0


def problems(dtype: str) -> Iterator[Problem]:
    """More than a hundred for each dtype: taps and channels crossed, then strides, dilation and multipliers."""
    for layout in ("channels_first", "channels_last"):
        for taps, channels in itertools.product(
            (1, 2, 3, 5, 9, 16, 31, 64, 129, 300, 1025), (1, 2, 6, 32, 128)
        ):
            if layout == "channels_last" or channels in (1, 6, 128):
                yield Problem(taps, channels, data_format=layout, dtype=dtype)
        for taps, channels in itertools.product((4, 16, 64), (3, 16, 64)):
            for strides, dilation, multiplier in (
                (2, 1, 1),
                (4, 1, 1),
                (1, 2, 1),
                (1, 8, 1),
                (1, 1, 4),
                (3, 1, 2),
            ):
                yield Problem(taps, channels, multiplier, strides, dilation, layout, dtype)


def arrays(problem: Problem) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Data (1, N, C), kernel and room for the outputs, lying as the problem says."""
    rng = np.random.default_rng(0)
    channels, multiplier = problem.channels, problem.depth_multiplier
    # Many blocks and panels, so that the last one, which may hold little, does not count.
    count = max(LEAST * problem.kernel_size, OUTPUTS // (channels * multiplier))
    steps = (count - 1) * problem.strides + problem.effective_kernel_size
    kernel = rng.standard_normal((problem.kernel_size, channels, multiplier)).astype(problem.dtype)
    if problem.data_format == "channels_last":
        shape, axes = (1, steps, channels), (0, 1, 2)
        out = np.zeros((1, count, channels, multiplier), problem.dtype)
    else:
        shape, axes = (1, channels, steps), (0, 2, 1)
        out = np.zeros((1, channels, multiplier, count), problem.dtype).transpose(0, 3, 1, 2)
    return rng.standard_normal(shape).astype(problem.dtype).transpose(axes), kernel, out


def run(prepared: Any, problem: Problem, x: Any, out: Any) -> None:
    """All outputs, in tiles as the engine cuts them."""
    steps = TILE // (problem.channels * problem.depth_multiplier)
    if problem.data_format == "channels_first":
        steps = max(steps, LONG)
    steps = max(prepared.panel, steps // prepared.panel * prepared.panel)
    for low in range(0, out.shape[1], steps):
        high = min(out.shape[1], low + steps)
        end = (high - 1) * problem.strides + problem.effective_kernel_size
        prepared(x[:, low * problem.strides : end], low * problem.strides, out[:, low:high], low)


def measured(problem: Problem) -> dict[str, Any]:
    """Nanoseconds per output of every algorithm, and of other shapes of products and lengths of transforms."""
    x, kernel, out = arrays(problem)
    plan = plan_conv(problem)
    contenders: dict[str, Any] = {}
    shapes: dict[str, Products] = {}
    lengths: dict[str, Size | None] = {}
    for name, predicted in plan.costs:
        if predicted <= LEFT_OUT * plan.costs[0][1]:
            contenders[name] = ALGORITHMS[name].prepare(problem, kernel)
    if "overlap-save" in contenders and problem.kernel_size >= 100:
        lengths["overlap-save"] = block_size(problem)
        others = sorted(sizes(problem), key=lambda size: -size.length)
        for size in others[1 : 1 + 2 * SHAPES : 2]:
            name = f"overlap-save {size.length}"
            lengths[name] = size
            contenders[name] = overlap_save.OverlapSave(problem, kernel, size)
    if "toeplitz" in contenders:
        others = sorted(candidates(problem), key=lambda products: cost(problem, products))
        shapes["toeplitz"] = choose(problem)
        for products in others[1 : 1 + SHAPES]:
            name = f"toeplitz {products.together}x{products.length}"
            shapes[name] = products
            contenders[name] = toeplitz.Toeplitz(problem, kernel, products)
    least = dict.fromkeys(contenders, float("inf"))
    for _ in range(RUNS):
        for name, prepared in contenders.items():
            begin = time.perf_counter()
            run(prepared, problem, x, out)
            least[name] = min(least[name], time.perf_counter() - begin)
    return {
        "problem": asdict(problem),
        "chosen": plan.algorithm,
        "predicted": dict(plan.costs),
        "shapes": {name: [products.together, products.length] for name, products in shapes.items()},
        "sizes": lengths,
        "measured": {name: seconds / out.size * 1e9 for name, seconds in least.items()},
    }


def regret(row: dict[str, Any]) -> float:
    """Time of the algorithm chosen over that of the best one."""
    names = row["predicted"].keys() & row["measured"].keys()
    return float(row["measured"][row["chosen"]] / min(row["measured"][name] for name in names))


def summary(rows: list[dict[str, Any]], of: Callable[[dict[str, Any]], float] = regret) -> str:
    """How many choices are within 15 % of the best, and the worst."""
    regrets = sorted(map(of, rows))
    within = sum(value <= 1.15 for value in regrets)
    mean = float(np.exp(np.mean(np.log(regrets))))
    return f"{within} of {len(rows)} within 15 % of the best; mean {mean:.3f}, worst {regrets[-1]:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32,float64")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for dtype in options.dtype.split(","):
        for problem in problems(dtype):
            row = measured(problem)
            rows.append(row)
            figures = ", ".join(f"{name} {value:.2f}" for name, value in row["measured"].items())
            print(f"{regret(row):.2f} {row['chosen']:12} {problem}: {figures}", flush=True)
    print(summary(rows))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
