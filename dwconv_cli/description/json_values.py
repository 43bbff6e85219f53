"""Values from files and from NumPy, as JSON's types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_ITEMS = 1024
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def json_value(value: Any) -> Any:
    """`value` as JSON's types.

    NaN and infinities become ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, since JSON has no numbers for them;
    complex numbers become pairs, bytes text, and arrays of more than ``MAX_ITEMS`` only their shape and dtype.

    Examples
    --------
    >>> json_value({"gain": (1.5, float("inf")), "unit": b"mV"})
    {'gain': [1.5, 'Infinity'], 'unit': 'mV'}
    """
    if getattr(value, "size", 0) and value.size > MAX_ITEMS:
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE[str(value)]
    if isinstance(value, complex):
        return [json_value(value.real), json_value(value.imag)]
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    # What HDF5 calls an empty attribute has a dtype and no value.
    return None if type(value).__name__ == "Empty" else str(value)


def json_number(value: Any) -> float | int | list[float | int | None] | None:
    """A number as JSON has it: a complex one as a pair, one that is not finite as None."""
    if isinstance(value, complex):
        return [json_number(value.real), json_number(value.imag)]  # type: ignore[list-item]
    return value if value is not None and math.isfinite(value) else None
