"""Where the reports of ``dwconv apply`` go."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import TYPE_CHECKING

import click

from dwconv_cli.cli import answering, say, tell
from dwconv_cli.cli.apply_options import ApplyOptions

if TYPE_CHECKING:
    from dwconv_cli.cli.summary import Summary
    from dwconv_cli.jobs.report import Report
    from dwconv_cli.storage.sink import FileSink


class Log:
    """A table or lines on standard error, JSON on standard output, JSON into a file; a context manager.

    The file appears when all reports are in it, including those of inputs that failed.
    """

    def __init__(self, options: ApplyOptions) -> None:
        self._options = options
        self._summary: Summary | None = None
        self._sink: FileSink | None = None
        self._end = 0
        # Recordings that share a layer share its notes, which are printed once.
        self._printed_notes: set[str] = set()
        if self._options.report_file is not None:
            from dwconv_cli.storage.sink import check_absent

            check_absent(self._options.report_file, self._options.overwrite)

    def expect(self, inputs: int) -> None:
        """Take note of how many inputs there are. One has a table; each of several has a line, and a summary follows."""
        if inputs > 1 and not (self._options.quiet or self._options.as_json):
            from dwconv_cli.cli.summary import Summary

            self._summary = Summary(inputs)

    def __enter__(self) -> Log:
        if self._options.report_file is not None:
            from dwconv_cli.storage.sink import FileSink

            self._sink = FileSink(self._options.report_file, self._options.overwrite)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink is None:
            return
        try:
            if kind is None:
                self._sink.commit()
        finally:
            self._sink.abort()

    def add(self, report: Report) -> None:
        """Print or write the report of one input."""
        entry = report.to_json()
        line = json.dumps(entry)
        if self._sink is not None:
            data = memoryview(f"{line}\n".encode())
            self._sink.write_at(data, self._end)
            self._end += len(data)
        if self._options.as_json:
            with answering():
                click.echo(line)
            for note in [] if self._options.quiet else report.notes:
                self.note(note)
            return
        if self._summary is not None:
            self._summary.count(report)
            if report.status != "failed" and not self._options.verbose:
                from dwconv_cli.cli.lines import report_line

                tell(report_line(entry, self._new(report.notes), sys.stderr))
                return
        if not self._options.quiet and report.status != "failed":
            from dwconv_cli.cli.render import report_table

            report_table(entry, sys.stderr, self._options.verbose)

    def summarize(self) -> None:
        """Print what became of several inputs."""
        text = "" if self._summary is None else self._summary.text()
        if text:
            tell(text)

    def note(self, note: str) -> None:
        """Print a note, unless it was printed before."""
        for text in self._new([note]):
            say(text, "note")

    def _new(self, notes: list[str]) -> list[str]:
        """Those of `notes` that were not printed before, which counts as printing them."""
        new = [note for note in dict.fromkeys(notes) if note not in self._printed_notes]
        self._printed_notes.update(new)
        return new
