"""Inputs that stand in a file, for ``--files-from``."""

from __future__ import annotations

import os
import sys


def listed_in(path: str | None, null: bool) -> list[str] | None:
    """Addresses from a file, one a line.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if path is None:
        return None
    from dwconv_cli.errors import InputError

    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    lines = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]
