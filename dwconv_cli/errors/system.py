"""Messages for errors of the operating system."""

from __future__ import annotations

import errno
import os

from dwconv_cli.errors import InputError

NOWHERE = "the working directory was removed: change to one that is there"

# Names in a directory that are compared with one that is missing.
_MOST_NAMES = 10_000


def reason(error: BaseException) -> str:
    """The operating system's words for `error`, without its number and file name.

    Examples
    --------
    >>> reason(FileNotFoundError(2, "No such file or directory", "rec.npy"))
    'no such file or directory'
    """
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = " ".join(str(words).split())
    return text.lower() if isinstance(error, OSError) else text


def reason_of(number: int) -> str:
    """The operating system's words for an error number, such as ``errno.ENOSPC``."""
    return reason(OSError(number, os.strerror(number)))


def refusal(path: str, error: BaseException) -> InputError:
    """The error to raise where the file at `path` cannot be opened or looked at, with advice."""
    text = f"{path}: {reason(error)}"
    number = getattr(error, "errno", None)
    if number == errno.EIO:
        text += "; its disk or network fails: check that, or use a copy of the file"
    elif number == errno.ENOENT and is_nowhere(path):
        text += f"; {NOWHERE}"
    elif number == errno.ENOENT and (name := similar_name(path)):
        text += f"; did you mean {name}?"
    return InputError(text)


def similar_name(path: str) -> str | None:
    """The file beside the missing `path` whose name is most like it, if one is like it."""
    from difflib import SequenceMatcher, get_close_matches
    from itertools import islice

    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in islice(entries, _MOST_NAMES)]
    except OSError:
        return None
    # Two short names with one suffix are like each other for that alone.
    stem = os.path.splitext(name)[0]
    for similar in get_close_matches(name, names, 3, 0.75):
        if SequenceMatcher(None, stem, os.path.splitext(similar)[0]).ratio() > 0.6:
            return os.path.join(folder, similar)
    return None


def is_nowhere(path: str) -> bool:
    """Whether `path` is relative to a working directory that was removed."""
    try:
        os.getcwd()
    except OSError:
        return not os.path.isabs(path)
    return False
