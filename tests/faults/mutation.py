"""Mutation check: what keeps outputs safe is taken out of a copy of the package, and the row that is to notice must."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from faults.bench import Bench, Trial, need_strace


class Mutant(NamedTuple):
    """What is taken out of a file: texts for others; and the row that must fail, with how many trials of a kind."""

    name: str
    path: str
    changes: dict[str, str]
    row: str
    count: int
    cases: tuple[str, ...] = ()


SINK, DRAFT, INTERRUPTS = "storage/sink.py", "storage/draft.py", "interrupts.py"
MUTANTS = (
    Mutant("no fsync of the file", DRAFT, {"        os.fsync(self.fd)\n": ""}, "crash points", 1),
    Mutant("no fsync of the folder", DRAFT, {"            os.fsync(self._folder)\n": "            pass\n"},
           "crash points", 1),
    Mutant("written in place", DRAFT, {
        '            self._name = f".{base}.{os.urandom(6).hex()}.tmp"\n': "            self._name = self._base\n",
        "os.O_CREAT | os.O_EXCL |": "os.O_CREAT |",
        "            self._rename_to_new(self._name)\n": "            pass\n",
    }, "crash points", 3, ("npy", "npy over another")),
    Mutant("renamed over what came first", DRAFT, {
        "            rename_no_replace(folder, name, self._base)\n":
        "            os.rename(name, self._base, src_dir_fd=folder, dst_dir_fd=folder)\n",
    }, "races", 4),
    Mutant("a placeholder where there are no links", DRAFT, {
        "        self._lock()\n        try:\n            os.stat(":
        "        os.close(os.open(self._base, os.O_CREAT | os.O_EXCL, dir_fd=folder))\n"
        "        os.replace(name, self._base, src_dir_fd=folder, dst_dir_fd=folder)\n"
        "        return\n        try:\n            os.stat(",
    }, "crash points", 3, ("npy",)),
    Mutant("temporary files stay", DRAFT, {
        "                os.unlink(self._name, dir_fd=self._folder)\n": "                pass\n",
    }, "injected errors", 6),
    Mutant("added to a file that changed", DRAFT, {"self._before != state(": "False and self._before != state("},
           "races", 6),
    Mutant("short writes are taken for whole", SINK, {
        "    while written < len(data):\n        try:\n            written += write(":
        "    if written < len(data):\n        try:\n            written += write(",
    }, "full disk", 30),
    Mutant("HDF5 sees the disk's errors", "storage/hdf5/output_file.py", {
        "                self.error = error\n        self._position": "                raise\n        self._position",
    }, "full disk", 8),
    Mutant("nobody asks for the disk's errors", "storage/formats/hdf5.py", {
        "if self._output_file.error is not None:\n            raise": "if False:\n            raise",
    }, "full disk", 8),
    Mutant("signals leave temporary files", INTERRUPTS, {"            os.unlink(name, dir_fd=folder)\n": "            pass\n"},
           "signals", 15),
    Mutant("SIGTERM is not caught", INTERRUPTS, {
        "        signal.signal(signal.SIGTERM, end_by_signal)\n": "        pass\n",
    }, "signals", 15),
    Mutant("npy of any length", "storage/formats/npy.py", {"source.size != self._end:": "False:"}, "malformed", 60),
    Mutant("objects in npy", "storage/formats/npy.py", {
        "        if dtype.hasobject:\n":
        "        if dtype.hasobject:\n            __import__('numpy').load(name, allow_pickle=True)\n",
    }, "unsafe", 1000),
    Mutant("external storage", "storage/hdf5/storage_check.py", {
        "        _check_external(data, plist, where, allow_external)\n": "        pass\n",
    }, "unsafe", 1000),
    Mutant("changed while it was read", "storage/source.py", {
        "if state_of(self._fd, self.name) != self._before:": "if False:",
    }, "races", 4),
    Mutant("blocks of any size", "jobs/transfer.py", {
        "BLOCK_BYTES = 4 << 20": "BLOCK_BYTES = 1 << 40", "memory // (BLOCKS_OVERLAPPED * bytes_per_sample)": "1 << 40",
    }, "memory", 2),
    Mutant("refused inputs stay open", "storage/formats/npy.py", {"        source.close()\n": "        pass\n"}, "batch", 3000),
)  # fmt: skip


def rows(bench: Bench) -> Iterator[Trial]:
    """Run the row on each mutant."""
    need_strace()
    for mutant in bench.some(MUTANTS):
        yield Trial(f"{mutant.name}: {mutant.row}", _survives(bench, mutant))


def _survives(bench: Bench, mutant: Mutant) -> str | None:
    place = bench.place("mutant")
    copy = place / "dwconv_cli"
    shutil.copytree(bench.package / "dwconv_cli", copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / mutant.path
    text = path.read_text(encoding="utf-8")
    for old, new in mutant.changes.items():
        if text.count(old) != 1:
            return f"{old!r} stands {text.count(old)} times in {mutant.path}; the mutant needs another text"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    options = (
        "--row",
        mutant.row,
        "--count",
        str(mutant.count),
        "--package",
        str(place),
        "--folder",
        str(place),
    )
    options += tuple(word for case in mutant.cases for word in ("--case", case))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent), *options, "--fail-fast"],
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(place, ignore_errors=True)
    if done.returncode == 1 and "FAILED" in done.stdout:
        return None
    return f"nobody noticed: {(done.stdout + done.stderr).strip()[-300:]}"
