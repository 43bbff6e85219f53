"""JSON from files of unknown origin, read with limits."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from dwconv_cli.errors import InputError, UnsafeFileError

MAX_BYTES = 64 << 20
MAX_DEPTH = 200

# Strings first, so that brackets inside them are not counted.
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def load_json(text: str | bytes, where: str) -> Any:
    """Parse JSON, which messages call `where`.

    Raises
    ------
    InputError
        No UTF-8, no JSON, or an object with one key twice.
    UnsafeFileError
        Longer than ``MAX_BYTES`` or nested deeper than ``MAX_DEPTH``.

    Examples
    --------
    >>> load_json('{"kernel_size": [3]}', "layer.json")
    {'kernel_size': [3]}
    """
    if len(text) > MAX_BYTES:
        raise UnsafeFileError(f"{where}: {len(text)} bytes of JSON, more than {MAX_BYTES}")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        _check_depth(text, where)
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, where))
    except (ValueError, RecursionError) as error:
        if type(error) is ValueError:
            # All others are of a subclass. This one is about an integer with too many digits, and Python's own
            # message advises to change a setting of the interpreter.
            raise InputError(
                f"{where}: an integer in the JSON has more than "
                f"{sys.get_int_max_str_digits()} digits, which no setting of a layer has; correct it"
            ) from error
        raise InputError(f"{where}: not valid JSON: {error}") from error


def _check_depth(text: str, where: str) -> None:
    depth = 0
    for token in _NESTING.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.group(), 0)
        if depth > MAX_DEPTH:
            raise UnsafeFileError(f"{where}: JSON nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise InputError(f"{where}: the key {twice!r} stands twice in one JSON object")
    return items
