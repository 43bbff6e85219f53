"""Errors of the operating system in words."""

from __future__ import annotations

import errno
import os

from dwconv_cli.errors import InputError

NOWHERE = "the working directory was removed: change to one that is there"


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
    elif number == errno.ENOENT and is_nowhere(path):
        text += f"; {NOWHERE}"
    return InputError(text)


def is_nowhere(path: str) -> bool:
    """Whether `path` starts from a working directory that was removed."""
    try:
        os.getcwd()
    except OSError:
        return not os.path.isabs(path)
    return False
