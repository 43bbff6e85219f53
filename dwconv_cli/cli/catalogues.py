"""``dwconv list``: names to choose from, with their arguments."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import click

from dwconv_cli.cli import answering
from dwconv_cli.cli.declaring import argument, flag, takes
from dwconv_cli.cli.sections import REPORTS, SectionCommand, exit_codes

# What can be listed, and the option that takes one of its names.
KINDS = {
    "designs": "--design, --depthwise-initializer",
    "activations": "--activation",
    "initializers": "--depthwise-initializer, --bias-initializer",
    "regularizers": "--depthwise-regularizer, --bias-regularizer, --activity-regularizer",
    "constraints": "--depthwise-constraint, --bias-constraint",
    "formats": "--input-format, --output-format",
}


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """What was typed."""

    kinds: tuple[str, ...] = argument("WHAT...", f"What to list: {', '.join(KINDS)}", KINDS)
    as_json: bool = flag("--json", "One JSON object for each name", section=REPORTS)


@click.command("list", cls=SectionCommand, epilog=exit_codes(""))
@takes(ListOptions)
def command(options: ListOptions) -> None:
    """Say what can be chosen by name, with arguments, their defaults, and a line on each.

    An argument without a default is required. In a design fs is the sampling rate; where it is not typed it is --fs,
    else the recording's own.

    \b
    All filters that --design knows:
      dwconv list designs
    The arguments of one activation, for a script:
      dwconv list activations --json | grep '"relu"'
    """
    if not options.kinds:
        raise click.UsageError(f"nothing to list; say one of: {', '.join(KINDS)}")
    for kind in options.kinds:
        if kind not in KINDS:
            raise click.UsageError(_unknown(kind))
    from dwconv_cli.description.catalogues import describe_catalogue

    for number, kind in enumerate(options.kinds):
        entries = describe_catalogue(kind)
        with answering():
            if options.as_json:
                sys.stdout.writelines(json.dumps({"kind": kind, **entry}) + "\n" for entry in entries)
            else:
                if len(options.kinds) > 1:
                    sys.stdout.write(f"{chr(10) * bool(number)}{kind} ({KINDS[kind]})\n")
                _write(entries)


def _unknown(kind: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(kind.lower(), KINDS, 1)
    guess = f"; say dwconv list {near[0]}" if near else ""
    return f"there is no list of {kind!r}, only of {', '.join(KINDS)}{guess}"


def _call(entry: dict[str, Any]) -> str:
    """The name with its arguments, or with its suffixes."""
    if "suffixes" in entry:
        return f"{entry['name']} ({' '.join(entry['suffixes'])})"
    arguments = (
        f"{one['name']}={one['default']!r}" if "default" in one else one["name"] for one in entry["arguments"]
    )
    inside = ", ".join(arguments)
    return f"{entry['name']}({inside})" if inside else str(entry["name"])


def _write(entries: list[dict[str, Any]]) -> None:
    """A line for each name; on a terminal two, folded to its width."""
    terminal = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for entry in entries:
        example = f" E.g. {entry['example']}" if "example" in entry else ""
        sys.stdout.write(entry_text(_call(entry), f"{entry['summary']}{example}", terminal) + "\n")


def entry_text(call: str, summary: str, width: int | None) -> str:
    """An entry on one line, or in a terminal of `width` columns on as many as it needs."""
    if width is None:
        return f"{call}  {summary}"
    return f"{fill(call, width, subsequent_indent='  ')}\n{fill(summary, width, initial_indent='    ', subsequent_indent='    ')}"
