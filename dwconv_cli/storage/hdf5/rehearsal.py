"""Work on a file of unknown origin, tried in a child process before it is done in this one.

Some damage that no check of ours foresees makes HDF5 crash its process, or run without end. In the second case Python
never gets a turn, so that even SIGTERM is not heard. Therefore one child process does beforehand what this process is
about to do with a file. If the child dies, or uses processor time without getting on, the file is refused by one
line, and this process goes on. The child prints nothing and leaves no core file.

The child is forked when it is first needed, and serves until this process ends or until a file kills it. Measured on
Linux with two processors that were nearly idle (medians; four channels of float64 under gzip): the first file costs
9 ms more by it, and further ones 2.5 ms (35 KB), 7 ms (0.8 MB) and 10 ms (31 MB in 200 chunks). The child reads files
of up to ``WHOLE_BYTES`` to their end, and so it does datasets that are stored in an unusual way; :func:`distrust` has
it read all files so, which costs 150 ms for the 31 MB.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import math
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import h5py
from h5py._objects import phil

from dwconv_cli.errors import InputError, OutOfMemoryError
from dwconv_cli.errors.system import reason
from dwconv_cli.storage.file_state import state
from dwconv_cli.storage.hdf5 import blocks
from dwconv_cli.storage.hdf5.messages import before_each_step
from dwconv_cli.text import printable

P = ParamSpec("P")
R = TypeVar("R")

# Seconds of processor time that the child has for each step, and bytes of a file for which it has one more.
PATIENCE = 1.0
BYTES_A_SECOND = 100 << 20
# Files of this size are read to their end, which takes milliseconds.
WHOLE_BYTES = 1 << 20
# At most so many bytes of numbers are read of a small file; only repeated numbers can make more of its few bytes.
MAX_READ_BYTES = 64 << 20
MAX_REMEMBERED = 10_000
# Signals that a terminal or a user sends, which are for the parent, and those that end the child for its own fault.
_FOR_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_CRASHES = (signal.SIGPROF, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT)


class _Child:
    """The child process as this process sees it, or in the child itself (`is_here`)."""

    def __init__(self) -> None:
        self.pid = 0
        self.requests = self.answers = -1
        self.is_here = False
        # Whether every file is read to its end.
        self.distrusts = False
        # What the child got through: the work, its arguments and the file's state.
        self.passed: set[tuple[str, tuple[Any, ...], tuple[int, ...]]] = set()

    def start(self) -> None:
        """Fork the child, unless it is there."""
        if self.pid:
            return
        child_requests, requests = os.pipe()
        answers, child_answers = os.pipe()
        try:
            with warnings.catch_warnings():
                # Python warns of forks beside other threads, since a lock that one of them holds is never released in
                # the child. The child needs the lock of HDF5 alone, which this thread holds.
                warnings.simplefilter("ignore")
                pid = os.fork()
        except OSError:
            _close(child_requests, requests, answers, child_answers)
            raise
        if pid == 0:
            _serve(child_requests, child_answers, (requests, answers))
        self.pid, self.requests, self.answers = pid, requests, answers
        _close(child_requests, child_answers)

    def call(self, request: bytes) -> int | None:
        """Have the child do its work; return None if it got through, else the signal that it died of."""
        try:
            with contextlib.suppress(BrokenPipeError):
                while request:
                    request = request[os.write(self.requests, request) :]
            return None if os.read(self.answers, 1) == b"." else self.end()
        except BaseException:
            # After an interruption, the answer to this request would be taken for the answer to the next one.
            self.end()
            raise

    def end(self) -> int:
        """End the child, and return the number of the signal that it died of."""
        if not self.pid:
            return 0
        pid, self.pid = self.pid, 0
        # The child has nothing to finish. Closing the pipe might not end it, if another process has it open too.
        os.kill(pid, signal.SIGKILL)
        _close(self.requests, self.answers)
        try:
            return -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            return 0

    def forget(self) -> None:
        """In a process that was forked from this one: the child is not its own."""
        if self.pid and not self.is_here:
            self.pid = 0
            _close(self.requests, self.answers)


def _close(*fds: int) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


child = _Child()
os.register_at_fork(after_in_child=child.forget)
atexit.register(child.end)


def distrust(all_files: bool = True) -> None:
    """Have the child read every file to its end, or (False) only small and unusual ones again."""
    child.distrusts = all_files


def read_through(data: h5py.Dataset) -> None:
    """Read a dataset in the child as this process will read it, as far as that may do harm."""
    if child.distrusts:
        room = math.inf
    elif data.file.id.get_filesize() <= WHOLE_BYTES or not _is_usual(data):
        room = MAX_READ_BYTES
    else:
        return
    for selection in blocks.selections(data):
        if room <= 0:
            return
        room -= blocks.read(data, selection).nbytes


def _is_usual(data: h5py.Dataset) -> bool:
    """Whether the numbers are of a kind that NumPy has too, stored as they are or by filters that everybody uses."""
    plist = data.id.get_create_plist()
    if plist.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
        return False
    numbers = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
    usual = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
    return numbers <= usual and bool(data.id.get_type().equal(h5py.h5t.py_create(data.dtype, logical=True)))


def rehearsed(work: Callable[P, R]) -> Callable[P, R]:
    """Decorate a module's function whose first argument is a path: the child does it first."""

    @functools.wraps(work)
    def both(*args: P.args, **kwargs: P.kwargs) -> R:
        if not child.is_here:
            rehearse(both, *args, *kwargs.values())
        return work(*args, **kwargs)

    return both


