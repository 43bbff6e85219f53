"""The help of a command: its options in sections, in the order of what a user decides first."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.errors import EXIT_CODES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INPUT = "Input"
WEIGHTS = "Weights"
LAYER = "Layer"
OUTPUT = "Output"
MANY_FILES = "Many files"
STREAMS = "Streams"
COMPARISON = "Comparison"
REPORTS = "Reports"
# The sections in the order in which the help shows them.
SECTIONS = (INPUT, WEIGHTS, LAYER, OUTPUT, MANY_FILES, STREAMS, COMPARISON, REPORTS)

WORDS = """\b
Words:
  ADDR   An address: PATH or PATH::NAME, e.g. rec.npy, all.npz::acc,
         rec.h5::/imu/acc, model.keras::conv. "-" is an .npy stream. The NAME
         may be left out where a file holds one array. Wildcards work on both
         sides of "::" in inputs, and "**" crosses levels.
  K      Number of taps of a kernel.
  C      Number of channels of a recording.
  M      Depth multiplier: outputs for each channel; most filters have 1.
  step   One sampling time. Recordings are (steps, C) or (batch, steps, C).

\b
Order of the taps:
  Keras correlates: tap 0 meets the earliest step, so output t is the sum of
  x[t + k] * w[k]. numpy.convolve and scipy.signal.lfilter convolve: they
  read the taps from the other end, as --flip does here. A symmetric kernel
  is the same both ways.
"""


def exit_codes(meaning: str = EXIT_CODES[1]) -> str:
    """The exit codes of a command, and the `meaning` that 1 has for it, if it has one."""
    lines = [f"  {code:<5}{text}" for code, text in {**EXIT_CODES, 1: meaning}.items() if text]
    return "\n".join(("\b", "Exit codes:", *lines, ""))


def _values(parameter: click.Parameter, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
    if isinstance(parameter.type, click.Choice):
        return parameter.type.shell_complete(ctx, parameter, incomplete)
    from click.shell_completion import CompletionItem

    from dwconv_cli.cli.candidates import candidates

    if words := getattr(parameter, "words", ()):
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]
    return candidates(parameter, incomplete)


class SectionOption(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *args: Any, section: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Values that begin with `incomplete`."""
        return _values(self, ctx, incomplete)


class SectionArgument(click.Argument):
    """An argument that stands in the first section of the help."""

    section = INPUT

    def __init__(self, *args: Any, explanation: str, words: Collection[str] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.explanation = explanation
        self.words = words

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The line of the help, which click leaves out for arguments."""
        return self.make_metavar(ctx), self.explanation

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Values that begin with `incomplete`."""
        return _values(self, ctx, incomplete)


class SectionCommand(click.Command):
    """A command whose help shows its arguments, and then its options, in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section that has options."""
        entries: dict[str, list[tuple[str, str]]] = {section: [] for section in SECTIONS}
        for parameter in sorted(self.get_params(ctx), key=lambda one: isinstance(one, click.Option)):
            record = parameter.get_help_record(ctx)
            if record is not None:
                entries[getattr(parameter, "section", REPORTS)].append(record)
        for section, records in entries.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records)
