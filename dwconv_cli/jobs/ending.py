"""Reading a stream that has no end of its own: whoever records it stops it by a signal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import sys
import termios
import threading
from collections.abc import Iterator
from typing import Any

from dwconv_cli.interrupts import FirstSignal
from dwconv_cli.storage.standard_streams import WaitingFile, unbuffered

# Bytes to ask for at once; a pipe gives what it has.
ASK = 1 << 20


class Ending(FirstSignal):
    """The first SIGINT or SIGTERM ends the recording that comes from an unbuffered `stream` with a descriptor."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def pieces(self) -> Iterator[bytes]:
        """Yield what arrives, up to the end of the stream or to what had arrived when a signal came."""
        while self._is_readable():
            if not (piece := self._stream.read(ASK)):
                return
            yield piece
        left = self._waiting_bytes()
        while left and (piece := self._stream.read(min(left, ASK))):
            left -= len(piece)
            yield piece

    def _is_readable(self) -> bool:
        """Wait for something to read; False if a signal came instead."""
        poll = select.poll()
        for fd in (self._stream.fileno(), self.fd):
            poll.register(fd, select.POLLIN)
        while self.name is None:
            events = dict(poll.poll())
            if self.fd in events:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.fd, 512)
            elif events:
                return True
        return False

    def _waiting_bytes(self) -> int:
        """Bytes that can be read without waiting, where the system tells; else 0."""
        count = bytearray(4)
        try:
            fcntl.ioctl(self._stream.fileno(), termios.FIONREAD, count)
        except OSError:
            return 0
        return int.from_bytes(count, sys.byteorder)


def ending_of_standard_input() -> Ending | None:
    """Have a signal end standard input; None if it is a file, whose length is known."""
    raw = unbuffered(sys.stdin.buffer)
    if not isinstance(raw, WaitingFile) or stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    return Ending(raw) if threading.current_thread() is threading.main_thread() else None
