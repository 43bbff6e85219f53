"""HDF5 datasets as recordings."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.errors.system import reason
from dwconv_cli.interrupts import undisturbed
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage import hdf5
from dwconv_cli.storage.file_state import changed, state_of
from dwconv_cli.storage.protocols import Member, NewArray
from dwconv_cli.storage.selections import Selection, everything
from dwconv_cli.storage.sink import FileSink, existing_output, output_errors
from dwconv_cli.storage.surroundings import Surroundings

ROOT = "/"
RANKS = range(1, 4)


@hdf5.rehearsed
def members(path: str) -> list[Member]:
    """The datasets of a file, but for those that MATLAB and netCDF-4 keep for themselves, in its order."""
    datasets = []
    with hdf5.open_file(path) as file, hdf5.errors(path):
        for entry in hdf5.walk(file):
            if entry.kind != "dataset" or (entry.numeric and hdf5.is_private(file, entry)):
                continue
            is_array = entry.numeric and len(entry.shape or ()) in RANKS
            datasets.append(Member(entry.name, is_array, is_array and hdf5.is_scale(file, entry.name)))
    return datasets


@hdf5.rehearsed
def other_files(path: str, name: str) -> list[str]:
    """Paths of the other files in which a dataset lies."""
    return hdf5.other_files(path, name)


@hdf5.rehearsed
def check_name(path: str, name: str) -> None:
    """Raise an OutputError where something is in the way of a new dataset."""
    with hdf5.open_file(path) as file:
        for above in hdf5.ancestors(name)[1:]:
            if above in file and not hasattr(file[above], "keys"):
                raise OutputError(
                    f"{path}::{above}: is a dataset, which holds no others; write to another name"
                )
        hdf5.is_taken(file, name)


def _try_reading(path: str, name: str, allow_external: bool) -> None:
    """Do all that a reader will do with a dataset, in the child process of a rehearsal."""
    with contextlib.closing(H5Reader(path, name, allow_external)) as reader:
        hdf5.read_through(reader._dataset)
        if reader._chunk_reader is not None:
            reader._chunk_reader.touch()


class H5Reader:
    """A dataset that is read in blocks; its numbers may lie in other files if that is allowed."""

    sequential = False
    fortran = False

    def __init__(self, path: str, name: str, allow_external: bool = False) -> None:
        hdf5.rehearse(_try_reading, path, name, allow_external)
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
            codec = hdf5.codec_of(self._dataset)
            # None where HDF5 itself decompresses the chunks, or there are none.
            self._chunk_reader = hdf5.ChunkReader(self._dataset, codec) if codec else None
        except BaseException:
            self._file.close()
            raise

    def surroundings(self) -> Surroundings:
        """What belongs to the dataset: labels and scales of its dimensions, attributes of its groups."""
        return hdf5.surroundings(self._dataset, self._name, self._left_out)

    def spool(self) -> None:
        """Do nothing: datasets are read in any order."""

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype."""
        if self._chunk_reader is not None:
            self._chunk_reader.read(selection, out)
        elif out.dtype == self.dtype and out.flags.c_contiguous:
            hdf5.read(self._dataset, selection, out)
        else:
            out[...] = hdf5.read(self._dataset, selection)

    def finish(self) -> None:
        """Check that the file did not change; call when all was read."""
        # Of the open file, since another one may have its name by now.
        if state_of(self._file.id.get_vfd_handle(), self.name) != self._before:
            raise changed(self.name)

    def close(self) -> None:
        """Release the file."""
        # An error in closing does not matter: all was read by now, or another error is being raised.
        with contextlib.suppress(InputError):
            self._file.close()


