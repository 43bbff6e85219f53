"""Whether a file has the same content after it was read as before, even if its times did not change."""

from __future__ import annotations

import contextlib
import io
import os

from dwconv_cli.errors import InputError
from dwconv_cli.errors.system import refusal
from dwconv_cli.storage.file_state import changed
from dwconv_cli.storage.source import open_file


class Checksum:
    """The checksum of a file's content, which is read to its end now and again by :meth:`verify`.

    Parameters
    ----------
    path : str

    Raises
    ------
    InputError
        If it is no regular file, or cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        # Asked before the file is opened, because opening a pipe waits for somebody who writes to it.
        if os.path.exists(path) and not os.path.isfile(path):
            raise InputError(
                f"{path}: is no file that can be read again for its checksum; leave out --checksum"
            )
        self._file = io.FileIO(open_file(path))
        try:
            self._before = self._digest()
        except BaseException:
            self.close()
            raise

    def verify(self) -> None:
        """Read the content again.

        Raises
        ------
        InputError
            If it has changed, or another file has the name now.
        """
        try:
            same = os.path.samestat(os.stat(self._path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            same = True
        except OSError as error:
            raise refusal(self._path, error) from error
        if not same or self._digest() != self._before:
            raise changed(self._path)

    def close(self) -> None:
        """Release the file."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _digest(self) -> bytes:
        import hashlib  # here, because it takes a hundredth of a second to load

        try:
            self._file.seek(0)
            return hashlib.file_digest(self._file, "sha256").digest()
        except OSError as error:
            raise refusal(self._path, error) from error
