"""What the first lines of a table tell: its delimiter, the names of its columns, and whether the first holds times."""

from __future__ import annotations

import csv
import re
from typing import NamedTuple

from dwconv_cli.errors import InputError
from dwconv_cli.storage.source import FileSource
from dwconv_cli.storage.tables.lines import Mark, beginning
from dwconv_cli.storage.tables.numbers import MISSING, is_number

# Rows that are looked at to tell whether times increase.
FIRST_ROWS = 1000


class Heading(NamedTuple):
    """What is known of a table before its numbers are read.

    Parameters
    ----------
    delimiter : str
    names : tuple of str
        Of all columns; empty where the table has none.
    columns : int
    rows_begin : Mark
        The first line that may be a row.
    first_rows : list of list of str
        Fields of the first rows.
    """

    delimiter: str
    names: tuple[str, ...]
    columns: int
    rows_begin: Mark
    first_rows: list[list[str]]


def read_heading(source: FileSource) -> Heading:
    """Read the first lines of a table.

    The first line that is no comment holds names if one of its fields is no number. A comment right before the first
    row that has as many fields as the row holds names too, since :func:`numpy.savetxt` writes them so.

    Raises
    ------
    InputError
        If there is no row, or names and columns do not fit each other.
    """
    begin, lines = beginning(source)
    texts = [line.rstrip("\r") for _, line in lines]
    rows = [number for number, text in enumerate(texts) if text.partition("#")[0].strip()]
    if not rows:
        raise InputError(f"{source.name}: holds no rows of numbers")
    first = rows[0]
    # Of a row of numbers if there is one, since names may hold any character.
    delimiter = _delimiter(texts[rows[min(1, len(rows) - 1)]], source.name)
    fields = split(texts[first], delimiter)
    names: tuple[str, ...] = ()
    last_of_heading = -1
    if not all(map(_is_number_or_missing, fields)) and not begins_with_date(fields):
        if texts[first].count('"') % 2:
            raise InputError(
                f"{source.name}: line {first + 1}: a quoted name goes over the line's end; write it on one line"
            )
        names, last_of_heading, rows = tuple(map(_decoded, fields)), first, rows[1:]
        if not rows:
            raise InputError(f"{source.name}: holds names of columns and no rows of numbers")
        fields = split(texts[rows[0]], delimiter)
        if len(fields) != len(names):
            raise InputError(
                f"{source.name}: line {first + 1} has {len(names)} names, and line {rows[0] + 1} has {len(fields)} "
                f"fields; give each column a name, with {delimiter!r} between"
            )
    elif first and texts[first - 1].lstrip().startswith("#"):
        comment = split(texts[first - 1].lstrip(" #"), delimiter)
        if len(comment) == len(fields) and not all(map(_is_number_or_missing, comment)):
            names = tuple(map(_decoded, comment))
    offset = begin.offset + sum(len(line) + 1 for _, line in lines[: last_of_heading + 1])
    first_rows = [split(texts[row].partition("#")[0], delimiter) for row in rows[:FIRST_ROWS]]
    return Heading(delimiter, names, len(fields), Mark(0, last_of_heading + 1, offset), first_rows)


def split(line: str, delimiter: str) -> list[str]:
    """The fields of a line, without quotes and blanks around them."""
    if '"' not in line:
        return [field.strip() for field in line.split(delimiter)]
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))]


def _is_number_or_missing(field: str) -> bool:
    """Whether a field is a number, also one with a decimal comma, or stands for a missing one."""
    return field.lower() in MISSING or is_number(field.replace(",", ".", 1))


def begins_with_date(fields: list[str]) -> bool:
    """Whether a row has a date before its numbers."""
    return bool(re.match(r"\d{4}-\d\d-\d\d", fields[0])) and all(map(_is_number_or_missing, fields[1:]))


def _delimiter(line: str, name: str) -> str:
    """What stands between the fields of a line; a tab in a file that is named so, wherever it has one column."""
    if name.lower().endswith(".tsv"):
        return "\t"
    bare = re.sub(r'"[^"]*"|,\t', ",", line)
    return next((delimiter for delimiter in ("\t", ";") if delimiter in bare), ",")


def _decoded(name: str) -> str:
    """A name out of bytes that were read as Latin-1, if they are UTF-8."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return name
