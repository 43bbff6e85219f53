"""Errors of the operating system in words."""

from __future__ import annotations

import errno
import os

from dwconv_cli.errors import InputError


def reason(error: BaseException) -> str:
    """The operating system's words for `error`, without numbers and names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).lower() if isinstance(error, OSError) else " ".join(str(text).split())


def refusal(path: str, error: BaseException) -> InputError:
    """What is said of a file that cannot be opened or looked at, and what to do."""
    text = f"{path}: {reason(error)}"
    number = getattr(error, "errno", None)
    if number == errno.EIO:
        text += "; its disk or network fails: check that, or use a copy of the file"
    elif number == errno.ENOENT and not os.path.isabs(path) and _is_nowhere():
        text += "; the working directory was removed: change to one that is there"
    return InputError(text)


def _is_nowhere() -> bool:
    """Whether the working directory was removed."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False
