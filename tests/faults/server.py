"""A process that has imported everything, and runs the command line in a child of its own for each request.

A child costs milliseconds instead of the third of a second that Python and NumPy take to start, and leaves as a
program does: by unwinding, the interpreter's end and that of its C libraries.

Requests and replies are lines of JSON. ``{"args": ...}`` starts a child that waits at a gate and gives its process id;
``{"go": seconds}`` opens the gates and gives what became of the children, at most so many seconds later.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from importlib import import_module
from typing import Any, NoReturn

NEEDED = (
    "dwconv_cli.cli.apply", "dwconv_cli.cli.init_weights", "dwconv_cli.cli.inspect", "dwconv_cli.cli.render",
    "dwconv_cli.jobs.pipeline", "dwconv_cli.jobs.live", "dwconv_cli.storage.formats.hdf5", "dwconv_cli.storage.formats.npz",
    "dwconv_cli.storage.hdf5.write", "dwconv_cli.weights.save", "dwconv_cli.weights.keras_files", "numpy.random",
    # Imported where they are used, when a child may have given up the right to read them.
    "concurrent.futures.thread", "difflib", "encodings.cp437", "encodings.idna", "hashlib", "shlex", "tempfile",
    "zipfile",
)  # fmt: skip
STANDARD = (
    ("stdin", os.O_RDONLY),
    ("stdout", os.O_WRONLY | os.O_CREAT),
    ("stderr", os.O_WRONLY | os.O_CREAT),
)


def serve() -> None:
    """Answer requests until there are no more."""
    from dwconv_cli.threads import keep_blas_single

    keep_blas_single()
    for name in NEEDED:
        import_module(name)
    requests, replies = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    waiting: list[tuple[int, int]] = []
    print(json.dumps("ready"), file=replies, flush=True)
    for line in requests:
        request = json.loads(line)
        if "go" in request:
            for _, gate in waiting:
                os.close(gate)
            answer: Any = [_ended(pid, time.monotonic() + request["go"]) for pid, _ in waiting]
            waiting = []
        else:
            behind, gate = os.pipe()
            ready, done = os.pipe()
            answer = os.fork()
            if answer == 0:
                for fd in (requests.fileno(), replies.fileno(), ready, gate, *(gate for _, gate in waiting)):
                    os.close(fd)
                _run(request, done, behind)
            os.close(behind)
            os.close(done)
            os.read(ready, 1)
            os.close(ready)
            waiting.append((answer, gate))
        print(json.dumps(answer), file=replies, flush=True)


def _run(request: dict[str, Any], done: int, gate: int) -> NoReturn:
    with contextlib.suppress(OSError, AttributeError):
        # PR_SET_PTRACER: any process of this user may trace this one.
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
    for fd, (name, flags) in enumerate(STANDARD):
        opened = os.open(request[name], flags, 0o666)
        os.dup2(opened, fd)
        os.close(opened)
        setattr(sys, name, os.fdopen(fd, "w" if fd else "r", encoding="utf-8", closefd=False))
    os.chdir(request["cwd"])
    if request.get("user") is not None:
        os.setgroups([])
        os.setgid(request["user"])
        os.setuid(request["user"])
    # Whoever traces this comes now; the first call that a trial disturbs shall be one of the program, and none
    # disturbs this way to wait.
    os.close(done)
    select.select([gate], [], [])
    for name, limit in request.get("limits", {}).items():
        whole = limit + (_size() if name == "RLIMIT_AS" else 0)
        resource.setrlimit(getattr(resource, name), (whole, whole))
    from dwconv_cli.cli import main

    main(request["args"])


def _size() -> int:
    """Bytes of address space in use."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _ended(pid: int, deadline: float) -> dict[str, Any]:
    begun, late = time.monotonic(), False
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            seconds = time.monotonic() - begun
            return {
                "code": os.waitstatus_to_exitcode(status), "late": late, "seconds": seconds, "rss": used.ru_maxrss,
                "busy": used.ru_utime + used.ru_stime,
            }  # fmt: skip
        if not late and time.monotonic() > deadline:
            late = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


if __name__ == "__main__":
    serve()
