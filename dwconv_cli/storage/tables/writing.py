"""Numbers to rows of text: the shortest text that gives the same number again."""

from __future__ import annotations

import csv
import io
import math
import os
from functools import partial
from typing import Any

import numpy as np

from dwconv_cli.errors import OutputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.selections import Selection, contiguous_runs
from dwconv_cli.storage.sink import Sink, write_all
from dwconv_cli.storage.spool import temporary_file
from dwconv_cli.storage.surroundings import Scale, Surroundings

# Numbers that are text at once.
PIECE = 1 << 16


def check_table(array: NewArray, name: str) -> None:
    """Refuse an array that a table cannot hold; `name` is that of the file.

    Raises
    ------
    OutputError
    """
    shape, dtype = array.shape, array.dtype
    if len(shape) > 2:
        raise OutputError(
            f"{name}: a table has two axes, and this output has the shape {shape}; write .npy or .h5"
        )
    if dtype.kind == "c":
        raise OutputError(
            f"{name}: a table holds real numbers, and this output is {dtype}; write .npy or .h5"
        )


class TableWriter:
    """Rows of text into a sink, in order.

    Parameters
    ----------
    sink : Sink
    delimiter : str
    shape : tuple of int
        One or two axes.
    dtype : dtype
    columns : sequence of str, optional
        Names of the columns.
    """

    def __init__(
        self, sink: Sink, delimiter: str, shape: tuple[int, ...], dtype: np.dtype[Any], columns: Any = None
    ) -> None:
        self._sink, self._delimiter = sink, delimiter
        self._shape, self._dtype = shape, dtype
        self._width = shape[1] if len(shape) == 2 else 1
        self._columns = _names(columns, self._width)
        self._times: Scale | None = None
        # Numbers that are written, and bytes.
        self._items = self._position = 0
        self.sequential = True
        self._label = ""
        self._file: Any = None

    def describe(self, surroundings: Surroundings) -> None:
        """Take the times of the rows, and the names of the columns, from what belongs to the input."""
        scales = surroundings.dimensions[0].scales
        self._times = next((scale for scale in scales if scale.dtype.kind in "iuf"), None)
        for scale in surroundings.dimensions[1].scales if len(self._shape) == 2 else ():
            if self._columns is None and scale.dtype.kind in "SUO":
                texts = [
                    text.decode() if isinstance(text, bytes) else str(text)
                    for text in scale.read(0, scale.length)
                ]
                self._columns = _names(texts, self._width)

    def spool(self) -> None:
        """Take blocks in any order, which :meth:`commit` writes as rows."""
        self._file, self._label = temporary_file(self._sink.name)
        self.sequential = False

    def write(self, selection: Selection, block: Array) -> None:
        """Put `block` at `selection`."""
        if self._file is None:
            self._write_items(block)
            return
        for offset, index in contiguous_runs(self._shape, selection):
            piece = np.ascontiguousarray(block[index])
            data = memoryview(piece.tobytes())
            write_all(partial(os.pwrite, self._file.fileno()), data, offset * piece.itemsize, self._label)

    def commit(self) -> None:
        """Write what was spooled; the file is committed as a whole."""
        if self._file is not None:
            total, size = math.prod(self._shape), self._dtype.itemsize
            for start in range(0, total, PIECE):
                count = min(PIECE, total - start)
                data = os.pread(self._file.fileno(), count * size, start * size)
                self._write_items(np.frombuffer(data, self._dtype))
            self._file.close()
        self._begin()

    def abort(self) -> None:
        """Give the table up; the file is aborted as a whole."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        """Write the names of the columns before the first number."""
        if self._position or self._items:
            return
        times, names = self._times, self._columns
        if times is not None and names is None and (times.title or times.texts is None):
            names = [f"channel_{number}" for number in range(self._width)]
        if names is not None:
            title = [] if times is None else [times.title or times.name.rpartition("/")[2]]
            self._put(self._row([*title, *names]))

    def _write_items(self, block: Array) -> None:
        """Write the next numbers, row by row."""
        self._begin()
        items = np.ascontiguousarray(block, self._dtype).reshape(-1)
        # Whole rows at once, but for one that is longer.
        step = max(1, PIECE // self._width) * self._width if not self._items % self._width else PIECE
        for start in range(0, len(items), step):
            texts = _texts(items[start : start + step])
            if self._items % self._width or len(texts) % self._width:
                self._put(
                    "".join(map(self._with_separator, range(self._items, self._items + len(texts)), texts))
                )
            else:
                self._put_rows(texts)
            self._items += len(texts)

    def _put_rows(self, texts: list[str]) -> None:
        """Write texts that fill rows."""
        first, count, width = self._items // self._width, len(texts) // self._width, self._width
        join = self._delimiter.join
        rows = [join(texts[at : at + width]) for at in range(0, len(texts), width)] if width > 1 else texts
        if self._times is not None:
            times = map(self._quoted, _time_texts(self._times, first, first + count))
            rows = list(map(join, zip(times, rows, strict=True)))
        self._put("\n".join(rows) + "\n")

    def _with_separator(self, number: int, text: str) -> str:
        """The text of a number in a row that is written in parts."""
        row, column = divmod(number, self._width)
        before = ""
        if not column and self._times is not None:
            before = self._quoted(_time_texts(self._times, row, row + 1)[0]) + self._delimiter
        return before + text + (self._delimiter if column < self._width - 1 else "\n")

    def _quoted(self, text: str) -> str:
        return self._row([text])[:-1] if self._delimiter in text or '"' in text else text

    def _row(self, fields: list[str]) -> str:
        line = io.StringIO()
        csv.writer(line, delimiter=self._delimiter, lineterminator="\n").writerow(fields)
        return line.getvalue()

    def _put(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        self._sink.write_at(memoryview(data), self._position)
        self._position += len(data)


def _texts(numbers: Array) -> list[str]:
    """The shortest texts that give the same numbers again, in their own dtype."""
    if numbers.dtype.kind == "f" and numbers.dtype.itemsize < 8:
        texts: list[str] = numbers.astype("U32").tolist()
        return texts
    return list(map(repr, numbers.tolist()))


def _time_texts(times: Scale, start: int, stop: int) -> list[str]:
    """The times of some rows: as they stood in a table, else as numbers."""
    if times.texts is not None:
        texts: list[str] = times.texts(start, stop).tolist()
        return texts
    return _texts(np.asarray(times.read(start, stop)))


def _names(columns: Any, width: int) -> list[str] | None:
    """Names of the columns, if there is one for each."""
    if columns is None or isinstance(columns, str | bytes) or np.shape(columns) != (width,):
        return None
    return [name.decode() if isinstance(name, bytes) else str(name) for name in np.asarray(columns).tolist()]
