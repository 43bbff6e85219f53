"""Whether a file is still the one that was looked at."""

from __future__ import annotations

import os

from dwconv_cli.errors import InputError
from dwconv_cli.errors.system import refusal


def state(status: os.stat_result) -> tuple[int, ...]:
    """What shows that a file is still the same one and was not changed by ordinary means.

    The time of its change of status cannot be put back, but other names and permissions change it too.
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
    """The refusal of an input that did not stay as it was."""
    return InputError(f"{name}: changed while it was read; try again when nothing writes, moves or links it")
