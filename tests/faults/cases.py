"""Every kind of output, and what must be seen of it: what was there before, or what was asked for, never between."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.bench import Bench, Ran, one_line, shown

Array = np.ndarray[Any, Any]

STEPS, CHANNELS, TAPS = 30_000, 4, 5
TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp")
STDOUT = "stdout"
# Calls that give an output its name.
NAMING = ("renameat2", "linkat", "renameat")
# Several blocks, so that reading ahead and writing behind take part.
SMALL_BLOCKS = ("--memory-limit", "1MiB")


@dataclass(frozen=True)
class Case:
    """One kind of output.

    Parameters
    ----------
    name : str
    args : tuple of str
    targets : tuple of str
        Files that are to appear; standard output if there are none.
    old : str, optional
        What is at the first target before.
    stdin : str
    reads : str, optional
        The input, where it is to fail.
    inside : str, optional
        Where in the first target the result is.
    """

    name: str
    args: tuple[str, ...]
    targets: tuple[str, ...] = ()
    old: str | None = None
    stdin: str = os.devnull
    reads: str | None = None
    inside: str | None = None


def _apply(name: str, *words: str, source: str = "in.npy", **options: Any) -> Case:
    blocks = () if "--raw" in words else SMALL_BLOCKS
    args = ("apply", source, "-k", "k.npy", *blocks, "-q", *words)
    return Case(name, args, reads=None if source == "-" else source, **options)


CASES = (
    _apply("npy", "-o", "out/a.npy", targets=("a.npy",)),
    _apply("npy over another", "-o", "out/a.npy", "--overwrite", targets=("a.npy",), old="old.npy"),
    _apply("npz", "-o", "out/a.npz::y", source="in.npz::x", targets=("a.npz",), inside="y"),
    _apply("npz with more in it", "-o", "out/a.npz::y", targets=("a.npz",), old="old.npz", inside="y"),
    _apply("h5", "-o", "out/a.h5::/y", targets=("a.h5",), inside="y"),
    _apply("h5 gzip", "-o", "out/a.h5::/y", "--compression", "gzip", "--chunks", "5000,3", "--fletcher32",
           source="in.h5::/x", targets=("a.h5",), inside="y"),
    _apply("h5 with more in it", "-o", "out/a.h5::/y", source="in.h5::/x", targets=("a.h5",), old="old.h5",
           inside="y"),
    _apply("h5 replacing", "-o", "out/a.h5::/x", "--overwrite", "--chunks", "5000,3", source="in.h5::/x",
           targets=("a.h5",), old="old.h5", inside="x"),
    _apply("many into one h5", "-o", "out/a.h5::/{stem}", source="many/*.npy", targets=("a.h5",)),
    _apply("many into one h5, adding", "-o", "out/a.h5::/{stem}", "--compression", "gzip", source="many/*.npy",
           targets=("a.h5",), old="old.h5"),
    _apply("many files", "--output-dir", "out", source="many/*.npy", targets=("a.npy", "b.npy", "c.npy")),
    _apply("standard output", "-o", "-"),
    _apply("standard input", "-o", "out/a.npy", source="-", stdin="in.npy", targets=("a.npy",)),
    _apply("raw samples", "-o", "out/a.npy", "--raw", "f4", "--channels", str(CHANNELS), source="-",
           stdin="raw.bin", targets=("a.npy",)),
    Case("weights npz", ("init-weights", "-o", "out/w.npz", "--kernel-size", "5", "--channels", "4", "--seed", "1",
                         "-q"), ("w.npz",)),
    Case("weights h5", ("init-weights", "-o", "out/w.h5", "--kernel-size", "5", "--channels", "4", "--seed", "1",
                        "-q"), ("w.h5",)),
)  # fmt: skip


def signal_of(steps: int = STEPS) -> Array:
    """A recording of small integers, so that any order of additions gives the same sums."""
    return np.random.default_rng(1).integers(-9, 9, (steps, CHANNELS)).astype("f4")


def kernel() -> Array:
    """A kernel of small integers."""
    return np.random.default_rng(2).integers(-3, 4, (TAPS, CHANNELS, 1)).astype("f4")


def expected(x: Array) -> Array:
    """The filtered recording, by definition."""
    k, steps = kernel()[:, :, 0], len(x) - TAPS + 1
    total = np.zeros((steps, x.shape[1]), np.promote_types(x.dtype, np.float32))
    for tap in range(TAPS):
        total += k[tap] * x[tap : tap + steps]
    return total


def furnish(folder: Path) -> None:
    """Write the inputs of all cases, by NumPy and h5py alone."""
    x = signal_of()
    np.save(folder / "in.npy", x)
    np.save(folder / "k.npy", kernel())
    np.save(folder / "old.npy", np.arange(5.0))
    x.tofile(folder / "raw.bin")
    np.savez_compressed(folder / "in.npz", x=x)
    np.savez(folder / "old.npz", w=np.arange(5.0))
    with h5py.File(folder / "in.h5", "w", track_times=False) as file:
        file.create_dataset("x", data=x, chunks=(4000, 3), compression="gzip").attrs["unit"] = "m/s"
    with h5py.File(folder / "old.h5", "w", track_times=False) as file:
        file.create_dataset("x", data=np.arange(7.0)).attrs["name"] = "kept"
        file.create_dataset("deep/er", data=x[:50], chunks=(10, 4), compression="gzip")
    (folder / "many").mkdir()
    for number, name in enumerate("abc"):
        np.save(folder / "many" / f"{name}.npy", x[: 9000 + number])
    (folder / "out").mkdir()


class Arena:
    """A case with all it needs in a folder, tried again and again."""

    def __init__(self, bench: Bench, case: Case) -> None:
        self.bench, self.case = bench, case
        self.folder = bench.place("arena")
        furnish(self.folder)
        (self.folder / STDOUT).touch(0o666)
        self.before = self.clear()
        self.stdin = os.devnull if case.stdin == os.devnull else str(self.folder / case.stdin)
        ran = self.run()
        if ran.code:
            raise RuntimeError(f"{case.name}: {shown(ran)}")
        self.after, self.out = self.found(), ran.out
        self._check_right()

    def clear(self) -> dict[str, bytes]:
        """Put everything back as it was before, and return it."""
        for path in (self.folder / "out").iterdir():
            path.unlink()
        if self.case.old:
            shutil.copy(self.folder / self.case.old, self.folder / "out" / self.case.targets[0])
        return self.found()

    def found(self) -> dict[str, bytes]:
        """What is in the outputs' folder."""
        return {path.name: path.read_bytes() for path in (self.folder / "out").iterdir()}

    def run(self, *, clear: bool = True, **options: Any) -> Ran:
        """Run the case, on a folder as it was before unless `clear` is false."""
        if clear:
            self.clear()
        output = self.folder / STDOUT
        output.write_bytes(b"")
        ran = self.bench.run(self.case.args, self.folder, stdin=self.stdin, stdout=output, **options)
        return replace(ran, out=output.read_bytes())

    def counted(
        self, calls: Sequence[str], only: Sequence[str] = (), inject: Sequence[str] = ()
    ) -> dict[str, int]:
        """How often a thread of a run that goes well makes each of the system calls, at most."""
        threads: dict[tuple[str, str], int] = {}
        for line in self.run(trace=calls, only=only, inject=inject).trace:
            if found := re.match(r"(\d+) +(\w+)\(", line):
                threads[found.groups()] = threads.get(found.groups(), 0) + 1  # type: ignore[index]
        return {
            call: max((n for (_, name), n in threads.items() if name == call), default=0) for call in calls
        }

    def fault(self, ran: Ran, codes: Collection[int], *, temporary: bool = False) -> str | None:
        """What is wrong after a run that was disturbed.

        Parameters
        ----------
        ran : Ran
        codes : collection of int
            With which it may have ended; 0 only if the outputs are there.
        temporary : bool
            Whether temporary files may be left.
        """
        found, old, new = self.found(), self.before, self.after
        names = {*old, *new}
        for name in found.keys() - names:
            match = TEMPORARY.fullmatch(name)
            if not (temporary and match and match[1] in names):
                return f"left {name}; {shown(ran)}"
        for name in sorted(names):
            if found.get(name) not in (old.get(name), new.get(name)):
                return f"{name} is neither what it was nor what it should be; {shown(ran)}"
        if not self.out.startswith(ran.out):
            return f"standard output is not the beginning of what it should be; {shown(ran)}"
        done = all(found.get(name) == new[name] for name in new) and ran.out == self.out
        if ran.code == 0:
            return None if done and not ran.err else f"exit 0, but the output is not there: {ran.err[:200]}"
        if ran.code not in codes:
            return one_line(ran) or f"unexpected {shown(ran)}"
        if ran.code > 0 and done and len(new) == 1 and old != new and not _published(ran):
            return f"the output appeared, but {shown(ran)}"
        return one_line(ran) if ran.code in (1, 2, 3, 4, 5) else None

    def _check_right(self) -> None:
        x = signal_of()
        if not self.case.targets:
            assert np.array_equal(np.load(io.BytesIO(self.out)), expected(x))
            return
        first = self.folder / "out" / self.case.targets[0]
        if first.name == "a.npy":
            part = x if len(self.case.targets) == 1 else x[:9000]
            assert np.array_equal(np.load(first), expected(part)), self.case.name
        elif first.suffix == ".npz" and self.case.inside:
            assert np.array_equal(np.load(first)[self.case.inside], expected(x)), self.case.name
        elif first.suffix == ".h5" and first.name != "w.h5":
            with h5py.File(first) as file:
                inside, part = (self.case.inside, x) if self.case.inside else ("a", x[:9000])
                assert np.array_equal(file[inside][()], expected(part)), self.case.name
                assert not self.case.old or np.array_equal(file["deep/er"][()], x[:50]), self.case.name


def _published(ran: Ran) -> bool:
    return any(re.search(rf"\b({'|'.join(NAMING)})(\(| resumed).* = 0$", line) for line in ran.trace)


def arenas(bench: Bench) -> list[Arena]:
    """The cases to be tried."""
    return [Arena(bench, case) for case in CASES if bench.cases is None or case.name in bench.cases]
