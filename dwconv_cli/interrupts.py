"""What a signal does to this process, and what it must not break off.

SIGINT, SIGTERM and SIGHUP end the command line at once, after its unfinished files are removed. Their handler raises
no exception, since that could come from any line, such as one between a lock and its release, or from a method that
HDF5 calls. Python runs handlers in the main thread only, between two instructions, while the other threads go on.

    unfinished_files    temporary files that are removed before a signal ends the process
    file_creation       the lock under which they are created
    undisturbed         a block of code after which signals act, not within it
    FirstSignal         a block of code in which the first signal ends a recording, not the process
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NoReturn, Self

Handler = Callable[[int, FrameType | None], object]

# The signals that end this process.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Those that may end a recording instead.
RECORDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds that the end of the process waits for a thread that creates a file. It needs less than a millisecond, unless
# the disk hangs.
CREATION_SECONDS = 0.5
# Seconds in which the same signal counts once: timeout(1) sends it to the command and to the command's group.
ECHO_SECONDS = 0.05

# Open folders, and the names of temporary files in them. A name is added before its file is created, so that no signal
# can come in between.
unfinished_files: set[tuple[int, str]] = set()
# Held while a name is added and its file created, or another thread could create it just after all files were removed.
# It is reentrant, since a signal may come while the main thread itself holds it.
file_creation = threading.RLock()


def remove_unfinished_files() -> None:
    """Remove all temporary files, as the last thing that this process does."""
    for folder, name in tuple(unfinished_files):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)


def end_by_signal(number: int, frame: FrameType | None = None) -> NoReturn:
    """Remove the unfinished files and end the process with the exit code of a signal; the command line's handler."""
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    # Not released again: no other thread may create a file until the process has ended.
    file_creation.acquire(timeout=CREATION_SECONDS)
    remove_unfinished_files()
    os._exit(128 + number)


def install_handlers() -> None:
    """Have signals end the process by :func:`end_by_signal`; nothing happens outside the main thread."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, end_by_signal)
        # A shell has its background jobs ignore SIGINT, and nohup has them ignore SIGHUP: that stays so.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, end_by_signal)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, end_by_signal)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals act when the block is over: an exception from a file object's method makes HDF5 crash.

    In other threads than the main one nothing needs to be done, since no handlers run there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    events: list[tuple[int, FrameType | None]] = []
    before = _replace_handlers(SIGNALS, lambda *event: events.append(event))
    try:
        yield
    finally:
        _restore_handlers(before)
        for number, frame in events[:1]:
            before[number](number, frame)


class FirstSignal:
    """Note the first SIGINT or SIGTERM; the next one does what it did before. A context manager for the main thread.

    Attributes
    ----------
    name : str or None
        Name of the signal that came.
    fd : int
        A descriptor that becomes readable when a signal comes, for :func:`select.poll`.
    """

    name: str | None = None

    def __enter__(self) -> Self:
        self.fd, self._writing_end = os.pipe()
        for fd in (self.fd, self._writing_end):
            os.set_blocking(fd, False)
        # A signal just before poll(2) does not interrupt it, and the handler would run only afterwards. But the
        # interpreter writes to this descriptor at once, which ends the poll.
        self._fd_before = signal.set_wakeup_fd(self._writing_end, warn_on_full_buffer=False)
        self._before = _replace_handlers(RECORDING_SIGNALS, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        _restore_handlers(self._before)
        signal.set_wakeup_fd(self._fd_before)
        os.close(self.fd)
        os.close(self._writing_end)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.name is None:
            self.name, self._time = signal.Signals(number).name, now
        elif now - self._time > ECHO_SECONDS:
            self._before[number](number, frame)


def _replace_handlers(signals: Sequence[signal.Signals], handler: Handler) -> dict[int, Handler]:
    """Install `handler` for those of `signals` that have one, and return theirs; an ignored signal stays ignored."""
    before: dict[int, Handler] = {}
    for number in signals:
        if callable(old := signal.getsignal(number)):
            before[number] = old
            signal.signal(number, handler)
    return before


def _restore_handlers(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
