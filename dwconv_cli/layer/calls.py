"""``name(key=value, …)`` as people type it: read as data, never evaluated."""

from __future__ import annotations

import ast
from typing import Any

from dwconv_cli.errors import LayerError
from dwconv_cli.text import shown

_LONGEST = 1000


class _Unreadable:
    pass


UNREADABLE = _Unreadable()
"""Stands for a value that is no literal."""


class _Words(ast.NodeTransformer):
    """Words without quotes are strings: ``bandpass`` is typed more easily than ``'bandpass'`` in a shell."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Constant(node.id), node)


def read_call(kind: str, text: str) -> tuple[str, list[tuple[str, Any]]]:
    """A name, and keys and values in the order in which they are typed; the key is empty where none is.

    Parameters
    ----------
    kind : str
        What it is called in messages.
    text : str

    Returns
    -------
    str
    list of (str, value)
        A value that is no literal is :data:`UNREADABLE`.

    Raises
    ------
    LayerError
        If the text has another form.
    """
    name, bracket, rest = text.strip().partition("(")
    if not bracket:
        return name, []
    wanted = LayerError(f"{kind} {shown(text)}: write name or name(key=value, …)")
    if len(text) > _LONGEST:
        raise wanted
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise wanted from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise wanted
    if any(keyword.arg is None for keyword in call.keywords):  # **values
        raise wanted
    nodes = [*(("", node) for node in call.args), *((k.arg or "", k.value) for k in call.keywords)]
    return name.strip(), [(key, _value(node)) for key, node in nodes]


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(_Words().visit(node))
    except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
        return UNREADABLE
