"""Text for messages: names, attributes and values come from files and callers, and may hold what commands a terminal."""

from __future__ import annotations

_LONGEST = 60


def printable(text: str) -> str:
    r"""`text` on one line, with every unprintable character (control, bidirectional, no UTF-8) escaped.

    Examples
    --------
    >>> printable("two\nlines")
    'two\\nlines'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def shown(value: object) -> str:
    """`value` as Python writes it, on one line and cut after 60 characters; of an array only its type.

    Examples
    --------
    >>> shown("valid")
    "'valid'"
    >>> len(shown("x" * 1000))
    60
    """
    if getattr(value, "ndim", 0):
        return f"a {type(value).__name__}"
    text = " ".join(printable(line) for line in repr(value).splitlines())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    Examples
    --------
    >>> counted(1, "channel"), counted(6, "channel")
    ('1 channel', '6 channels')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
