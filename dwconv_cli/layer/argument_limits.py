"""What a catalogue argument may be: plain data, of a type, within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

_DEEPEST = 8


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()
"""Stands where an argument without default would have one."""


class Limit(NamedTuple):
    """A condition on a value and the words for it, which complete "must be …"."""

    phrase: str
    holds: Callable[[Any], bool]


def at_least(low: float) -> Limit:
    """A number not below `low`."""
    return Limit(f"at least {low:g}", lambda value: bool(value >= low))


def above(low: float) -> Limit:
    """A number above `low`."""
    return Limit(f"above {low:g}", lambda value: bool(value > low))


def one_of(*choices: Any) -> Limit:
    """One of a few values."""
    return Limit(f"one of {', '.join(map(str, choices))}", lambda value: value in choices)


def _finite(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# Annotations by which arguments are checked; an annotation with any other word lets every plain value through.
TYPES: dict[str, Limit] = {
    "None": Limit("None", lambda value: value is None),
    "bool": Limit("True or False", lambda value: isinstance(value, bool)),
    "float": Limit("a finite number", _finite),
    "int": Limit("a whole number", _whole),
    "str": Limit("a name", lambda value: isinstance(value, str)),
    "tuple[float, ...]": Limit("numbers", lambda v: isinstance(v, tuple) and all(map(_finite, v))),
    "tuple[int, ...]": Limit("whole numbers", lambda v: isinstance(v, tuple) and all(map(_whole, v))),
}


def frozen(value: Any) -> Any:
    """`value` with its lists as tuples and NumPy's scalars and arrays as Python's."""
    if hasattr(value, "tolist"):  # asked this way, NumPy need not be imported
        value = value.tolist()
    return (
        tuple(map(frozen, value)) if isinstance(value, list | tuple) and _depth(value) <= _DEEPEST else value
    )


def is_plain(value: Any) -> bool:
    """Whether `value`, once frozen, is a number, a string, a truth value, None, or tuples of them."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | complex | str)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        level = [item for one in level if isinstance(one, list | tuple) for item in one]
        depth += 1
    return depth
