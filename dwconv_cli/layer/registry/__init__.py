"""Catalogues: functions that are chosen by a name or alias, with checked arguments.

A catalogue argument is data: ``relu(negative_slope=0.1)`` on the command line, ``{"class_name": "ReLU",
"config": {"negative_slope": 0.1}}`` in a Keras config, and :class:`Choice` in between. Text is read by `calls` and
never evaluated. A config only names an entry; nothing it says is imported.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.registry.calls import UNREADABLE, read_call
from dwconv_cli.layer.registry.entries import (
    REQUIRED,
    Choice,
    Entry,
    LayerClass,
    Limit,
    above,
    at_least,
    one_of,
    plain,
)
from dwconv_cli.layer.registry.serialized import (
    LAYER_KEYS,
    OWN,
    keras_object,
    number,
    read_object,
    unwrapped,
)
from dwconv_cli.text import shown

__all__ = ["REQUIRED", "Choice", "Entry", "LayerClass", "Limit", "Registry", "above", "at_least", "one_of"]

F = TypeVar("F", bound=Callable[..., Any])


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

    Examples
    --------
    >>> penalties = Registry("penalty", "keras.regularizers")
    >>> @penalties.register(limits={"factor": at_least(0)})
    ... def total(x, factor: float = 1.0):
    ...     return factor * sum(x)
    >>> choice = penalties.parse("total(factor=2)")
    >>> penalties.function(choice)([1, 2])
    6
    """

    kind: str
    module: str
    functions: bool = False
    ignored: Collection[str] = ()
    optional: Collection[str] = ()
    _entries: dict[str, Entry] = field(default_factory=dict, init=False, repr=False)
    _aliases: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _layers: dict[str, LayerClass] = field(default_factory=dict, init=False, repr=False)
    _refused: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def register(
        self,
        *aliases: str,
        class_name: str | None = None,
        in_keras: bool = True,
        limits: Mapping[str, Limit] | None = None,
        example: str | None = None,
    ) -> Callable[[F], F]:
        """Enter the decorated function under its own name, its Keras class name and `aliases`.

        The other parameters are those of `Entry`; the class name is by default ``CamelCase`` of the function's name.
        """

        def enter(function: F) -> F:
            name = function.__name__
            keras_name = class_name or "".join(part.capitalize() for part in name.split("_"))
            self._entries[name] = Entry(function, keras_name, in_keras, limits or {}, example)
            for alias in (name, *aliases, *(() if self.functions else (keras_name,))):
                self._aliases[alias] = name
            return function

        return enter

    def add_layer(self, class_name: str, layer: LayerClass) -> None:
        """Let a class of ``keras.layers`` stand for an entry."""
        self._layers[class_name] = layer
        self._aliases[class_name] = layer.entry

    def refuse(self, why: str, *names: str) -> None:
        """Make choosing any of `names` an error that says why."""
        self._refused.update(dict.fromkeys(names, why))

    def names(self) -> tuple[str, ...]:
        """Canonical names, in alphabetical order."""
        return tuple(sorted(self._entries))

    def has(self, name: str) -> bool:
        """Whether `name` is an entry's name or alias."""
        return name in self._aliases

    def entry(self, name: str) -> Entry:
        """The entry of a canonical name."""
        return self._entries[name]

    def class_name(self, choice: Choice) -> str:
        """Keras's class name of the chosen entry."""
        return self._entries[choice.name].class_name

    def is_layer(self, class_name: object) -> bool:
        """Whether Keras has a layer of this class that stands for an entry."""
        return isinstance(class_name, str) and class_name in {*self._layers, "Activation" * self.functions}

    def arguments(self, name: str) -> dict[str, Any]:
        """Arguments of an entry with their defaults (or ``REQUIRED``), in the order of its signature."""
        return dict(self._entries[name].arguments)

    def function(self, choice: Choice) -> Callable[..., Any]:
        """The function of the chosen entry with its arguments bound."""
        function = self._entries[choice.name].function
        return functools.partial(function, **dict(choice.arguments)) if choice.arguments else function

    def choose(self, name: str, arguments: Mapping[str, Any] | None = None) -> Choice:
        """The entry `name` (or alias) with `arguments`, checked.

        Raises
        ------
        LayerError
            If the name or an argument is not in the catalogue (the message lists the choices), a value is
            impossible, or an argument without default is missing.
        """
        canonical = self._canonical(name)
        entry, label = self._entries[canonical], f"{self.kind} {canonical}"
        values = dict(arguments or {})
        if name in self._layers:
            layer = self._layers[name]
            values = {**layer.defaults, **{layer.renames.get(key, key): values[key] for key in values}}
        for key in values:
            if key not in entry.arguments:
                raise LayerError(f"{label}: unknown argument {shown(key)}; it takes {entry.signature}")
            values[key] = plain(values[key])
            if fault := entry.fault(key, values[key]):
                raise LayerError(f"{label}: {key} must be {fault}, got {shown(values[key])}{entry.advice}")
        for key, value in entry.arguments.items():
            if value is REQUIRED and key not in values:
                raise LayerError(f"{label}: {key} is missing; it takes {entry.signature}{entry.advice}")
        defaults = entry.arguments.items()
        return Choice(canonical, tuple((k, values[k]) for k, v in defaults if k in values and values[k] != v))

    def _canonical(self, name: str) -> str:
        if name in self._refused:
            raise LayerError(f"{self.kind} {name}: {self._refused[name]}")
        canonical = self._aliases.get(name)
        if canonical is None:
            from difflib import get_close_matches  # here, because it is seldom needed

            names = {alias.lower(): canonical for alias, canonical in self._aliases.items()}
            near = get_close_matches(name.lower(), names, 1)
            guess = f", did you mean {names[near[0]]}?" if near else ";"
            choices = ", ".join(self.names())
            raise LayerError(f"unknown {self.kind} {shown(name)}{guess} choose one of: {choices}")
        return canonical

    def parse(self, text: str) -> Choice:
        """Read ``name`` or ``name(key=value, …)``; values are literals, and words without quotes are strings.

        Raises
        ------
        LayerError
            If the text has another form, or names something unknown.
        """
        name, values = read_call(self.kind, text)
        if not values:
            return self.choose(name)
        keys = list(self.arguments(self._canonical(name)))
        unnamed = sum(not key for key, _ in values)
        if unnamed == len(values) > len(keys) == 1 and self._entries[self._canonical(name)].takes_numbers(
            keys[0]
        ):
            values = [("", tuple(value for _, value in values))]
        elif unnamed > len(keys):
            raise LayerError(f"{self.kind} {shown(text)}: {unnamed} values given, it takes {len(keys)}")
        arguments: dict[str, Any] = {}
        for place, (typed_key, value) in enumerate(values):
            key = typed_key or keys[place]
            if key in arguments:
                raise LayerError(f"{self.kind} {shown(text)}: {key} is given twice")
            if value is UNREADABLE:
                raise LayerError(f"{self.kind} {name}: {key} must be a number, a string or a list")
            arguments[key] = value
        return self.choose(name, arguments)

    def in_keras(self, choice: Choice) -> bool:
        """Whether Keras can read what :meth:`to_config` writes."""
        config = self.to_config(choice)
        return isinstance(config, str) or config["module"] != OWN

    def to_config(self, choice: Choice) -> dict[str, Any] | str:
        """`choice` as Keras 3 serializes it: an object with all its arguments, or the name of a function with its defaults.

        What Keras has no form for becomes an object of this package's module, which :meth:`from_config` reads and Keras
        refuses by name.
        """
        entry = self._entries[choice.name]
        values = {**entry.arguments, **dict(choice.arguments)}
        config = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in values.items()
            if not (value is None and key in self.optional)
        }
        if not entry.in_keras or (self.functions and REQUIRED in entry.arguments.values()):
            return keras_object(OWN, choice.name, config)
        if not self.functions:
            return keras_object(self.module, entry.class_name, config)
        if not choice.arguments:
            return choice.name
        for class_name, layer in self._layers.items():
            if layer.entry == choice.name and layer.takes(values):
                return keras_object("keras.layers", class_name, config)
        return keras_object(OWN, choice.name, config)

    def from_config(self, value: Any) -> Choice:
        """The entry that `value` from a Keras config names: by a name, or by an object as Keras 2 or 3 serializes it.

        An activation may be serialized as a function or as a layer. A Choice is checked like a config.

        Raises
        ------
        LayerError
            If it is nothing of that kind, an object of another package, or not in the catalogue.
        """
        if isinstance(value, Choice):
            return self.choose(value.name, dict(value.arguments))
        class_name, config = read_object(self.kind, value)
        if class_name == "Activation" and self.functions and isinstance(config, Mapping):
            inner = config.get("activation")
            # An Activation in an Activation is not followed, since such nesting might have no end.
            if not (isinstance(inner, Mapping) and inner.get("class_name") == class_name):
                return self.from_config("linear" if inner is None else inner)
        if class_name == "function" and isinstance(config, str):
            return self.from_config(config)
        config = {} if config is None else config
        if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
            raise LayerError(f"{self.kind} {shown(class_name)}: cannot read its config {shown(config)}")
        config = {key: unwrapped(item) for key, item in config.items() if key not in self.ignored}
        if class_name in self._layers:
            config = {key: number(item) for key, item in config.items() if key not in LAYER_KEYS}
        return self.choose(class_name, config)
