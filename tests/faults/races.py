"""Races: several runs at the same output, and inputs that change under a run's hands."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from faults.bench import Bench, Ran, Run, Trial, one_line, shown
from faults.cases import TEMPORARY, expected, furnish, signal_of

RUNNERS = 8


def rows(bench: Bench) -> Iterator[Trial]:
    """Rounds of eight runs that start at the same moment."""
    folder = bench.place("races")
    furnish(folder)
    for number in range(RUNNERS):
        np.save(folder / f"k{number}.npy", np.full((3, 4, 1), number + 1, "f4"))
    kinds = (("npy", ()), ("npz", ()), ("h5", ("--chunks", "5000,4", "--compression", "lzf")))
    for suffix, words in bench.some(kinds):
        wanted = [_alone(bench, folder, number, suffix, words) for number in range(RUNNERS)]
        _clean(folder)
        for round_ in range(bench.number(50)):
            yield Trial(
                f"{suffix}, round {round_}, --overwrite", _overwriting(bench, folder, suffix, words, wanted)
            )
            yield Trial(
                f"{suffix}, round {round_}, first wins", _first_wins(bench, folder, suffix, words, wanted)
            )
    _clean(folder)
    for suffix, old in bench.some((("h5", "old.h5"), ("npz", "old.npz"))):
        for round_ in range(bench.number(50)):
            yield Trial(f"{suffix}, round {round_}, adding to one file", _adding(bench, folder, suffix, old))
    for name in ("in.npy", "in.h5::/x", "in.npz::x"):
        for change in bench.some(("grows", "is replaced", "is written to", "vanishes")):
            yield Trial(f"{name} {change} while it is read", _changing(bench, name, change))


def _args(number: int, suffix: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return ("apply", "in.npy", "-k", f"k{number}.npy", "-q", "-o", f"out/a.{suffix}", *words)


def _alone(bench: Bench, folder: Path, number: int, suffix: str, words: tuple[str, ...]) -> bytes:
    ran = bench.run(_args(number, suffix, (*words, "--overwrite")), folder)
    assert ran.code == 0, shown(ran)
    return (folder / "out" / f"a.{suffix}").read_bytes()


def _clean(folder: Path) -> None:
    for path in (folder / "out").iterdir():
        path.unlink()


def _left(folder: Path, names: set[str]) -> str | None:
    """What a round has left that it should not have."""
    odd = {path.name for path in (folder / "out").iterdir()} - names
    return f"left {sorted(odd)}" if odd else None


def _overwriting(
    bench: Bench, folder: Path, suffix: str, words: tuple[str, ...], wanted: list[bytes]
) -> str | None:
    runs = [Run(_args(number, suffix, (*words, "--overwrite")), folder) for number in range(RUNNERS)]
    for ran in bench.together(runs):
        if ran.code:
            return shown(ran)
    if (folder / "out" / f"a.{suffix}").read_bytes() not in wanted:
        return "the output is that of no run"
    return _left(folder, {f"a.{suffix}"})


def _first_wins(
    bench: Bench, folder: Path, suffix: str, words: tuple[str, ...], wanted: list[bytes]
) -> str | None:
    target = folder / "out" / f"a.{suffix}"
    target.unlink(missing_ok=True)
    all_ = bench.together([Run(_args(number, suffix, words), folder) for number in range(RUNNERS)])
    winners = [number for number, ran in enumerate(all_) if ran.code == 0]
    if len(winners) != 1:
        return f"{len(winners)} runs won: {[shown(ran) for ran in all_]}"
    if target.read_bytes() != wanted[winners[0]]:
        return "the output is not the winner's"
    return _told(all_) or _left(folder, {f"a.{suffix}"})


def _told(all_: list[Ran]) -> str | None:
    for ran in all_:
        if ran.code not in (0, 4) or (ran.code and one_line(ran)):
            return one_line(ran) or shown(ran)
    return None


def _adding(bench: Bench, folder: Path, suffix: str, old: str) -> str | None:
    """A run that said it was done has its array in the file, and what was there before is there still."""
    target = folder / "out" / f"a.{suffix}"
    target.write_bytes((folder / old).read_bytes())
    runs = [Run((*_args(n, suffix, ())[:-1], f"out/a.{suffix}::r{n}"), folder) for n in range(RUNNERS)]
    all_ = bench.together(runs)
    done = {f"r{number}" for number, ran in enumerate(all_) if ran.code == 0}
    if suffix == "h5":
        with h5py.File(target) as file:
            there, before = set(file), {"x", "deep"}
    else:
        with np.load(target) as file:
            there, before = set(file), {"w"}
    target.unlink()
    if not done:
        return f"nobody got through: {[shown(ran) for ran in all_]}"
    if there != done | before:
        return f"{sorted(done)} were done, but {sorted(there - before)} are there"
    return _told(all_) or _left(folder, set())


def _changing(bench: Bench, name: str, change: str) -> str | None:
    folder = bench.place("changing")
    furnish(folder)
    path = folder / name.partition("::")[0]
    pipe = folder / "out" / "pipe"
    os.mkfifo(pipe)
    # The output stands still until it is read, so that the input changes in the middle.
    args = ("apply", name, "-k", "k.npy", "-q", "-o", "-", "--memory-limit", "1MiB")
    taken: list[bytes] = []

    def act() -> None:
        with open(pipe, "rb") as stream:
            taken.append(stream.read(1))
            _change(path, change)
            taken.append(stream.read())

    actor = threading.Thread(target=act)
    actor.start()
    ran = bench.run(args, folder, stdout=pipe)
    actor.join()
    if any(TEMPORARY.fullmatch(entry.name) for entry in (folder / "out").iterdir()):
        return "left a temporary file"
    if ran.code == 0:
        # It was all read before the change, or the file that was opened is as it was.
        right = np.array_equal(np.load(io.BytesIO(b"".join(taken))), expected(signal_of()))
        return None if right else "did not notice"
    return one_line(ran) or (None if ran.code == 3 else shown(ran))


def _change(path: Path, change: str) -> None:
    if change == "grows":
        with open(path, "ab") as file:
            file.write(bytes(4096))
    elif change == "is written to":
        with open(path, "r+b") as file:
            file.seek(-100, os.SEEK_END)
            file.write(bytes(50))
    elif change == "is replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes() + b"more")
        other.replace(path)
    else:
        path.unlink()
