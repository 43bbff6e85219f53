"""Whether a file is still the one that was looked at."""

from __future__ import annotations

import os

from dwconv_cli.errors import InputError
from dwconv_cli.errors.system import refusal


def state(status: os.stat_result) -> tuple[int, ...]:
    """Numbers that stay as they are while a file is the same one and nobody changes it.

    Among them is the time of its last change of status. No program can set it back, but a new name or other
    permissions change it too.
    """
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def state_of(fd: int, name: str) -> tuple[int, ...]:
    """The :func:`state` of an open file.

    Raises
    ------
    InputError
    """
    try:
        return state(os.fstat(fd))
    except OSError as error:
        raise refusal(name, error) from error


def changed(name: str) -> InputError:
    """The error to raise for an input that did not stay as it was."""
    return InputError(f"{name}: changed while it was read; try again when nothing writes, moves or links it")
