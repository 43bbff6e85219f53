"""Tables in HTML, as notebooks show objects that have ``_repr_html_``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dwconv_cli.text import printable


def html_table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    """A table of names and values under a title; values of None are left out.

    Everything is escaped, since names and texts may come from files.

    Examples
    --------
    >>> print(html_table("a < b", [("size", (4, 3)), ("note", None)]))
    <table><caption>a &lt; b</caption><tbody>
    <tr><th style="text-align:left">size</th><td style="text-align:left">(4, 3)</td></tr>
    </tbody></table>
    """
    lines = [
        f'<tr><th style="text-align:left">{_escaped(name)}</th><td style="text-align:left">{_cell(value)}</td></tr>'
        for name, value in rows
        if value is not None
    ]
    return "\n".join([f"<table><caption>{_escaped(title)}</caption><tbody>", *lines, "</tbody></table>"])


def _cell(value: Any) -> str:
    """A value in a cell: what a mapping holds in one line, a list of texts in a line each."""
    if isinstance(value, Mapping):
        return _escaped(", ".join(f"{key} {item}" for key, item in value.items() if item is not None))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "<br>".join(map(_escaped, value))
    return _escaped(f"{value:.6g}" if isinstance(value, float) else str(value))


def _escaped(text: str) -> str:
    from html import escape  # here, because only notebooks need it

    return escape(printable(text))
