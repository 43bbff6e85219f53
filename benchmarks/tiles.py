"""How the speed depends on the tile: outputs handed to an algorithm at once, by one thread and by two.

    python benchmarks/tiles.py [--dtype float32]

A tile's arrays should share the cache, but each call costs some tens of microseconds in the interpreter, which two
threads cannot spend at once. Nanoseconds per output, the least of several runs, and the same divided by a plain copy.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

import numpy as np  # noqa: E402

from dwconv_cli.algorithms import ALGORITHMS  # noqa: E402
from dwconv_cli.algorithms.problem import Problem  # noqa: E402

TILES = tuple(1 << power for power in range(14, 21))
NUMBERS = 1 << 23
RUNS = 7
PROBLEMS = (
    ("direct", 3, 128, "channels_last"),
    ("direct", 9, 6, "channels_last"),
    ("toeplitz", 9, 4, "channels_first"),
    ("toeplitz", 31, 4, "channels_first"),
    ("toeplitz", 31, 6, "channels_last"),
    ("toeplitz", 31, 128, "channels_last"),
    ("overlap-save", 1025, 4, "channels_first"),
)


def least(work: Callable[[], Any]) -> float:
    work()
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32")
    dtype = parser.parse_args().dtype
    rng = np.random.default_rng(0)
    pool = ThreadPoolExecutor(2)
    x = rng.standard_normal(NUMBERS).astype(dtype)
    out = np.zeros_like(x)
    copy = least(lambda: np.copyto(out, x)) / NUMBERS * 1e9
    print(f"{dtype}: a plain copy takes {copy:.2f} ns a number on one thread")
    for algorithm, taps, channels, data_format in PROBLEMS:
        problem = Problem(taps, channels, data_format=data_format, dtype=dtype)
        prepared = ALGORITHMS[algorithm].prepare(
            problem, rng.standard_normal((taps, channels, 1)).astype(dtype)
        )
        steps = NUMBERS // channels
        if data_format == "channels_last":
            data, target = (a[: steps * channels].reshape(1, steps, channels) for a in (x, out))
        else:
            data, target = (
                a[: steps * channels].reshape(1, channels, steps).transpose(0, 2, 1) for a in (x, out)
            )
        for tile in TILES:
            count = max(prepared.panel, tile // channels // prepared.panel * prepared.panel)
            starts = range(0, steps - taps - count, count)
            if not starts:
                continue

            def work(thread: int, threads: int, prepared: Any = prepared, count: int = count) -> None:
                for at in starts[thread::threads]:  # noqa: B023
                    prepared(data[:, at : at + count + taps - 1], at, target[:, at : at + count, :, None], at)  # noqa: B023

            outputs = len(starts) * count * channels
            one = least(lambda: work(0, 1)) / outputs * 1e9
            two = least(lambda: list(pool.map(lambda i: work(i, 2), range(2)))) / outputs * 1e9
            print(
                f"{algorithm:12} K {taps:4} C {channels:3} {data_format:14} tile {count * channels:8}: "
                f"one thread {one:6.2f} ({one / copy:5.1f}x)  two {two:6.2f} ({two / copy:5.1f}x)",
                flush=True,
            )


if __name__ == "__main__":
    main()
