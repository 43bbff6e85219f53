"""Full disk: no space at every page, no inodes, files that may not grow, /dev/full, folders that may not be written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faults.bench import NOBODY, Bench, Skip, Trial, one_line, shown
from faults.cases import Arena, arenas, furnish

PAGE = 4 << 10
# Below this the message itself would not fit into a file.
SMALLEST = 512


def rows(bench: Bench) -> Iterator[Trial | Skip]:
    """Fill the disk in every way."""
    found = arenas(bench)
    for arena in found:
        yield from _short_files(bench, arena)
    yield from _dev_full(bench)
    try:
        for arena in found:
            yield from _small_disks(bench, arena)
        yield from _spooled(bench)
    except Skip as why:
        yield why
    try:
        yield from _folders(bench)
    except Skip as why:
        yield why


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory on `folder`."""
    if sys.platform != "linux" or shutil.which("mount") is None:
        raise Skip("no mount(8)")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        raise Skip(f"cannot mount a tmpfs: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def _small_disks(bench: Bench, arena: Arena) -> Iterator[Trial]:
    """A disk with room for all pages of the output but the last, two, ... all."""
    if not arena.case.targets:
        return
    out = arena.folder / "out"
    before, after = (sum(_pages(data) for data in files.values()) for files in (arena.before, arena.after))
    with mounted(out, f"size={(before + after + 64) * PAGE}"):
        for path in out.iterdir():
            path.unlink()
        for free in bench.some(range(after + 3)):
            if before + free == 0:
                # For tmpfs, size 0 is no limit.
                continue
            _remount(out, f"size={(before + after + 64) * PAGE}")
            arena.clear()
            _remount(out, f"size={(before + free) * PAGE}")
            ran = arena.run(clear=False)
            yield Trial(f"{arena.case.name}: {free} pages free", arena.fault(ran, {4}))
        _remount(out, f"size={(before + after + 64) * PAGE}")
        arena.clear()
        inodes = len(list(out.iterdir())) + 1
        _remount(out, f"nr_inodes={inodes}")
        yield Trial(f"{arena.case.name}: no inodes free", arena.fault(arena.run(clear=False), {4}))
        _remount(out, f"nr_inodes={inodes + 20},ro")
        yield Trial(f"{arena.case.name}: a read-only disk", arena.fault(arena.run(clear=False), {4}))
        _remount(out, "rw")
        arena.clear()
        yield Trial(f"{arena.case.name}: goes well afterwards", arena.fault(arena.run(clear=False), {0}))
    arena.clear()


def _remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def _pages(data: bytes) -> int:
    return -(-len(data) // PAGE)


def _short_files(bench: Bench, arena: Arena) -> Iterator[Trial]:
    """No file may grow beyond a limit: a write is cut short, and the next one fails."""
    longest = max([len(data) for data in arena.after.values()] + [len(arena.out)])
    limits = sorted(
        {SMALLEST + (longest - SMALLEST) * part // 24 for part in range(24)} | {longest - 1, longest}
    )
    for limit in bench.some([limit for limit in limits if limit >= SMALLEST]):
        ran = arena.run(limits={"RLIMIT_FSIZE": limit})
        yield Trial(f"{arena.case.name}: files of at most {limit} bytes", arena.fault(ran, {4}))


def _dev_full(bench: Bench) -> Iterator[Trial]:
    folder = bench.place("full")
    furnish(folder)
    apply = ("apply", "in.npy", "-k", "k.npy")
    full = "/dev/full"
    ways = {
        "standard output": ((*apply, "-q", "-o", "-"), {"stdout": full}),
        "standard output in blocks": ((*apply, "-q", "-o", "-", "--memory-limit", "1MiB"), {"stdout": full}),
        "reports on standard output": ((*apply, "-o", "out/b.npy", "--json"), {"stdout": full}),
        "--report": ((*apply, "-q", "-o", "out/c.npy", "--report", full), {}),
        "--help": (("--help",), {"stdout": full}),
        "inspect": (("inspect", "in.npy"), {"stdout": full}),
        **{
            f"-o {full} as {format_}": ((*apply, "-q", "-o", full, "--output-format", format_), {})
            for format_ in ("npy", "npz", "hdf5")
        },
    }
    for name, (args, options) in ways.items():
        ran = bench.run(args, folder, **options)
        yield Trial(f"{full}: {name}", one_line(ran) or (None if ran.code == 4 else shown(ran)))
    with open(full, "wb") as nowhere:
        ended = subprocess.run(
            bench.command(*apply, "-o", "out/d.npy"),
            cwd=folder,
            env=bench.environment,
            stderr=nowhere,
            check=False,
        )
    there = (folder / "out" / "d.npy").exists()
    yield Trial(
        f"{full}: standard error",
        None if ended.returncode in (0, 4) and there else f"exit {ended.returncode}",
    )


def _spooled(bench: Bench) -> Iterator[Trial]:
    """What cannot be filtered in order waits in the folder for temporary files."""
    folder = bench.place("spooled")
    furnish(folder)
    (folder / "spool").mkdir()
    np.save(folder / "columns.npy", np.ones((80_000, 4), "f4", order="F"))
    args = ("apply", "-", "-k", "k.npy", "-q", "--memory-limit", "1MiB", "-o", "-")
    with mounted(folder / "spool", "size=1m"), open(folder / "columns.npy", "rb") as data:
        environment = {**bench.environment, "TMPDIR": str(folder / "spool")}
        ran = bench.cold(args, folder, stdin=data, env=environment)
        fault = one_line(ran) or (None if ran.code == 4 else shown(ran))
        left = os.listdir(folder / "spool")
        yield Trial("no space for temporary files", fault or (f"left {left}" if left else None))


def _folders(bench: Bench) -> Iterator[Trial]:
    """Folders that another user may not write into, or may not list."""
    # Root may write anywhere, so it tries as somebody else.
    user = NOBODY if os.geteuid() == 0 else None
    for arena in arenas(bench):
        if not arena.case.targets:
            continue
        out = arena.folder / "out"
        for mode, codes in ((0o555, {4}), (0o333, {0}), (0o000, {3, 4})):
            arena.clear()
            for path in out.iterdir():
                path.chmod(0o666)
            out.chmod(mode)
            ran = arena.run(clear=False, user=user)
            out.chmod(0o777)
            yield Trial(f"{arena.case.name}: a folder of mode {mode:o}", arena.fault(ran, codes))
