"""What to type instead of an address whose suffix tells no format."""

from __future__ import annotations

import os

_TEXT = ".txt"
# Characters that are read of the first line, since a file without line breaks may be large.
_LONGEST_LINE = 1 << 16
_MODELS = (".keras",)
# Suffixes that people give to samples without a header.
_SAMPLES = frozenset({".raw", ".bin", ".dat", ".pcm", ".s16", ".f32"})


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


def inside_file(path: str) -> str | None:
    """The address that somebody probably meant who went on behind a file as if it were a directory."""
    head = path
    names: list[str] = []
    while "/" in head.strip("/"):
        head, _, name = head.rpartition("/")
        names.insert(0, name)
        if os.path.isfile(head):
            return f"{head}::/{'/'.join(names)}"
    return None


def advice_for(path: str) -> str | None:
    """What to do with a Keras model or a text whose suffix does not tell a table, which are no formats of recordings."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _MODELS:
        return "a Keras model is no array of numbers; name a recording here, and give the model as weights"
    if suffix in _SAMPLES:
        import shlex

        return (
            "headerless samples come through a pipe, with their dtype and channels; "
            f"e.g. dwconv apply - --raw i2 --channels 1 < {shlex.quote(path)}"
        )
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
