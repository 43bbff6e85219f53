"""Where trials run: children of a warm process, watched and tampered with by strace where a trial asks for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = 65534


class Skip(Exception):  # noqa: N818 - it is no error
    """A row, or a part of one, that cannot be tried here, and why."""


class Trial(NamedTuple):
    """One trial and what was wrong; None if nothing was."""

    name: str
    fault: str | None


@dataclass(frozen=True)
class Run:
    """A run to be.

    Parameters
    ----------
    args : sequence of str
    cwd : Path
    stdin, stdout : path, optional
        Nothing, and a file that is read afterwards.
    trace : sequence of str
        System calls to record.
    inject : sequence of str
        In strace's words, such as ``fsync:error=EIO:when=2``.
    only : sequence of path
        Files to which calls are recorded and tampered with; all by default.
    limits : mapping
        Names in `resource` to limits; that of RLIMIT_AS counts from what is in use at the start.
    user : int, optional
        Who runs it.
    signal : (float, int), optional
        Seconds after the start, and what is sent then.
    seconds : float
        After which it is killed, and has failed.
    """

    args: Sequence[str]
    cwd: Path
    stdin: str | os.PathLike[str] = os.devnull
    stdout: str | os.PathLike[str] | None = None
    trace: Sequence[str] = ()
    inject: Sequence[str] = ()
    only: Sequence[str | os.PathLike[str]] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    user: int | None = None
    signal: tuple[float, int] | None = None
    seconds: float = 30


@dataclass(frozen=True)
class Ran:
    """What a run left; `code` is negative for a signal, `busy` seconds of the processor, `rss` the peak in KiB."""

    code: int
    out: bytes
    err: str
    seconds: float
    busy: float
    rss: int
    late: bool
    trace: list[str]


class Bench:
    """A folder for trials and the warm process; a context manager.

    Parameters
    ----------
    folder : Path
    package : Path
        The folder that holds the package ``dwconv_cli``.
    count : int, optional
        Trials of each kind; as many as the row thinks right by default.
    cases : collection of str, optional
        Kinds of output to try; all by default.
    """

    def __init__(
        self,
        folder: Path,
        package: Path = ROOT,
        count: int | None = None,
        cases: Collection[str] | None = None,
    ) -> None:
        self.folder, self.package, self.count, self.cases = folder, package, count, cases
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KERAS_HOME": "/nonexistent",
        }
        self._numbers = iter(range(1 << 60))

    def __enter__(self) -> Bench:
        self.folder.chmod(0o755)
        # Shells have background jobs ignore it, and children would inherit that.
        self._interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment,
        )  # fmt: skip
        self._reply()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()
        signal.signal(signal.SIGINT, self._interrupt)

    def number(self, usual: int) -> int:
        """How many trials of a kind."""
        return usual if self.count is None else min(usual, self.count)

    def some(self, items: Sequence[T]) -> Sequence[T]:
        """As many of `items` as were asked for, spread evenly."""
        wanted = self.number(len(items))
        return items if wanted >= len(items) else [items[i * len(items) // wanted] for i in range(wanted)]

    def place(self, name: str) -> Path:
        """A new empty folder."""
        path = self.folder / f"{name}-{next(self._numbers)}"
        path.mkdir()
        return path

    def run(self, args: Sequence[str], cwd: Path, **options: Any) -> Ran:
        """Run the command line once."""
        return self.together([Run(args, cwd, **options)])[0]

    def together(self, runs: Sequence[Run]) -> list[Ran]:
        """Run several at the same time."""
        places = [self.place("run") for _ in runs]
        for path in (place / name for place in places for name in ("out", "err")):
            path.touch()
        with contextlib.ExitStack() as tracers:
            pids = []
            for run, place in zip(runs, places, strict=True):
                pids.append(self._ask({
                    "args": list(run.args), "cwd": str(run.cwd), "stdin": os.fspath(run.stdin),
                    "stdout": os.fspath(run.stdout or place / "out"), "stderr": str(place / "err"),
                    "limits": dict(run.limits), "user": run.user,
                }))  # fmt: skip
                if run.trace:
                    tracers.enter_context(_traced(run, pids[-1], place / "trace"))
            timers = [threading.Timer(r.signal[0], _send, (pid, r.signal[1])) for r, pid in zip(runs, pids, strict=True)
                      if r.signal]  # fmt: skip
            for timer in timers:
                timer.start()
            ended = self._ask({"go": max(run.seconds for run in runs)})
            for timer in timers:
                timer.cancel()
        found = []
        for run, place, end in zip(runs, places, ended, strict=True):
            out = b"" if run.stdout else (place / "out").read_bytes()
            trace = (place / "trace").read_text(errors="replace").splitlines() if run.trace else []
            found.append(Ran(out=out, err=(place / "err").read_text(errors="replace"), trace=trace, **end))
            shutil.rmtree(place)
        return found

    def command(self, *args: str) -> list[str]:
        """The arguments of a process that runs the command line from its start."""
        return [sys.executable, "-m", "dwconv_cli", *args]

    def cold(self, args: Sequence[str], cwd: Path, before: Sequence[str] = (), **options: Any) -> Ran:
        """Run the command line as a process of its own, if need be as what a command `before` it runs."""
        done = subprocess.run(
            [*before, *self.command(*args)], cwd=cwd, capture_output=True, check=False,
            **{"stdin": subprocess.DEVNULL, "timeout": 120, "env": self.environment, **options},
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr.decode(errors="replace"), 0, 0, 0, False, [])

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._server.stdin is not None
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return self._reply()

    def _reply(self) -> Any:
        assert self._server.stdout is not None
        return json.loads(self._server.stdout.readline())


@contextlib.contextmanager
def _traced(run: Run, pid: int, log: Path) -> Iterator[None]:
    options = ["-f", "-y", "-s", "24", "-o", str(log), "-e", "trace=" + ",".join(run.trace)]
    options += [word for what in run.inject for word in ("-e", f"inject={what}")]
    options += [word for path in run.only for word in ("-P", os.fspath(run.cwd / path))]
    tracer = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    with tracer, tracer.stderr:
        for line in tracer.stderr:
            if "attached" in line:
                break
        else:
            raise Skip("strace cannot attach to processes here")
        yield
        tracer.stderr.read()


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.Signals(number))


def need_strace() -> None:
    """Skip a row where strace is missing."""
    if shutil.which("strace") is None:
        raise Skip("strace is not installed")


def one_line(ran: Ran) -> str | None:
    """What is wrong with the messages of a run that failed."""
    if ran.late:
        return "did not end in time"
    if ran.code < 0:
        return f"died of {signal.Signals(-ran.code).name}"
    if "Traceback" in ran.err or "internal error" in ran.err or ran.code == 70:
        return f"exit {ran.code}: {ran.err.strip()[-300:]}"
    lines = ran.err.splitlines()
    if len(lines) != 1 or not lines[0].startswith("dwconv: error: ") or not lines[0].isprintable():
        return f"exit {ran.code} with {len(lines)} lines: {ran.err[:200]!r}"
    return None


def shown(ran: Ran) -> str:
    """The end of a run in a few words."""
    return f"exit {ran.code}: {ran.err.strip()[:200]}"
