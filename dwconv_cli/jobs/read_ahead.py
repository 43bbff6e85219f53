"""Reading ahead and writing behind: one thread each, a few blocks in between, errors where they belong."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# Blocks under way between two threads: one being handed over while the next is made.
DEPTH = 2

# Seconds that a thread gets to end after an error. It may be waiting for a pipe where nothing happens any more.
PATIENCE = 1.0

_END = object()


class Ahead(Generic[T]):
    """The items of an iterable, made in a thread of their own up to `DEPTH` ahead; a context manager.

    An error in the thread is raised where the items are taken.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(DEPTH)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="dwconv-read", daemon=True)

    def __enter__(self) -> Iterator[T]:
        return self._taken() if _started(self._thread) else iter(self._items)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        until = monotonic() + PATIENCE
        while self._thread.is_alive() and monotonic() < until:
            # Make room, or the thread would wait for it for ever.
            _drain(self._queue)
            self._thread.join(0.01)

    def _run(self) -> None:
        try:
            for item in self._items:
                self._queue.put(item)
                if self._stopped.is_set():
                    return
        except BaseException as error:
            self._error = error
        self._queue.put(_END)

    def _taken(self) -> Iterator[T]:
        while (item := self._queue.get()) is not _END:
            yield item
        if self._error is not None:
            raise self._error


class Behind(Generic[T]):
    """Calls a function on items in a thread of its own, up to `DEPTH` behind; a context manager.

    An error in the thread is raised by the next :meth:`put`, or on leaving.
    """

    def __init__(self, function: Callable[[T], object]) -> None:
        self._function = function
        self._queue: queue.Queue[Any] = queue.Queue(DEPTH)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="dwconv-write", daemon=True)
        self._alone = False

    def __enter__(self) -> Behind[T]:
        self._alone = not _started(self._thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._alone:
            return
        if kind is not None:
            _drain(self._queue)
        self._queue.put(_END)
        self._thread.join(None if kind is None else PATIENCE)
        if kind is None and self._error is not None:
            raise self._error

    def put(self, item: T) -> None:
        """Hand over one item.

        Raises
        ------
        BaseException
            What the function raised on an earlier one.
        """
        if self._error is not None:
            raise self._error
        if self._alone:
            self._function(item)
        else:
            self._queue.put(item)

    def _run(self) -> None:
        while (item := self._queue.get()) is not _END:
            if self._error is not None:
                continue
            try:
                self._function(item)
            except BaseException as error:
                self._error = error


def _started(thread: threading.Thread) -> bool:
    """Start a thread; False if there is no memory for another one, and its work is to be done without it."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _drain(waiting: queue.Queue[Any]) -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