def rehearse(work: Callable[..., object], path: Any, *args: Any) -> None:
    """Have the child call ``work(path, *args)``; what it returns or raises does not matter.

    `work` is a function of a module, and `args` are words and numbers, so that they can be sent to the child. The
    same work on a file that did not change is tried only once. An InputError tells that HDF5 crashes on the file or
    gets nowhere, an OutOfMemoryError that the child was killed, as the system does when memory ends.
    """
    if child.is_here:
        return
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        # The work itself says what is wrong.
        return
    key = work.__qualname__, (*args, child.distrusts), state(status)
    where = printable(os.fspath(path))
    # With h5py's lock: one request at a time, and no other thread in HDF5 during a fork, after which the lock would
    # never be released in the child.
    with phil:
        if key in child.passed:
            return
        try:
            child.start()
        except OSError as error:
            if not child.distrusts:
                return
            raise InputError(f"{where}: no process to try it in: {reason(error)}") from error
        died_of = child.call(pickle.dumps((work, status.st_size, child.distrusts, (path, *args))))
        if died_of is None:
            if len(child.passed) >= MAX_REMEMBERED:
                child.passed.clear()
            child.passed.add(key)
            return
    if died_of == signal.SIGPROF:
        raise InputError(f"{where}: damaged; HDF5 would read it without end. Use a sound copy")
    if died_of in (signal.SIGKILL, signal.SIGTERM, 0):
        raise OutOfMemoryError(f"{where}: the process that reads it first was ended; is there memory for it?")
    raise InputError(
        f"{where}: damaged; HDF5 crashes on it ({signal.Signals(died_of).name}). Use a sound copy"
    )


def _serve(requests: int, answers: int, parents_ends: tuple[int, ...]) -> NoReturn:
    """In the child: do what is requested until this process dies or its parent ends."""
    try:
        child.is_here = True
        _close(*parents_ends)
        for number in _FOR_PARENT:
            signal.signal(number, signal.SIG_IGN)
        # A crash must end the child, not run a handler in Python.
        for number in _CRASHES:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # The C library reports some crashes on standard error. And a pipe at the standard streams must not stay open
        # as long as the child lives: its reader would wait for the end.
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        with os.fdopen(requests, "rb") as stream:
            while True:
                work, size, child.distrusts, args = pickle.load(stream)
                before_each_step.append(functools.partial(_allow, PATIENCE + size / BYTES_A_SECOND))
                before_each_step[0]()
                with contextlib.suppress(Exception):
                    work(*args)
                _allow(0)
                before_each_step.clear()
                os.write(answers, b".")
    finally:
        os._exit(0)


def _allow(seconds: float) -> None:
    """Let the process die by SIGPROF when it has used so many seconds of processor time from now; 0 for never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
