"""``.csv`` and ``.tsv``: a row for each step, a column for each channel, as :func:`numpy.loadtxt` reads them.

Numbers are float64. A table of one column is a recording of rank 1, any other one of rank 2. A line of names, and a first
column that holds the times of the steps, are no channels; the outputs get them again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.selections import Selection
from dwconv_cli.storage.single_output import SingleOutput
from dwconv_cli.storage.source import FileSource, StreamSource, open_source
from dwconv_cli.storage.spool import SpooledStream
from dwconv_cli.storage.surroundings import Dimension, Scale, Surroundings
from dwconv_cli.storage.tables.heading import begins_with_date, read_heading
from dwconv_cli.storage.tables.lines import Lines
from dwconv_cli.storage.tables.numbers import NumberColumns
from dwconv_cli.storage.tables.times import TimeColumn, sampling_rate, time_column
from dwconv_cli.storage.tables.writing import TableWriter, check_table
from dwconv_cli.text import shown

ROOT = None
# Called before an output is opened, too.
check_array = check_table
# Attributes that a table has: the names of its channels, and the steps in a second.
COLUMNS, RATE = "columns", "fs"


class CsvReader:
    """Blocks of the rows of a table.

    Parameters
    ----------
    path : str
        A file; or a pipe, or ``-`` for standard input, which are copied into a temporary file.
    name : str
        Without effect.
    allow_external : bool
        Without effect.

    Raises
    ------
    InputError
        If it cannot be read, or holds no table of numbers.
    """

    chunks: tuple[int, ...] | None = None
    fortran = False
    sequential = False
    dtype: np.dtype[Any] = np.dtype(np.float64)

    def __init__(self, path: str, name: str, allow_external: bool) -> None:
        source = open_source(path)
        self._source = SpooledStream(source) if isinstance(source, StreamSource) else source
        assert isinstance(self._source, FileSource)
        self.name = self._source.name
        try:
            self._read_header(self._source)
        except BaseException:
            self.close()
            raise

    def _read_header(self, source: FileSource) -> None:
        """Find out what is in which column, and how many rows there are."""
        heading = read_heading(source)
        self._delimiter = heading.delimiter
        self._lines = Lines(source, heading.rows_begin)
        self.notes: list[str] = []
        self.attributes: dict[str, Any] = {}
        self.storage = {"format": "csv", "delimiter": heading.delimiter}
        firsts = [row[0] for row in heading.first_rows]
        self._time: TimeColumn | None = None
        if heading.columns > 1 and heading.names:
            self._time, doubt = time_column(heading.names[0], firsts)
            self.notes += [] if doubt is None else [doubt]
        elif heading.columns > 1 and begins_with_date(heading.first_rows[0]):
            self._time = TimeColumn("", 1.0, True)
        skipped = int(self._time is not None)
        channels = heading.columns - skipped
        names = heading.names[skipped:]
        if names:
            self.attributes[COLUMNS] = list(names)
        if self._time is not None:
            self._note_time(self._time, firsts)
        self.shape = (self._lines.count,) if channels == 1 else (self._lines.count, channels)
        # The times of dates are cut off the rows; times that are numbers are parsed with them.
        self._cut = self._time is not None and self._time.is_date
        names = heading.names[1:] if self._cut else heading.names
        parsed = heading.columns - int(self._cut)
        self._numbers = NumberColumns(
            self._lines, self.name, heading.delimiter, names, parsed, heading.columns - parsed
        )

    def _note_time(self, column: TimeColumn, firsts: list[str]) -> None:
        """Take the sampling rate from the times, and say so."""
        text = f"column {shown(column.name)} numbers the steps, and is no channel"
        if column.unit == column.unit:
            first = column.values(firsts, self.name, self._lines.line_of(0))
            count = self._lines.count
            last = self._times(self._lines, column)(count - 1, count)[0]
            rate, doubt = sampling_rate(column, first, float(last), count)
            text = f"column {shown(column.name)} holds the times of the steps, and is no channel"
            if rate is not None:
                self.attributes[RATE] = rate
                text = f"{text}; {rate:.9g} Hz"
            self.notes += [] if doubt is None else [doubt]
        self.notes.insert(0, text)

    def read(self, selection: Selection, out: Array) -> None:
        """Copy the selected part into `out`, cast to its dtype."""
        start, stop, _ = selection[0].indices(self.shape[0])
        before: float | None = None
        for piece in self._lines.pieces(start, stop):
            rows = piece.rows
            if self._time is not None:
                if self._cut:
                    fields = [row.partition(self._delimiter) for row in rows]
                    texts, rows = [field[0] for field in fields], [field[2] for field in fields]
                    times = self._time.values(texts, self.name, piece.start)
                    numbers = self._numbers.parse(rows, piece.start)
                else:
                    numbers = self._numbers.parse(rows, piece.start)
                    times, numbers = numbers[:, 0], numbers[:, 1:]
                self._check_times(times, before, piece.start)
                before = float(times[-1])
            else:
                numbers = self._numbers.parse(rows, piece.start)
            part = out[piece.start - start : piece.start - start + len(rows)]
            part[...] = numbers[:, 0] if len(selection) == 1 else numbers[:, selection[1]]

    def _check_times(self, times: Array, before: float | None, start: int) -> None:
        """Refuse times that do not increase from row `start` on."""
        increases = np.diff(times, prepend=-np.inf if before is None else before) > 0
        if not increases.all():
            assert self._time is not None
            line, name = self._lines.line_of(start + int(np.argmin(increases))), shown(self._time.name)
            raise InputError(
                f"{self.name}: line {line}: the time in column {name} is not later than the one before; "
                "sort the lines and remove repeated ones, or rename the column to filter it as a channel"
            )

    def surroundings(self) -> Surroundings:
        """The times of the steps, as a scale along the first dimension."""
        dimensions = [Dimension() for _ in self.shape]
        column = self._time
        if column is not None:
            # Read by the thread that writes, while another one reads rows.
            lines = self._lines.copy()
            scale = Scale(
                "/" + (column.name.replace("/", "_") or "time"),
                column.name,
                self.shape[0],
                np.dtype(np.float64),
                {"units": "seconds since 1970-01-01 00:00:00"} if column.is_date else {},
                {},
                self._times(lines, column),
                texts=self._texts(lines),
            )
            dimensions[0] = Dimension("", (scale,))
        return Surroundings(tuple(dimensions), {}, [])

    def _texts(self, lines: Lines) -> Callable[[int, int], Array]:
        def read(start: int, stop: int) -> Array:
            texts = [
                row.partition(self._delimiter)[0].strip(' "')
                for piece in lines.pieces(start, stop)
                for row in piece.rows
            ]
            return np.array(texts, object)

        return read

    def _times(self, lines: Lines, column: TimeColumn) -> Callable[[int, int], Array]:
        texts = self._texts(lines)

        def read(start: int, stop: int) -> Array:
            return column.values(texts(start, stop).tolist(), self.name, lines.line_of(start))

        return read

    def spool(self) -> None:
        """Do nothing: rows are read in any order."""

    def finish(self) -> None:
        """Check that the file did not change; call when all was read."""
        self._source.finish(self._source.size or 0)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class CsvOutput(SingleOutput):
    """A table, which appears whole or not at all; its delimiter is a tab where its name ends in ``.tsv``."""

    def writer(self, array: NewArray) -> TableWriter:
        """The writer of an array of rank 1 or 2 of real numbers."""
        check_table(array, self._sink.name)
        delimiter = "\t" if self._sink.name.lower().endswith(".tsv") else ","
        return TableWriter(self._sink, delimiter, array.shape, array.dtype, array.attributes.get(COLUMNS))


open_reader, open_output = CsvReader, CsvOutput
