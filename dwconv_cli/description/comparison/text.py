"""Words for pairs of numbers."""

from __future__ import annotations

from typing import Any

from dwconv_cli.description.comparison.pairs import Counts, Difference


def equal_numbers(counts: Counts) -> str:
    """Which of the differing bits are those of equal numbers."""
    kinds = []
    if counts.signed_zeros:
        kinds.append(f"{counts.signed_zeros} as -0.0 and 0.0, which are equal numbers")
    if counts.nan_bits:
        kinds.append(f"{counts.nan_bits} as two kinds of NaN")
    return f", {' and '.join(kinds)}" if kinds else ""


def place(difference: Difference) -> str:
    """Where a pair stands, and its numbers as short as their types allow."""
    index = ", ".join(map(str, difference.index))
    return f"at [{index}]: {_plain(difference.a)} against {_plain(difference.b)}"


def _plain(value: Any) -> str:
    return str(value).strip("()")


def number(value: Any) -> str:
    """A difference: a whole number in full, another one in six digits."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
