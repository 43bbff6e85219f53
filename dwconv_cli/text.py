"""Text for messages: names, attributes and values come from files and callers, and may hold what commands a terminal."""

from __future__ import annotations

# The heights of sparklines.
SPARKS = "▁▂▃▄▅▆▇█"
_LONGEST = 60


def printable(text: str, encoding: str = "utf-8") -> str:
    r"""`text` on one line, with every character escaped that is unprintable or that the encoding lacks.

    Unprintable are control characters, those that change the direction of writing, and bytes that are no UTF-8.

    Examples
    --------
    >>> printable("two\nlines, 5 µV", "ascii")
    'two\\nlines, 5 \\xb5V'
    """
    if not text.isprintable():
        text = "".join(
            c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
        )
    return text.encode(encoding, "backslashreplace").decode(encoding)


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
