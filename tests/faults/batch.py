"""Batch: very many small recordings, some of them bad; memory and open files do not grow, the good ones are done."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from faults.bench import Bench, Trial
from faults.cases import expected, kernel, signal_of
from faults.damage import npy_bytes

USUAL = 10_000
# One in so many is bad.
BAD = 100
STEPS = 50
# KiB between the first quarter of a run and its end: what is remembered of each recording, and what HDF5's cache of
# a file's structure may grow to.
GROWTH = 8 << 10
STRUCTURE = 40 << 10
FILES = 24


def rows(bench: Bench) -> Iterator[Trial]:
    """Many files into a folder, and many into one HDF5 file."""
    count = USUAL if bench.count is None else bench.count
    folder = bench.place("batch")
    bad = _recordings(folder, count)
    good = count - len(bad)
    yield from _tried(bench, folder, ("--output-dir", "out"), bad, f"{count} files")
    done = list((folder / "out").iterdir())
    fault = None if len(done) == good else f"{len(done)} of {good} are there"
    sample = [int(path.stem) for path in done[:: max(1, len(done) // 50)]]
    wrong = [n for n in sample if not np.array_equal(np.load(folder / "out" / f"{n:06}.npy"), _wanted(n))]
    yield Trial(f"{count} files: the outputs", fault or (f"wrong: {wrong}" if wrong else None))
    yield from _tried(bench, folder, ("-o", "all.h5::/{stem}"), bad, f"{count} files into one")
    with h5py.File(folder / "all.h5") as file:
        fault = None if len(file) == good else f"{len(file)} of {good} are there"
        wrong = [n for n in sample if not np.array_equal(file[f"{n:06}"][()], _wanted(n))]
    yield Trial(f"{count} files into one: the output", fault or (f"wrong: {wrong}" if wrong else None))


def _wanted(number: int) -> np.ndarray:
    return expected(signal_of(STEPS + number % 7))


def _recordings(folder: Path, count: int) -> list[str]:
    np.save(folder / "k.npy", kernel())
    (folder / "in").mkdir()
    sound = [npy_bytes(signal_of(STEPS + more)) for more in range(7)]
    spoilt = (b"", sound[0][:60], sound[0][:-4], b"\x93NUMPY\x09\x00", sound[0].replace(b"<f4", b"|O8"))
    bad = []
    with open(folder / "list", "w", encoding="utf-8") as names:
        for number in range(count):
            name = f"in/{number:06}.npy"
            data = sound[number % 7]
            if number % BAD == BAD // 2:
                bad.append(name)
                data = spoilt[len(bad) % len(spoilt)]
            (folder / name).write_bytes(data)
            names.write(name + "\n")
    return bad


def _tried(
    bench: Bench, folder: Path, output: tuple[str, ...], bad: list[str], label: str
) -> Iterator[Trial]:
    args = bench.command("apply", "--files-from", "list", "-k", "k.npy", "-q", "--keep-going", *output)
    sizes, opened = [], [0]
    begun = time.monotonic()
    with (
        open(folder / "err", "w+", encoding="utf-8") as err,
        subprocess.Popen(args, cwd=folder, env=bench.environment, stderr=err) as process,
    ):
        while process.poll() is None:
            _sample(process.pid, sizes, opened)
            time.sleep(0.02)
        err.seek(0)
        lines = err.read().splitlines()
    seconds = time.monotonic() - begun
    yield Trial(
        f"{label}: exit 1 after {seconds:.0f} s", None if process.returncode == 1 else f"{process.returncode}"
    )
    unnamed = [name for name in bad if not any(f"{name}: " in line for line in lines)]
    odd = [line for line in lines if not line.startswith("dwconv: error: ")]
    fault = f"not told of: {unnamed[:5]}" if unnamed else None
    fault = fault or (
        f"{len(lines)} lines for {len(bad)}: {odd[:3]}" if odd or len(lines) != len(bad) else None
    )
    yield Trial(f"{label}: each of {len(bad)} bad ones is named", fault)
    room = GROWTH if output[0] == "--output-dir" else GROWTH + STRUCTURE
    quarter, end = sizes[len(sizes) // 4 :][:1], sizes[-1:]
    grown = end[0] - quarter[0] if quarter else 0
    yield Trial(f"{label}: {grown} KiB more from the first quarter on", "grows" if grown > room else None)
    most = max(opened)
    yield Trial(f"{label}: {most} open files at most", None if most <= FILES else "too many")


def _sample(pid: int, sizes: list[int], opened: list[int]) -> None:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            sizes.append(int(file.read().split()[1]) * 4)
        opened.append(len(os.listdir(f"/proc/{pid}/fd")))
    except (OSError, IndexError):
        return
