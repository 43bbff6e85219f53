"""A command's options as the fields of a dataclass: name, type, default and help of each stand in one place.

@dataclass(frozen=True, kw_only=True)
class LoopOptions:
inputs: tuple[str, ...] = argument("INPUT...")
jobs: int = option("-j", "--jobs", default=1, type=COUNT, help="Files filtered side by side")

@click.command("loop")
@takes(LoopOptions)
def command(options: LoopOptions) -> int: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from functools import update_wrapper
from typing import Any, TypeVar

import click

Group = TypeVar("Group")
Result = TypeVar("Result")


class Option(click.Option):
    """An option that knows whether it decides what comes out, so that a command which makes an output again has it."""

    def __init__(self, *args: Any, replayed: bool = True, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.replayed = replayed


def option(
    *names: str, help: str, default: Any = None, otherwise: str | None = None, **attributes: Any
) -> Any:
    """A field that an option of the command line fills.

    Parameters
    ----------
    names : str
        As they are typed.
    help : str
        A sentence or a noun phrase, without its full stop.
    default : object
        The field's value where the option is not typed.
    otherwise : str, optional
        What the help says of the default, where that is no word or number.
    attributes : object
        Of :class:`Option`. With ``multiple``, an option that is typed more than once is refused: the last would win
        silently.
    """
    if otherwise is None and isinstance(default, str | int) and default is not False:
        otherwise = str(default)
    words = help if otherwise is None else f"{help}; default: {otherwise}"
    if attributes.get("multiple"):
        attributes["callback"] = _single
    if "/" in names[-1]:
        # Of a pair of flags click would take the second one as typed.
        attributes["default"] = None
    declare = _declarer(click.option, *names, cls=Option, help=f"{words}.", **attributes)
    return field(default_factory=lambda: default, metadata={"declare": declare})


def flag(*names: str, help: str, **attributes: Any) -> Any:
    """A field that is True where an option of the command line is typed."""
    return option(*names, help=help, default=False, is_flag=True, **attributes)


def argument(metavar: str) -> Any:
    """A field that takes what stands without an option."""
    return field(default=(), metadata={"declare": _declarer(click.argument, nargs=-1, metavar=metavar)})


def takes(group: type[Group]) -> Callable[[Callable[[Group], Result]], Callable[..., Result]]:
    """Declare the fields of `group` as a command's options; the command is called with an instance of it."""

    def decorate(function: Callable[[Group], Result]) -> Callable[..., Result]:
        def call(**values: Any) -> Result:
            return function(group(**{name: value for name, value in values.items() if value is not None}))

        command = update_wrapper(call, function)
        command = click.option(
            "--debug", is_flag=True, expose_value=False, help="Add the traceback to an error."
        )(command)
        for item in reversed(fields(group)):  # type: ignore[arg-type]  # a dataclass
            command = item.metadata["declare"](item.name)(command)
        return command

    return decorate


def replayable(context: click.Context) -> list[str]:
    """The options of a command that decide what comes out, as they would be typed."""
    words: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        source = context.get_parameter_source(parameter.name or "")
        if not is_replayable(parameter) or source is not click.core.ParameterSource.COMMANDLINE:
            continue
        name = max(parameter.opts, key=len)
        if isinstance(value, bool):
            words.append(name if value else max(parameter.secondary_opts, key=len))
        elif isinstance(value, slice):
            words += [name, ":".join("" if end is None else str(end) for end in (value.start, value.stop))]
        else:
            words += [name, str(value)]
    return words


def is_replayable(parameter: click.Parameter) -> bool:
    """Whether an option decides what comes out."""
    return isinstance(parameter, Option) and parameter.replayed


def typed_name(name: str) -> str:
    """The option that fills the field `name`, as it is typed."""
    return "--" + name.replace("_", "-")


def _declarer(declare: Callable[..., Any], *names: str, **attributes: Any) -> Callable[[str], Any]:
    """What declares an option or an argument once the name of its field is known."""
    return lambda name: declare(*names, name, **attributes)


def _single(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        name = max(parameter.opts, key=len)
        raise click.UsageError(f"{name} stands {len(values)} times, and there is one layer; give it once")
    return values[0] if values else None
