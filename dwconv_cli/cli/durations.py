"""Stretches of time for people."""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """A stretch of time in units.

    Examples
    --------
    >>> in_words(12.34), in_words(200), in_words(7320)
    ('12.3 s', '3 min 20 s', '2 h 2 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def on_a_clock(seconds: float) -> str:
    """A stretch of time as a clock shows it.

    Examples
    --------
    >>> on_a_clock(12.3), on_a_clock(7300)
    ('0:12', '2:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
