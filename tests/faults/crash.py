"""Crash points: the process is killed at every call that changes a file, and the order of those calls is right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from faults.bench import Bench, Trial, need_strace
from faults.cases import NAMING, Arena, arenas

CALLS = ("write", "pwrite64", "pwritev", "ftruncate", "fsync", *NAMING, "unlinkat", "fchmod", "close")
# Of which each is a crash point; a process that is killed as it closes a file was not before.
POINTS = CALLS[:-1]
# File systems that lack something -> what fails there.
POORER = {
    "no RENAME_NOREPLACE": ("renameat2:error=EINVAL",),
    "no links": ("renameat2:error=EINVAL", "linkat:error=EPERM"),
}


def rows(bench: Bench) -> Iterator[Trial]:
    """Kill at the k-th call, for every call and k."""
    need_strace()
    for arena in arenas(bench):
        yield Trial(f"{arena.case.name}: order of calls", _disorder(arena))
        yield from _killed(bench, arena, POINTS)
        if arena.case.targets:
            for name, lacking in POORER.items():
                yield from _killed(bench, arena, ("linkat", "renameat", "unlinkat"), f", {name}", lacking)
        ran = arena.run()
        yield Trial(f"{arena.case.name}: goes well afterwards", arena.fault(ran, {0}))


def _killed(
    bench: Bench, arena: Arena, points: Sequence[str], where: str = "", lacking: Sequence[str] = ()
) -> Iterator[Trial]:
    """Kill at the k-th of each call, on a file system where calls fail as `lacking` says."""
    broken = {words.partition(":")[0] for words in lacking}
    counts = arena.counted((*points, *broken), inject=lacking)
    ways = [(call, k) for call in points if call not in broken for k in range(1, counts[call] + 1)]
    for call, k in bench.some(ways):
        ran = arena.run(trace=[call, *broken], inject=[*lacking, f"{call}:signal=KILL:when={k}"])
        fault = arena.fault(ran, {-9}, temporary=True)
        if fault is None and ran.code == 0:
            fault = "was not killed"
        yield Trial(f"{arena.case.name}{where}: killed at {call} {k}", fault)


def _disorder(arena: Arena) -> str | None:
    """What is written must be on the disk before it gets its name, and the name before the end."""
    if not arena.case.targets:
        return None
    calls = [
        found.groups()
        for line in arena.run(trace=CALLS).trace
        if " = -1 " not in line and (found := re.match(r"\d+ +(\w+)\((.*)", line))
    ]
    for target in arena.case.targets:
        mine = [
            name for name, words in calls if f".{target}." in words or (name == "fsync" and "/out>" in words)
        ]
        names = [name for name in mine if name not in ("fchmod", "close")]
        named = next((i for i, name in enumerate(names) if name in NAMING), None)
        if named is None:
            return f"{target} gets its name by none of the calls that do that: {names}"
        before, after = names[:named], names[named + 1 :]
        if not before or before[-1] != "fsync" or "pwrite64" not in before:
            return f"{target} gets its name before its content is on the disk: {names}"
        if "fsync" not in after:
            return f"the folder is not on the disk when {target} is in it: {names}"
        if {"write", "pwrite64", "ftruncate"} & set(after):
            return f"{target} is written to after it has its name: {names}"
    return None
