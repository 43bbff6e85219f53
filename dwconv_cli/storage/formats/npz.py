"""``.npz``: a zip of ``.npy`` members, read to the end and written in order."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import numpy as np

from dwconv_cli.choices import LAYER_CONFIG
from dwconv_cli.errors import InputError, OutputError, UnsafeFileError
from dwconv_cli.errors.system import reason
from dwconv_cli.storage.file_state import changed, state_of
from dwconv_cli.storage.formats.npy import NpyReader, NpyWriter
from dwconv_cli.storage.protocols import Member, NewArray
from dwconv_cli.storage.sink import Sink, StreamSink, existing_output, output_errors
from dwconv_cli.storage.source import StreamSource
from dwconv_cli.storage.zips import DAMAGE, open_archive, open_member

ROOT = ""
MAX_MEMBERS = 100_000
# A layer's config is kept in the comment of its kernel's member, which other programs that read arrays ignore.
MAX_COMMENT = 65_535


def open_zip(path: str) -> zipfile.ZipFile:
    """A zip file whose member names are unique.

    Raises
    ------
    InputError
        If it is no zip file, or malformed.
    """
    try:
        archive = open_archive(path, MAX_MEMBERS)
    except DAMAGE as error:
        hint = reason(error) if str(error) != "File is not a zip file" else "not a zip file"
        raise InputError(f"{path}: {hint}") from error
    names = archive.namelist()
    if len(set(names)) != len(names):
        archive.close()
        raise UnsafeFileError(f"{path}: has duplicate members; write it again")
    return archive


def members(path: str) -> list[Member]:
    """The arrays in a file, without ``.npy`` in their names, in its order."""
    with open_zip(path) as archive:
        return [Member(name.removesuffix(".npy")) for name in archive.namelist() if name.endswith(".npy")]


class NpzReader(NpyReader):
    """Blocks of one member, read in order; its checksum is verified at the end.

    Parameters
    ----------
    path : str
    name : str
        The member, without ``.npy``.
    allow_external : bool
        Without effect: a member never lies in another file.
    """

    def __init__(self, path: str, name: str, allow_external: bool = False) -> None:
        self._opened = contextlib.ExitStack()
        self._archive = self._opened.enter_context(open_zip(path))
        label = f"{path}::{name}"
        try:
            self._before = self._file_state(label)
            info = self._archive.getinfo(f"{name}.npy")
            stream = self._opened.enter_context(open_member(self._archive, info))
            super().__init__(StreamSource(stream, label), label)
            size = info.file_size
            if size != self._end:
                raise InputError(f"{label}: holds {size} bytes, its header needs {self._end}")
            self.storage = {"format": "npz", "order": "F" if self.fortran else "C"}
            if info.comment.startswith(b"{"):
                self.attributes = {LAYER_CONFIG: info.comment.decode("utf-8", "replace")}
        except KeyError:
            self._opened.close()
            names = ", ".join(member.name for member in members(path)[:20])
            raise InputError(f"{label}: no such member; the file has: {names}") from None
        except DAMAGE as error:
            self._opened.close()
            raise (
                error if isinstance(error, InputError) else InputError(f"{label}: {reason(error)}")
            ) from error

    def finish(self) -> None:
        """Check the member's checksum, and that the file did not change."""
        super().finish()
        if self._file_state(self.name) != self._before:
            raise changed(self.name)

    def close(self) -> None:
        super().close()
        self._opened.close()

    def _file_state(self, label: str) -> tuple[int, ...]:
        assert self._archive.fp is not None
        return state_of(self._archive.fp.fileno(), label)


