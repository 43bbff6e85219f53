"""Work on a file of unknown origin, done once in a process of its own before it is done here.

Damage that no check of ours foresees can make HDF5 end its process by a signal, or go on without end and without
giving Python a turn, so that not even SIGTERM is heard. One child process therefore does beforehand what this
process is about to do with a file. If the child dies, or spends processor time without getting on, the file is
refused by one line, and nothing else happens. The child leaves no core file and is silent.

The child is forked when it is first needed, and serves until this process ends or until a file kills it. Measured on
Linux with two processors that were nearly idle (medians; four channels of float64 under gzip): the first file costs
9 ms more by it, and further ones 2.5 ms (35 KB), 7 ms (0.8 MB) and 10 ms (31 MB in 200 chunks). Files of up to
``WHOLE_BYTES`` are read to their end, as are datasets stored in a way that is seldom tried; :func:`distrust` has all
files read so, which costs 150 ms for the 31 MB.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import math
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, ParamSpec, TypeVar

import h5py
from h5py._objects import phil

from dwconv_cli.errors import InputError, OutOfMemoryError
from dwconv_cli.storage.file_state import state
from dwconv_cli.storage.hdf5 import content, door
from dwconv_cli.text import printable

P = ParamSpec("P")
R = TypeVar("R")

# Seconds of the processor in which the child must get on, and bytes of a file for each further one.
PATIENCE = 1.0
BYTES_A_SECOND = 100 << 20
# Files that are read to their end, which takes milliseconds at this size.
WHOLE_BYTES = 1 << 20
# Numbers that are read of a small file; more come of few bytes only where they are all the same.
MAX_READ_BYTES = 64 << 20
BLOCK_BYTES = 16 << 20
MAX_REMEMBERED = 10_000

_Key = tuple[str, tuple[Any, ...], tuple[int, ...]]


class _Stage:
    """The child, what it went through, and which process this is."""

    def __init__(self) -> None:
        self.pid = 0
        self.requests = self.answers = -1
        self.passed: set[_Key] = set()
        self.is_child = False
        self.distrusts = False

    def begin(self) -> None:
        """Fork the child."""
        behind, requests = os.pipe()
        answers, done = os.pipe()
        try:
            with warnings.catch_warnings():
                # Other threads may be at work. None of them is in HDF5, whose lock we hold, and the child needs no
                # other lock of theirs.
                warnings.simplefilter("ignore")
                pid = os.fork()
        except OSError:
            _close(behind, requests, answers, done)
            raise
        if pid == 0:
            _serve(behind, done, (requests, answers))
        self.pid, self.requests, self.answers = pid, requests, answers
        _close(behind, done)

    def end(self) -> int:
        """End the child, and give the number of the signal that it died of."""
        if not self.pid:
            return 0
        pid, self.pid = self.pid, 0
        # It has nothing to finish, and would not notice a pipe whose closing failed.
        os.kill(pid, signal.SIGKILL)
        _close(self.requests, self.answers)
        try:
            return -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            return 0

    def forget(self) -> None:
        """In a process forked from this one: the child is not its own."""
        if self.is_child or not self.pid:
            return
        self.pid = 0
        _close(self.requests, self.answers)


def _close(*fds: int) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


_stage = _Stage()
os.register_at_fork(after_in_child=_stage.forget)
atexit.register(_stage.end)


def distrust(all_files: bool = True) -> None:
    """Have the child read every file to its end, or no longer."""
    _stage.distrusts = all_files


def read_through(data: h5py.Dataset) -> None:
    """Read a dataset as it will be read, as far as that may do harm; for the child."""
    if _stage.distrusts:
        left = math.inf
    elif data.file.id.get_filesize() <= WHOLE_BYTES or not _is_usual(data):
        left = MAX_READ_BYTES
    else:
        return
    for selection in _blocks(data):
        if left <= 0:
            return
        left -= content.read(data, selection).nbytes


def _is_usual(data: h5py.Dataset) -> bool:
    """Whether the numbers are of a kind that NumPy has too, stored as they are or by filters that everybody uses."""
    plist = data.id.get_create_plist()
    if plist.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
        return False
    codes = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    usual = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
    return codes <= usual and bool(data.id.get_type().equal(h5py.h5t.py_create(data.dtype, logical=True)))


def _blocks(data: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    """Parts of a dataset, of whole chunks where it has some."""
    shape, chunks = data.shape, data.chunks or (1,) * data.ndim
    if not shape:
        yield ()
        return
    inner = [math.prod(shape[axis + 1 :]) * data.dtype.itemsize for axis in range(data.ndim)]
    axis = next((axis for axis, size in enumerate(inner) if size <= BLOCK_BYTES), 0)
    step = max(1, BLOCK_BYTES // max(1, inner[axis]) // chunks[axis]) * chunks[axis]
    for index in itertools.product(*map(range, shape[:axis])):
        lead = tuple(slice(place, place + 1) for place in index)
        for low in range(0, shape[axis], step):
            yield *lead, slice(low, min(shape[axis], low + step))


def rehearsed(work: Callable[P, R]) -> Callable[P, R]:
    """Decorate a module's function whose first argument is a path: the child does it first."""

    @functools.wraps(work)
    def both(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _stage.is_child:
            rehearse(both, *args, *kwargs.values())
        return work(*args, **kwargs)

    return both


def rehearse(work: Callable[..., object], path: Any, *args: Any) -> None:
    """Have the child call ``work(path, *args)``; what it returns or raises does not matter.

    Parameters
    ----------
    work : callable
        Of a module, so that it can be named to the child.
    path : path
        The file that is looked at.
    *args
        Words and numbers.

    Raises
    ------
    InputError
        HDF5 crashes on the file, or gets nowhere.
    OutOfMemoryError
        The child was killed, as the system does when memory ends.
    """
    if _stage.is_child:
        return
    try:
        about = os.stat(path)
    except (OSError, ValueError):
        # The work says what is wrong.
        return
    key: _Key = work.__qualname__, (*args, _stage.distrusts), state(about)
    where = printable(os.fspath(path))
    # One at a time, and none while another thread is in HDF5: the lock must be free in the child.
    with phil:
        if key in _stage.passed:
            return
        try:
            if not _stage.pid:
                _stage.begin()
        except OSError as error:
            if not _stage.distrusts:
                return
            raise InputError(f"{where}: no process to try it in: {error.strerror}") from error
        died = _asked(pickle.dumps((work, about.st_size, _stage.distrusts, (path, *args))))
        if died is None:
            if len(_stage.passed) >= MAX_REMEMBERED:
                _stage.passed.clear()
            _stage.passed.add(key)
            return
    if died == signal.SIGPROF:
        raise InputError(f"{where}: damaged; HDF5 would read it without end. Use a sound copy")
    if died in (signal.SIGKILL, signal.SIGTERM, 0):
        raise OutOfMemoryError(f"{where}: the process that reads it first was ended; is there memory for it?")
    raise InputError(f"{where}: damaged; HDF5 crashes on it ({signal.Signals(died).name}). Use a sound copy")


def _asked(request: bytes) -> int | None:
    """None if the child got through it, else the signal that it died of."""
    try:
        with contextlib.suppress(BrokenPipeError):
            while request:
                request = request[os.write(_stage.requests, request) :]
        return None if os.read(_stage.answers, 1) == b"." else _stage.end()
    except BaseException:
        # Interrupted: its answer would be taken for that to the next request.
        _stage.end()
        raise


def _serve(requests: int, answers: int, others: tuple[int, ...]) -> NoReturn:
    """Be the child."""
    try:
        _stage.is_child = True
        _close(*others)
        # The terminal's signals are for the one who waits; those of a crash shall not run handlers in Python.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGPROF, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # The C library's last words would be a second line, and pipes shall not wait for this process.
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        with os.fdopen(requests, "rb") as stream:
            while True:
                work, size, _stage.distrusts, args = pickle.load(stream)
                door.progress.append(functools.partial(_wind, PATIENCE + size / BYTES_A_SECOND))
                door.progress[0]()
                with contextlib.suppress(Exception):
                    work(*args)
                _wind(0)
                door.progress.clear()
                os.write(answers, b".")
    finally:
        os._exit(0)


def _wind(seconds: float) -> None:
    """Let the process die by SIGPROF after so many seconds of the processor from now."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
