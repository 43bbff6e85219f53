"""Rows of text to numbers, by NumPy's reader; what it refuses is looked at field by field."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.tables.lines import Lines
from dwconv_cli.text import shown

# What stands for a missing number, besides what NumPy reads as NaN.
MISSING = frozenset({"", "na", "n/a", "null", "none"})
_NUMBER = re.compile(
    r"\s*[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?|nan)\s*", re.IGNORECASE | re.ASCII
)
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+(?:e[-+]?\d+)?\s*", re.IGNORECASE | re.ASCII)


def is_number(text: str) -> bool:
    """Whether :func:`numpy.loadtxt` reads `text` as a number.

    Examples
    --------
    >>> [is_number(text) for text in ("-1.5e3", "nan", "x", "1,5")]
    [True, True, False, False]
    """
    return _NUMBER.fullmatch(text) is not None


class NumberColumns:
    """The columns of a table that hold numbers.

    Parameters
    ----------
    lines : Lines
    name : str
        Of the file, for messages.
    delimiter : str
    names : sequence of str
        Of these columns, or none.
    columns : int
    skipped : int
        Columns before them.
    """

    def __init__(
        self, lines: Lines, name: str, delimiter: str, names: Sequence[str], columns: int, skipped: int = 0
    ) -> None:
        self._lines, self._name, self._delimiter = lines, name, delimiter
        self._names, self._columns, self._skipped = names, columns, skipped

    def parse(self, rows: list[str], start: int) -> Array:
        """The numbers in `rows`, shape (rows, columns), as float64; `start` is the first one's number.

        Raises
        ------
        InputError
            With the number of the line that has another number of fields, or a field that is no number.
        """
        try:
            numbers = self._loaded(rows)
            if numbers.shape == (len(rows), self._columns):
                return numbers
        except ValueError:
            pass
        fields = list(csv.reader(rows, delimiter=self._delimiter, skipinitialspace=True))
        self._check(fields, rows, start)
        missing = [
            self._delimiter.join("nan" if field.strip().lower() in MISSING else field for field in row)
            for row in fields
        ]
        try:
            return self._loaded(missing)
        except ValueError as error:
            line = self._lines.line_of(start)
            raise InputError(f"{self._name}: from line {line} on: {' '.join(str(error).split())}") from error

    def _loaded(self, rows: list[str]) -> Array:
        return np.loadtxt(rows, np.float64, comments=None, delimiter=self._delimiter, quotechar='"', ndmin=2)

    def _check(self, table: list[list[str]], rows: list[str], start: int) -> None:
        """Raise the first fault of rows that NumPy does not read."""
        for number, fields in enumerate(table):
            if len(fields) != self._columns:
                columns, line = self._columns + self._skipped, self._lines.line_of(start + number)
                raise InputError(
                    f"{self._name}: line {line} has {len(fields) + self._skipped} fields, and the lines before "
                    f"it {columns}; correct or remove it ({shown(rows[number])})"
                )
            for column, field in enumerate(fields):
                if not is_number(field) and field.strip().lower() not in MISSING:
                    line = self._lines.line_of(start + number)
                    raise InputError(f"{self._name}: line {line}: {self._fault(column, field)}")

    def _fault(self, column: int, field: str) -> str:
        """Why a field is no number, and what to do."""
        if _DECIMAL_COMMA.fullmatch(field):
            if self._delimiter == ",":
                return f"{field!r} has a decimal comma; save the table with decimal points"
            return f"{field!r} has a decimal comma; write points: tr , . < {_quoted(self._name)} > points.csv"
        number, last = column + self._skipped + 1, self._columns + self._skipped
        where = f"column {shown(self._names[column])}" if self._names else f"column {number}"
        others = [
            *([f"1-{number - 1}" if number > 2 else "1"] if number > 1 else ()),
            *([f"{number + 1}-"] if number < last else ()),
        ]
        delimiter = {",": "-d, ", ";": "-d';' "}.get(self._delimiter, "")
        cut = f"cut {delimiter}-f{','.join(others)} {_quoted(self._name)} > numbers.csv"
        advice = f", or leave the column out: {cut}" if others else ""
        return (
            f"{where} holds {shown(field.strip())}, which is no number; leave the field empty for NaN{advice}"
        )


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
