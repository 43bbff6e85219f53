"""The command line as its users meet it: called in this process, or as a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
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


def run(*args: object, stdin: bytes = b"", keras_home: object = NO_KERAS_HOME) -> Ran:
    """Call the command line in this process with standard streams of its own."""
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
            mock.patch.dict(os.environ, {"KERAS_HOME": os.fspath(str(keras_home))}),
        ):
            try:
                main([os.fsdecode(arg) if isinstance(arg, bytes) else str(arg) for arg in args])
            except SystemExit as left:
                code = left.code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert isinstance(code, int), code
    return Ran(code, out.getvalue(), err.getvalue().decode())


def command(*args: object) -> list[str]:
    """The arguments of a process that runs the command line."""
    return [sys.executable, "-m", "dwconv_cli", *map(str, args)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of such a process."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "KERAS_HOME": NO_KERAS_HOME, **(extra or {})}


def run_process(*args: object, stdin: bytes = b"", **options: Any) -> Ran:
    """Run the command line as a process."""
    env = environment(options.pop("env", None))
    done = subprocess.run(
        command(*args), input=stdin, capture_output=True, env=env, timeout=60, check=False, **options
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def run_shell(line: str, cwd: Path, **variables: str) -> Ran:
    """Run a line of shell in `cwd`, where ``$D`` is the command."""
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env=environment({"D": " ".join(command()), **variables}),
        cwd=cwd,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def npy_bytes(array: Array, version: tuple[int, int] | None = None) -> bytes:
    """An array as the bytes of an ``.npy`` file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version, allow_pickle=False)
    return stream.getvalue()


def save(path: Path, array: Any) -> Path:
    """Write `array` into an ``.npy`` file."""
    path.write_bytes(npy_bytes(np.asarray(array)))
    return path


def names(folder: Path) -> list[str]:
    """Everything in a folder, also what is hidden, so that no temporary file goes unnoticed."""
    return sorted(entry.name for entry in folder.iterdir())


def contents(paths: Iterable[Path]) -> dict[Path, bytes]:
    """The bytes of files."""
    return {path: path.read_bytes() for path in paths}
