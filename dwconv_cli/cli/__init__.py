"""The command line: a group whose commands are imported when they are called, and the one error boundary."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from dwconv_cli.errors import DwconvError, OutputError, exit_code
from dwconv_cli.errors.memory import MORE_SPACE, NUMPY_BYTES, ask_for
from dwconv_cli.errors.system import reason
from dwconv_cli.errors.wording import for_the_command_line
from dwconv_cli.interrupts import install_handlers, remove_unfinished_files
from dwconv_cli.storage.standard_streams import wait_for_standard_streams
from dwconv_cli.text import printable
from dwconv_cli.threads import keep_blas_single
from dwconv_cli.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# The commands, each in a module of its name or of `MODULES`, and what they are for.
COMMANDS = {
    "apply": "Filter recordings with a DepthwiseConv1D layer.",
    "init-weights": "Make, convert or project the layer's weights.",
    "compare": "Say where two arrays differ, and by how much.",
    "inspect": "Say what a recording, a kernel or a layer is, and check that they fit.",
    "list": "Say what can be chosen by name: designs, activations, formats and others.",
    "completion": "Print a script that completes commands in bash, zsh or fish.",
}
# The modules of commands that bear another name; "list" would hide Python's own here.
MODULES = {"list": "catalogues"}
COMPLETION = "_DWCONV_COMPLETE"


def module_of(name: str) -> str:
    """The module of the command `name`."""
    return f"{__name__}.{MODULES.get(name, name.replace('-', '_'))}"


class LazyGroup(click.Group):
    """A group that knows its commands' names without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command `name`, imported now."""
        if name not in COMMANDS:
            return None
        ask_for(NUMPY_BYTES, "starting")
        module = import_module(module_of(name))
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Commands and options that begin with `incomplete`, from the table alone."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(n, help=h) for n, h in COMMANDS.items() if n.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; a word that is none is refused with what was probably meant."""
        from difflib import get_close_matches

        word = args[0]
        if word in COMMANDS or word.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        likely = get_close_matches(word, COMMANDS, 1)
        if likely:
            raise click.UsageError(f"{word!r} is no command; did you mean {likely[0]}?", ctx)
        if "." in word or os.path.lexists(word):
            import shlex

            raise click.UsageError(
                f"{word!r} is no command; to filter it, say: dwconv apply {shlex.join(args)}", ctx
            )
        raise click.UsageError(f"{word!r} is no command; there are: {', '.join(COMMANDS)}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from dwconv_cli.convolution.compiled import BACKEND

        click.echo(f"dwconv, version {__version__} ({BACKEND})")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version.",
)
@click.option("--debug", is_flag=True, expose_value=False, help="Add the traceback to an error.")
def group() -> None:
    """Keras's DepthwiseConv1D for recorded sensor data, without Keras.

    An address is PATH or PATH::NAME: a.npy, a.npz::acc, a.h5::/imu/acc; "-" is an .npy stream.

    \b
    dwconv apply rec.npy -k lowpass.npy --padding same -o smooth.npy
    dwconv inspect rec.h5
    dwconv init-weights -o kernel.npz --kernel-size 9 --channels 6 --seed 1
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; every error leaves as one line and a code."""
    arguments = list(sys.argv[1:] if args is None else args)
    _open_closed_streams()
    wait_for_standard_streams()
    if args is None and not sys.warnoptions:
        # Warnings of NumPy and SciPy are for programmers; standard error is for the user.
        warnings.simplefilter("ignore")
    install_handlers()
    # This has to come before NumPy is imported. BLAS would start threads, while the engine has its own.
    keep_blas_single()
    with for_the_command_line():
        code = _run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        _turn_off(sys.stdout)
        if code == 0 and isinstance(error, BrokenPipeError):
            code = exit_code(error)
        elif code == 0:
            say(f"standard output: {reason(error)}")
            code = exit_code(OutputError())
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _turn_off(sys.stderr)
    # Some may be left by threads that could not be stopped, because they wait for a pipe that stays silent.
    remove_unfinished_files()
    sys.exit(code)


def _turn_off(stream: TextIO) -> None:
    """Lead the stream nowhere, so that the interpreter does not fail when it flushes the stream at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _run(arguments: list[str]) -> int:
    try:
        if instruction := os.environ.get(COMPLETION):
            from dwconv_cli.cli.shells import complete

            return complete(group, COMPLETION, instruction)
        # Click's own ``main`` would catch interrupts and closed pipes, and end with other exit codes.
        with group.make_context("dwconv", list(arguments)) as context:
            result: Any = group.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.MissingParameter as error:
        option = error.param
        name = None if option is None else option.name
        say(
            error.format_message() if option is None else f"no {name}; give {option.opts[0]} {option.metavar}"
        )
        return error.exit_code
    except click.ClickException as error:
        say(error.format_message())
        return error.exit_code
    except BaseException as error:
        code = exit_code(error)
        if code == 70 and isinstance(error, OSError):
            # Only standard output is written to without a name: by --help or --version, on a full disk.
            code = exit_code(OutputError())
        if "--debug" in arguments:
            import traceback

            for line in traceback.format_exc().splitlines():
                tell(line)
        if code == 5 and isinstance(error, ImportError | SystemError):
            say(f"out of memory while starting; {MORE_SPACE}")
        elif code == 5 and not isinstance(error, DwconvError):
            advice = "use a machine with more of it, or smaller weights"
            if arguments[:1] == ["apply"]:
                advice = "use a smaller --memory-limit"
            say(f"out of memory; {advice}")
        elif code == 70:
            if isinstance(error, SystemExit):
                raise
            say(f"internal error: {type(error).__name__}: {error}; --debug shows where; please report it")
        elif code not in (130, 141):
            say(str(error))
        return code
    return result if isinstance(result, int) else 0


def _open_closed_streams() -> None:
    """Open the null device for each closed standard stream; else the next file opened would get its number.

    Standard input is opened for writing and standard output for reading, so that their use fails. Messages vanish.
    """
    modes = {"stdin": os.O_WRONLY, "stdout": os.O_RDONLY, "stderr": os.O_RDWR}
    for fd, (name, mode) in enumerate(modes.items()):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, mode)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", encoding="utf-8"))


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Flush what the block writes to standard output. Its errors become OutputErrors, except that of a closed pipe."""
    try:
        yield
        sys.stdout.flush()
    except (DwconvError, BrokenPipeError):
        raise
    except OSError as error:
        raise OutputError(f"standard output: {reason(error)}") from error


def say(message: str, kind: str = "error") -> None:
    """Print an error, or another `kind` of message, as one line on standard error."""
    tell(f"dwconv: {kind}: " + " ".join(message.split()))


def tell(line: str) -> None:
    """Print a line on standard error. What is unprintable is escaped, since names in files may hold anything."""
    with contextlib.suppress(OSError):
        click.echo(printable(line), err=True)
