"""Tables for people, in columns, and in colour where the stream is a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any, TextIO

import click

from dwconv_cli.cli.columns import columns_of, folded, has_colour, padded, shortened, width_of
from dwconv_cli.text import SPARKS, printable

INDENT = 2
# Columns that a name or a text keeps, however narrow the stream is.
_LEAST_WIDTH = 12
_NUMBER = re.compile(r"[-+]?\d[\d.e+-]*")
# What stands for the heights of sparklines where the stream's encoding lacks them.
_ASCII_SPARKS = str.maketrans(SPARKS, "_.:-=+*#")
_SPARKS = frozenset(SPARKS)

Rows = Sequence[Sequence[str]]
Object = dict[str, Any]


def table(rows: Rows, stream: TextIO, head: Sequence[str] = ()) -> None:
    """Write `rows` in columns under `head`; without `head` the first of two columns names what the second holds.

    What is unprintable is escaped, since names and texts may come from files. On a terminal the head or the first
    column is coloured. Where the stream has a width, the table keeps to it: without `head` long texts are folded within
    their column, and with it long names lose their middle. Numbers and sparklines are never cut: where they leave no
    room, each row becomes a table of its own.
    """
    if not rows:
        return
    cells = [[fit(cell, stream) for cell in row] for row in rows]
    right = [bool(head) and all(map(_NUMBER.fullmatch, column)) for column in zip(*cells, strict=True)]
    columns = columns_of(stream)
    if columns is not None and head:
        narrowed = _narrowed([list(head), *cells], right, columns)
        if narrowed is None:
            for number, row in enumerate(cells):
                stream.write("\n" if number else "")
                table(list(zip(head, row, strict=True)), stream)
            return
        cells = narrowed[1:]
    elif columns is not None:
        room = max(_LEAST_WIDTH, columns - 2 * INDENT - max(width_of(name) for name, _ in cells))
        cells = [
            [first, line]
            for name, text in cells
            for first, line in zip_longest([name], _lines(text, room), fillvalue="")
        ]
    if head:
        cells.insert(0, list(head))
    colour = has_colour(stream)
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        texts = [
            padded(cell, width, to_right) for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        texts[-1] = texts[-1].rstrip()
        if colour and head and number == 0:
            texts = [click.style(cell, bold=True) for cell in texts]
        elif colour:
            texts[0] = click.style(texts[0], fg="cyan")
        stream.write((" " * INDENT + "  ".join(texts)).rstrip() + "\n")


def _lines(text: str, room: int) -> list[str]:
    """A text in lines of `room` columns; a word that is longer, such as an address, loses its middle."""
    return folded(" ".join(shortened(word, room) for word in text.split(" ")), room)


def _narrowed(cells: list[list[str]], right: Sequence[bool], columns: int) -> list[list[str]] | None:
    """`cells` with the widest names shortened until they fit; None where other cells leave no room."""
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    room = columns - INDENT - 2 * (len(widths) - 1)
    names = [
        number
        for number, column in enumerate(zip(*cells, strict=True))
        if not right[number] and not any(set(cell) & _SPARKS for cell in column[1:])
    ]
    while sum(widths) > room:
        widest = max(names, key=lambda number: widths[number], default=-1)
        if widest < 0 or widths[widest] <= _LEAST_WIDTH:
            return None
        widths[widest] -= 1
    return [[shortened(cell, width) for cell, width in zip(row, widths, strict=True)] for row in cells]


def title(text: str, stream: TextIO) -> None:
    """Write a line that stands above tables; it is bold on a terminal, and keeps to the stream's width."""
    text, columns = fit(text, stream), columns_of(stream)
    if columns is not None:
        text = shortened(text, columns)
    stream.write((click.style(text, bold=True) if has_colour(stream) else text) + "\n")


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
    title(_input_and_output(source or "-", output or "", report["status"], columns_of(stream)), stream)
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


def _input_and_output(source: str, output: str, status: str, columns: int | None) -> str:
    """Where a recording came from and went to; both addresses are shortened where there is a width."""
    if columns is not None:
        room = max(_LEAST_WIDTH, columns - len(f" -> : {status}"))
        shares = room // 2, room - room // 2
        if not output or width_of(output) < shares[1]:
            shares = max(shares[0], room - width_of(output)), width_of(output)
        elif width_of(source) < shares[0]:
            shares = width_of(source), room - width_of(source)
        source, output = shortened(source, shares[0]), shortened(output, shares[1])
    return f"{source}{f' -> {output}' if output else ''}: {status}"


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
