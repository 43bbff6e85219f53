"""File formats, by name: block readers and writers. They move numbers and compute nothing.

A reader has ``shape``, ``dtype``, ``fortran``, ``sequential``, ``chunks``, ``attributes``, ``storage``,
``read(selection, out)``, ``finish()`` and ``close()``. An output holds one or more arrays and has ``writer(name,
shape, dtype, attributes, options)``, ``commit()`` and ``abort()``; a writer has ``write(selection, block)``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.layer.arguments import one_of
from dwconv_cli.storage.address import STREAM, Address, expand
from dwconv_cli.storage.formats.npy import NpyReader, NpyWriter
from dwconv_cli.storage.hints import advice_for, one_colon
from dwconv_cli.storage.protocols import Output, Reader, Writer
from dwconv_cli.storage.sink import FileSink, Sink, kept
from dwconv_cli.storage.source import StreamSource, open_source
from dwconv_cli.storage.standard_streams import standard_input, standard_output

__all__ = ["FORMATS", "Address", "Output", "Reader", "Writer", "expand", "open_output", "open_reader"]


class NpyOutput:
    """An ``.npy`` file or stream: one array, without a name."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def writer(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        attributes: Any = None,
        options: Any = None,
    ) -> Writer:
        """The writer of the one array."""
        return NpyWriter(self._sink, shape, dtype)

    def commit(self) -> None:
        """Make the file appear."""
        self._sink.commit()

    def abort(self) -> None:
        """Leave no trace."""
        self._sink.abort()


def _npy_reader(path: str, name: str, **options: Any) -> Reader:
    source = open_source(path)
    try:
        return NpyReader(source, path)
    except BaseException:
        source.close()
        raise


def _npy_output(sink: FileSink, keep: str | None, replace: frozenset[str]) -> Output:
    return NpyOutput(sink)


def _npz_reader(path: str, name: str, **options: Any) -> Reader:
    from dwconv_cli.storage.formats.npz import NpzReader

    return NpzReader(path, name)


def _npz_members(path: str) -> list[str]:
    from dwconv_cli.storage.formats.npz import members

    return members(path)


def _npz_output(sink: FileSink, keep: str | None, replace: frozenset[str]) -> Output:
    from dwconv_cli.storage.formats.npz import NpzOutput

    return NpzOutput(sink, keep, replace)


def _h5_reader(path: str, name: str, **options: Any) -> Reader:
    from dwconv_cli.storage.formats.hdf5 import H5Reader

    return H5Reader(path, name, **options)


def _h5_members(path: str) -> list[str]:
    from dwconv_cli.storage.formats.hdf5 import members

    return members(path)


def _h5_output(sink: FileSink, keep: str | None, replace: frozenset[str]) -> Output:
    from dwconv_cli.storage.formats.hdf5 import H5Output

    return H5Output(sink, keep, replace)


