"""The first column of a table where it holds the times of the steps, or counts them."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from dwconv_cli.errors import InputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.tables.numbers import is_number
from dwconv_cli.text import shown

# Units of time in seconds.
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "µs", "μs", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
# Words of which one makes a column's name that of a time; "t" could also be a temperature.
_CERTAIN = frozenset({"time", "timestamp", "timestamps", "datetime", "epoch", "seconds", "milliseconds"})
_WORDS = _CERTAIN | {"t", "date", "elapsed", "utc", "ts"}
# Names of columns that number the rows; pandas writes one without a name.
_COUNTERS = frozenset({"", "index", "unnamed: 0", "sample", "frame", "step"})
# Times since 1970 that are too large for their unit: 10^11 seconds are in the year 5138.
_EPOCHS = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
# The offset from UTC at the end of a date with a time.
_OFFSET = re.compile(r"(?<=\d)(?:Z|[-+]\d\d:?\d\d)$")
# How much the spacing of the first steps may differ from that of all.
_UNEVEN = 0.02


class TimeColumn(NamedTuple):
    """A first column that is no channel.

    Parameters
    ----------
    name : str
    unit : float
        Seconds in one of it; NaN where it counts rows.
    is_date : bool
        Whether it holds dates in the form of ISO 8601 rather than numbers.
    """

    name: str
    unit: float
    is_date: bool

    def values(self, texts: list[str], file: str, line: int) -> Array:
        """The numbers of `texts`, of which the first stands in `line`; of dates the seconds since 1970.

        Raises
        ------
        InputError
            If one of them is no time.
        """
        try:
            if self.is_date:
                return seconds_of(texts)
            return np.array(texts, np.float64)
        except ValueError as error:
            raise InputError(
                f"{file}: from line {line} on, column {shown(self.name)} holds what is no time: {error}"
            ) from error


def time_column(name: str, texts: list[str]) -> tuple[TimeColumn | None, str | None]:
    """What the first column of a table is, by its name and its first values; None where it is a channel.

    The second value says why a column with the name of a time is a channel after all.

    Examples
    --------
    >>> time_column("time (ms)", ["0", "20"])
    (TimeColumn(name='time (ms)', unit=0.001, is_date=False), None)
    >>> time_column("x", ["0", "20"])
    (None, None)
    """
    words = re.findall(r"[^\W\d_]+", name.lower())
    units = [_UNITS[word] for word in words if word in _UNITS]
    is_counter = name.strip().lower() in _COUNTERS
    if not (is_counter or _WORDS.intersection(words) or (words and len(units) == len(words))):
        return None, None
    is_date = not all(map(is_number, texts))
    try:
        values = seconds_of(texts) if is_date else np.array(texts, np.float64)
    except ValueError:
        return None, None
    steps = np.diff(values)
    if is_counter and not np.all(steps == 1):
        # pandas writes times without a name, too.
        is_counter = False
        if name.strip():
            return None, None
    if not np.all(steps > 0) and not _CERTAIN.intersection(words):
        return (
            None,
            f"column {shown(name)} does not always increase, so it is filtered as a channel"
            if name
            else None,
        )
    unit = units[-1] if units else 1.0
    if not units and not is_date:
        unit = next((scale for least, scale in _EPOCHS if abs(values[0]) > least), unit)
    return TimeColumn(name, math.nan if is_counter else 1.0 if is_date else unit, is_date), None


def sampling_rate(
    column: TimeColumn, first: Array, last: float, count: int
) -> tuple[float | None, str | None]:
    """The steps in a second, to at most nine digits, and a note if the steps are not even.

    Parameters
    ----------
    column : TimeColumn
    first : ndarray
        Times of the first steps.
    last : float
        That of the last step.
    count : int
        Number of steps.
    """
    whole = (last - first[0]) * column.unit
    if count < 2 or not whole > 0:
        return None, None
    period = whole / (count - 1)
    usual = float(np.median(np.diff(first))) * column.unit
    note = None
    if abs(period - usual) > _UNEVEN * period:
        note = (
            f"the times in column {shown(column.name)} are not even ({usual:.6g} s apart at first, {period:.6g} s on "
            "average), and are filtered as if they were"
        )
    # Times far from zero have fewer digits for their differences.
    error = float(np.spacing(max(abs(last), abs(first[0])))) * column.unit / whole
    digits = min(9, max(3, int(-math.log10(error))))
    return float(f"{1 / period:.{digits}g}"), note


def seconds_of(texts: list[str]) -> Array:
    """Seconds since 1970 of dates in the form of ISO 8601; offsets from UTC are left out.

    Examples
    --------
    >>> seconds_of(["1970-01-01T00:01:00.5Z"]).tolist()
    [60.5]
    """
    plain = [_OFFSET.sub("", text.strip(' "')) for text in texts]
    moments = np.array(plain, "datetime64[us]")
    if np.isnat(moments).any():
        raise ValueError("a date is missing")
    return moments.astype(np.int64) / 1e6
