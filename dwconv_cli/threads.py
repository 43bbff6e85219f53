"""Work shared out over threads, and BLAS kept to one thread in each."""

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
    """Tell a BLAS that is not loaded yet to use one thread; then nothing needs to be told at every call."""
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
        Shared out one by one, so that a slow item delays nobody else's.
    threads : int
    """
    listed = list(items)
    threads = min(threads, len(listed))
    # next() on a list's iterator is one step for all threads.
    left = iter(listed)

    def run() -> None:
        for item in left:
            work(item)

    others = [submit(run) for _ in range(threads - 1)]
    try:
        run()
    finally:
        # Nobody else may begin an item once one has failed.
        for _ in left:
            pass
        for other in others:
            other.result()


class OneBlasThread:
    """BLAS on one thread while anybody is inside: its sums must not depend on how many there are.

    The threads here are busy already, and a context manager of a few microseconds is what a small call can afford.
    Where there is no memory for as many buffers of BLAS as threads would come inside, they take turns.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._most = 0
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._turn:
            # BLAS keeps its buffers, so that only a thread more than ever before needs another one.
            while self._inside >= self._most and not has_room((self._inside + 1) * BLAS_BYTES):
                if not self._inside:
                    raise OutOfMemoryError(f"out of memory for a buffer of BLAS; {MORE_SPACE}")
                self._turn.wait()
            if self._inside == 0 and not _told():
                self._before = [library.get_num_threads() for library in _libraries()]
                for library, number in zip(_libraries(), self._before, strict=True):
                    if number != 1:
                        library.set_num_threads(1)
            self._inside += 1
            self._most = max(self._most, self._inside)

    def __exit__(self, *exc: object) -> None:
        with self._turn:
            self._inside -= 1
            if self._inside == 0 and not _told():
                for library, number in zip(_libraries(), self._before, strict=True):
                    if number != 1:
                        library.set_num_threads(number)
            self._turn.notify()


one_blas_thread = OneBlasThread()


@cache
def _told() -> bool:
    # By keep_blas_single, or by the user; BLAS read it when it was loaded.
    return all(os.environ.get(variable) == "1" for variable in _BLAS_VARIABLES)


@cache
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


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


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that all work shares."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(available(), "dwconv")


# A forked child has the pool but not its threads.
os.register_at_fork(after_in_child=pool.cache_clear)
