"""How the cost of one output grows with taps, channels, steps and threads.

    python benchmarks/growth.py

Nanoseconds per output of float32 data, the least of several calls into an array that is there already.
"""

from __future__ import annotations

import os
import time

for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np  # noqa: E402

from dwconv_cli import depthwise_conv1d  # noqa: E402
from dwconv_cli.convolution.algorithms import Problem  # noqa: E402
from dwconv_cli.convolution.plan import plan_conv  # noqa: E402

LAYOUTS = ("channels_first", "channels_last")
TAPS = (1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025, 2049, 4097, 8193)
CHANNELS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
STEPS = tuple(10**power for power in range(1, 9))
OUTPUTS = 1 << 22
# Calls take at least so long together.
SECONDS = 0.5


def nanoseconds(layout: str, channels: int, steps: int, taps: int, threads: int) -> float:
    """Time of one output; the recording has `steps` outputs."""
    rng = np.random.default_rng(0)
    long = steps + taps - 1
    shape = (1, channels, long) if layout == "channels_first" else (1, long, channels)
    x = rng.standard_normal(shape, np.float32)
    kernel = rng.standard_normal((taps, channels, 1), np.float32)
    out = depthwise_conv1d(x, kernel, data_format=layout, threads=threads)
    least, begun = float("inf"), time.perf_counter()
    while time.perf_counter() - begun < SECONDS or least == float("inf"):
        begin = time.perf_counter()
        depthwise_conv1d(x, kernel, data_format=layout, threads=threads, out=out)
        least = min(least, time.perf_counter() - begin)
    return least / out.size * 1e9


def row(title: str, cells: list[str]) -> str:
    return f"| {title} | " + " | ".join(cells) + " |"


def table(title: str, values: tuple[int, ...], sizes: list[tuple[int, int, int]]) -> None:
    """Print one table; `sizes` has (channels, steps, taps) for each of `values`."""
    print(row(title, [f"{value:,}" for value in values]))
    print("|---|" + "---|" * len(values))
    for layout in LAYOUTS:
        order = layout.removeprefix("channels_")
        chosen = [plan_conv(Problem(taps, channels, data_format=layout)) for channels, _, taps in sizes]
        print(row(f"{order}, algorithm", [plan.algorithm for plan in chosen]))
        for threads in (1, 2):
            cells = [f"{nanoseconds(layout, *size, threads):.2f}" for size in sizes]
            print(row(f"{order}, {threads} thread{'s'[: threads - 1]}", cells), flush=True)
    print()


def main() -> None:
    table("taps (4 channels)", TAPS, [(4, OUTPUTS // 4, taps) for taps in TAPS])
    table("channels (9 taps)", CHANNELS, [(channels, OUTPUTS // channels, 9) for channels in CHANNELS])
    table("steps (1 channel, 9 taps)", STEPS, [(1, steps, 9) for steps in STEPS])


if __name__ == "__main__":
    main()
