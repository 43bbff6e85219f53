"""Attributes that an output takes over from its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Names under which files keep the rate of their samples, and the time between two; case, spaces, dashes and
# underscores do not count.
_RATES = frozenset(
    {"samplingrate", "samplerate", "samplingfrequency", "samplefrequency", "sfreq", "fs", "rate"}
)
_PERIODS = frozenset({"samplingperiod", "sampleperiod", "samplinginterval", "sampleinterval", "dt"})


def carried_attributes(attributes: Mapping[str, Any], strides: int) -> dict[str, Any]:
    """`attributes` for an output that keeps one step of `strides`.

    A sampling rate is divided by `strides`, a sampling period multiplied; all else is as it was.
    """
    if strides == 1:
        return dict(attributes)
    return {name: _rescaled(name, value, strides) for name, value in attributes.items()}


def _rescaled(name: str, value: Any, strides: int) -> Any:
    plain = "".join(c for c in name.lower() if c.isalnum()).removesuffix("hz")
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not (plain in _RATES or plain in _PERIODS):
        return value
    if array.dtype.kind in "iu":
        # In Python's integers, which neither wrap nor overflow; the dtype stays where the result fits it.
        wide = array.astype(object)
        if plain in _PERIODS or not np.any(wide % strides):
            scaled = np.asarray(wide * strides if plain in _PERIODS else wide // strides)
            fits = np.all(scaled <= np.iinfo(array.dtype).max)
            return scaled.astype(array.dtype if fits else np.float64)[()]
    return (array * strides if plain in _PERIODS else array / strides)[()]
