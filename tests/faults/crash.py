"""Crash points: the process is killed at every call that changes a file, and the order of those calls is right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from faults.bench import Bench, Trial, need_strace
from faults.cases import Arena, arenas

CALLS = ("write", "pwrite64", "pwritev", "ftruncate", "fsync", "rename", "link", "unlink", "chmod", "close")
# Of which each is a crash point; a process that is killed as it closes a file was not before.
POINTS = CALLS[:-1]


def rows(bench: Bench) -> Iterator[Trial]:
    """Kill at the k-th call, for every call and k."""
    need_strace()
    for arena in arenas(bench):
        yield Trial(f"{arena.case.name}: order of calls", _disorder(arena))
        counts = arena.counted(POINTS)
        points = [(call, k) for call, count in counts.items() for k in range(1, count + 1)]
        for call, k in bench.some(points):
            ran = arena.run(trace=[call], inject=f"{call}:signal=KILL:when={k}")
            fault = arena.fault(ran, {-9}, temporary=True)
            if fault is None and ran.code == 0:
                fault = "was not killed"
            yield Trial(f"{arena.case.name}: killed at {call} {k}", fault)
        ran = arena.run()
        yield Trial(f"{arena.case.name}: goes well afterwards", arena.fault(ran, {0}))


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
        names = [name for name in mine if name not in ("chmod", "close")]
        named = next((i for i, name in enumerate(names) if name in ("link", "rename")), None)
        if named is None:
            return f"{target} gets its name neither by link nor by rename: {names}"
        before, after = names[:named], names[named + 1 :]
        if not before or before[-1] != "fsync" or "pwrite64" not in before:
            return f"{target} gets its name before its content is on the disk: {names}"
        if "fsync" not in after:
            return f"the folder is not on the disk when {target} is in it: {names}"
        if {"write", "pwrite64", "ftruncate"} & set(after):
            return f"{target} is written to after it has its name: {names}"
    return None
