"""One of many inputs on one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from dwconv_cli.cli.columns import columns_of, shortened, width_of


def report_line(report: dict[str, Any], notes: Sequence[str], stream: TextIO) -> str:
    """A report (as its JSON object) and the `notes` that were not printed before, on one line.

    Where the stream has a width, the address is shortened so that all but the notes fit.

    Examples
    --------
    >>> import io
    >>> report = {"status": "ok", "input": {"address": "rec.npy", "shape": [20, 3]}, "output": {"shape": [18, 3]}}
    >>> report_line({**report, "seconds": 0.0123}, ["the seed is 5"], io.StringIO())
    'rec.npy  (20, 3) -> (18, 3)  0.0123 s; the seed is 5'
    """
    source, output = report["input"], report["output"] or {}
    parts = []
    if "shape" in source and "shape" in output:
        parts.append(f"{_shape(source['shape'])} -> {_shape(output['shape'])}")
    if report["status"] == "skipped":
        parts.append("skipped, its output exists")
    elif report["status"] != "ok":
        parts.append(report["status"])
    if report.get("seconds") is not None:
        parts.append(f"{report['seconds']:.3g} s")
    nonfinite = report.get("nonfinite") or {}
    if any(nonfinite.values()):
        parts.append(f"NaN or Inf: {nonfinite['input']} in, {nonfinite['output']} out")
    rest, columns = "  ".join(["", *parts]), columns_of(stream)
    name = source.get("address") or "-"
    if columns is not None:
        name = shortened(name, max(12, columns - 1 - width_of(rest)))
    return "; ".join([name + rest, *notes])


def _shape(sides: Sequence[int]) -> str:
    return str(tuple(sides))
