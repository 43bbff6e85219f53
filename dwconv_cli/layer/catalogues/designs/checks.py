"""What designs share: calls of SciPy whose errors are put in words, and checks of what was typed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.errors.memory import scipy_module
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs.catalogue import MOST_TAPS, odd


def call(function: str, what: str, *arguments: Any, **keywords: Any) -> Array:
    """Taps from a function of scipy.signal; its errors become LayerErrors about `what`."""
    designer = getattr(scipy_module("signal"), function)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            return np.asarray(designer(*arguments, **keywords))
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
        why = " ".join(str(error).split()).rstrip("!")
        advice = "; use e.g. hann, blackman or (kaiser, 8.6)" if "window name" in why else ""
        raise LayerError(f"design {what}: {why}{advice}") from None


def check_frequency(name: str, key: str, value: float, fs: float) -> None:
    """Refuse a frequency that is not between 0 and half the sampling rate."""
    if 0 < value < fs / 2:
        return
    unit, advice = "Hz", "use another frequency, or the right --fs"
    if fs == 1:
        unit, advice = "cycles per step", "where it is in Hz, give the sampling rate with --fs"
    raise LayerError(
        f"design {name}: {key}={value!r} is not between 0 and half the sampling rate, {fs / 2:g} {unit}; {advice}"
    )


def check_order(name: str, low: float, high: float) -> None:
    """Refuse a band whose lower edge is not below its upper edge."""
    if not low < high:
        advice = f"write {name}({high!r}, {low!r})" if high < low else "a band needs two different edges"
        raise LayerError(f"design {name}: low={low!r} is not below high={high!r}; {advice}")


def check_odd(name: str, size: int, why: str) -> None:
    """Refuse an even number of taps."""
    if size % 2 == 0:
        raise LayerError(
            f"design {name}: a kernel of {size} taps {why}; use an odd number, e.g. --kernel-size {size + 1}"
        )


def kaiser_length(ripple: float, width: float, fs: float, what: str) -> int:
    """The odd number of taps that :func:`scipy.signal.kaiserord` says, for a transition of `width`."""
    size, _ = scipy_module("signal").kaiserord(ripple, width / (0.5 * fs))
    if size > MOST_TAPS:
        raise LayerError(f"design {what}: it would take {size} taps; use a wider one, or --kernel-size K")
    return odd(size)
