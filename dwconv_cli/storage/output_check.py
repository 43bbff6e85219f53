"""What a dry run refuses of an output: the place where it would go is looked at, and nothing is made there."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Mapping
from typing import Any

from dwconv_cli.errors import OutputError
from dwconv_cli.errors.system import reason, reason_of
from dwconv_cli.storage.address import Address, real_path
from dwconv_cli.storage.formats import format_of
from dwconv_cli.storage.sink import is_special


def check_output(output: Address, storage: Mapping[str, Any], nbytes: int, makes_directory: bool) -> None:
    """Refuse an output that could not be written.

    Parameters
    ----------
    output : Address
        With the name inside the file, where it can hold several arrays.
    storage : mapping
        h5py's options of an HDF5 dataset.
    nbytes : int
        Bytes that the array will have.
    makes_directory : bool
        Whether missing directories will be created.

    Raises
    ------
    OutputError
        With the message that the run would give.
    MissingExtraError
        If a compression needs a plugin of HDF5 that is not installed.
    """
    format_of(output, OutputError)
    if output.is_stream:
        return
    if is_special(output.path):
        if output.format == "hdf5":
            raise OutputError(f"{output.path}: HDF5 cannot be streamed; write .npy there, or to a file")
        if not os.access(output.path, os.W_OK):
            raise OutputError(f"{output.path}: {reason_of(errno.EACCES)}")
        return
    folder = _folder(output.path, makes_directory)
    # Not asked of HDF5, whose data may be compressed.
    if output.format != "hdf5":
        room = os.statvfs(folder)
        if nbytes > room.f_bavail * room.f_frsize:
            raise OutputError(f"{output.path}: {reason_of(errno.ENOSPC)}; it needs {nbytes} bytes")
        return
    from dwconv_cli.storage.formats.hdf5 import check_name
    from dwconv_cli.storage.hdf5 import with_plugin

    with_plugin(storage)
    if output.name is not None and os.path.exists(output.path):
        check_name(output.path, output.name)


def _folder(path: str, makes_directory: bool) -> str:
    """The directory of `path`; where missing ones are created, the nearest one above it that exists."""
    target = real_path(path)
    try:
        os.lstat(target)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise OutputError(f"{path}: {reason(error)}") from error
    folder = os.path.dirname(target)
    while makes_directory and not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        if makes_directory:
            raise OutputError(f"{folder}: there is a file in the way; name another directory")
        raise OutputError(
            f"{path}: its directory does not exist; create it first, with: mkdir -p {shlex.quote(os.path.dirname(path))}"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: its directory {folder} may not be written to")
    return folder
