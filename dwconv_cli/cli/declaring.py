"""A command's options as the fields of a dataclass: name, type, default and help of each stand in one place.

@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LoopOptions:
    inputs: tuple[str, ...] = argument("INPUT...", "Recordings")
    jobs: int = option("-j --jobs N", "Files filtered side by side", 1, section=MANY_FILES, type=COUNT)
    quiet: bool = flag("-q --quiet", "Leave out the report", section=REPORTS)

@click.command("loop", cls=SectionCommand)
@takes(LoopOptions)
def command(options: LoopOptions) -> int: ...

A dataclass compiles its methods when its module is imported, on every call of the command. So the groups leave out
comparison and representation, and those that others extend leave out ``__init__``, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import field, fields
from functools import update_wrapper
from typing import Any, TypeVar

import click

from dwconv_cli.cli.sections import REPORTS, SectionArgument, SectionOption

Group = TypeVar("Group")
Result = TypeVar("Result")


def option(
    spec: str,
    help: str,
    default: Any = None,
    *,
    section: str,
    otherwise: str | None = None,
    once: bool = False,
    **attributes: Any,
) -> Any:
    """A field that an option of the command line fills.

    Parameters
    ----------
    spec : str
        The option as it is typed, with a word for its value: ``-j --jobs N``.
    help : str
        A sentence or a noun phrase, without its full stop.
    default : object
        The field's value where the option is not typed.
    section : str
        The section of the help, one of ``sections.SECTIONS``.
    otherwise : str, optional
        What the help says of the default; the default itself where that is a word or a number.
    once : bool
        Refuse the option when it is typed twice, where the last one would win silently.
    attributes : object
        Of :func:`click.option`.
    """
    names = [word for word in spec.split() if word.startswith("-")]
    value = " ".join(word for word in spec.split() if not word.startswith("-"))
    if otherwise is None and isinstance(default, str | int) and default is not False:
        otherwise = str(default)
    attributes["help"] = f"{help}." if otherwise is None else f"{help}; default: {otherwise}."
    if value:
        attributes["metavar"] = value
    if once:
        attributes |= {"multiple": True, "callback": _single}
    if "/" in names[-1]:
        # Of a pair of flags click would take the second one as typed.
        attributes["default"] = None
    attributes |= {"cls": SectionOption, "section": section}
    declare = lambda name: click.option(*names, name, **attributes)  # noqa: E731
    return field(default_factory=lambda: default, metadata={"declare": declare})


def flag(spec: str, help: str, *, section: str) -> Any:
    """A field that is True where an option of the command line is typed."""
    return option(spec, help, False, section=section, is_flag=True)


def argument(metavar: str, help: str, words: Collection[str] = ()) -> Any:
    """A field that takes what is typed without an option; shells complete `words`, or else files and what is in them."""
    attributes: dict[str, Any] = {"cls": SectionArgument, "explanation": f"{help}.", "words": words}
    declare = lambda name: click.argument(name, nargs=-1, metavar=metavar, **attributes)  # noqa: E731
    return field(default=(), metadata={"declare": declare})


def takes(group: type[Group]) -> Callable[[Callable[[Group], Result]], Callable[..., Result]]:
    """Declare the fields of the dataclass `group` as a command's options; the command is called with an instance."""

    def decorate(function: Callable[[Group], Result]) -> Callable[..., Result]:
        def call(**values: Any) -> Result:
            return function(group(**{name: value for name, value in values.items() if value is not None}))

        debug = click.option(
            "--debug",
            cls=SectionOption,
            section=REPORTS,
            is_flag=True,
            expose_value=False,
            help="Add the traceback to an error.",
        )
        command = debug(update_wrapper(call, function))
        for item in reversed(fields(group)):  # type: ignore[arg-type]
            command = item.metadata["declare"](item.name)(command)
        return command

    return decorate


def as_typed(context: click.Context, names: Collection[str]) -> list[str]:
    """Those options of a command whose fields have these `names` and were typed, as words of a command line."""
    words: list[str] = []
    for parameter in context.command.params:
        name, source = parameter.name or "", context.get_parameter_source(parameter.name or "")
        if name not in names or source is not click.core.ParameterSource.COMMANDLINE:
            continue
        value, word = context.params[name], max(parameter.opts, key=len)
        if isinstance(value, bool):
            words.append(word if value else max(parameter.secondary_opts, key=len))
        elif isinstance(value, slice):
            words += [word, ":".join("" if end is None else str(end) for end in (value.start, value.stop))]
        else:
            words += [word, str(value)]
    return words


def option_name(name: str) -> str:
    """The option that fills the field `name`."""
    return "--" + name.replace("_", "-")


def _single(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    if len(values) > 1:
        name = max(parameter.opts, key=len)
        raise click.UsageError(f"{name} stands {len(values)} times, and there is one layer; give it once")
    return values[0] if values else None
