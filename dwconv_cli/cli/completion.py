"""``dwconv completion``: scripts that complete commands in shells."""

from __future__ import annotations

import os

import click

from dwconv_cli.cli import COMPLETION, answering, group
from dwconv_cli.cli.sections import SectionArgument, SectionCommand

SHELL_NAMES = ("bash", "zsh", "fish")


@click.command("completion", cls=SectionCommand)
@click.argument(
    "shell",
    cls=SectionArgument,
    explanation="Shell that the script is for.",
    words=SHELL_NAMES,
    metavar="bash|zsh|fish",
    required=False,
)
def command(shell: str | None) -> int:
    """Print a script that completes commands in a shell.

    It completes commands, options and their values, files, names of filters and activations, and after "::" the
    arrays in a file or the layers of a Keras model.

    \b
    bash, for new shells and for this one:
      echo 'eval "$(dwconv completion bash)"' >> ~/.bashrc
      eval "$(dwconv completion bash)"
    zsh, after the line with compinit in ~/.zshrc:
      eval "$(dwconv completion zsh)"
    fish:
      dwconv completion fish > ~/.config/fish/completions/dwconv.fish
    """
    if shell not in SHELL_NAMES:
        what = "no shell named" if shell is None else f"no script for the shell {shell!r}"
        own = os.path.basename(os.environ.get("SHELL", ""))
        raise click.UsageError(
            f"{what}; say dwconv completion {own if own in SHELL_NAMES else '|'.join(SHELL_NAMES)}"
        )
    from dwconv_cli.cli.shells import PROGRAM, SHELLS

    with answering():
        click.echo(SHELLS[shell](group, {}, PROGRAM, COMPLETION).source(), nl=False)
    return 0
