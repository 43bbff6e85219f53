"""Signals held back while HDF5 works through a file object of ours."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dwconv_cli.threads import SIGNALS


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals act on leaving only: an exception out of a file object's method makes HDF5 end by SIGSEGV.

    Python runs handlers in the main thread alone, so that other threads need nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    taken = {number: handler for number, handler in handlers.items() if callable(handler)}
    try:
        for number in taken:
            signal.signal(number, lambda *event: came.append(event))
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        for event, frame in came[:1]:
            taken[signal.Signals(event)](event, frame)
