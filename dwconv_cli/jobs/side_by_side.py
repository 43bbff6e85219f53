"""Several pieces of work at once in threads, their results in order, and what of it a signal must not tear."""

from __future__ import annotations

import atexit
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from dwconv_cli.threads import SIGNALS

T = TypeVar("T")
R = TypeVar("R")

# Items done that may wait for a slow one before them; more would keep the threads busy for longer, but would also
# leave more behind when an early item fails.
AHEAD = 8

# Seconds that threads get to end. They may be waiting for a pipe where nothing happens any more.
PATIENCE = 3.0

# Seconds that a signal waits for files that are being made or published just now.
RESPITE = 0.5


class Unwanted(BaseException):
    """Ends work whose result nobody waits for any more; no error, so that nobody takes it for one."""


def side_by_side(
    work: Callable[[T, Callable[[], None]], R],
    items: Sequence[T],
    jobs: int,
    is_last: Callable[[R], bool],
) -> Iterator[R]:
    """Call `work` on items, up to `jobs` at once, and give the results in the order of the items.

    Parameters
    ----------
    work : callable
        Called with an item and a function that raises :class:`Unwanted` if nobody waits for the result any more;
        to be called now and then.
    items : sequence
        At most ``jobs + AHEAD`` are begun whose results were not taken.
    jobs : int
    is_last : callable
        Whether nothing is to come after a result; no item is begun once one is there, and what comes after it is
        given up.

    Yields
    ------
    object
        Results, the last one when no work goes on any more.

    Raises
    ------
    BaseException
        What `work` raised, in its item's place.
    """
    crew = _Crew(work, min(jobs, len(items)), is_last)
    found: dict[int, tuple[Any, BaseException | None]] = {}
    begun = given = 0
    # Threads that nobody waits for would be torn off with the interpreter's end, their files half done.
    atexit.register(crew.dismiss)
    try:
        while given < len(items):
            while begun < min(len(items), given + jobs + AHEAD):
                crew.todo.put((begun, items[begun]))
                begun += 1
            while given not in found:
                number, result, error = crew.next_done()
                found[number] = result, error
            result, error = found.pop(given)
            if error is not None:
                raise error
            if is_last(result):
                break
            given += 1
            yield result
        else:
            return
    finally:
        crew.dismiss()
        atexit.unregister(crew.dismiss)
    yield result


class _Crew(Generic[T, R]):
    """Threads that take numbered items from :attr:`todo`.

    Only queues connect them with the main thread, which an interrupt may leave anywhere: no lock can stay taken.
    """

    def __init__(
        self, work: Callable[[T, Callable[[], None]], R], jobs: int, is_last: Callable[[R], bool]
    ) -> None:
        self._work, self._is_last = work, is_last
        self.todo: queue.SimpleQueue[tuple[int, T] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()
        self._over = False
        # The lowest number of an item that is the last one.
        self._last: float = float("inf")
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        for number in range(jobs):
            thread = threading.Thread(target=self._run, name=f"dwconv-job-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # No memory for another one.
                break
            self._threads.append(thread)

    def next_done(self) -> tuple[int, Any, BaseException | None]:
        """Number, result and error of an item that is done, in any order."""
        if not self._threads:
            waiting = self.todo.get()
            assert waiting is not None
            self._do(*waiting)
        return self._done.get()

    def dismiss(self) -> None:
        """Have all threads give up what they do and end."""
        self._over = True
        for _ in self._threads:
            self.todo.put(None)
        until = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        # They are for the main thread, which may sleep and would not hear of them.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while (item := self.todo.get()) is not None:
            self._do(*item)

    def _do(self, number: int, item: T) -> None:
        def go_on() -> None:
            if self._over or number > self._last:
                raise Unwanted

        try:
            go_on()
            result = self._work(item, go_on)
        except BaseException as error:
            self._end_with(number)
            self._done.put((number, None, error))
        else:
            if self._is_last(result):
                self._end_with(number)
            self._done.put((number, result, None))

    def _end_with(self, number: int) -> None:
        with self._lock:
            self._last = min(self._last, number)


class _Unbroken:
    """While a thread is inside, the process does not end by a signal; a context manager for all threads.

    A temporary file is known by name before it is there, so that a signal's handler can remove it. In the handler's
    own thread nothing happens meanwhile, but another one may make the file just after its removal.
    """

    def __init__(self) -> None:
        self._inside: set[int] = set()
        self._shut: threading.Event | None = None

    def __enter__(self) -> None:
        me = threading.get_ident()
        # First in, then the look: whoever shuts the door looks for us afterwards.
        self._inside.add(me)
        while (shut := self._shut) is not None:
            self._inside.discard(me)
            shut.wait()
            self._inside.add(me)

    def __exit__(self, *exc: object) -> None:
        self._inside.discard(threading.get_ident())

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let nobody in meanwhile; wait a moment for other threads inside first."""
        shut = self._shut = threading.Event()
        until = time.monotonic() + RESPITE
        while self._inside - {threading.get_ident()} and time.monotonic() < until:
            time.sleep(0.001)
        try:
            yield
        finally:
            self._shut = None
            shut.set()


UNBROKEN = _Unbroken()