class NpzOutput:
    """A new ``.npz``, or an existing one with members added; it appears whole at :meth:`commit`.

    Parameters
    ----------
    sink : Sink
    kept_file : str, optional
        Path of an ``.npz`` whose members are carried over.
    replaced : set of str
        Members in it that may be replaced.
    """

    def __init__(self, sink: Sink, kept_file: str | None, replaced: frozenset[str]) -> None:
        self._sink = sink
        self._file = _SinkFile(sink)
        self._archive = zipfile.ZipFile(self._file, "w", allowZip64=True)
        self._kept_file = kept_file
        self._replaced = replaced
        if kept_file is not None:
            try:
                self._carry_over(kept_file, lambda name: name not in replaced)
            except BaseException:
                self.abort()
                raise

    def writer(self, array: NewArray) -> _MemberWriter:
        """A writer of one member, to be finished before the next one is made."""
        # The date is fixed, so that equal content makes equal files.
        info = zipfile.ZipInfo(f"{array.name}.npy", (1980, 1, 1, 0, 0, 0))
        info.comment = str(array.attributes.get(LAYER_CONFIG, "")).encode()
        label = f"{self._sink.name}::{array.name}"
        if len(info.comment) > MAX_COMMENT:
            raise OutputError(
                f"{label}: the layer's config has {len(info.comment)} bytes, and a zip file keeps "
                f"{MAX_COMMENT}; write an HDF5 file"
            )
        if info.filename in self._archive.NameToInfo:
            raise existing_output(label)
        stream = self._archive.open(info, "w", force_zip64=True)
        sink = StreamSink(cast("BinaryIO", stream), label)
        return _MemberWriter(sink, array.shape, array.dtype, stream, lambda: self._forget(info))

    def commit(self) -> None:
        """Make the file appear."""
        if self._kept_file is not None:
            # Members whose replacements failed stay as they were.
            written = {name.removesuffix(".npy") for name in self._archive.namelist()}
            self._carry_over(self._kept_file, lambda name: name in self._replaced - written)
        self._archive.close()
        if self._file.error is not None:
            raise self._file.error
        self._sink.commit()

    def abort(self) -> None:
        """Leave no trace."""
        self._file.dead = True
        try:
            self._archive.close()
        except ValueError:
            # A member is still open, so that zipfile refuses; the archive must not write to the sink any more.
            self._archive.fp = None
        self._sink.abort()

    def _forget(self, info: zipfile.ZipInfo) -> None:
        """Leave a member out of the directory; its bytes stay in the file, unused."""
        self._archive.filelist.remove(info)
        del self._archive.NameToInfo[info.filename]

    def _carry_over(self, path: str, is_kept: Callable[[str], bool]) -> None:
        """Copy members from the file at `path`, those for whose names `is_kept` is true."""
        with output_errors(), open_zip(path) as old:
            for info in old.infolist():
                if not is_kept(info.filename.removesuffix(".npy")):
                    continue
                copy = zipfile.ZipInfo(info.filename, info.date_time)
                copy.compress_type, copy.comment = info.compress_type, info.comment
                try:
                    with (
                        open_member(old, info) as source,
                        self._archive.open(copy, "w", force_zip64=True) as target,
                    ):
                        while block := source.read(1 << 20):
                            target.write(block)
                except OutputError:
                    raise
                except DAMAGE as error:
                    raise OutputError(
                        f"{path}::{info.filename}: cannot be carried over: {reason(error)}; write to another file"
                    ) from error


open_reader, open_output = NpzReader, NpzOutput


class _MemberWriter(NpyWriter):
    def __init__(
        self,
        sink: Sink,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        stream: Any,
        forget: Callable[[], None],
    ) -> None:
        super().__init__(sink, shape, dtype)
        self._stream = stream
        self._forget = forget

    def commit(self) -> None:
        super().commit()
        self._stream.close()

    def abort(self) -> None:
        super().abort()
        self._stream.close()
        self._forget()


class _SinkFile(io.RawIOBase):
    """A sink as a file without positions, so that zipfile writes to it in order, as to a pipe."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._position = 0
        self.dead = False
        # An error of the disk. After one zipfile does not know its position, so the archive cannot be completed.
        self.error: OutputError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if not self.dead:
            try:
                self._sink.write_at(view, self._position)
            except OutputError as error:
                self.error = error
                raise
            self._position += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OutputError(f"{self._sink.name}: cannot be written out of order")
