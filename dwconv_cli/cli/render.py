"""Tables for people, in columns, and in colour where the stream is a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import Any, TextIO

import click

from dwconv_cli.text import SPARKS, printable

INDENT = 2
_NUMBER = re.compile(r"[-+]?\d[\d.e+-]*")
# What stands for the heights of sparklines where the stream's encoding lacks them.
_ASCII_SPARKS = str.maketrans(SPARKS, "_.:-=+*#")

Rows = Sequence[Sequence[str]]
Object = dict[str, Any]


def table(rows: Rows, stream: TextIO, head: Sequence[str] = ()) -> None:
    """Write `rows` in columns under `head`; without `head` the first of two columns names what the second holds.

    What is unprintable is escaped, since names and texts may come from files. On a terminal the head or the first
    column is coloured, and without `head` long texts are wrapped within their column.
    """
    if not rows:
        return
    cells = [[fit(cell, stream) for cell in row] for row in rows]
    right = [bool(head) and all(map(_NUMBER.fullmatch, column)) for column in zip(*cells, strict=True)]
    colour = has_colour(stream)
    if colour and not head:
        import shutil

        names = max(len(name) for name, _ in cells)
        room = max(20, shutil.get_terminal_size().columns - 2 * INDENT - names)
        cells = [
            [first, line]
            for name, text in cells
            for first, line in zip_longest([name], wrap(text, room, break_long_words=False), fillvalue="")
        ]
    if head:
        cells.insert(0, list(head))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        padded[-1] = padded[-1].rstrip()
        if colour and head and number == 0:
            padded = [click.style(cell, bold=True) for cell in padded]
        elif colour:
            padded[0] = click.style(padded[0], fg="cyan")
        stream.write((" " * INDENT + "  ".join(padded)).rstrip() + "\n")


def title(text: str, stream: TextIO) -> None:
    """Write a line that stands above tables; it is bold on a terminal."""
    text = fit(text, stream)
    stream.write((click.style(text, bold=True) if has_colour(stream) else text) + "\n")


def has_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal on which colour is welcome."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def fit(text: str, stream: TextIO) -> str:
    """`text` with everything escaped that is unprintable or that the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        SPARKS.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII_SPARKS)
    return printable(text, encoding)


def report_table(report: Object, stream: TextIO, verbose: bool = False) -> None:
    """Write a report (as its JSON object) as a table: what became of one input."""
    source, output = report["input"].get("address"), (report.get("output") or {}).get("address")
    title(f"{source or '-'}{f' -> {output}' if output else ''}: {report['status']}", stream)
    nonfinite, losses, error = (report.get(key) or {} for key in ("nonfinite", "losses", "error"))
    rows = check_rows(report, verbose)
    if any(nonfinite.values()):
        rows.append(("NaN or Inf", f"{nonfinite['input']} in, {nonfinite['output']} out"))
    if any(losses.values()):
        rows.append(("losses", ", ".join(f"{name} {value:.6g}" for name, value in losses.items() if value)))
    if report.get("seconds") is not None:
        rows.append(("time", f"{report['seconds']:.3g} s"))
    if error:
        rows.append(("error", error["message"]))
    table(rows + note_rows(report), stream)


def check_rows(report: Object, verbose: bool = True) -> list[tuple[str, str]]:
    """What a layer makes of some data, as a report or a description says it."""
    keys = ("input", "output", "padding", "delay", "algorithm")
    source, output, padding, delay, algorithm = (report.get(key) or {} for key in keys)
    size, field = report.get("effective_kernel_size"), report.get("receptive_field")
    reason = f": {algorithm['reason']}" if algorithm and verbose else ""
    rows = {
        "input": "shape" in source and f"{shape(source['shape'])} {source['dtype']}",
        "output": "shape" in output
        and f"{shape(output['shape'])} {output['dtype']}, {byte_count(output['nbytes'])}",
        "padding": padding and f"{padding['left']} left, {padding['right']} right",
        "effective kernel size": size and str(size),
        "receptive field": field and f"{field} steps",
        "delay": delay and lag(delay),
        "algorithm": algorithm and f"{algorithm['name']} ({algorithm['backend']}){reason}",
    }
    return [(name, text) for name, text in rows.items() if text]


def note_rows(report: Object) -> list[tuple[str, str]]:
    """Notes of a report or a description."""
    return [("note", note) for note in report.get("notes") or ()]


def shape(sides: Iterable[int]) -> str:
    """A shape as Python writes it."""
    return str(tuple(sides))


def duration(delay: Object) -> str:
    """A number of steps, and of seconds where the sampling rate is known."""
    words = f"{delay['steps']:.6g} {'step' if delay['steps'] == 1 else 'steps'}"
    return words if delay["seconds"] is None else f"{words} ({delay['seconds']:.6g} s)"


def lag(delay: Object) -> str:
    """A delay in words, since its sign alone does not say which of input and output is late."""
    steps = delay["steps"]
    if not steps:
        return "0 steps: the output is in time with the input"
    size = duration({key: None if value is None else abs(value) for key, value in delay.items()})
    if steps > 0:
        return f"the output is {size} late"
    return f"the output is {size} early: its first value belongs to step {-steps:.6g} of the input"


def byte_count(nbytes: int) -> str:
    """A number of bytes, also rounded where it is long."""
    for unit, scale in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= 10 * scale:
            return f"{nbytes} bytes ({nbytes / scale:.1f} {unit})"
    return f"{nbytes} bytes"
