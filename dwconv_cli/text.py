"""Text for messages: names, attributes and values come from files and callers, and may hold what commands a terminal."""

from __future__ import annotations

from collections.abc import Sequence

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


def ranges(numbers: Sequence[int]) -> str:
    """Rising numbers in short: those that follow each other are joined, and at most 8 parts are named.

    Examples
    --------
    >>> ranges([0, 1, 2, 3, 5])
    '0-3,5'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    words = ["-".join(map(str, part)) for part in parts]
    return ",".join(words[:8]) + (",..." if len(words) > 8 else "")
