"""What to type instead of an address whose suffix tells no format."""

from __future__ import annotations

import os

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": None}
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
    """What to do with a Keras model or a text file, which are no formats of recordings."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _MODELS:
        return "a Keras model is no array of numbers; give it as weights"
    if suffix in _SEPARATORS:
        import shlex

        separator = _SEPARATORS[suffix]
        options = "" if separator is None else f", delimiter={separator!r}"
        skipped = ", skiprows=1" if _has_title(path, separator) else ""
        base = os.path.basename(path)
        new = os.path.splitext(path)[0] + ".npy"
        code = f"import numpy as np; np.save({new!r}, np.loadtxt({path!r}{options}{skipped}, ndmin=2))"
        return f"text is not read; convert {base} with: python3 -c {shlex.quote(code)}"
    return None


def _has_title(path: str, separator: str | None) -> bool:
    """Whether the first line of a table holds words rather than numbers."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            line = file.readline(_LONGEST_LINE)
    except OSError:
        return False
    try:
        for field in line.split(separator):
            float(field)
    except ValueError:
        return True
    return False