class H5Output:
    """A new HDF5 file, or an existing one with datasets added; it appears whole at :meth:`commit`.

    Parameters
    ----------
    sink : FileSink
        Of which the descriptor is used.
    kept_file : str, optional
        Path of an HDF5 file whose content is carried over.
    replaced : set of str
        Datasets in it that may be replaced.
    """

    def __init__(self, sink: FileSink, kept_file: str | None, replaced: frozenset[str]) -> None:
        if sink.sequential:
            raise OutputError(f"{sink.name}: HDF5 cannot be streamed; write .npy there, or to a file")
        self._sink = sink
        self._replaced = replaced
        if kept_file:
            with output_errors(), hdf5.open_file(kept_file):
                pass
            try:
                with open(kept_file, "rb") as old, open(sink.fd, "wb", closefd=False) as new:
                    shutil.copyfileobj(old, new, 1 << 20)
            except OSError as error:
                raise OutputError(f"{sink.name}: {reason(error)}") from error
        # The groups that are made here, with their attributes; None until an input has given them some.
        self._groups: dict[str, dict[str, Any] | None] = {} if kept_file else {"/": None}
        self._output_file = hdf5.OutputFile(sink.fd, sink.name)
        with undisturbed():
            self._file = hdf5.open_writable(self._output_file, kept_file is not None)

    @undisturbed()
    def writer(self, array: NewArray) -> H5Writer:
        """A writer of a new dataset."""
        name = array.name
        if hdf5.is_taken(self._file, name):
            if name not in self._replaced:
                raise existing_output(f"{self._sink.name}::{name}")
            # The dataset that is replaced stays until the new one is complete, which gets its name then.
            name = f"{name}.{os.urandom(6).hex()}"
        new = [path for path in hdf5.ancestors(array.name)[1:] if path not in self._file]
        dataset = hdf5.create_dataset(
            self._file, name, array.shape, array.dtype, array.attributes, array.storage
        )
        self._groups |= dict.fromkeys(new)
        return H5Writer(self, dataset, array.name)

    def describe_groups(self, groups: Mapping[str, Mapping[str, Any]]) -> None:
        """Give the groups that were made here the attributes of those of the same name in `groups`."""
        for path, attributes in groups.items():
            if path in self._groups:
                self._groups[path] = hdf5.merge_attributes(self._file[path], attributes, self._groups[path])

    def check(self) -> None:
        """Raise the first error of the disk, if there was one."""
        if self._output_file.error is not None:
            raise OutputError(
                f"{self._sink.name}: {reason(self._output_file.error)}"
            ) from self._output_file.error

    def commit(self) -> None:
        """Make the file appear."""
        with undisturbed():
            self._file.close()
        self.check()
        self._sink.commit()

    def abort(self) -> None:
        """Remove the unfinished file."""
        # After an error nothing is written, so that closing is quick.
        if self._output_file.error is None:
            self._output_file.error = OSError("given up")
        try:
            with undisturbed():
                self._file.close()
        finally:
            self._sink.abort()


open_reader, open_output = H5Reader, H5Output


class H5Writer:
    """A new dataset that is written in blocks."""

    sequential = False

    def __init__(self, output: H5Output, dataset: Any, name: str) -> None:
        self._output = output
        self._dataset = dataset
        # Absolute, since it is compared with the name that h5py gives.
        self._name = "/" + name.lstrip("/")
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        codec = hdf5.codec_of(dataset)
        self._chunk_writer = hdf5.ChunkWriter(dataset, codec) if codec else None
        self._surroundings: Surroundings | None = None

    def describe(self, surroundings: Surroundings) -> None:
        """Remember what belongs to the dataset, to be written at :meth:`commit`."""
        self._surroundings = surroundings

    def spool(self) -> None:
        """Do nothing: datasets are written in any order."""

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`."""
        if block.size:
            with undisturbed():
                if self._chunk_writer is not None:
                    self._chunk_writer.write(selection, block)
                else:
                    self._dataset.write_direct(
                        np.ascontiguousarray(block), everything(block.shape), selection
                    )
        self._output.check()

    def commit(self) -> None:
        """Give the dataset its name and what belongs to it; the file is committed as a whole."""
        with undisturbed():
            if self._chunk_writer is not None:
                self._chunk_writer.finish()
            if self._dataset.name != self._name:
                file = self._dataset.file
                hdf5.detach_scales(file[self._name])
                del file[self._name]
                file.move(self._dataset.name, self._name)
        if self._surroundings is not None:
            hdf5.add_dimensions(self._dataset, self._surroundings.dimensions)
            with undisturbed():
                self._output.describe_groups(self._surroundings.groups)
        with undisturbed():
            self._release()

    @undisturbed()
    def abort(self) -> None:
        """Delete the dataset from the unfinished file."""
        del self._dataset.file[self._dataset.name]
        self._release()

    def _release(self) -> None:
        # HDF5 writes the rest of a dataset when the last reference to it goes, which must happen undisturbed.
        self._dataset = self._chunk_writer = self._surroundings = None
