"""Catalogues: a name or alias, its arguments, and the function behind them.

A catalogue argument is data: ``relu(negative_slope=0.1)`` on the command line, ``{"class_name": "ReLU",
"config": {"negative_slope": 0.1}}`` in a Keras config, and :class:`Choice` in between. Text is parsed with
:mod:`ast`, never evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dwconv_cli.errors import LayerError

F = TypeVar("F", bound=Callable[..., Any])


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
    """

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        if not self.arguments:
            return self.name
        inside = ", ".join(f"{key}={value!r}" for key, value in self.arguments)
        return f"{self.name}({inside})"


@dataclass(frozen=True)
class _Entry:
    function: Callable[..., Any]
    class_name: str


class Registry(Generic[F]):
    """One catalogue.

    Parameters
    ----------
    kind : str
        What an entry is called in messages, e.g. ``"activation"``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, _Entry] = {}
        self._aliases: dict[str, str] = {}

    def register(self, *aliases: str, class_name: str | None = None) -> Callable[[F], F]:
        """Enter the decorated function under its own name, its Keras class name and `aliases`.

        The function's keyword arguments (those with a default) are the entry's arguments.

        Parameters
        ----------
        *aliases : str
            Other names of the same entry.
        class_name : str, optional
            Keras's class name, ``CamelCase`` of the function's name by default.
        """

        def enter(function: F) -> F:
            name = function.__name__.rstrip("_")
            keras_name = class_name or "".join(part.capitalize() for part in name.split("_"))
            self._entries[name] = _Entry(function, keras_name)
            for alias in (name, keras_name, *aliases):
                self._aliases[alias] = name
            return function

        return enter

    def names(self) -> tuple[str, ...]:
        """Canonical names, in alphabetical order."""
        return tuple(sorted(self._entries))

    def class_name(self, choice: Choice) -> str:
        """Keras's class name of the chosen entry."""
        return self._entries[choice.name].class_name

    def arguments(self, name: str) -> dict[str, Any]:
        """Keyword arguments of an entry with their defaults, in the order of its signature."""
        function = self._entries[name].function
        code = function.__code__
        positional = code.co_varnames[: code.co_argcount]
        values = function.__defaults__ or ()
        found = dict(zip(positional[len(positional) - len(values) :], values, strict=True))
        return found | (function.__kwdefaults__ or {})

    def choose(self, name: str, arguments: Mapping[str, Any] | None = None) -> Choice:
        """The entry `name` (or alias) with `arguments`, checked.

        Raises
        ------
        LayerError
            If the name or an argument is not in the catalogue; the message lists the choices.
        """
        canonical = self._aliases.get(name)
        if canonical is None:
            choices = ", ".join(self.names())
            raise LayerError(f"unknown {self.kind} {_shown(name)}; choose one of: {choices}")
        known = self.arguments(canonical)
        given = dict(arguments or {})
        for key in given:
            if key not in known:
                takes = ", ".join(f"{k}={v!r}" for k, v in known.items()) or "no arguments"
                raise LayerError(f"{self.kind} {canonical}: unknown argument {_shown(key)}; it takes {takes}")
        kept = tuple((k, _frozen(given[k])) for k in known if k in given and _frozen(given[k]) != known[k])
        return Choice(canonical, kept)

    def parse(self, text: str) -> Choice:
        """Read ``name`` or ``name(key=value, …)``; values are literals.

        Raises
        ------
        LayerError
            If the text has another form, or names something unknown.
        """
        name, bracket, rest = text.strip().partition("(")
        if not bracket:
            return self.choose(name)
        wanted = LayerError(f"{self.kind} {_shown(text)}: write name or name(key=value, …)")
        if len(text) > 1000:
            raise wanted
        try:
            call = ast.parse(f"f({rest}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise wanted from None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            raise wanted
        name = name.strip()
        known = list(self.arguments(self.choose(name).name))
        if len(call.args) > len(known):
            raise LayerError(f"{self.kind} {_shown(text)}: {len(call.args)} values given, it takes {len(known)}")
        given: dict[str, Any] = {}
        pairs = [*zip(known, call.args, strict=False), *((k.arg or "", k.value) for k in call.keywords)]
        for key, node in pairs:
            if not key or key in given:
                raise wanted
            try:
                given[key] = ast.literal_eval(node)
            except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
                raise LayerError(f"{self.kind} {name}: {key} must be a number, a string or a list") from None
        return self.choose(name, given)

    def function(self, choice: Choice) -> Callable[..., Any]:
        """The function of the chosen entry with its arguments bound."""
        from functools import partial

        function = self._entries[choice.name].function
        return partial(function, **dict(choice.arguments)) if choice.arguments else function


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
