"""What a reader, a writer and an output of any format can do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from dwconv_cli.arrays import Array


class Reader(Protocol):
    """Blocks of one array."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    sequential: bool
    chunks: tuple[int, ...] | None
    attributes: dict[str, Any]
    storage: dict[str, Any]

    def read(self, selection: tuple[slice, ...], out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype."""

    def spool(self) -> None:
        """Make it readable in any order."""

    def finish(self) -> None:
        """Check the end; call when all was read."""

    def close(self) -> None:
        """Release what is open."""


class Writer(Protocol):
    """Blocks into one array."""

    sequential: bool

    def spool(self) -> None:
        """Take blocks in any order; called before the first."""

    def write(self, selection: tuple[slice, ...], block: Array) -> None:
        """Put `block` at `selection`."""

    def commit(self) -> None:
        """Complete this array."""

    def abort(self) -> None:
        """Give this array up."""


class Output(Protocol):
    """A file to be: it appears whole at :meth:`commit`, or not at all."""

    def writer(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        attributes: Any = None,
        options: Any = None,
    ) -> Writer:
        """A writer of one array of known shape."""

    def commit(self) -> None:
        """Make the file appear."""

    def abort(self) -> None:
        """Leave things as they were."""
