"""Catalogues: a name or alias, its arguments, and the function behind them.

A catalogue argument is data: ``relu(negative_slope=0.1)`` on the command line, ``{"class_name": "ReLU",
"config": {"negative_slope": 0.1}}`` in a Keras config, and :class:`Choice` in between. Text is read by
:mod:`dwconv_cli.layer.calls` and never evaluated; a config names an entry, and nothing it says is imported.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.argument_limits import REQUIRED, TYPES, Limit, frozen, is_plain
from dwconv_cli.layer.calls import UNREADABLE, read_call
from dwconv_cli.layer.serialized import LAYER_KEYS, OWN, check_origin, number, serialized, unwrapped
from dwconv_cli.text import shown

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
    in_keras: bool
    limits: Mapping[str, Limit]

    @functools.cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        found = inspect.signature(self.function).parameters
        kept = (p for p in found.values() if p.default is not p.empty or p.kind is p.KEYWORD_ONLY)
        return {p.name: p for p in kept}

    @functools.cached_property
    def arguments(self) -> dict[str, Any]:
        values = self.parameters.items()
        return {name: REQUIRED if p.default is p.empty else p.default for name, p in values}

    @functools.cached_property
    def takes(self) -> str:
        pairs = self.arguments.items()
        return ", ".join(k if v is REQUIRED else f"{k}={v!r}" for k, v in pairs) or "no arguments"

    def fault(self, key: str, value: Any) -> str | None:
        """What `value` should have been, if it is not that."""
        if not is_plain(value):
            return "a number, a string or a list"
        names = str(self.parameters[key].annotation).split(" | ")
        if all(name in TYPES for name in names):
            types = [TYPES[name] for name in names]
            if not any(one.holds(value) for one in types):
                return " or ".join(one.phrase for one in types)
        limit = self.limits.get(key)
        if limit is not None and value is not None and not limit.holds(value):
            return limit.phrase
        return None


@dataclass(frozen=True)
class _Layer:
    """A Keras layer class that is an entry under another name."""

    entry: str
    defaults: Mapping[str, Any]
    renames: Mapping[str, str]
    limits: Mapping[str, Limit]
    current: bool

    def holds(self, arguments: Mapping[str, Any]) -> bool:
        return self.current and all(limit.holds(arguments[key]) for key, limit in self.limits.items())


@dataclass(frozen=True, eq=False)
class Registry(Generic[F]):
    """One catalogue.

    Parameters
    ----------
    kind : str
        What an entry is called in messages, e.g. ``"activation"``.
    module : str
        Where Keras keeps the entries, e.g. ``"keras.activations"``.
    functions : bool
        In Keras the entries are functions, which a config names by a string, rather than classes.
    ignored : collection of str
        Keys of a Keras config that mean nothing here.
    optional : collection of str
        Arguments left out of a config while they are None, because older versions of Keras do not know them.
    """

    kind: str
    module: str
    functions: bool = False
    ignored: Collection[str] = ()
    optional: Collection[str] = ()
    _entries: dict[str, _Entry] = field(default_factory=dict, init=False, repr=False)
    _aliases: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _layers: dict[str, _Layer] = field(default_factory=dict, init=False, repr=False)
    _refused: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def register(
        self,
        *aliases: str,
        class_name: str | None = None,
        in_keras: bool = True,
        limits: Mapping[str, Limit] | None = None,
    ) -> Callable[[F], F]:
        """Enter the decorated function under its own name, its Keras class name and `aliases`.

        The function's parameters that have a default or are keyword-only are the entry's arguments; their
        annotations and `limits` say which values they take.

        Parameters
        ----------
        *aliases : str
            Other names of the same entry.
        class_name : str, optional
            Keras's class name, ``CamelCase`` of the function's name by default.
        in_keras : bool
            Keras has this entry too.
        limits : mapping of str to Limit, optional
            Bounds of arguments' values.
        """

        def enter(function: F) -> F:
            name = function.__name__.rstrip("_")
            keras_name = class_name or "".join(part.capitalize() for part in name.split("_"))
            self._entries[name] = _Entry(function, keras_name, in_keras, limits or {})
            for alias in (name, *aliases, *(() if self.functions else (keras_name,))):
                self._aliases[alias] = name
            return function

        return enter

    def add_layer(
        self,
        class_name: str,
        entry: str,
        defaults: Mapping[str, Any] | None = None,
        renames: Mapping[str, str] | None = None,
        limits: Mapping[str, Limit] | None = None,
        current: bool = True,
    ) -> None:
        """Let a layer class of Keras stand for `entry`.

        Parameters
        ----------
        class_name : str
            The class in ``keras.layers``.
        entry : str
            Canonical name of the entry.
        defaults : mapping, optional
            The layer's defaults where they differ from the entry's.
        renames : mapping, optional
            The layer's names of arguments, old and new, to the entry's.
        limits : mapping of str to Limit, optional
            What the layer takes, where it is less than the entry does.
        current : bool
            Keras still has the class, so that it can be written.
        """
        self._layers[class_name] = _Layer(entry, defaults or {}, renames or {}, limits or {}, current)
        self._aliases[class_name] = entry

    def refuse(self, why: str, *names: str) -> None:
        """Make choosing any of `names` an error that says why."""
        self._refused.update(dict.fromkeys(names, why))

    def names(self) -> tuple[str, ...]:
        """Canonical names, in alphabetical order."""
        return tuple(sorted(self._entries))

    def class_name(self, choice: Choice) -> str:
        """Keras's class name of the chosen entry."""
        return self._entries[choice.name].class_name

    def is_layer(self, class_name: object) -> bool:
        """Whether Keras has a layer of this class that stands for an entry."""
        return isinstance(class_name, str) and class_name in {*self._layers, "Activation" * self.functions}

    def arguments(self, name: str) -> dict[str, Any]:
        """Arguments of an entry with their defaults (or ``REQUIRED``), in the order of its signature."""
        return dict(self._entries[name].arguments)

    def choose(self, name: str, arguments: Mapping[str, Any] | None = None) -> Choice:
        """The entry `name` (or alias) with `arguments`, checked.

        Raises
        ------
        LayerError
            If the name or an argument is not in the catalogue (the message lists the choices), a value is
            impossible, or an argument without default is missing.
        """
        canonical = self._canonical(name)
        entry = self._entries[canonical]
        given = dict(arguments or {})
        if name in self._layers:
            layer = self._layers[name]
            given = {**layer.defaults, **{layer.renames.get(key, key): value for key, value in given.items()}}
        for key in given:
            if key not in entry.arguments:
                raise LayerError(
                    f"{self.kind} {canonical}: unknown argument {shown(key)}; it takes {entry.takes}"
                )
            given[key] = frozen(given[key])
            wanted = entry.fault(key, given[key])
            if wanted is not None:
                raise LayerError(f"{self.kind} {canonical}: {key} must be {wanted}, got {shown(given[key])}")
        for key, value in entry.arguments.items():
            if value is REQUIRED and key not in given:
                raise LayerError(f"{self.kind} {canonical}: {key} is missing; it takes {entry.takes}")
        kept = tuple((k, given[k]) for k, v in entry.arguments.items() if k in given and given[k] != v)
        return Choice(canonical, kept)

    def _canonical(self, name: str) -> str:
        if name in self._refused:
            raise LayerError(f"{self.kind} {name}: {self._refused[name]}")
        canonical = self._aliases.get(name)
        if canonical is None:
            choices = ", ".join(self.names())
            raise LayerError(f"unknown {self.kind} {shown(name)}; choose one of: {choices}")
        return canonical

    def parse(self, text: str) -> Choice:
        """Read ``name`` or ``name(key=value, …)``; values are literals, and words without quotes are names.

        Raises
        ------
        LayerError
            If the text has another form, or names something unknown.
        """
        name, values = read_call(self.kind, text)
        if not values:
            return self.choose(name)
        known = list(self.arguments(self._canonical(name)))
        unnamed = sum(not key for key, _ in values)
        if unnamed > len(known):
            raise LayerError(f"{self.kind} {shown(text)}: {unnamed} values given, it takes {len(known)}")
        given: dict[str, Any] = {}
        for place, (typed, value) in enumerate(values):
            key = typed or known[place]
            if key in given:
                raise LayerError(f"{self.kind} {shown(text)}: {key} is given twice")
            if value is UNREADABLE:
                raise LayerError(f"{self.kind} {name}: {key} must be a number, a string or a list")
            given[key] = value
        return self.choose(name, given)

    def function(self, choice: Choice) -> Callable[..., Any]:
        """The function of the chosen entry with its arguments bound."""
        function = self._entries[choice.name].function
        return functools.partial(function, **dict(choice.arguments)) if choice.arguments else function

    def in_keras(self, choice: Choice) -> bool:
        """Whether Keras can read what :meth:`to_config` writes."""
        config = self.to_config(choice)
        return isinstance(config, str) or config["module"] != OWN

    def to_config(self, choice: Choice) -> dict[str, Any] | str:
        """`choice` as Keras 3 serializes it.

        Returns
        -------
        dict or str
            An object for ``keras.layers.deserialize``, with all its arguments; a plain name for an activation
            function with its defaults. What Keras has no form for is an object of this package's module,
            which :meth:`from_config` reads and Keras refuses by name.
        """
        entry = self._entries[choice.name]
        values = {**entry.arguments, **dict(choice.arguments)}
        config = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
            if not (value is None and key in self.optional)
        }
        if not entry.in_keras or (self.functions and REQUIRED in entry.arguments.values()):
            return serialized(OWN, choice.name, config)
        if not self.functions:
            return serialized(self.module, entry.class_name, config)
        if not choice.arguments:
            return choice.name
        for class_name, layer in self._layers.items():
            if layer.entry == choice.name and layer.holds(values):
                return serialized("keras.layers", class_name, config)
        return serialized(OWN, choice.name, config)

    def from_config(self, value: Any) -> Choice:
        """The entry that a Keras config names.

        Parameters
        ----------
        value : str, mapping or Choice
            A name; an object as Keras 2 or 3 serializes it (for an activation also a function or a layer);
            or a choice already made.

        Raises
        ------
        LayerError
            If it is nothing of that kind, an object of another package, or not in the catalogue.
        """
        if isinstance(value, Choice):
            return self.choose(value.name, dict(value.arguments))
        if isinstance(value, str):
            if ">" in value:
                check_origin(self.kind, {"registered_name": value, "module": None}, value)
            return self.choose(value)
        class_name = value.get("class_name") if isinstance(value, Mapping) else None
        if not isinstance(value, Mapping) or not isinstance(class_name, str):
            raise LayerError(f"{self.kind}: expected a name or a serialized object, got {shown(value)}")
        check_origin(self.kind, value, class_name)
        config = value.get("config")
        if class_name == "Activation" and self.functions and isinstance(config, Mapping):
            inner = config.get("activation")
            if not (isinstance(inner, Mapping) and inner.get("class_name") == class_name):  # no deeper
                return self.from_config("linear" if inner is None else inner)
        if class_name == "function" and isinstance(config, str):
            return self.from_config(config)
        config = {} if config is None else config
        if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
            raise LayerError(f"{self.kind} {shown(class_name)}: cannot read its config {shown(config)}")
        skipped = {*self.ignored, *(LAYER_KEYS if class_name in self._layers else ())}
        read = number if class_name in self._layers else lambda value: value
        return self.choose(class_name, {k: read(unwrapped(v)) for k, v in config.items() if k not in skipped})
