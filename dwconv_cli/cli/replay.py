"""``dwconv inspect --replay``: the command that makes an HDF5 output again.

The command stands in the file, so it is not believed: it is parsed as a call of ``dwconv apply``, and what is printed
is built anew from the values that came out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from dwconv_cli.cli import answering, say
from dwconv_cli.cli.apply_options import DECISIVE
from dwconv_cli.cli.declaring import as_typed
from dwconv_cli.errors import DwconvError


def replay(targets: Sequence[str], input_format: str | None, keep_going: bool) -> bool:
    """Print the commands that make the HDF5 outputs `targets` again.

    With `keep_going` the errors of those that have none are printed, and the result says whether there were any.
    """
    failed = False
    for target in targets:
        try:
            _replay(target, input_format)
        except DwconvError as error:
            if not keep_going:
                raise
            failed = True
            say(str(error))
    return failed


def _replay(target: str, input_format: str | None) -> None:
    from dwconv_cli.cli.render import fit
    from dwconv_cli.jobs.provenance import words_of
    from dwconv_cli.storage.formats import open_reader
    from dwconv_cli.storage.resolution import completed, matching

    for place in matching(target, input_format).addresses:
        address = completed(place)
        reader = open_reader(address)
        reader.close()
        line = _rebuilt(words_of(reader.attributes, str(address)), str(address))
        with answering():
            sys.stdout.write(fit(line, sys.stdout) + "\n")


def _rebuilt(words: list[str], name: str) -> str:
    """The command that `words` amount to: a call of ``dwconv apply`` with one input and one output, or it is refused."""
    from dwconv_cli.cli.apply import command as apply
    from dwconv_cli.jobs.provenance import command, unsafe

    context = click.Context(apply, info_name="apply")
    try:
        # Before any value is looked at: --help would print and exit.
        _, _, order = apply.make_parser(context).parse_args(list(words))
        for option in order:
            if option.name not in {"inputs", "output", *DECISIVE}:
                raise unsafe(name, f"it gives {max(option.opts, key=len)}")
        # Values are converted and checked as when they are typed.
        typed = apply.make_context("apply", list(words))
    except click.ClickException as error:
        raise unsafe(name, error.format_message()) from error
    inputs, output = typed.params["inputs"], typed.params["output"]
    if len(inputs) != 1 or output is None:
        raise unsafe(name, "it does not name one input and one output")
    return command(inputs[0], as_typed(typed, DECISIVE), output)
