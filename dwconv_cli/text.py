"""Text that is safe to show: names and attributes come from files, and may hold what commands a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` on one line, with every unprintable character (control, bidirectional, no UTF-8) escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
