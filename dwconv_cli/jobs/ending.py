"""The end of a recording that has no end of its own: whoever made it stops it by a signal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import stat
import sys
import termios
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from dwconv_cli.storage.waiting import WaitingFile, waiting

NUMBERS = (signal.SIGINT, signal.SIGTERM)
# Bytes to ask for at once; a pipe gives what it has.
ASK = 1 << 20
# Seconds in which a signal counts as the same one: timeout(1) sends it to the command and to its whole group.
ECHO = 0.05


class Ending:
    """The first SIGINT or SIGTERM ends a recording, the next one does what it did before; a context manager.

    To be entered in the main thread.

    Parameters
    ----------
    stream : file
        Unbuffered, with a descriptor, from which the recording comes.

    Attributes
    ----------
    name : str or None
        Of the signal that came.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._before: dict[int, Any] = {}
        self._since = 0.0
        self.name: str | None = None

    def __enter__(self) -> Ending:
        self._awake, self._wake = os.pipe()
        for fd in (self._awake, self._wake):
            os.set_blocking(fd, False)
        # Written to by the interpreter itself: a signal may come just before a wait begins.
        self._other = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in NUMBERS:
            # What is ignored stays so, as the interrupts of jobs in the background.
            if callable(before := signal.getsignal(number)):
                self._before[number] = before
                signal.signal(number, self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._other)
        os.close(self._awake)
        os.close(self._wake)

    def pieces(self) -> Iterator[bytes]:
        """What comes, as it comes, up to the end or to what had come when a signal did.

        Raises
        ------
        OSError
        """
        while self._is_there():
            if not (piece := self._stream.read(ASK)):
                return
            yield piece
        left = self._waiting()
        while left and (piece := self._stream.read(min(left, ASK))):
            left -= len(piece)
            yield piece

    def _end(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if self.name is None:
            self.name, self._since = signal.Signals(number).name, now
        elif now - self._since > ECHO:
            self._before[number](number, frame)

    def _is_there(self) -> bool:
        """Wait for something to read; False if a signal came instead."""
        poll = select.poll()
        for fd in (self._stream.fileno(), self._awake):
            poll.register(fd, select.POLLIN)
        while self.name is None:
            events = dict(poll.poll())
            if self._awake in events:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._awake, 512)
            elif events:
                return True
        return False

    def _waiting(self) -> int:
        """Bytes that are there to be read, where the system can tell."""
        count = bytearray(4)
        try:
            fcntl.ioctl(self._stream.fileno(), termios.FIONREAD, count)
        except OSError:
            return 0
        return int.from_bytes(count, sys.byteorder)


def ending_of_standard_input() -> Ending | None:
    """What a signal ends; nothing if standard input is a file, whose length is known."""
    raw = waiting(sys.stdin.buffer)
    if not isinstance(raw, WaitingFile) or stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    return Ending(raw) if threading.current_thread() is threading.main_thread() else None
