"""The direct sum and overlap-save side by side: from how many taps on transforms are faster.

    python benchmarks/crossing.py [--backend avx2]

One thread, on arrays larger than the caches; the two take turns, and the least time of each counts, so that other work
on the machine does little harm. Prints nanoseconds of one output as Markdown, and what the plan chooses.
"""

from __future__ import annotations

import argparse
import os
import time

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np  # noqa: E402 - the environment comes first

TAPS = (33, 65, 97, 129, 161, 193, 225, 257, 321, 385, 513, 1025)
OUTPUTS = 1 << 21
RUNS = 5


def nanoseconds(taps: int, channels: int, data_format: str, dtype: str) -> dict[str, float]:
    """Of one output, by algorithm; and the plan's choice under ``auto``."""
    from dwconv_cli import depthwise_conv1d
    from dwconv_cli.convolution.algorithms import Problem
    from dwconv_cli.convolution.plan import plan_conv

    steps = OUTPUTS // channels
    shape = (steps, channels) if data_format == "channels_last" else (channels, steps)
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal(shape).astype(dtype), rng.standard_normal((taps, channels)).astype(dtype)
    least = dict.fromkeys(("direct", "overlap-save"), float("inf"))
    options = {"data_format": data_format, "threads": 1}
    out = depthwise_conv1d(x, kernel, **options)
    for _ in range(RUNS):
        for algorithm in least:
            begin = time.thread_time()
            depthwise_conv1d(x, kernel, algorithm=algorithm, out=out, **options)
            least[algorithm] = min(least[algorithm], time.thread_time() - begin)
    figures = {name: seconds / out.size * 1e9 for name, seconds in least.items()}
    chosen = plan_conv(Problem(taps, channels, data_format=data_format, dtype=dtype)).algorithm
    return {**figures, "auto": figures[chosen]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", help="avx512, avx2, baseline or 0 for NumPy; the best by default")
    options = parser.parse_args()
    if options.backend:
        os.environ["DWCONV_COMPILED"] = options.backend
    from dwconv_cli.convolution.compiled import BACKEND

    print(f"{BACKEND}\n\n| problem | algorithm | " + " | ".join(map(str, TAPS)) + " |")
    print("|---|---|" + "---|" * len(TAPS))
    for dtype in ("float32", "float64"):
        for data_format, channels in (("channels_first", 4), ("channels_last", 6), ("channels_last", 32)):
            rows = [nanoseconds(taps, channels, data_format, dtype) for taps in TAPS]
            for algorithm in rows[0]:
                cells = " | ".join(f"{row[algorithm]:.2f}" for row in rows)
                print(f"| {channels} {data_format}, {dtype} | {algorithm} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
