"""What every file format provides: its module, and its readers, writers and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.sink import Sink

# Attributes of recordings in files that have no attributes of their own, such as audio.
SAMPLING_RATE = "sampling_rate"
SAMPLE_FORMAT = "sample_format"


class Member(NamedTuple):
    """A thing in a file that holds several.

    Parameters
    ----------
    name : str
    is_array : bool
        Whether it is a numeric array of rank 1 to 3.
    is_scale : bool
        Whether it holds the values along a dimension of other arrays, such as the time of each step.
    """

    name: str
    is_array: bool = True
    is_scale: bool = False


class NewArray(NamedTuple):
    """An array that is to be written.

    Parameters
    ----------
    name : str
        What it is called in its file; without effect where a file is one array.
    shape : tuple of int
    dtype : dtype
    attributes : mapping
        Attributes of an HDF5 dataset. An ``.npz`` member keeps the layer's config of them, an ``.npy`` file nothing.
    storage : mapping
        h5py's options for an HDF5 dataset.
    sampling_rate : float, optional
        Steps in a second, for formats that hold it apart from attributes.
    sample_format : str, optional
        How samples are to be held, for formats that have a choice. The input's is among the attributes.
    scale : float
        Factor of the numbers in headerless samples.
    channels_first : bool
        Whether an axis of channels stands before the steps.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any] = {}
    storage: Mapping[str, Any] = {}
    sampling_rate: float | None = None
    sample_format: str | None = None
    scale: float = 1.0
    channels_first: bool = False


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

    def writer(self, array: NewArray) -> Writer:
        """A writer of one array."""

    def commit(self) -> None:
        """Make the file appear."""

    def abort(self) -> None:
        """Leave things as they were."""


class Format(Protocol):
    """A module of :mod:`dwconv_cli.storage.formats`."""

    #: What the names of arrays in a file begin with; None where a file is one array without a name.
    ROOT: str | None

    def members(self, path: str) -> list[Member]:
        """What the file at `path` holds under names, in its order; not needed where `ROOT` is None."""

    def open_reader(self, path: str, name: str, allow_external: bool) -> Reader:
        """A reader of the array `name` in the file at `path`.

        `allow_external` allows that its numbers lie in other files.
        """

    def open_output(self, sink: Sink, kept_file: str | None, replaced: frozenset[str]) -> Output:
        """An output into `sink`, with the content of `kept_file` but for the arrays that are `replaced`."""
