"""The command line: a group whose commands are imported when they are called, and the one error boundary."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from dwconv_cli import __version__
from dwconv_cli.errors import exit_code
from dwconv_cli.threads import keep_blas_single

# Command -> what it is for; its module bears its name.
COMMANDS = {
    "apply": "Filter recordings with a DepthwiseConv1D layer.",
    "init-weights": "Make, convert or project the layer's weights.",
    "inspect": "Say what a recording, a kernel or a layer is, and check that they fit.",
}
SIGTERM_CODE = 143


class LazyGroup(click.Group):
    """A group that knows its commands' names without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command `name`, imported now."""
        if name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="dwconv")
@click.option("--debug", is_flag=True, expose_value=False, help="Add the traceback to an error.")
def group() -> None:
    """Keras's DepthwiseConv1D for recorded sensor data, without Keras.

    An address is PATH or PATH::NAME: a.npy, a.npz::acc, a.h5::/imu/acc; "-" is an .npy stream.

    \b
    dwconv apply rec.npy -k lowpass.npy --padding same -o smooth.npy
    dwconv inspect rec.h5
    dwconv init-weights -o kernel.npz --kernel-size 9 --channels 6 --seed 1
    """


class Terminated(BaseException):
    """SIGTERM came: everything unwinds, and unfinished outputs vanish."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; every error leaves as one line and a code."""
    arguments = list(sys.argv[1:] if args is None else args)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGTERM, _terminate)
    # Before NumPy is loaded: its threads would only cost start-up, the engine has its own.
    keep_blas_single()
    code = _run(arguments)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    try:
        sys.stdout.flush()
    except OSError:
        # The reader is gone; keep the interpreter from trying again on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    try:
        result: Any = group.main(arguments, prog_name="dwconv", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        _say(error.format_message())
        return error.exit_code
    except click.Abort:
        return 130
    except Terminated:
        return SIGTERM_CODE
    except BaseException as error:
        code = exit_code(error)
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        if code == 5:
            _say("out of memory; use a smaller --memory-limit, or shorter recordings")
        elif code == 70:
            if isinstance(error, SystemExit):
                raise
            _say(f"internal error: {type(error).__name__}: {error}; --debug shows where; please report it")
        elif code not in (130, 141):
            _say(str(error))
        return code
    return result if isinstance(result, int) else 0


def _terminate(signum: int, frame: Any) -> NoReturn:
    raise Terminated


def _say(message: str) -> None:
    line = " ".join(message.split())
    with contextlib.suppress(OSError):
        click.echo(f"dwconv: error: {line}", err=True)
