"""How far a long job is, on standard error."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

import click

from dwconv_cli.text import printable

# Seconds before a job counts as long, between two lines on a terminal, and between two lines elsewhere.
PATIENCE, BLINK, PAUSE = 1.0, 0.2, 5.0


@dataclass
class _Running:
    address: str
    begun: float
    done: int = 0
    total: int = 0


class Progress:
    """Lines such as ``rec.npy  45 %  312 M samples/s  4 s left``; on a terminal each replaces the last.

    Of recordings that are filtered side by side, ``rec.npy and 1 more`` tells of all together.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._lock = threading.Lock()
        # Each thread has one at a time.
        self._running: dict[int, _Running] = {}
        self._shown = 0.0
        self._width = 0

    def __call__(self, address: str, done: int, total: int) -> None:
        """Say that `done` of `total` samples of a recording are filtered, if it is time to."""
        now, me = time.monotonic(), threading.get_ident()
        pause = BLINK if self._terminal else PAUSE
        with self._lock:
            one = self._running.get(me)
            if one is None or one.address != address:
                self._running.pop(me, None)
                if not self._running:
                    self._shown = now + PATIENCE - pause
                one = self._running[me] = _Running(address, now)
            one.done, one.total = done, total
            if done >= total:
                del self._running[me]
                self._clear()
            elif now - self._shown >= pause:
                self._show(now)

    def clear(self) -> None:
        """Take the line off the terminal, at the end of a job."""
        with self._lock:
            self._clear()

    def _show(self, now: float) -> None:
        long = [one for one in self._running.values() if now - one.begun >= PATIENCE]
        if not long:
            return
        self._shown = now
        done, total = sum(one.done for one in long), sum(one.total for one in long)
        rate = sum(one.done / max(now - one.begun, 1e-9) for one in long)
        left = (total - done) / max(rate, 1e-9)
        name = long[0].address + (f" and {len(long) - 1} more" if len(long) > 1 else "")
        line = f"{printable(name)}  {100 * done // total} %  {rate / 1e6:.0f} M samples/s  {_time(left)} left"
        if self._terminal:
            click.echo("\r" + line.ljust(self._width), err=True, nl=False)
            self._width = len(line)
        else:
            click.echo(line, err=True)

    def _clear(self) -> None:
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
            self._width = 0


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
