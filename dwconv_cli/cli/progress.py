"""How far a long job is, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

import click

from dwconv_cli.text import printable

# Seconds that a recording takes before it counts as long; between two lines on a terminal; and between two elsewhere.
LONG, TERMINAL_PAUSE, PAUSE = 1.0, 0.2, 5.0


@dataclass
class _Recording:
    address: str
    begun: float
    done: int = 0
    total: int = 0


class Progress:
    """Lines such as ``rec.npy  45 %  312 M samples/s  4 s left``; on a terminal each replaces the last.

    Recordings that are filtered side by side share a line, which begins with ``rec.npy and 1 more``.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._lock = threading.RLock()
        # By thread: each filters one recording at a time.
        self._recordings: dict[int, _Recording] = {}
        self._shown = 0.0
        self._width = 0

    def __call__(self, address: str, done: int, total: int) -> None:
        """Take note that `done` of `total` samples of a recording are filtered, and say so if it is time to."""
        now, thread = time.monotonic(), threading.get_ident()
        with self._lock:
            recording = self._recordings.get(thread)
            if recording is None or recording.address != address:
                recording = self._recordings[thread] = _Recording(address, now)
            recording.done, recording.total = done, total
            if done >= total:
                del self._recordings[thread]
                self.clear()
            elif now - self._shown >= (TERMINAL_PAUSE if self._terminal else PAUSE):
                self._show(now)

    def clear(self) -> None:
        """Take the line off the terminal."""
        with self._lock:
            if self._width:
                click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
                self._width = 0

    def _show(self, now: float) -> None:
        long = [recording for recording in self._recordings.values() if now - recording.begun >= LONG]
        if not long:
            return
        self._shown = now
        done, total = sum(one.done for one in long), sum(one.total for one in long)
        rate = sum(one.done / (now - one.begun) for one in long)
        seconds = (total - done) / max(rate, 1e-9)
        name = printable(long[0].address) + (f" and {len(long) - 1} more" if len(long) > 1 else "")
        line = f"{name}  {100 * done // total} %  {rate / 1e6:.0f} M samples/s  {_duration(seconds)} left"
        if self._terminal:
            click.echo("\r" + line.ljust(self._width), err=True, nl=False)
            self._width = len(line)
        else:
            click.echo(line, err=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
