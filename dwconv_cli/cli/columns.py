"""How many columns a stream has, and a text takes."""

from __future__ import annotations

import os
import unicodedata
from typing import TextIO

# Columns of a terminal that does not say how many it has.
_COLUMNS = 80


def has_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal on which colour, and lines that replace each other, are welcome."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns_of(stream: TextIO) -> int | None:
    """The columns of a terminal, or those that ``COLUMNS`` in the environment asks for; None for other streams."""
    setting = os.environ.get("COLUMNS", "")
    if setting.isascii() and setting.isdigit() and int(setting) > 0:
        return int(setting)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def width_of(text: str) -> int:
    """The columns that a text takes: characters of East Asian scripts take two, combining ones none.

    Examples
    --------
    >>> width_of("acc"), width_of("加速度"), width_of("e\u0301")
    (3, 6, 1)
    """
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


def padded(text: str, width: int, right: bool = False) -> str:
    """`text` with as many spaces as make it `width` columns wide; to the `right`, they stand before it."""
    spaces = " " * (width - width_of(text))
    return spaces + text if right else text + spaces


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` columns: what is too long loses its middle, since both ends of an address tell it.

    Examples
    --------
    >>> shortened("recordings/2024/site_12/day_03/watch.h5::/pen/acc", 30)
    'recordings/20...h.h5::/pen/acc'
    """
    if width_of(text) <= width:
        return text
    room = max(0, width - 3)
    tail = _first(text[::-1], room // 2 + room % 2)[::-1]
    return (_first(text, room // 2) + "..." + tail)[: max(1, width)]


def folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, broken at spaces; a longer word is broken where it has to be."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and width_of(lines[-1]) + 1 + width_of(word) <= width:
            lines[-1] += " " + word
            continue
        pieces, rest = [], word
        while width_of(rest) > width:
            pieces.append(_first(rest, width) or rest[0])
            rest = rest[len(pieces[-1]) :]
        lines += [*pieces, rest]
    return lines[1:] if len(lines) > 1 else lines


def _first(text: str, width: int) -> str:
    """The longest beginning of `text` that fits."""
    for number, character in enumerate(text):
        width -= _width(character)
        if width < 0:
            return text[:number]
    return text


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
