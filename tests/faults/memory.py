"""Memory: the peak does not grow with the input, and running out of it is an exit code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from faults.bench import Bench, Trial, one_line, shown
from faults.cases import arenas, kernel

STEPS = 500_000
CHANNELS = 4
# Of 1, 10 and 100 times the steps; the smallest is 8 MB.
TIMES = (1, 10, 100)
LIMIT = "32MiB"
# What the larger may take more: the smallest does not fill all buffers.
ROOM = 48 << 10
FLAT = 8 << 10


def rows(bench: Bench) -> Iterator[Trial]:
    """Filter recordings of growing length, then recordings with less and less memory."""
    folder = bench.place("memory")
    np.save(folder / "k.npy", kernel())
    base = ("-k", "k.npy", "-q", "--overwrite", "--memory-limit", LIMIT)
    live = ("-k", "k.npy", "-q")
    ways = {
        "npy to npy": ("apply", "in.npy", *base, "-o", "out.npy"),
        "npy to h5": ("apply", "in.npy", *base, "-o", "out.h5::/x"),
        "npy to npz": ("apply", "in.npy", *base, "-o", "out.npz::x"),
        "h5 to h5 with gzip": ("apply", "in.h5::/x", *base, "-o", "out.h5::/x", "--compression", "gzip:1"),
        "standard input to output": ("apply", "-", *base, "-o", "-"),
        "raw samples": ("apply", "-", "--raw", "f4", "--channels", "4", *live, "-o", "-"),
        "inspect --stats": ("inspect", "in.npy", "--stats"),
    }
    peaks: dict[str, list[int]] = {name: [] for name in ways}
    faults: dict[str, str] = {}
    times = TIMES[: bench.number(3)]
    for factor in times:
        _recordings(folder, STEPS * factor)
        for name, args in ways.items():
            stdin = folder / ("in.npy" if "-" in args else "k.npy")
            ran = bench.run(args, folder, stdin=stdin, stdout="/dev/null", seconds=600)
            peaks[name].append(ran.rss)
            if ran.code and not (name == "raw samples" and ran.code == 3):
                faults[name] = shown(ran)
        for path in folder.glob("out.*"):
            path.unlink()
    for name, found in peaks.items():
        shown_ = " ".join(f"{peak >> 10}" for peak in found)
        grown = found[-1] > found[0] + ROOM or (len(found) > 2 and found[2] > found[1] + FLAT)
        yield Trial(f"{name}: peaks of {shown_} MiB", faults.get(name) or ("grows" if grown else None))
    yield from _scarce(bench)


def _recordings(folder: Path, steps: int) -> None:
    data = np.lib.format.open_memmap(folder / "in.npy", "w+", "f4", (steps, CHANNELS))
    del data
    with h5py.File(folder / "in.h5", "w") as file:
        made = file.create_dataset(
            "x", (steps, CHANNELS), "f4", chunks=(16_384, CHANNELS), compression="gzip"
        )
        block = np.zeros((STEPS, CHANNELS), "f4")
        for start in range(0, steps, STEPS):
            made[start : start + STEPS] = block


def _scarce(bench: Bench) -> Iterator[Trial]:
    """Address space for what is there at the start, and a little more each time."""
    for arena in arenas(bench):
        spaces = [1 << 16, *range(1 << 18, 48 << 20, 1 << 20)]
        for space in bench.some(spaces):
            ran = arena.run(limits={"RLIMIT_AS": space})
            yield Trial(f"{arena.case.name}: {space >> 10} KiB to spare", arena.fault(ran, {5}))
    # What needs more than it may use.
    arena = arenas(bench)[0]
    ran = arena.run(limits={"RLIMIT_AS": 1 << 16})
    said = re.search("memory", ran.err) is not None
    yield Trial("says that memory ran out", one_line(ran) or (None if said and ran.code == 5 else shown(ran)))
