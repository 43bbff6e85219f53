"""What a comparison finds out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dwconv_cli.description.comparison.pairs import Counts, Difference
from dwconv_cli.description.comparison.text import equal_numbers, number, place
from dwconv_cli.description.json_values import json_value

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Comparison:
    """Where two arrays differ, and by how much; :func:`~dwconv_cli.compare` makes it.

    Parameters
    ----------
    within : bool
        Whether the arrays are equal within the tolerances.
    identical : bool
        Whether shapes, dtypes and all bits are the same. Byte order and order in memory do not count.
    a, b : mapping
        ``address``, ``shape`` and ``dtype`` of each.
    tolerances : mapping
        ``rtol``, ``atol``, ``ulp``, ``equal_nan``, ``ignore_dtype`` and ``bits``, as they were asked for.
    counts : Counts, optional
        None where the shapes differ, so that nothing was compared.
    absolute, relative, ulp : Difference, optional
        The largest difference ``|a - b|``, the largest ``|a - b| / |b|`` with `b` other than 0, and the largest number
        of floating-point steps between two numbers. Each is over pairs of finite numbers, and of several equally large
        ones the first counts. None where no pair differs.
    first : Difference, optional
        The first pair beyond the tolerances, in row-major order.
    first_nonfinite : Difference, optional
        The first pair of different numbers of which one is NaN or infinite.
    attributes : mapping, optional
        ``differ``, ``only_a`` and ``only_b``: names with values. None where attributes were not asked for.
    reasons : tuple of str
        Why the arrays are not equal within the tolerances; empty where they are.
    notes : tuple of str
        What a careful person should know.

    Examples
    --------
    >>> from dwconv_cli import compare
    >>> comparison = compare([1.0, 2.0, 4.0], [1.0, 2.5, 4.0], rtol=0.1)
    >>> comparison.within, comparison.absolute.index, comparison.absolute.value
    (False, (1,), 0.5)
    """

    within: bool
    identical: bool
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    tolerances: Mapping[str, Any]
    counts: Counts | None = None
    absolute: Difference | None = None
    relative: Difference | None = None
    ulp: Difference | None = None
    first: Difference | None = None
    first_nonfinite: Difference | None = None
    attributes: Mapping[str, Any] | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return "\n".join([self.headline, *(f"  {name}: {text}" for name, text in self.rows())])

    def _repr_html_(self) -> str:
        from dwconv_cli.layer.notebook import html_table

        return html_table(self.headline, self.rows())

    @property
    def headline(self) -> str:
        """The outcome in one line."""
        a, b = (side["address"] or f"an array {name}" for name, side in (("a", self.a), ("b", self.b)))
        if not self.within:
            return f"{a} and {b}: {'; '.join(self.reasons)}"
        if self.identical:
            return f"{a} and {b}: identical, bit for bit"
        counts = self.counts
        if counts is not None and not counts.values:
            return f"{a} and {b}: equal numbers, not identical bits"
        return f"{a} and {b}: equal within the tolerances"

    def rows(self) -> list[tuple[str, str]]:
        """Names and texts of what there is to say."""
        sides = [f"{tuple(side['shape'])} {side['dtype']}" for side in (self.a, self.b)]
        lines = [("arrays", sides[0] if sides[0] == sides[1] else f"{sides[0]} against {sides[1]}")]
        counts = self.counts
        if counts is not None and not (self.identical and not counts.values):
            if counts.bits is not None:
                lines.append(("bits", f"{counts.bits} of {counts.total} differ{equal_numbers(counts)}"))
            lines.append(("numbers", f"{counts.values} of {counts.total} differ"))
            lines += [
                (name, f"{number(difference.value)} {place(difference)}")
                for name, difference in (
                    ("absolute", self.absolute),
                    ("relative", self.relative),
                    ("ULP", self.ulp),
                )
                if difference is not None
            ]
            if self.first_nonfinite is not None:
                lines.append(
                    (
                        "NaN, Inf",
                        f"{counts.nonfinite} against other numbers, first {place(self.first_nonfinite)}",
                    )
                )
            lines += self._tolerance_rows(counts)
        return lines + self._attribute_rows()

    def _tolerance_rows(self, counts: Counts) -> list[tuple[str, str]]:
        limits = self.tolerances
        rtol, atol, ulp = limits["rtol"], limits["atol"], limits["ulp"]
        lines = []
        if rtol or atol:
            lines.append((f"beyond {atol:g} + {rtol:g}*|B|", str(counts.beyond_tolerance)))
        if ulp:
            lines.append((f"beyond {ulp} ULP", str(counts.beyond_ulp)))
        if ulp and (rtol or atol):
            lines.append(("beyond both", str(counts.beyond)))
        if self.first is not None and lines:
            lines.append(("first beyond", place(self.first)))
        return lines

    def _attribute_rows(self) -> list[tuple[str, str]]:
        if self.attributes is None:
            return []
        lines = [
            (f"@{name}", f"{values['a']!s} against {values['b']!s}")
            for name, values in self.attributes["differ"].items()
        ]
        for side in ("a", "b"):
            lines += [
                (f"@{name}", f"{value!s} only in {side.upper()}")
                for name, value in self.attributes[f"only_{side}"].items()
            ]
        return lines or [("attributes", "equal")]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON's types; NaN and infinities are words, and complex numbers pairs."""
        from dwconv_cli.version import __version__

        entry: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "version": __version__,
            "kind": "comparison",
        }
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, Difference | Counts):
                value = asdict(value)
            entry[name] = json_value(value)
        return entry
