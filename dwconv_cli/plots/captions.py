"""Names and units of channels, and the axis of time, from what the attributes of a recording say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.jobs.attributes import sampling_rate
from dwconv_cli.layer.axes import Array
from dwconv_cli.plots.figures import cut
from dwconv_cli.text import counted, printable

# Attributes under which files keep the names of their channels; case, spaces, dashes and underscores do not count.
_NAMES = frozenset({"channels", "channelnames", "columns", "columnnames", "names", "labels"})
_UNITS = frozenset({"units", "unit", "channelunits"})
# From so many seconds on the axis has the unit, which lasts as many seconds.
_TIMES = ((4 * 3600.0, 3600.0, "h"), (900.0, 60.0, "min"), (0.5, 1.0, "s"), (0.0, 1e-3, "ms"))


class Time(NamedTuple):
    """The horizontal axis of a recording: from steps to what is drawn.

    Parameters
    ----------
    scale : float
        What a step lasts, in the unit of the label.
    offset : int
        The recording's step that is drawn as the first one.
    label : str
    """

    scale: float
    offset: int
    label: str

    def __call__(self, steps: Array) -> Array:
        """The places of steps, which count from the first one drawn."""
        places: Array = (steps + self.offset) * self.scale
        return places


@dataclass(frozen=True)
class Captions:
    """What is written beside the channels of a recording."""

    names: list[str]
    units: list[str]
    fs: float | None

    def of(self, channel: int) -> str:
        """Name and unit of a channel."""
        unit = self.units[channel]
        return f"{self.names[channel]} ({unit})" if unit else self.names[channel]

    def time(self, steps: slice) -> Time:
        """The axis of time for these steps."""
        if self.fs is None:
            return Time(1.0, steps.start, "step")
        seconds = steps.stop / self.fs
        factor, unit = next((factor, unit) for least, factor, unit in _TIMES if seconds >= least)
        return Time(1 / self.fs / factor, steps.start, f"time ({unit})")


def captions_of(attributes: Mapping[str, Any], channels: int, fs: float | None, dtype: Any) -> Captions:
    """The captions of `channels` channels; `fs` counts before what the attributes say."""
    names, units = [f"channel {number}" for number in range(channels)], [""] * channels
    if channels == 1:
        names = ["sample"]
    for name, value in attributes.items():
        plain = "".join(c for c in name.lower() if c.isalnum())
        texts = _texts(value)
        if plain in _NAMES and len(texts) == channels:
            names = texts
        elif plain in _UNITS and len(texts) in (1, channels):
            units = texts * (channels // len(texts))
    if np.dtype(dtype).kind == "c":
        names = [f"|{name}|" for name in names]
    return Captions(names, units, sampling_rate(attributes) if fs is None else fs)


def delay_text(steps: float, fs: float | None) -> str:
    """A stretch of steps, and of seconds where the sampling rate is known."""
    words = counted(int(steps), "step") if float(steps).is_integer() else f"{steps:.4g} steps"
    if fs is None:
        return words
    seconds = steps / fs
    return f"{words} = {seconds:.4g} s" if abs(seconds) >= 0.5 else f"{words} = {seconds * 1e3:.4g} ms"


def _texts(value: Any) -> list[str]:
    """The texts of an attribute; none where it holds anything else."""
    try:
        items = np.asarray(value).ravel().tolist()
    except ValueError:
        return []
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
    return [cut(printable(text)) for text in texts] if all(isinstance(text, str) for text in texts) else []
