"""Injected errors: every call to the system fails once, or from some point on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from faults.bench import Bench, Ran, Trial, need_strace, shown
from faults.cases import NAMING, STDOUT, Arena, arenas

# Call -> the errors it may give.
WRITES = {
    "pwrite64": ("EIO", "ENOSPC", "EINTR", "EDQUOT"),
    "ftruncate": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC", "EINTR"),
    "renameat2": ("EIO", "ENOSPC", "EXDEV", "EINTR", "EPERM", "EINVAL"),
    "renameat": ("EIO", "ENOSPC", "EXDEV", "EINTR"),
    "unlinkat": ("EIO",),
    "fchmod": ("EIO", "EPERM"),
    "dup": ("EMFILE",),
}
READS = {
    "preadv2": ("EIO", "EINTR"),
    "preadv": ("EIO", "EINTR"),
    "pread64": ("EIO", "EINTR"),
    "read": ("EIO", "EINTR"),
}
OPENS = ("ENOSPC", "EMFILE", "EIO", "EINTR", "EACCES")


def rows(bench: Bench) -> Iterator[Trial]:
    """Fail the k-th call, alone and with all that follow."""
    need_strace()
    for arena in arenas(bench):
        yield from _tried(bench, arena, WRITES, {4}, ())
        # Of standard output alone: messages are written elsewhere, and the interpreter wants to write at its end.
        yield from _tried(bench, arena, {"write": ("EIO", "ENOSPC", "EINTR")}, {4}, (STDOUT,))
        # HDF5 reads of the output to be; inputs of these cases are read by other calls.
        yield from _tried(bench, arena, {"preadv2": READS["preadv2"]}, {3, 4}, ())
        if arena.case.reads:
            pattern = arena.case.reads.partition("::")[0]
            only = [str(path.relative_to(arena.folder)) for path in sorted(arena.folder.glob(pattern))]
            yield from _tried(bench, arena, READS, {3}, only)
        elif arena.case.stdin.startswith(("in", "raw")):
            yield from _tried(bench, arena, READS, {3}, [arena.case.stdin])
        # The message tells which file it was, and the code must fit it.
        yield from _tried(bench, arena, {"close": ("EIO",)}, {3, 4}, ())
        yield from _tried(bench, arena, {"openat": OPENS}, {3, 4, 5}, ())


def _tried(
    bench: Bench,
    arena: Arena,
    table: dict[str, tuple[str, ...]],
    codes: set[int],
    only: Sequence[str],
) -> Iterator[Trial]:
    counts = arena.counted(tuple(table), only)
    ways = [
        (call, error, k, more)
        for call, errors in table.items()
        for k in range(1, counts[call] + 1)
        for error in errors
        for more in ("", "+")
    ]
    for call, error, k, more in bench.some(ways):
        # What is interrupted is tried again, for ever if need be.
        when = f"{k}..{k + 4}" if more and error == "EINTR" else f"{k}{more}"
        # What gives the output its name tells whether the output may be there.
        ran = arena.run(
            trace=tuple({call, *NAMING}) if not only else [call],
            inject=[f"{call}:error={error}:when={when}"], only=only,
        )  # fmt: skip
        allowed = codes
        if call == "openat" or (call == "unlinkat" and more):
            # A file whose removal fails stays.
            allowed = codes | {2}
        fault = arena.fault(ran, allowed, temporary=call == "unlinkat") or _misnamed(ran)
        where = f" of {only[0]}" if only else ""
        yield Trial(f"{arena.case.name}: {error} at {call} {when}{where}", fault)


def _misnamed(ran: Ran) -> str | None:
    """What is wrong with a code for an input beside the name of an output, or the other way round."""
    output = "out/" in ran.err or "standard output" in ran.err
    input_ = not output and re.search(r"\b(in|raw|k)\.\w+|\bmany/", ran.err)
    if (output and ran.code == 3) or (input_ and ran.code == 4):
        return f"the code is not that of the file: {shown(ran)}"
    return None
