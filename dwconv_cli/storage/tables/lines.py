"""The lines of a text, by their number: one pass counts them, and afterwards any of them are read by position.

A row is a line that holds more than blanks and a comment. A comment begins with ``#``, as in :func:`numpy.loadtxt`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from dwconv_cli.errors import InputError
from dwconv_cli.storage.source import FileSource

# Bytes that are read at once. The index has an entry for each, so that a file of 1 GB has a thousand.
PIECE = 1 << 20
# Bytes of the longest line that is read: a line is in memory as a whole.
MAX_LINE = 16 << 20
# What a piece without blank lines and comments does not hold.
_UNUSUAL = (b"#", b"\n\n", b"\n\r", b" \n", b" \r")
_MARKS_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MARK_OF_UTF8 = b"\xef\xbb\xbf"


class Mark(NamedTuple):
    """A line's beginning: the rows and lines before it, and its byte."""

    row: int
    line: int
    offset: int


class Piece(NamedTuple):
    """Rows of text, without their line ends and comments, from row `start` on."""

    start: int
    rows: list[str]


def rows_of(text: str) -> list[str]:
    """The rows in a text of whole lines.

    Examples
    --------
    >>> rows_of("# a comment\\r\\n1,2\\r\\n\\r\\n3,4 # another\\r\\n")
    ['1,2', '3,4 ']
    """
    return [row for _, row in numbered_rows(text)]


def numbered_rows(text: str) -> Iterator[tuple[int, str]]:
    """The rows in a text of whole lines, with the numbers of their lines from 0 on."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    commented = "#" in text
    for number, line in enumerate(text.split("\n")):
        row = line.partition("#")[0] if commented else line
        if row and row.strip(" \r"):
            yield number, row


def _row_count(text: bytes) -> int:
    if text.startswith((b"\n", b"\r")) or any(unusual in text for unusual in _UNUSUAL):
        return len(rows_of(text.decode("latin-1")))
    return text.count(b"\n") + (not text.endswith(b"\n") and bool(text.strip(b" \r")))


class Lines:
    """The rows of a text file from a byte on.

    Parameters
    ----------
    source : FileSource
    before : Mark
        Where the rows begin.

    Raises
    ------
    InputError
        If a line is longer than ``MAX_LINE``.
    """

    def __init__(self, source: FileSource, before: Mark) -> None:
        self._source = source
        self._marks = [before._replace(row=0)]
        self._piece: Piece | None = None
        self._size = source.size or 0
        offset, rest = before.offset, b""
        while offset < self._size:
            text = rest + read_text(source, offset, min(PIECE, self._size - offset))
            offset = min(offset + PIECE, self._size)
            end = len(text) if offset == self._size else text.rfind(b"\n") + 1
            rest = text[end:]
            if end:
                last = self._marks[-1]
                rows, lines = _row_count(text[:end]), text.count(b"\n", 0, end)
                self._marks.append(Mark(last.row + rows, last.line + lines, last.offset + end))
            elif len(rest) > MAX_LINE:
                raise InputError(
                    f"{source.name}: line {self._marks[-1].line + 1} is longer than {MAX_LINE >> 20} MiB; "
                    "write a row for each step"
                )
        self._rows = [mark.row for mark in self._marks]
        self.count = self._rows[-1]

    def copy(self) -> Lines:
        """The same rows, to be read by another thread."""
        other = object.__new__(Lines)
        other.__dict__.update(self.__dict__, _piece=None)
        return other

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """The rows from `start` to `stop`, some at a time."""
        while start < stop:
            piece = self._piece_with(start)
            skipped = start - piece.start
            rows = piece.rows[skipped : stop - piece.start]
            yield Piece(start, rows)
            start += len(rows)

    def line_of(self, row: int) -> int:
        """The number, from 1 on, of the line that holds a row."""
        index = bisect_right(self._rows, row) - 1
        lines = [number for number, _ in numbered_rows(self._text(index))]
        return self._marks[index].line + lines[row - self._rows[index]] + 1

    def _piece_with(self, row: int) -> Piece:
        """The piece that holds a row; the last one is remembered, since blocks end within pieces."""
        index = bisect_right(self._rows, row) - 1
        if self._piece is None or self._piece.start != self._rows[index]:
            piece = Piece(self._rows[index], rows_of(self._text(index)))
            if len(piece.rows) != self._rows[index + 1] - piece.start:
                raise InputError(f"{self._source.name}: changed while it was read; try again")
            self._piece = piece
        return self._piece

    def _text(self, index: int) -> str:
        begin, end = self._marks[index].offset, self._marks[index + 1].offset
        # Latin-1 keeps every byte, whatever the encoding; numbers are the same in all of them.
        return read_text(self._source, begin, end - begin).decode("latin-1")


def read_text(source: FileSource, offset: int, size: int) -> bytes:
    """Bytes of a file."""
    buffer = bytearray(size)
    source.read_into(memoryview(buffer), offset)
    return bytes(buffer)


def beginning(source: FileSource) -> tuple[Mark, list[tuple[int, str]]]:
    """Where the text of a file begins, and its first lines with their line numbers from 0 on, comments among them.

    Raises
    ------
    InputError
        If the file is no text that can be read, or its first lines are too long.
    """
    size, length = source.size or 0, PIECE
    while True:
        text = read_text(source, 0, min(length, size))
        if text.startswith(_MARKS_OF_UTF16) or b"\0" in text:
            raise InputError(f"{source.name}: is no text in UTF-8; save it as CSV in UTF-8")
        offset = len(_MARK_OF_UTF8) if text.startswith(_MARK_OF_UTF8) else 0
        whole = len(text) if length >= size else text.rfind(b"\n") + 1
        lines = text[offset:whole].decode("latin-1").split("\n")
        # A row of numbers follows the names, if there are any.
        if length >= size or sum(bool(line.partition("#")[0].strip()) for line in lines) > 2:
            return Mark(0, 0, offset), list(enumerate(lines))
        if length > MAX_LINE:
            raise InputError(
                f"{source.name}: its first lines are longer than {MAX_LINE >> 20} MiB; write a row for each step"
            )
        length *= 4
