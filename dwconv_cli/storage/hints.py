"""What to type instead of an address whose suffix tells no format."""

from __future__ import annotations

import os

_TEXT = ".txt"
# Characters that are read of the first line, since a file without line breaks may be large.
_LONGEST_LINE = 1 << 16
_MODELS = (".keras",)


def one_colon(path: str, suffixes: tuple[str, ...] = ()) -> str | None:
    """The address with two colons that somebody probably meant who typed one; None if no part of it is a file.

    Examples
    --------
    >>> one_colon("rec.h5:/imu/acc", (".h5",))
    'rec.h5::/imu/acc'
    """
    head, colon, name = path.partition(":")
    while colon:
        is_file = os.path.splitext(head)[1].lower() in (*suffixes, *_MODELS) or os.path.isfile(head)
        if is_file and name and not name.startswith(":") and not os.path.lexists(path):
            return f"{head}::{name}"
        more, colon, name = name.partition(":")
        head = f"{head}:{more}"
    return None


def advice_for(path: str) -> str | None:
    """What to do with a Keras model or a text whose suffix does not tell a table, which are no formats of recordings."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _MODELS:
        return "a Keras model is no array of numbers; give it as weights"
    if suffix == _TEXT:
        import shlex

        line = _first_line(path)
        if any(delimiter in line for delimiter in ",;\t"):
            return "the suffix does not tell what the text is; for a table say --input-format csv"
        skipped = "" if _is_numbers(line) else ", skiprows=1"
        base = os.path.basename(path)
        new = os.path.splitext(path)[0] + ".npy"
        code = f"import numpy as np; np.save({new!r}, np.loadtxt({path!r}{skipped}, ndmin=2))"
        return f"text with blanks between is not read; convert {base} with: python3 -c {shlex.quote(code)}"
    return None


def _first_line(path: str) -> str:
    """The first line of a text, or the beginning of it; empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(_LONGEST_LINE)
    except OSError:
        return ""


def _is_numbers(line: str) -> bool:
    """Whether a line holds numbers rather than words."""
    try:
        for field in line.split():
            float(field)
    except ValueError:
        return False
    return True
