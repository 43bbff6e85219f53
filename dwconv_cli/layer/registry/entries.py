"""The parts of a catalogue: entries, the limits of their arguments, choices of an entry, and layers that stand for one."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

REQUIRED = inspect.Parameter.empty
"""Stands for the default of an argument that has none."""


class Limit(NamedTuple):
    """A condition on a value, and the words for it that complete "must be …"."""

    phrase: str
    holds: Callable[[Any], bool]


def at_least(low: float) -> Limit:
    """A number not below `low`."""
    return Limit(f"at least {low:g}", lambda value: bool(value >= low))


def above(low: float) -> Limit:
    """A number above `low`.

    Examples
    --------
    >>> above(0).phrase, above(0).holds(0)
    ('above 0', False)
    """
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


# The annotations by which arguments are checked. An argument whose annotation has any other word takes every value
# that is plain data.
_TYPES: dict[str, Limit] = {
    "None": Limit("None", lambda value: value is None),
    "bool": Limit("True or False", lambda value: isinstance(value, bool)),
    "float": Limit("a finite number", _finite),
    "int": Limit("a whole number", _whole),
    "str": Limit("a name", lambda value: isinstance(value, str)),
    "tuple[float, ...]": Limit("numbers", lambda v: isinstance(v, tuple) and all(map(_finite, v))),
    "tuple[int, ...]": Limit("whole numbers", lambda v: isinstance(v, tuple) and all(map(_whole, v))),
}


def plain(value: Any, deepest: int = 7) -> Any:
    """`value` with its lists as tuples, and NumPy's scalars and arrays as Python's.

    Lists that are nested deeper than `deepest` stay lists, which no argument takes.

    Examples
    --------
    >>> plain([1, [2, "a"]])
    (1, (2, 'a'))
    """
    if hasattr(value, "tolist"):  # asked this way, NumPy need not be imported
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return value
    return tuple(plain(item, deepest - 1) for item in value) if deepest else list(value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | complex | str)


@dataclass(frozen=True)
class Choice:
    """A catalogue entry chosen by name, with the arguments that differ from its defaults.

    Parameters
    ----------
    name : str
        Canonical name in the catalogue.
    arguments : tuple of (str, value)
        Keyword arguments in the order of the function's signature; values are numbers, strings, booleans,
        None, or tuples of them.

    Examples
    --------
    >>> print(Choice("relu", (("max_value", 6),)))
    relu(max_value=6)
    """

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.arguments)
        return f"{self.name}({inside})" if inside else self.name


@dataclass(frozen=True)
class Entry:
    """A function of a catalogue; its parameters that have a default or are keyword-only are the entry's arguments.

    `class_name` is Keras's name, `in_keras` says whether Keras has this entry too, `limits` bound the arguments, and
    `example` is a call of it as people type it.
    """

    function: Callable[..., Any]
    class_name: str
    in_keras: bool
    limits: Mapping[str, Limit]
    example: str | None = None

    @functools.cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The parameters that are arguments of the entry."""
        parameters = inspect.signature(self.function).parameters.items()
        return {k: p for k, p in parameters if p.default is not REQUIRED or p.kind is p.KEYWORD_ONLY}

    @functools.cached_property
    def arguments(self) -> dict[str, Any]:
        """The arguments' names with their defaults, or ``REQUIRED``."""
        return {name: parameter.default for name, parameter in self.parameters.items()}

    @functools.cached_property
    def signature(self) -> str:
        """The arguments in words."""
        pairs = self.arguments.items()
        return ", ".join(k if v is REQUIRED else f"{k}={v!r}" for k, v in pairs) or "no arguments"

    @property
    def summary(self) -> str:
        """The first sentence of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def advice(self) -> str:
        """The end of an error: an example to type, if there is one."""
        return f"; write e.g. '{self.example}'" if self.example else ""

    def takes_numbers(self, key: str) -> bool:
        """Whether an argument may be several numbers."""
        return "tuple[float, ...]" in str(self.parameters[key].annotation)

    def fault(self, key: str, value: Any) -> str | None:
        """The words for what the argument `key` has to be, where the plain `value` is not that."""
        if not _is_plain(value):
            return "a number, a string or a list"
        names = str(self.parameters[key].annotation).split(" | ")
        types = [_TYPES[name] for name in names if name in _TYPES]
        if len(types) == len(names) and not any(one.holds(value) for one in types):
            return " or ".join(one.phrase for one in types)
        limit = self.limits.get(key)
        return limit.phrase if limit and value is not None and not limit.holds(value) else None


@dataclass(frozen=True)
class LayerClass:
    """A class of ``keras.layers``, such as ``ReLU``, that does what an entry does.

    `defaults` are the layer's where they differ from the entry's, `renames` map the layer's names of arguments to the
    entry's, and `limits` say what the layer takes where that is less than the entry does. Only a `current` class, which
    Keras 3 has too, can be written.
    """

    entry: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    current: bool = True

    def takes(self, arguments: Mapping[str, Any]) -> bool:
        """Whether Keras has the class and it takes the entry's `arguments`."""
        return self.current and all(limit.holds(arguments[key]) for key, limit in self.limits.items())