@dataclass(frozen=True)
class Format:
    """One file format.

    Parameters
    ----------
    name : str
    suffixes : tuple of str
    reader : callable
        ``(path, name) -> Reader``.
    members : callable or None
        Path to the names in a file; None where a file is one array.
    output : callable
        ``(sink, keep, replace) -> Output``.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: Callable[..., Reader]
    members: Callable[[str], list[str]] | None
    output: Callable[[FileSink, str | None, frozenset[str]], Output]


FORMATS = {
    found.name: found
    for found in (
        Format("npy", (".npy",), _npy_reader, None, _npy_output),
        Format("npz", (".npz",), _npz_reader, _npz_members, _npz_output),
        Format("hdf5", (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".mat"), _h5_reader, _h5_members, _h5_output),
    )
}


def format_of(address: Address, given: str | None = None, output: bool = False) -> Format:
    """The format of a file, by its suffix unless `given`.

    Raises
    ------
    InputError, OutputError
        If the suffix tells nothing.
    """
    if given is not None:
        return FORMATS[one_of("the format", given, tuple(FORMATS))]
    if address.is_stream:
        return FORMATS["npy"]
    wrong = OutputError if output else InputError
    if not address.path:
        raise wrong("an empty address; name a file, or '-'")
    if os.path.isdir(address.path) or address.path.endswith("/"):
        hint = (
            "name a file in it"
            if output
            else f"name the files in it, e.g. '{address.path.rstrip('/')}/*.npy'"
        )
        raise wrong(f"{address.path}: is a directory; {hint}")
    for found in FORMATS.values():
        if address.suffix in found.suffixes:
            return found
    suffixes = tuple(suffix for found in FORMATS.values() for suffix in found.suffixes)
    if meant := one_colon(str(address), suffixes):
        raise wrong(f"{address}: a name in a file follows two colons; write {meant}")
    if not output and (advice := advice_for(address.path)):
        raise wrong(f"{address.path}: {advice}")
    option = "--output-format" if output else "--input-format"
    raise wrong(
        f"{address.path}: suffix {address.suffix!r} is unknown ({' '.join(suffixes)}); "
        f"say {option} npy, npz or hdf5"
    )


def members(path: str, given: str | None = None) -> list[str]:
    """Names of the arrays in a file; none where a file is one array."""
    found = format_of(Address(path), given).members
    return found(path) if found else []


def written(path: str, given: str | None = None) -> list[str]:
    """Names of the arrays in a file that is to be added to.

    Raises
    ------
    OutputError
        If it cannot be read: it is the output that the user has to look at.
    """
    with kept():
        return members(path, given)


def no_recordings(path: str, pattern: str, given: str | None = None) -> list[str]:
    """Names in a file that match a pattern, and that wildcards leave out: dimension scales and no numeric data."""
    if format_of(Address(path), given).name != "hdf5":
        return []
    from dwconv_cli.storage.formats.hdf5 import no_recordings

    return no_recordings(path, pattern)


def complete(address: Address, given: str | None = None, several: bool = False) -> Address:
    """`address` with the name of the only array in its file, where the name was left out.

    Raises
    ------
    InputError
        If there is none, or more than one; the message lists them.
    """
    found = format_of(address, given)
    if found.members is None or address.is_stream:
        if address.name is not None:
            raise InputError(
                f"{address}: a file of format {found.name} has no names inside; leave out ::{address.name}"
            )
        return address
    if address.name is not None:
        if found.name == "hdf5" and not address.name.startswith("/"):
            return Address(address.path, "/" + address.name)
        return address
    names = found.members(address.path)
    if len(names) == 1:
        return Address(address.path, names[0])
    if not names:
        raise InputError(f"{address.path}: holds no numeric arrays")
    all_of = f", or all with '{address.path}::**'" if several else ""
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise InputError(f"{address.path}: holds {len(names)} arrays; name one after '::'{all_of}: {shown}")


def other_files(address: Address, given: str | None = None) -> list[str]:
    """Paths of the other files in which the data at a complete `address` lies, for those that allow it.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    if address.is_stream or address.name is None or format_of(address, given).name != "hdf5":
        return []
    from dwconv_cli.storage.formats.hdf5 import other_files

    return other_files(address.path, address.name)


def open_reader(address: Address, given: str | None = None, **options: Any) -> Reader:
    """A reader of the array at a complete `address`.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if address.is_stream:
        return NpyReader(StreamSource(standard_input(), "standard input"), "standard input")
    return format_of(address, given).reader(address.path, address.name or "", **options)


def open_output(
    path: str,
    given: str | None = None,
    *,
    overwrite: bool = False,
    keep: bool = False,
    replace: frozenset[str] = frozenset(),
) -> Output:
    """An output file, or standard output for ``-``.

    Parameters
    ----------
    path : str
    given : str, optional
        Format.
    overwrite : bool
        Whether an existing file may be replaced.
    keep : bool
        Add to the arrays of an existing file.
    replace : set of str
        Arrays of an existing file that may be replaced.

    Raises
    ------
    OutputError
        If the file exists already or cannot be created.
    """
    found = format_of(Address(path), given, output=True)
    if path == STREAM:
        if found.name != "npy":
            raise OutputError(f"standard output takes an .npy stream, not {found.name}; name a file")
        return NpyOutput(standard_output())
    sink = FileSink(path, overwrite or keep, adding=keep)
    try:
        return found.output(sink, path if keep else None, replace)
    except BaseException:
        sink.abort()
        raise
