"""The reports of a run, which come as its recordings are filtered."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType

from dwconv_cli.jobs.report import Report


class Reports(Generator[Report, None, None]):
    """A generator of reports whose length, the number of recordings, is known from the beginning.

    Fewer reports come where a run stops at a recording that fails.

    Parameters
    ----------
    reports : generator of Report
    expected : int
        Number of recordings.

    Examples
    --------
    >>> reports = Reports((Report(input={"address": name}) for name in ("a.npy", "b.npy")), 2)
    >>> len(reports), next(reports).input["address"]
    (2, 'a.npy')
    """

    def __init__(self, reports: Generator[Report, None, None], expected: int) -> None:
        self._reports = reports
        self._expected = expected

    def __len__(self) -> int:
        return self._expected

    def __bool__(self) -> bool:
        """True, as of any generator, whatever its length."""
        return True

    def send(self, value: None) -> Report:
        """The next report."""
        return self._reports.send(value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
    ) -> Report:
        """Raise an exception where the run waits for its next report to be asked for."""
        error = kind if isinstance(kind, BaseException) else kind(*([] if value is None else [value]))
        return self._reports.throw(error.with_traceback(trace) if trace is not None else error)

    def close(self) -> None:
        """End the run; recordings that are being filtered are given up."""
        self._reports.close()
