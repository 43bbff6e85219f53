"""How far a long job is, on standard error."""

from __future__ import annotations

import sys
import time

import click

# Seconds before a job counts as long, between two lines on a terminal, and between two lines elsewhere.
PATIENCE, BLINK, PAUSE = 1.0, 0.2, 5.0


class Progress:
    """Lines such as ``rec.npy  45 %  312 M samples/s  4 s left``; on a terminal each replaces the last."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._address = ""
        self._begun = self._shown = 0.0
        self._width = 0

    def __call__(self, address: str, done: int, total: int) -> None:
        """Say that `done` of `total` samples of a recording are filtered, if it is time to."""
        now = time.monotonic()
        if address != self._address:
            self._address, self._begun, self._shown = address, now, now + PATIENCE - PAUSE
            if self._terminal:
                self._shown = now + PATIENCE - BLINK
        if done >= total:
            self.clear()
        if done >= total or now - self._shown < (BLINK if self._terminal else PAUSE):
            return
        self._shown = now
        rate = done / max(now - self._begun, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        line = f"{address}  {100 * done // total} %  {rate / 1e6:.0f} M samples/s  {_time(left)} left"
        if self._terminal:
            click.echo("\r" + line.ljust(self._width), err=True, nl=False)
            self._width = len(line)
        else:
            click.echo(line, err=True)

    def clear(self) -> None:
        """Take the line off the terminal, at the end of a job."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
            self._width = 0


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
