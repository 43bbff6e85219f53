"""The files that a run reads, which nothing that it writes may replace."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable

from dwconv_cli.errors import OutputError
from dwconv_cli.storage.address import Address, real_path

FileId = tuple[int, int]


class ReadFiles:
    """The files that a run reads, by device and inode, so that a file is recognised under any of its names.

    Parameters
    ----------
    recordings : iterable of Address
        Complete. Where a file holds arrays under names, an output may be added to it under another name.
    others : iterable of str
        Paths of all other files that the run reads. Nothing may be added to them. A directory stands for all files
        in it.
    """

    def __init__(self, recordings: Iterable[Address], others: Iterable[str]) -> None:
        self._recordings: dict[FileId, dict[str | None, Address]] = {}
        self._others: dict[FileId, str] = {}
        self._directories: dict[str, str] = {}
        for address in recordings:
            key = None if address.is_stream else file_id(address.path)
            if key is not None:
                self._recordings.setdefault(key, {})[address.name] = address
        for path in others:
            key = file_id(path)
            if key is not None:
                self._others[key] = path
            elif os.path.isdir(path):
                self._directories[os.path.join(real_path(path), "")] = path

    def check(self, path: str) -> None:
        """Refuse to replace the file at `path` if the run reads it.

        Raises
        ------
        OutputError
        """
        key = file_id(path)
        if key in self._recordings:
            raise _replacing(path, f"the input {next(iter(self._recordings[key].values()))}")
        self._check_others(path, key)

    def check_output(self, output: Address, source: Address, is_whole_file: bool) -> None:
        """Refuse an output in the place of an input, its own or another's, or of anything else that is read.

        Parameters
        ----------
        output, source : Address
            Complete.
        is_whole_file : bool
            Whether the output takes the place of the whole file.

        Raises
        ------
        OutputError
        """
        key = _standard_output_id() if output.is_stream else file_id(output.path)
        self._check_others(output.path, key)
        names = self._recordings.get(key) if key is not None else None
        if names is None:
            return
        own = source.name if source.name in names else next(iter(names))
        name = own if is_whole_file or output.is_stream else output.name
        if name in names:
            same = names[name] == source
            text = "output and input are the same" if same else f"is the input {names[name]}, too"
            raise OutputError(f"{output}: {text}; write to another name")

    def _check_others(self, path: str, key: FileId | None) -> None:
        if key in self._others:
            raise _replacing(path, self._others[key])
        real = real_path(path) if self._directories and key is not None else ""
        for directory, typed in self._directories.items():
            if real.startswith(directory):
                raise _replacing(path, f"a file in {typed}")


def file_id(path: str | int) -> FileId | None:
    """Device and inode of a regular file, by its path or descriptor; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None


def _standard_output_id() -> FileId | None:
    try:
        return file_id(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None


def _replacing(path: str, what: str) -> OutputError:
    return OutputError(f"{path}: would replace {what}, which this run reads; write to another name")
