"""HDF5 datasets as recordings."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.errors.system import reason
from dwconv_cli.interrupts import undisturbed
from dwconv_cli.storage import hdf5
from dwconv_cli.storage.hdf5.chunks import ChunkReader, ChunkWriter, codec_of
from dwconv_cli.storage.hdf5.dimensions import ancestors
from dwconv_cli.storage.patterns import name_pattern
from dwconv_cli.storage.runs import Selection, whole
from dwconv_cli.storage.sink import FileSink, exists, kept
from dwconv_cli.storage.source import changed, state_of


@hdf5.rehearsed
def members(path: str) -> list[str]:
    """Absolute names of the numeric datasets of rank 1 to 3 in a file, in its order."""
    with hdf5.open_file(path) as file, hdf5.errors(path):
        ranks = {entry.name: len(entry.shape or ()) for entry in hdf5.walk(file)}
        return [name for name in hdf5.datasets(file) if 1 <= ranks.get(name, 0) <= 3]


def _look(path: str, name: str, allow_external: bool) -> None:
    """What becomes of a dataset, for a process that may die of it."""
    with contextlib.closing(H5Reader(path, name, allow_external)) as reader:
        hdf5.read_through(reader._dataset)
        if reader._side_by_side is not None:
            reader._side_by_side.touch()


@hdf5.rehearsed
def check_name(path: str, name: str) -> None:
    """Refuse a name for a new dataset where something else is in its way.

    Raises
    ------
    OutputError
    """
    from dwconv_cli.storage.hdf5 import write

    with hdf5.open_file(path) as file:
        parts = name.strip("/").split("/")
        for number in range(1, len(parts)):
            above = "/" + "/".join(parts[:number])
            if above in file and not hasattr(file[above], "keys"):
                raise OutputError(
                    f"{path}::{above}: is a dataset, which holds no others; write to another name"
                )
        write.is_taken(file, name)


@hdf5.rehearsed
def no_recordings(path: str, pattern: str) -> list[str]:
    """Names of the datasets that match a pattern but are dimension scales, or no numeric data of rank 1 to 3."""
    matching = name_pattern(pattern)
    with hdf5.open_file(path) as file, hdf5.errors(path):
        return [
            entry.name
            for entry in hdf5.walk(file)
            if entry.kind == "dataset"
            and matching.fullmatch(entry.name)
            and not (
                entry.numeric and 1 <= len(entry.shape or ()) <= 3 and not hdf5.is_scale(file, entry.name)
            )
        ]


class H5Reader:
    """Blocks of one dataset.

    Parameters
    ----------
    path : str
    name : str
        Absolute.
    allow_external : bool
        Whether the dataset's data may lie in other files.
    """

    sequential = False
    fortran = False

    def __init__(self, path: str, name: str, allow_external: bool = False) -> None:
        hdf5.rehearse(_look, path, name, allow_external)
        self._file = hdf5.open_file(path)
        self._before = state_of(self._file.id.get_vfd_handle(), path)
        try:
            self._dataset = hdf5.dataset(self._file, name, allow_external=allow_external)
            self.name = f"{path}::{name}"
            self._name = name
            self.shape: tuple[int, ...] = self._dataset.shape
            self.dtype: np.dtype[Any] = self._dataset.dtype
            self.chunks: tuple[int, ...] | None = self._dataset.chunks
            self._left_out: list[str] = []
            self.attributes = hdf5.attributes(self._dataset, self._left_out)
            self.storage = {"format": "hdf5", **hdf5.describe(self._dataset)}
            codec = codec_of(self._dataset)
            self._side_by_side = ChunkReader(self._dataset, codec) if codec else None
        except BaseException:
            self._file.close()
            raise

    def surroundings(self) -> hdf5.Surroundings:
        """What belongs to the dataset: labels and scales of its dimensions, attributes of its groups."""
        return hdf5.surroundings(self._dataset, self._name, self._left_out)

    def spool(self) -> None:
        """Nothing to do: datasets are read in any order."""

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype."""
        if self._side_by_side is not None:
            self._side_by_side.read(selection, out)
        elif out.dtype == self.dtype and out.flags.c_contiguous:
            hdf5.read(self._dataset, selection, out)
        else:
            out[...] = hdf5.read(self._dataset, selection)

    def finish(self) -> None:
        """Check that the file did not change; call when all was read."""
        # Of what is open; another file may have its name by now.
        if state_of(self._file.id.get_vfd_handle(), self.name) != self._before:
            raise changed(self.name)

    def close(self) -> None:
        """Release the file."""
        # All was read by now, or another error is on its way.
        with contextlib.suppress(InputError):
            self._file.close()


