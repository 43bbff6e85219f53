"""The attributes of two arrays: which differ, and which only one of them has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dwconv_cli.jobs.provenance import COMMAND, HISTORY, VERSION

# They say how a file was made, and so differ between two outputs of the same layer.
MAKING = (VERSION, COMMAND, HISTORY)


def compare_attributes(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that differ.

    Numbers are equal where their values are, whatever their dtypes, and NaN equals NaN; text is equal to the same
    text stored as bytes. What dwconv writes of the making of a file is left out.

    Returns
    -------
    dict
        ``differ``: names with both values; ``only_a`` and ``only_b``: names with the value; ``left_out``: names.

    Examples
    --------
    >>> compare_attributes({"fs": 50.0, "unit": "g"}, {"fs": np.float32(50), "unit": b"g"})["differ"]
    {}
    """
    left_out = [name for name in MAKING if name in a or name in b]
    names = [name for name in a if name in b and name not in MAKING]
    return {
        "differ": {name: {"a": a[name], "b": b[name]} for name in names if not _equal(a[name], b[name])},
        "only_a": {name: value for name, value in a.items() if name not in b and name not in MAKING},
        "only_b": {name: value for name, value in b.items() if name not in a and name not in MAKING},
        "left_out": left_out,
    }


def _equal(a: Any, b: Any) -> bool:
    left, right = _plain(a), _plain(b)
    if left.shape != right.shape or (left.dtype.kind == "U") != (right.dtype.kind == "U"):
        return False
    return bool(np.array_equal(left, right, equal_nan=left.dtype.kind in "fc" and right.dtype.kind in "fc"))


def _plain(value: Any) -> np.ndarray[Any, Any]:
    """An attribute's value as an array of numbers or of text."""
    if type(value).__name__ == "Empty":
        return np.empty(0, value.dtype)
    array = np.asarray(value)
    if array.dtype.kind not in "OS":
        return array
    texts = [
        item.decode("utf-8", "backslashreplace") if isinstance(item, bytes) else str(item)
        for item in array.ravel().tolist()
    ]
    return np.array(texts, dtype=str).reshape(array.shape)
