"""Reading ahead and writing behind: each in a thread of its own, with a few blocks in a queue between the threads.

Where there is no memory for a thread, the caller's thread does the work.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, TypeVar

from dwconv_cli.threads import started_daemon

T = TypeVar("T")

# Blocks in a queue: one is handed over while the next is made.
DEPTH = 2

# Seconds that a thread gets to end after an error.
PATIENCE = 1.0

_END = object()


@contextmanager
def ahead(items: Iterable[T]) -> Iterator[Iterable[T]]:
    """Make the items of an iterable in another thread, up to `DEPTH` before they are needed.

    An error in the thread is raised where the items are taken.
    """
    ready: queue.Queue[Any] = queue.Queue(DEPTH)
    stopped = threading.Event()
    errors: list[BaseException] = []

    def make() -> None:
        try:
            for item in items:
                ready.put(item)
                if stopped.is_set():
                    return
        except BaseException as error:
            errors.append(error)
        ready.put(_END)

    def take() -> Iterator[T]:
        yield from iter(ready.get, _END)
        if errors:
            raise errors[0]

    thread = started_daemon(make, "dwconv-read")
    if thread is None:
        yield items
        return
    try:
        yield take()
    finally:
        stopped.set()
        until = monotonic() + PATIENCE
        while thread.is_alive() and monotonic() < until:
            # The thread may be waiting for room in the queue.
            while not ready.empty():
                ready.get()
            thread.join(0.01)


@contextmanager
def behind(function: Callable[[T], object]) -> Iterator[Callable[[T], object]]:
    """Call a function in another thread, up to `DEPTH` calls behind.

    Yields what to call instead. It raises the error of an earlier call; leaving raises that of a last one.
    """
    waiting: queue.Queue[Any] = queue.Queue(DEPTH)
    errors: list[BaseException] = []

    def call() -> None:
        for item in iter(waiting.get, _END):
            if not errors:
                try:
                    function(item)
                except BaseException as error:
                    errors.append(error)

    def put(item: T) -> None:
        if errors:
            raise errors[0]
        waiting.put(item)

    thread = started_daemon(call, "dwconv-write")
    if thread is None:
        yield function
        return
    try:
        yield put
    except BaseException as error:
        # The thread passes over what waits in the queue, unless it is stuck.
        errors.append(error)
        with suppress(queue.Full):
            waiting.put(_END, timeout=PATIENCE)
            thread.join(PATIENCE)
        raise
    waiting.put(_END)
    thread.join()
    if errors:
        raise errors[0]
