"""``PATH[::NAME]``: a file, a thing inside it, and the format of the file."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dwconv_cli.choices import FORMATS, RAW
from dwconv_cli.errors import OutputError
from dwconv_cli.layer.arguments import Location, location, one_of

SEPARATOR = "::"
STREAM = "-"
_METADATA = FORMATS["sigmf"][1]
_FORMAT_OF = {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes}


def real_path(path: str) -> str:
    """Where an output really lies, without links.

    Raises
    ------
    OutputError
        If that depends on a working directory that is not there any more.
    """
    try:
        return os.path.realpath(path)
    except OSError as error:
        raise OutputError(
            f"{path}: the working directory was removed; change to one that is there, or write the path from / on"
        ) from error


@dataclass(frozen=True)
class Address:
    """Where data lies, and in which format.

    Parameters
    ----------
    path : str
        A file's path, or ``-`` for a standard stream.
    name : str, optional
        A member of the file: an ``.npz`` key, an HDF5 path, a layer.
    format : str, optional
        A format's name. Where it is left out, the path's suffix tells it; it stays None where the suffix tells
        nothing.

    Examples
    --------
    >>> Address.parse("rec.h5::/imu/acc")
    Address(path='rec.h5', name='/imu/acc', format='hdf5')
    >>> Address.parse("samples.dat", "npy").format
    'npy'
    """

    path: str
    name: str | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        if self.format is None:
            object.__setattr__(self, "format", "npy" if self.is_stream else _FORMAT_OF.get(self.suffix))
        if self.format == "sigmf" and self.suffix == _METADATA:
            # The samples are what is read, written and protected; the metadata goes along.
            object.__setattr__(self, "path", self.path[: -len(_METADATA)] + FORMATS["sigmf"][0])

    @classmethod
    def parse(cls, text: Location | Address, format: str | None = None) -> Address:
        """Split `text` at its last ``::``; a path that exists as it stands is taken whole.

        An address stays as it is.

        Raises
        ------
        LayerError
            If `text` is no address, or `format` no format's name.
        """
        if isinstance(text, Address):
            return text
        text = location("an address", text)
        known = None if format is None else one_of("the format", format, (*FORMATS, RAW))
        path, separator, name = text.rpartition(SEPARATOR)
        if not separator or not path or os.path.lexists(text):
            return cls(text, None, known)
        return cls(path, name or None, known)

    def __str__(self) -> str:
        return self.path if self.name is None else f"{self.path}{SEPARATOR}{self.name}"

    @property
    def is_stream(self) -> bool:
        """Whether this is standard input or output."""
        return self.path == STREAM

    @property
    def suffix(self) -> str:
        """The path's last suffix in lower case, with its dot; of ``m.weights.h5`` it is ``.h5``."""
        return os.path.splitext(self.path)[1].lower()
