"""Text such as ``name(key=value, …)``, read as data and never evaluated."""

from __future__ import annotations

import ast
import re
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.text import shown

_LONGEST = 1000
# A number with the unit of a frequency or a ripple, which people write behind it.
_UNIT = re.compile(r"(?<![\w.])(\d+(?:\.\d*)?|\.\d+)\s*(Hz|kHz|MHz|dB)\b", re.IGNORECASE)
_FACTORS = {"khz": 1e3, "mhz": 1e6}


UNREADABLE = object()
"""Stands for a value that is no literal."""


class _QuotedNames(ast.NodeTransformer):
    """Makes strings of words without quotes: in a shell ``bandpass`` is easier to type than ``'bandpass'``."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Constant(node.id), node)


def read_call(kind: str, text: str) -> tuple[str, list[tuple[str, Any]]]:
    """A name, which messages call a `kind`, and its keys and values in the order in which they are typed.

    A key is empty where none is typed; a value is :data:`UNREADABLE` where it is no literal. Text of another form is
    refused with a LayerError.

    Examples
    --------
    >>> read_call("initializer", "firwin(0.2, window=hann)")
    ('firwin', [('', 0.2), ('window', 'hann')])
    """
    name, bracket, rest = text.strip().partition("(")
    if not bracket:
        return name, []
    error = LayerError(f"{kind} {shown(text)}: write {_corrected(text) or 'name or name(key=value, …)'}")
    if len(text) > _LONGEST:
        raise error
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise error from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise error
    if any(keyword.arg is None for keyword in call.keywords):  # **values
        raise error
    nodes = [*(("", node) for node in call.args), *((k.arg or "", k.value) for k in call.keywords)]
    return name.strip(), [(key, _value(node)) for key, node in nodes]


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(_QuotedNames().visit(node))
    except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
        return UNREADABLE


def _corrected(text: str) -> str | None:
    """What to write instead of `text`, where it has units behind its numbers, or where its bracket is not closed.

    Frequencies are in Hz, and ripples in dB.
    """

    def number(match: re.Match[str]) -> str:
        return f"{float(match[1]) * _FACTORS.get(match[2].lower(), 1):g}"

    plain, why = _UNIT.sub(number, text.strip()), "the numbers without units: "
    if plain.count("(") == plain.count(")") + 1 and not plain.endswith("("):
        plain, why = f"{plain})", "the closing bracket too: "
    return f"{why}{plain}" if plain != text.strip() and plain.isprintable() and len(plain) < 100 else None
