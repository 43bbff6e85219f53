"""The command line as its users meet it: called in this process, or as a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from dwconv_cli.cli import main

ROOT = Path(__file__).resolve().parent.parent
# No settings of the person who runs the tests may decide their outcome.
NO_KERAS_HOME = "/nonexistent"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Ran:
    """What a run left behind."""

    code: int
    out: bytes
    err: str

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The JSON objects on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def array(self) -> Array:
        """The ``.npy`` stream on standard output."""
        array: Array = np.load(io.BytesIO(self.out), allow_pickle=False)
        return array

    def done(self) -> Ran:
        """This run, which must have gone well and without a word."""
        assert (self.code, self.err) == (0, ""), (self.code, self.err)
        return self

    def noted(self, *words: str) -> Ran:
        """This run, which must have gone well and with notes alone, that have all `words` in them."""
        assert self.code == 0, self.err
        assert all(line.startswith("dwconv: note: ") for line in self.err.splitlines()), self.err
        for word in words:
            assert word in self.err, (word, self.err)
        return self

    def failed(self, code: int, *words: str) -> Ran:
        """This run, which must have ended with `code` and one line that has all `words` in it."""
        assert self.code == code, (self.code, self.err)
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("dwconv: error: "), self.err
        assert lines[0].isprintable(), self.err
        for word in words:
            assert word in lines[0], (word, lines[0])
        return self


class _Unclosed(io.BytesIO):
    def close(self) -> None:
        """Keep what was written."""


def words(line: object, *more: object) -> list[str]:
    """A line as a shell splits it; and words that stay as they are."""
    return [*shlex.split(str(line)), *(os.fsdecode(w) if isinstance(w, bytes) else str(w) for w in more)]


def run(line: object, *more: object, stdin: bytes = b"", keras_home: object = NO_KERAS_HOME) -> Ran:
    """Call the command line in this process, with standard streams of its own.

    The line is what is typed after ``dwconv``; the fixture `place` makes the folder in which it runs.
    """
    out, err = _Unclosed(), _Unclosed()
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"),
        "stdout": io.TextIOWrapper(out, encoding="utf-8"),
        "stderr": io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", write_through=True),
    }
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        with (
            mock.patch.multiple(sys, **streams),
            mock.patch.dict(os.environ, {"KERAS_HOME": str(keras_home)}),
        ):
            try:
                main(words(line, *more))
            except SystemExit as left:
                code = left.code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert isinstance(code, int), code
    return Ran(code, out.getvalue(), err.getvalue().decode())


def command(line: object, *more: object) -> list[str]:
    """The arguments of a process that runs the command line."""
    return [sys.executable, "-m", "dwconv_cli", *words(line, *more)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of such a process."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "KERAS_HOME": NO_KERAS_HOME, **(extra or {})}


def run_process(line: object, *more: object, stdin: bytes = b"", **options: Any) -> Ran:
    """Run the command line as a process."""
    return _ended(command(line, *more), input=stdin, **options)


def run_shell(line: str, **options: Any) -> Ran:
    """Run a line of shell, to which ``dwconv`` is known."""
    alias = f"shopt -s expand_aliases; alias dwconv={shlex.quote(shlex.join(command('')))}"
    return _ended(["bash", "-c", f"{alias}\n{line}"], **options)


def run_python(program: str, *arguments: object, **options: Any) -> Ran:
    """Run a program in a fresh interpreter."""
    return _ended([sys.executable, "-X", "faulthandler", "-c", program, *map(str, arguments)], **options)


def _ended(args: list[str], env: Mapping[str, str] | None = None, **options: Any) -> Ran:
    done = subprocess.run(
        args, capture_output=True, check=False, env=environment(env), **{"timeout": 60, **options}
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def start(
    line: str, before: Iterable[str] = (), env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """Start the command line as a process, if need be as what another command runs; its errors go into a pipe."""
    args = [*before, *command(line)]
    return subprocess.Popen(args, env=environment(env), **{"stderr": subprocess.PIPE, **options})


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def read_terminal(fd: int) -> bytes:
    """What comes until nobody writes to a terminal any more, which is an error then."""
    data = b""
    with contextlib.suppress(OSError):
        while part := os.read(fd, 1 << 16):
            data += part
    return data


def npy_bytes(array: Array, version: tuple[int, int] | None = None) -> bytes:
    """An array as the bytes of an ``.npy`` file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version, allow_pickle=False)
    return stream.getvalue()


def save(path: Path, array: Any) -> Path:
    """Write `array` into an ``.npy`` file."""
    path.write_bytes(npy_bytes(np.asarray(array)))
    return path


def sparse(path: Path, shape: tuple[int, ...]) -> None:
    """An ``.npy`` file of float32 zeros, which takes no room on the disk."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    os.truncate(path, 128 + 4 * math.prod(shape))


def names(folder: Path) -> list[str]:
    """Everything in a folder, also what is hidden, so that no temporary file goes unnoticed."""
    return sorted(entry.name for entry in folder.iterdir())


def unfinished(folder: Path) -> list[str]:
    """The temporary files of outputs that are being made."""
    return [name for name in names(folder) if name.endswith(".tmp")]


def contents(paths: Iterable[Path]) -> dict[Path, bytes]:
    """The bytes of files."""
    return {path: path.read_bytes() for path in paths}