class H5Output:
    """A new HDF5 file, or an existing one with datasets added; it appears whole at :meth:`commit`.

    Parameters
    ----------
    sink : FileSink
        Of which the descriptor is used.
    keep : str, optional
        Path of an HDF5 file whose content is carried over.
    replace : set of str
        Datasets in it that may be replaced.
    """

    def __init__(
        self, sink: FileSink, keep: str | None = None, replace: frozenset[str] = frozenset()
    ) -> None:
        from dwconv_cli.storage.hdf5 import write

        if sink.sequential:
            raise OutputError(f"{sink.name}: HDF5 cannot be streamed; write .npy there, or to a file")
        self._sink = sink
        self._replace = replace
        if keep:
            with kept(), hdf5.open_file(keep):
                pass
            try:
                with open(keep, "rb") as old, open(sink.fd, "wb", closefd=False) as new:
                    shutil.copyfileobj(old, new, 1 << 20)
            except OSError as error:
                raise OutputError(f"{sink.name}: {reason(error)}") from error
        # Attributes of the groups that are made here; None before there are any.
        self._groups: dict[str, dict[str, Any] | None] = {} if keep else {"/": None}
        self._trap = write.Trap(sink.fd, sink.name)
        with undisturbed():
            self._file = write.open_writable(self._trap, keep is not None)

    def writer(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        attributes: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> H5Writer:
        """A writer of a new dataset `name`, with `attributes` and h5py's storage `options`."""
        from dwconv_cli.storage.hdf5 import write

        with undisturbed():
            final = name
            if write.is_taken(self._file, name):
                if name not in self._replace:
                    raise exists(f"{self._sink.name}::{name}")
                # What is replaced stays until the new one is complete.
                name = f"{name}.{os.urandom(6).hex()}"
            new = [path for path in ancestors(final)[1:] if path not in self._file]
            dataset = write.create_dataset(self._file, name, shape, dtype, attributes or {}, options or {})
            self._groups |= dict.fromkeys(new)
            return H5Writer(self, dataset, final)

    def describe_groups(self, groups: Mapping[str, Mapping[str, Any]]) -> None:
        """Give the groups that were made here the attributes of those of the same name in `groups`."""
        from dwconv_cli.storage.hdf5.describing import merge_attributes

        for path, attributes in groups.items():
            if path in self._groups:
                self._groups[path] = merge_attributes(self._file[path], attributes, self._groups[path])

    def check(self) -> None:
        """Raise what the disk said, if it said something.

        Raises
        ------
        OutputError
        """
        if self._trap.error is not None:
            raise OutputError(f"{self._sink.name}: {reason(self._trap.error)}") from self._trap.error

    def commit(self) -> None:
        """Make the file appear."""
        with undisturbed():
            self._file.close()
        self.check()
        self._sink.commit()

    def abort(self) -> None:
        """Leave no trace."""
        if self._trap.error is None:
            self._trap.error = OSError("given up")
        try:
            with undisturbed():
                self._file.close()
        finally:
            self._sink.abort()


class H5Writer:
    """Blocks into one dataset."""

    sequential = False

    def __init__(self, output: H5Output, dataset: Any, name: str) -> None:
        self._output = output
        self._dataset = dataset
        # As the dataset gives its own name.
        self._name = "/" + name.lstrip("/")
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        codec = codec_of(dataset)
        self._side_by_side = ChunkWriter(dataset, codec) if codec else None
        self._surroundings: hdf5.Surroundings | None = None

    def describe(self, surroundings: hdf5.Surroundings) -> None:
        """Give the dataset what belongs to it at :meth:`commit`."""
        self._surroundings = surroundings

    def spool(self) -> None:
        """Nothing to do: datasets are written in any order."""

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`."""
        if block.size:
            with undisturbed():
                if self._side_by_side is not None:
                    self._side_by_side.write(selection, block)
                else:
                    self._dataset.write_direct(np.ascontiguousarray(block), whole(block.shape), selection)
        self._output.check()

    def commit(self) -> None:
        """Give the dataset its name and what belongs to it; the file is committed as a whole."""
        from dwconv_cli.storage.hdf5.describing import add_dimensions, detach_scales

        with undisturbed():
            if self._side_by_side is not None:
                self._side_by_side.finish()
            if self._dataset.name != self._name:
                file = self._dataset.file
                detach_scales(file[self._name])
                del file[self._name]
                file.move(self._dataset.name, self._name)
        if self._surroundings is not None:
            add_dimensions(self._dataset, self._surroundings.dimensions)
            with undisturbed():
                self._output.describe_groups(self._surroundings.groups)
        with undisturbed():
            self._release()

    def abort(self) -> None:
        """Take the dataset out of the file to be."""
        with undisturbed():
            del self._dataset.file[self._dataset.name]
            self._release()

    def _release(self) -> None:
        # HDF5 writes what it holds back when the last reference goes, which must not be just anywhere.
        self._dataset = self._side_by_side = self._surroundings = None
