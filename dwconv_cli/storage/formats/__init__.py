"""File formats: a module for each, which is imported when a file of that format is first met.

The formats and their suffixes are listed in :data:`dwconv_cli.choices.FORMATS`; what a module has to provide is
:class:`~dwconv_cli.storage.protocols.Format`. Formats move numbers and compute nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import cast

from dwconv_cli.choices import FORMATS, RAW, STREAM_FORMATS
from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.errors.system import similar_name
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.hints import advice_for, inside_file, one_colon
from dwconv_cli.storage.protocols import Format, Member, NewArray, Output, Reader
from dwconv_cli.storage.sink import open_sink


def format_of(address: Address, error: type[InputError | OutputError] = InputError) -> Format:
    """The module that reads and writes the file of an address.

    Raises
    ------
    InputError, OutputError
        The class `error`, if nothing tells the file's format, or it is a directory.
    """
    if address.is_stream and address.format not in (*STREAM_FORMATS, RAW):
        stream = "input" if error is InputError else "output"
        raise error(f"standard {stream} takes an .npy, CSV or WAV stream, not {address.format}; name a file")
    if address.format is None or os.path.isdir(address.path):
        raise error(_unknown(address, error is OutputError))
    return cast("Format", import_module(f"{__name__}.{address.format}"))


def _unknown(address: Address, is_output: bool) -> str:
    """Why an address has no format, and what to do."""
    path = address.path
    if not path:
        return "an empty address; name a file, or '-'"
    if os.path.isdir(path) or path.endswith("/"):
        hint = "name a file in it" if is_output else f"name the files in it, e.g. '{path.rstrip('/')}/*.npy'"
        return f"{path}: is a directory; {hint}"
    suffixes = tuple(suffix for known in FORMATS.values() for suffix in known)
    if meant := one_colon(str(address), suffixes):
        return f"{address}: a name in a file follows two colons; write {meant}"
    if not is_output:
        if advice := advice_for(path):
            return f"{path}: {advice}"
        if meant := inside_file(path):
            return f"{path}: a name in a file follows two colons; write {meant}"
        if not os.path.lexists(path) and (meant := similar_name(path)):
            return f"{path}: no such file or directory; did you mean {meant}?"
    option = "--output-format" if is_output else "--input-format"
    *names, last = FORMATS
    return (
        f"{path}: suffix {address.suffix!r} is unknown ({' '.join(suffixes)}); "
        f"say {option} {', '.join(names)} or {last}"
    )


def members(address: Address) -> list[Member]:
    """What the file of `address` holds under names; nothing where a file is one array."""
    module = format_of(address)
    return [] if module.ROOT is None else module.members(address.path)


def array_names(address: Address) -> list[str]:
    """Names of the arrays in the file of `address`."""
    return [member.name for member in members(address) if member.is_array]


def open_reader(address: Address, allow_external: bool = False) -> Reader:
    """A reader of the array at a complete `address`.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    return format_of(address).open_reader(address.path, address.name or "", allow_external)


def companions(address: Address) -> list[str]:
    """Paths of the files that belong to the file of `address`, and appear and are read with it."""
    if address.format != "sigmf":
        return []
    from dwconv_cli.storage.formats.sigmf import metadata_path

    return [metadata_path(address.path)]


def lay_out(reader: Reader, data_format: str) -> None:
    """Have a reader give its data in `data_format` where its file says itself what the channels are, as WAV does."""
    if data_format == "channels_first" and hasattr(reader, "put_channels_first"):
        reader.put_channels_first()


def other_files(address: Address) -> list[str]:
    """Paths of the other files in which the data at a complete `address` lies, for those that allow it.

    Raises
    ------
    InputError
        If it cannot be opened.
    """
    if address.format != "hdf5" or address.name is None:
        return []
    from dwconv_cli.storage.formats import hdf5

    return hdf5.other_files(address.path, address.name)


def check_array(address: Address, array: NewArray) -> Sequence[str]:
    """Refuse an array that the file of `address` cannot hold; return what a careful person should know of it.

    Raises
    ------
    LayerError, OutputError
        As its writer would.
    """
    module = format_of(address, OutputError)
    if not hasattr(module, "check_array"):
        return ()
    notes: Sequence[str] = getattr(module.check_array(array, address.path), "notes", ())
    return notes


def open_output(
    address: Address, *, overwrite: bool = False, keep: bool = False, replace: frozenset[str] = frozenset()
) -> Output:
    """The file of `address`, or standard output for ``-``, to be written.

    Parameters
    ----------
    address : Address
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
    module = format_of(address, OutputError)
    sink = open_sink(address.path, overwrite or keep, adding=keep)
    try:
        return module.open_output(sink, address.path if keep else None, replace)
    except BaseException:
        sink.abort()
        raise
