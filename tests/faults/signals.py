"""Signals: INT and TERM at every call and at random times, readers that leave, writers and readers that stall."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faults.bench import Bench, Ran, Skip, Trial, need_strace, shown
from faults.cases import CHANNELS, NAMING, Arena, arenas, expected, furnish, signal_of

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
CALLS = (
    "openat", "preadv2", "pread64", "read", "write", "pwrite64", "ftruncate", "fsync", "fchmod", *NAMING,
    "unlinkat", "close", "newfstatat", "lseek", "munmap",
)  # fmt: skip
PROMPT = 5.0
PIPE = 1 << 20


def rows(bench: Bench) -> Iterator[Trial | Skip]:
    """Send them at the k-th call, at random times, and to what waits."""
    found = arenas(bench)
    for arena in found:
        yield from _random_times(bench, arena)
    yield from _from_the_start(bench, found[0])
    yield from _left(bench)
    yield from _stalled(bench)
    try:
        need_strace()
    except Skip as why:
        yield why
        return
    for arena in found:
        yield from _at_calls(bench, arena)


def _ended(arena: Arena, ran: Ran, number: signal.Signals) -> str | None:
    if ran.late:
        return "did not end"
    if ran.code == CODES[number] and ran.err:
        return f"not silent: {shown(ran)}"
    fault = arena.fault(ran, {CODES[number]})
    # It may come when all is done.
    return None if fault and "the output appeared" in fault else fault


def _at_calls(bench: Bench, arena: Arena) -> Iterator[Trial]:
    counts = arena.counted(CALLS)
    points = [(call, k) for call, count in counts.items() for k in range(1, count + 1)]
    for index, (call, k) in enumerate(bench.some(points)):
        number = tuple(CODES)[index % 2]
        trace = tuple({call, *NAMING, "rt_sigaction"})
        ran = arena.run(trace=trace, inject=[f"{call}:signal={number.name}:when={k}"])
        # The interpreter puts back what was before our handlers when it leaves; all is done then.
        leaving = any(f"rt_sigaction({number.name}, {{sa_handler=SIG_DFL" in line for line in ran.trace)
        died = leaving and ran.code == -number
        fault = arena.fault(ran, {-number}) if died else _ended(arena, ran, number)
        yield Trial(f"{arena.case.name}: {number.name} at {call} {k}", fault)


def _random_times(bench: Bench, arena: Arena) -> Iterator[Trial]:
    whole = arena.run().seconds
    draw = random.Random(arena.case.name)
    for index in range(bench.number(30)):
        number, delay = tuple(CODES)[index % 2], draw.uniform(0, 1.2 * whole)
        ran = arena.run(signal=(delay, number))
        # Once the interpreter is leaving, or before the command begins, it has no handlers.
        fault = arena.fault(ran, {-number}) if ran.code == -number else _ended(arena, ran, number)
        yield Trial(f"{arena.case.name}: {number.name} after {1e3 * delay:.1f} ms", fault)


def _from_the_start(bench: Bench, arena: Arena) -> Iterator[Trial]:
    """From the interpreter's first instruction on, when no handler is there yet."""
    draw = random.Random(1)
    for index in range(bench.number(30)):
        number, delay = tuple(CODES)[index % 2], draw.uniform(0, 0.6)
        arena.clear()
        with subprocess.Popen(
            bench.command(*arena.case.args), cwd=arena.folder, env=bench.environment, stderr=subprocess.PIPE
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay)
            process.send_signal(number)
            code = process.wait(30)
        found, fault = arena.found(), None
        if code not in (0, CODES[number], -number, 1) or (code == 0 and found != arena.after):
            fault = f"exit {code}"
        elif found not in (arena.before, arena.after):
            fault = f"exit {code}, and {sorted(found)} is there"
        yield Trial(f"{number.name} {1e3 * delay:.0f} ms after the start", fault)


def _left(bench: Bench) -> Iterator[Trial]:
    """A reader that has seen enough."""
    folder = _long(bench)
    args = bench.command("apply", "long.npy", "-k", "k.npy", "-o", "-", "--memory-limit", "1MiB")
    for taken in (0, 1, 100, 70_000, 2_000_000)[: bench.number(5)]:
        with subprocess.Popen(
            args, cwd=folder, env=bench.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(taken)
            process.stdout.close()
            said, code = process.stderr.read(), process.wait(30)
        fault = None if (code, said) == (141, b"") else f"exit {code}: {said[:200]!r}"
        yield Trial(f"the reader leaves after {taken} bytes", fault)


def _stalled(bench: Bench) -> Iterator[Trial]:
    """A pipe whose other end does nothing must not keep the command from ending."""
    folder = _long(bench)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    data = (folder / "long.npy").read_bytes()[: 3 * PIPE // 4]
    filter_ = ("apply", "long.npy", "-k", "k.npy", "-q")
    ways = {
        "an input": (("apply", "-", "-k", "k.npy", "-q", "-o", "out/a.npy", "--memory-limit", "1MiB"), {"stdin": pipe}),
        "an input of one block": (("apply", "-", "-k", "k.npy", "-q", "-o", "out/a.npy"), {"stdin": pipe}),
        "raw samples": (("apply", "-", "--raw", "f4", "--channels", "4", "-k", "k.npy", "-q", "-o", "out/a.npy"),
                        {"stdin": pipe}),
        "an output": ((*filter_, "-o", "-", "--memory-limit", "1MiB"), {"stdout": pipe}),
        "a FIFO": ((*filter_, "-o", "pipe", "--output-format", "npy", "--memory-limit", "1MiB"), {}),
        "an output in one block": ((*filter_, "-o", "-"), {"stdout": pipe}),
    }  # fmt: skip
    for name in bench.some(tuple(ways)):
        args, options = ways[name]
        for number, code in CODES.items():
            held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
            fcntl.fcntl(held, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE)
            if "stdin" in options:
                os.write(held, data)
            ran = bench.run(args, folder, **options, signal=(0.5, number), seconds=PROMPT)
            os.close(held)
            left = [path.name for path in (folder / "out").iterdir()]
            fault = "did not end" if ran.late else None
            if name == "raw samples":
                # They have no other end than the signal.
                if not fault and (ran.code or not _recorded(folder / "out" / "a.npy", data)):
                    fault = f"not the recording: {shown(ran)}"
            elif not fault and (ran.code != code or left):
                fault = f"left {left}; {shown(ran)}"
            yield Trial(f"{number.name} while {name} stalls", fault)
            for path in (folder / "out").iterdir():
                path.unlink()


def _recorded(path: Path, data: bytes) -> bool:
    """Whether an output is that of raw samples."""
    return path.exists() and np.array_equal(
        np.load(path), expected(np.frombuffer(data, "f4").reshape(-1, CHANNELS))
    )


def _long(bench: Bench) -> Path:
    folder = bench.place("long")
    furnish(folder)
    np.save(folder / "long.npy", signal_of(400_000))
    return folder
