"""What became of many inputs, in one line."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from dwconv_cli.cli.durations import in_words

if TYPE_CHECKING:
    from dwconv_cli.jobs.report import Report

# Failures that are named; --report FILE has them all.
NAMED = 20


class Summary:
    """Counts reports, and sums them up.

    Parameters
    ----------
    expected : int
        Number of inputs.

    Examples
    --------
    >>> from dwconv_cli.jobs.report import Report
    >>> summary = Summary(2)
    >>> summary.count(Report("ok", {"address": "a.npy"}))
    >>> summary.count(Report("failed", {"address": "b.npy"}))
    >>> summary.text().replace(" 0.0 s", " 1.5 s")
    '1 done, 1 failed, 0 skipped in 1.5 s; failures: b.npy'
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._begun = time.monotonic()
        self._statuses: Counter[str] = Counter()
        # Names of inputs that failed by themselves, and of those whose output was given up with another's.
        self._failures: list[str] = []
        self._given_up: list[str] = []

    def count(self, report: Report) -> None:
        """Count the report of one input."""
        self._statuses[report.status] += 1
        if report.status == "failed":
            names = self._given_up if report.cause is None and self._failures else self._failures
            names.append(report.input["address"])

    def text(self) -> str:
        """The line; it is empty where a failure ended the run before anything was done."""
        statuses, reported = self._statuses, self._statuses.total()
        if reported < self._expected and not (statuses["ok"] or statuses["skipped"]):
            return ""
        planned = f"{statuses['planned']} planned, " if statuses["planned"] else ""
        done = "" if planned and not statuses["ok"] else f"{statuses['ok']} done, "
        line = f"{done}{planned}{statuses['failed']} failed, {statuses['skipped']} skipped"
        if reported < self._expected:
            line += f", {self._expected - reported} left"
        line += f" in {in_words(time.monotonic() - self._begun)}"
        if names := self._failures + self._given_up:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            line += f"; failures: {', '.join(names[:NAMED])}{more}"
        if reported < self._expected:
            line += "; --keep-going --skip-existing does the rest"
        return line
