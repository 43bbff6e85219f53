"""Work shared out over threads, and the linear algebra of BLAS kept to one thread in each."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from dwconv_cli.errors import OutOfMemoryError
from dwconv_cli.errors.memory import BLAS_BYTES, MORE_SPACE, has_room

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def keep_blas_single() -> None:
    """Keep a BLAS that is not loaded yet to one thread for good; then :data:`one_blas_thread` has nothing to set."""
    for variable in _BLAS_VARIABLES:
        os.environ[variable] = "1"


def available() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(work: Callable[[T], object], items: Iterable[T], threads: int) -> None:
    """Call `work` on each item, on up to `threads` threads of which the caller's is one.

    Parameters
    ----------
    work : callable
    items : iterable
        Each thread takes the next one when it is done with the one before, so that a slow item holds up one thread only.
    threads : int
    """
    items = list(items)
    # Threads may share it, since next() on the iterator of a list is atomic.
    left = iter(items)

    def run() -> None:
        for item in left:
            work(item)

    others = [submit(run) for _ in range(min(threads, len(items)) - 1)]
    try:
        run()
    finally:
        # Once an item has failed, the other threads must not begin another one.
        for _ in left:
            pass
        for other in others:
            other.result()


class OneBlasThread:
    """A context manager: while any thread is inside, BLAS uses one thread for each of its calls.

    With more, the bits of its sums would depend on their number. Besides, the threads here keep the processors busy.
    Each thread inside needs a buffer of BLAS. Where there is no memory for another buffer, threads take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._most_inside = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._turn:
            # BLAS keeps its buffers. Only if more threads come inside than ever before, another one is needed.
            while self._inside >= self._most_inside and not has_room((self._inside + 1) * BLAS_BYTES):
                if not self._inside:
                    raise OutOfMemoryError(f"out of memory for a buffer of BLAS; {MORE_SPACE}")
                self._turn.wait()
            if self._inside == 0 and not _single_by_environment():
                self._limit = _blas_libraries().limit(limits=1)
            self._inside += 1
            self._most_inside = max(self._most_inside, self._inside)

    def __exit__(self, *exc: object) -> None:
        with self._turn:
            self._inside -= 1
            if self._inside == 0 and not _single_by_environment():
                self._limit.restore_original_limits()
            self._turn.notify()


one_blas_thread = OneBlasThread()


@cache
def _single_by_environment() -> bool:
    # keep_blas_single() or the user has set them. BLAS reads them once, when it is loaded.
    return all(os.environ.get(variable) == "1" for variable in _BLAS_VARIABLES)


@cache
def _blas_libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def submit(function: Callable[..., R], *args: Any) -> Future[R]:
    """Call a function on another thread, or here and now if there is no memory for one."""
    try:
        return pool().submit(function, *args)
    except RuntimeError:
        from concurrent.futures import Future

        done: Future[R] = Future()
        try:
            done.set_result(function(*args))
        except BaseException as error:
            done.set_exception(error)
        return done


def started_daemon(function: Callable[[], None], name: str) -> threading.Thread | None:
    """A thread that calls `function`, and that the interpreter's end does not wait for; None without memory for one.

    It is for work that may wait for a pipe that stays silent. A thread of an executor would keep the command from
    ending then.
    """
    thread = threading.Thread(target=function, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that all work shares."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(available(), "dwconv")


# A forked child has the pool of its parent, but none of its threads.
os.register_at_fork(after_in_child=pool.cache_clear)
