"""Wildcards in paths and in names inside files: ``*``, ``?`` and ``[…]`` stay within one level, ``**`` crosses levels.

A list of inputs may come from anybody, so no pattern takes unreasonable time: matching a name takes at most time that
grows with the square of the name's length, however many stars there are, and a walk enters no directory twice.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\*\*+|\*|\?|\[[!^]?\]?[^]/]*\]", re.DOTALL)
_RECURSIVE = "**"


def has_wildcards(text: str) -> bool:
    """Whether `text` is a pattern rather than a name."""
    return any(c in text for c in "*?[")


def name_pattern(pattern: str) -> re.Pattern[str]:
    """A regular expression for ``fullmatch`` over ``/``-separated names, which may leave out a leading ``/``.

    The text between two ``*`` may stand at the first place that fits, since a later place leaves less for what
    follows. The same is true of all that stands between two ``**``. So these places are fixed by atomic groups
    ``(?>…)``, and a failed match tries again only the text behind the last ``*`` and the last ``**``.

    Examples
    --------
    >>> bool(name_pattern("imu/*").fullmatch("/imu/acc")), bool(name_pattern("*").fullmatch("/imu/acc"))
    (True, False)
    """
    # A list for each stretch between two "**"; in it, the expression for each stretch between two "*".
    units = [[""]]
    end = 0
    pattern = pattern.lstrip("/")
    for token in _TOKEN.finditer(pattern):
        units[-1][-1] += re.escape(pattern[end : token.start()])
        end = token.end()
        text = token[0]
        if text == "*":
            units[-1].append("")
        elif text.startswith("**"):
            units.append([""])
        else:
            units[-1][-1] += "[^/]" if text == "?" else _one_of(text[1:-1])
    units[-1][-1] += re.escape(pattern[end:])
    *earlier, (first, *pieces) = units
    body = "/?"
    for number, unit in enumerate(earlier):
        text = unit[0] + "".join(f"(?>[^/]*?{piece})" for piece in unit[1:])
        body += f"(?>.*?{text})" if number else text
    body += (".*" if earlier else "") + first
    body += "".join(f"(?>[^/]*?{piece})" for piece in pieces[:-1]) + "".join(
        f"[^/]*{piece}" for piece in pieces[-1:]
    )
    return re.compile(body, re.DOTALL)


def _one_of(inside: str) -> str:
    """The expression for a pair of brackets; characters that mean something else to :mod:`re` are escaped."""
    others = inside[:1] in ("!", "^") and len(inside) > 1
    characters = inside[others:]
    ranges = ""
    while characters:
        if len(characters) > 2 and characters[1] == "-":
            low, high = characters[0], characters[2]
            characters = characters[3:]
            # A range such as z-a is empty, as in a shell.
            ranges += f"{_escaped(low)}-{_escaped(high)}" if low <= high else ""
        else:
            ranges += _escaped(characters[0])
            characters = characters[1:]
    if not ranges:
        return "[^/]" if others else "(?!)"
    return f"(?!/)[{'^' * others}{ranges}]"


def _escaped(character: str) -> str:
    return "\\" + character if character in "\\[]^-&~|" else character


def matching_paths(pattern: str) -> list[str]:
    """Paths that match `pattern`, sorted. Hidden files match only where the pattern has the dot.

    Directories that may not be listed are passed over, as a shell does. Symbolic links are followed, but a directory
    that was entered is not entered again through one.
    """
    parts = [part for part in pattern.split("/") if part]
    # "**/**" matches the same as "**".
    parts = [part for n, part in enumerate(parts) if part != _RECURSIVE or parts[n - 1 : n] != [_RECURSIVE]]
    patterns = [name_pattern(part) if has_wildcards(part) else None for part in parts]
    paths: list[str] = []
    entered: set[tuple[int, int, frozenset[int]]] = set()
    # Directories to look into, each with the indexes of the parts of the pattern that may come next.
    stack = [("/" if pattern.startswith("/") else "", frozenset({0}))]
    while stack:
        folder, places = stack.pop()
        for path, is_link, after in _steps(folder, places, parts, patterns):
            if len(parts) in after:
                paths.append(path)
            rest = after - {len(parts)}
            if not rest:
                continue
            with contextlib.suppress(OSError, ValueError):
                status = os.stat(path)
                key = (status.st_dev, status.st_ino, rest)
                if not (is_link and key in entered):
                    entered.add(key)
                    stack.append((path + "/", rest))
    return sorted(paths)


def _steps(
    folder: str, places: frozenset[int], parts: list[str], patterns: list[re.Pattern[str] | None]
) -> Iterator[tuple[str, bool, frozenset[int]]]:
    """What in a folder may be part of a match: its path, whether it is a link, and which parts may come next."""
    places = _with_skipped(places, parts)
    if len(places) == 1 and patterns[place := min(places)] is None:
        # No wildcard here, so the folder need not be listed, which may be forbidden.
        path = folder + parts[place]
        if os.path.lexists(path):
            yield path, os.path.islink(path), frozenset({place + 1})
        return
    with contextlib.suppress(OSError, ValueError), os.scandir(folder or ".") as entries:
        for entry in entries:
            after: set[int] = set()
            for place in places - {len(parts)}:
                part, pattern = parts[place], patterns[place]
                if entry.name.startswith(".") and not part.startswith("."):
                    continue
                if part == _RECURSIVE:
                    after.add(place)
                elif entry.name == part if pattern is None else pattern.fullmatch(entry.name):
                    after.add(place + 1)
            if after:
                yield folder + entry.name, entry.is_symlink(), _with_skipped(frozenset(after), parts)


def _with_skipped(places: frozenset[int], parts: list[str]) -> frozenset[int]:
    """`places`, and the place after each ``**`` among them, because ``**`` matches no directory at all, too."""
    return places | {n + 1 for n in places if n < len(parts) and parts[n] == _RECURSIVE}
