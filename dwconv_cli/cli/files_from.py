"""Inputs that stand in a file, for ``--files-from``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

# Linux takes paths of 4096 bytes; the rest is for a name inside.
_LONGEST = 1 << 16
_MOST_BYTES = 1 << 28
_NUL = b"\0"


def listed_in(path: str | None, null: bool) -> list[str] | None:
    """Addresses from a file, one a line; blank lines mean nothing.

    Raises
    ------
    InputError
        If it cannot be read, or is no such list.
    """
    if path is None:
        return None
    from dwconv_cli.errors import InputError
    from dwconv_cli.errors.system import reason

    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            return list(_addresses(sys.stdin.buffer, name, null))
        with open(path, "rb") as file:
            return list(_addresses(file, name, null))
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: {reason(error)}") from error


def _addresses(file: BinaryIO, name: str, null: bool) -> Iterator[str]:
    from dwconv_cli.errors import InputError

    for number, line in enumerate(_entries(file, name, _NUL if null else b"\n"), 1):
        if len(line) > _LONGEST:
            advice = ", and leave out -0 if each has a line" if null else ""
            raise InputError(
                f"{name}: entry {number} is longer than {_LONGEST} bytes; name a list of addresses{advice}"
            )
        # Lines of other systems end in a carriage return, too.
        address = line if null else line.rstrip(b"\r\n")
        if _NUL in address:
            raise InputError(f"{name}: line {number} holds a NUL; with -0 addresses end in NUL")
        if address.strip():
            yield os.fsdecode(address)


def _entries(file: BinaryIO, name: str, end: bytes) -> Iterator[bytes]:
    """Pieces that end in `end`, without it; one that is too long is given up in its middle."""
    from dwconv_cli.errors import InputError

    rest, size = b"", 0
    while chunk := file.read(_LONGEST):
        size += len(chunk)
        if size > _MOST_BYTES:
            raise InputError(f"{name}: is longer than {_MOST_BYTES} bytes; split the list")
        if not rest and chunk == end * len(chunk):
            # So many empty entries would take minutes one by one.
            continue
        *whole, rest = (rest + chunk).split(end)
        yield from whole
        if len(rest) > _LONGEST:
            break
    if rest:
        yield rest
