"""A design becomes taps: its length and its sampling rate are filled in where they were not typed."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs.catalogue import DESIGNS, LENGTHS, MOST_TAPS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.text import counted


class Designed(NamedTuple):
    """Taps ``(K,)`` or ``(K, C)`` in float64, the design with all that was filled in, and notes on that."""

    taps: Array
    choice: Choice
    notes: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def designed(choice: Choice, size: int | None = None, fs: float | None = None) -> Designed:
    """The taps of a design.

    Parameters
    ----------
    choice : Choice
    size : int, optional
        The number of taps; by default what the design's other arguments ask for.
    fs : float, optional
        The sampling rate, for a design in which none is typed; by default frequencies are in cycles per step.

    Raises
    ------
    LayerError
        If there is no such filter.

    Examples
    --------
    >>> from scipy import signal
    >>> taps, choice, notes = designed(DESIGNS.parse("lowpass(5)"), 31, fs=50)
    >>> bool((taps == signal.firwin(31, 5, fs=50)).all())
    True
    """
    name, typed = choice.name, dict(choice.arguments)
    arguments = {**DESIGNS.arguments(name), **typed}
    notes, unit = [], "Hz"
    if "fs" in arguments and "fs" not in typed:
        typed["fs"] = arguments["fs"] = 1.0 if fs is None else fs
        if fs is None:
            unit = "cycles per step"
            if name == "differentiator" or arguments.get("deriv"):
                notes.append(
                    f"{name}: no sampling rate is known, so the derivative is by step; --fs HZ says it"
                )
            elif "deriv" not in arguments:
                notes.append(
                    f"{name}: no sampling rate is known, so frequencies are in cycles per step; --fs HZ says it"
                )
    if size is None:
        length = LENGTHS[name](**arguments)
        size, typed = length.size, {**typed, **length.arguments}
        if size > MOST_TAPS:
            raise LayerError(
                f"design {choice}: it would take {size} taps; use other arguments, or --kernel-size K"
            )
        if length.default:
            notes.append(
                f"{name}: {counted(size, 'tap')}, {length.default.format(unit=unit)}; "
                "--kernel-size K sets another number"
            )
    elif typed.get("ripple") is not None and (typed.get("transition") or arguments["method"] == "remez"):
        raise LayerError(
            f"design {name}: transition and ripple decide the number of taps together; leave out ripple, "
            "or --kernel-size"
        )
    choice = DESIGNS.choose(name, typed)
    with np.errstate(all="ignore"):
        taps = DESIGNS.function(choice)(size)
    if not np.isfinite(taps).all():
        raise LayerError(f"design {choice}: gives NaN or infinity; use smaller arguments")
    taps.flags.writeable = False
    return Designed(taps, choice, tuple(notes))
