"""How far a long job is, on standard error."""

from __future__ import annotations

import math
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dwconv_cli.cli.columns import columns_of, has_colour, shortened, width_of
from dwconv_cli.cli.durations import on_a_clock
from dwconv_cli.text import printable

if TYPE_CHECKING:
    from dwconv_cli.jobs.report import Report

# Seconds that a recording takes before it counts as long; between two lines on a terminal; and between two elsewhere.
LONG, TERMINAL_PAUSE, PAUSE = 1.0, 0.2, 5.0


@dataclass
class _Recording:
    address: str
    begun: float
    done: int = 0
    total: int = 0


class Progress:
    """Lines such as ``rec.npy  45 %  312 M samples/s  0:04 left``; on a terminal each replaces the last.

    Where many recordings are expected it is ``[812/1999] 38 MB/s 0:12 left``: how many have a report, how many bytes
    of them were read in a second, and the time left if the others take as long.
    """

    def __init__(self) -> None:
        self._terminal = has_colour(sys.stderr)
        self._lock = threading.RLock()
        # By thread: each filters one recording at a time.
        self._recordings: dict[int, _Recording] = {}
        self._begun = time.monotonic()
        self._shown = 0.0 if self._terminal else self._begun
        self._width = 0
        # Of several recordings: how many are expected, have a report, and have one that says they were filtered.
        self._expected = 1
        self._reported = self._filtered = 0
        self._bytes, self._until = 0, self._begun

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
                if self._expected == 1:
                    self.clear()
            elif now - self._shown >= (TERMINAL_PAUSE if self._terminal else PAUSE):
                self._show(now)

    def expect(self, recordings: int) -> None:
        """Count up to a number of `recordings` from now on."""
        self._expected = recordings
        self._begun = self._until = time.monotonic()

    def count(self, report: Report) -> None:
        """Count a recording that has its report."""
        with self._lock:
            self._reported += 1
            if report.status == "ok":
                self._filtered += 1
                self._until = time.monotonic()
                self._bytes += _nbytes(report)

    def show_counter(self) -> None:
        """Show the counter again, after a line that took its place."""
        with self._lock:
            if self._terminal and self._reported < self._expected:
                self._show(time.monotonic())

    def clear(self) -> None:
        """Take the line off the terminal."""
        with self._lock:
            if self._width:
                click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
                self._width = 0

    def _show(self, now: float) -> None:
        line = self._counter(now) if self._expected > 1 else self._one(now)
        if not line:
            return
        self._shown = now
        if self._terminal:
            # A line that is as wide as the terminal would be folded, and could not be replaced.
            line = shortened(line, (columns_of(sys.stderr) or 80) - 1)
            click.echo("\r" + line + " " * max(0, self._width - width_of(line)), err=True, nl=False)
            self._width = width_of(line)
        else:
            click.echo(line, err=True)

    def _one(self, now: float) -> str:
        """How far one recording is, once it has taken long."""
        long = self._long(now)
        if not long:
            return ""
        recording = long[0]
        rate = recording.done / (now - recording.begun)
        left = (recording.total - recording.done) / max(rate, 1e-9)
        return f"{_part(recording)}  {rate / 1e6:.0f} M samples/s  {on_a_clock(left)} left"

    def _counter(self, now: float) -> str:
        """How far the many are, once they have taken long; only what is known so far."""
        if now - self._begun < LONG:
            return ""
        words = [f"[{self._reported}/{self._expected}]"]
        if self._filtered:
            words.append(f"{self._bytes / 1e6 / max(self._until - self._begun, 1e-9):.3g} MB/s")
            parts = sum(one.done / max(one.total, 1) for one in self._recordings.values())
            left = (now - self._begun) * (self._expected - self._reported - parts) / (self._filtered + parts)
            words.append(f"{on_a_clock(max(left, 0.0))} left")
        long = self._long(now)
        if long:
            more = f" and {len(long) - 1} more" if len(long) > 1 else ""
            words.append(f" {_part(long[0])}{more}")
        return " ".join(words)

    def _long(self, now: float) -> list[_Recording]:
        return [recording for recording in self._recordings.values() if now - recording.begun >= LONG]


def _part(recording: _Recording) -> str:
    return f"{printable(recording.address)}  {100 * recording.done // recording.total} %"


def _nbytes(report: Report) -> int:
    """Bytes of a recording that was filtered."""
    import numpy as np

    itemsize = np.dtype(report.input["dtype"]).itemsize
    return int(math.prod(report.input["shape"]) * itemsize)
