"""Several pieces of work at once in threads, and their results in order."""

from __future__ import annotations

import atexit
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

from dwconv_cli.interrupts import SIGNALS
from dwconv_cli.threads import started_daemon

T = TypeVar("T")
R = TypeVar("R")

# Finished items that may wait for a slow one before them. More would keep the threads busy for longer, but would also
# leave more unreported work behind when an early item fails.
AHEAD = 8

# Seconds that threads get to end. They may be waiting for a pipe that stays silent.
PATIENCE = 3.0


class Unwanted(BaseException):
    """Ends work whose result nobody waits for; not an `Exception`, so that no handler of errors takes it for one."""


def side_by_side(
    work: Callable[[T, Callable[[], None]], R],
    items: Sequence[T],
    jobs: int,
    is_last: Callable[[R], bool],
) -> Iterator[R]:
    """Call `work` on items, up to `jobs` at once, and yield the results in the order of the items.

    Parameters
    ----------
    work : callable
        Called with an item and a function that raises :class:`Unwanted` if nobody waits for the result any more;
        `work` has to call it now and then.
    items : sequence
        At most ``jobs + AHEAD`` items are begun whose results were not yet yielded.
    jobs : int
    is_last : callable
        Takes a result, and tells whether nothing is wanted after it. Then no further item is begun, and those after
        it that were begun are given up.

    Yields
    ------
    object
        Results. The last one comes when no thread works any more.

    Raises
    ------
    BaseException
        What `work` raised, in its item's place.
    """
    tasks: queue.SimpleQueue[tuple[int, T, Future[R]] | None] = queue.SimpleQueue()
    # Numbers of items after which nothing is wanted; the lowest counts. Threads append to it without a lock.
    last_numbers = [len(items)]

    def do(number: int, item: T, future: Future[R]) -> None:
        def go_on() -> None:
            if number > min(last_numbers):
                raise Unwanted

        try:
            go_on()
            result = work(item, go_on)
        except BaseException as error:
            last_numbers.append(number)
            future.set_exception(error)
        else:
            if is_last(result):
                last_numbers.append(number)
            future.set_result(result)

    def run() -> None:
        # Signals go to the main thread, which would not notice them while it sleeps.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while (task := tasks.get()) is not None:
            do(*task)

    threads: list[threading.Thread] = []

    def dismiss() -> None:
        """Have all threads give up what they do, and wait until they have ended."""
        last_numbers.append(-1)
        for _ in threads:
            tasks.put(None)
        until = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    # Otherwise the interpreter would end in the middle of what the threads do, and leave their files unfinished.
    atexit.register(dismiss)
    waiting: deque[Future[R]] = deque()
    try:
        for number in range(min(jobs, len(items))):
            if thread := started_daemon(run, f"dwconv-job-{number}"):
                threads.append(thread)
        begun = 0
        for number in range(len(items)):
            while begun < min(len(items), number + jobs + AHEAD):
                waiting.append(Future())
                tasks.put((begun, items[begun], waiting[-1]))
                begun += 1
            if not threads:
                do(number, items[number], waiting[0])
            result = waiting.popleft().result()
            if is_last(result):
                break
            yield result
        else:
            return
    finally:
        dismiss()
        atexit.unregister(dismiss)
    yield result
