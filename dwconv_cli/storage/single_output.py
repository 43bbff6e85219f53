"""An output of one array that is its whole file, as most formats have it."""

from __future__ import annotations

from dwconv_cli.storage.sink import Sink


class SingleOutput:
    """A file or a stream of one array, which appears whole or not at all; a format adds the method ``writer``."""

    def __init__(self, sink: Sink, kept_file: str | None, replaced: frozenset[str]) -> None:
        self._sink = sink

    def commit(self) -> None:
        """Make the file appear."""
        self._sink.commit()

    def abort(self) -> None:
        """Leave no trace."""
        self._sink.abort()
