"""What an HDF5 output takes over from its input besides the numbers: attributes, dimension labels and scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.hdf5_storage import storage_options
from dwconv_cli.storage.protocols import Reader

if TYPE_CHECKING:
    from dwconv_cli.jobs.plan import JobPlan
    from dwconv_cli.storage.surroundings import Scale, Surroundings

# Names under which files keep the rate of their samples, and the time between two; case, spaces, dashes and
# underscores do not count.
_RATES = frozenset(
    {"samplingrate", "samplerate", "samplingfrequency", "samplefrequency", "sfreq", "fs", "rate"}
)
_PERIODS = frozenset({"samplingperiod", "sampleperiod", "samplinginterval", "sampleinterval", "dt"})

# Factors to Hz and to seconds; where no attribute names the unit, it is the first of these.
_RATE_UNITS = {"hz": 1.0, "khz": 1e3, "MHz": 1e6, "1/s": 1.0}
_PERIOD_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "sec": 1.0, "seconds": 1.0}

# The name under which outputs keep the names of their channels.
COLUMNS = "columns"

# Elements of a scale that are read at once.
PIECE = 1 << 20


def sampling_rate(attributes: Mapping[str, Any]) -> float | None:
    """The sampling rate in Hz that the attributes of a recording state, or None where they state none.

    An attribute beside it, such as ``sampling_rate_unit``, may name the unit.

    Examples
    --------
    >>> sampling_rate({"sampling_rate": 50.0}), sampling_rate({"dt": 4, "dt_unit": "ms"})
    (50.0, 250.0)
    """
    for name, value in attributes.items():
        plain = _plain(name)
        number = np.asarray(value)
        if number.dtype.kind not in "iuf" or number.size != 1 or plain not in _RATES | _PERIODS:
            continue
        units = _RATE_UNITS if plain in _RATES else _PERIOD_UNITS
        named = (attributes.get(f"{name}{ending}") for ending in ("_unit", "_units", "Unit", "Units"))
        unit = next((text.strip() for text in named if isinstance(text, str)), next(iter(units)))
        # In lower case millihertz would be megahertz.
        scaled = float(number.reshape(())) * units.get(unit, units.get(unit.lower(), 0.0))
        if 0 < scaled < np.inf:
            rate = scaled if plain in _RATES else 1 / scaled
            return rate if 0 < rate < np.inf else None
    return None


def recording_rate(reader: Reader, typed: float | None = None, is_needed: bool = False) -> float | None:
    """The sampling rate in Hz of an open recording: the `typed` one, else what its own attributes state.

    Where it `is_needed` and neither is there, it is what the nearest group states. Groups are not read otherwise, since
    that takes time.
    """
    rate = typed or sampling_rate(reader.attributes)
    return _surrounding_rate(reader) if rate is None and is_needed else rate


def _surrounding_rate(reader: Reader) -> float | None:
    """The sampling rate in Hz that the nearest group around an open recording states, where a format has groups."""
    groups = reader.surroundings().groups if hasattr(reader, "surroundings") else {}
    rates = (sampling_rate(groups[path]) for path in sorted(groups, key=len, reverse=True))
    return next(filter(None, rates), None)


def carried_attributes(attributes: Mapping[str, Any], strides: int) -> dict[str, Any]:
    """`attributes` for an output that keeps one step of `strides`.

    A sampling rate is divided by `strides`, a sampling period is multiplied; other attributes stay as they are.
    """
    if strides == 1:
        return dict(attributes)
    return {name: _rescaled(name, value, strides) for name, value in attributes.items()}


def numbered_columns(attributes: Mapping[str, Any], channels: int, multiplier: int) -> dict[str, Any]:
    """`attributes` for an output that has `multiplier` channels for each of the input's `channels`.

    Names of the channels in ``columns`` are numbered where there are several outputs for each; other attributes stay.

    Examples
    --------
    >>> numbered_columns({"columns": ["x", "y"]}, 2, 2)
    {'columns': ['x_0', 'x_1', 'y_0', 'y_1']}
    """
    names = attributes.get(COLUMNS)
    if multiplier == 1 or names is None or np.asarray(names).shape != (channels,):
        return dict(attributes)
    numbered = [f"{name}_{number}" for name in np.asarray(names).tolist() for number in range(multiplier)]
    return {**attributes, COLUMNS: numbered}


class Origin(NamedTuple):
    """Which elements along an axis of the input those of the output belong to.

    Output i belongs to element ``begin + i // repeats * strides`` of the input.
    """

    length: int
    begin: int = 0
    strides: int = 1
    repeats: int = 1

    def fits(self, available: int) -> bool:
        """Whether an axis of as many elements as are `available` has all of them."""
        return self.begin + (self.length - 1) // self.repeats * self.strides < available


def carried_surroundings(surroundings: Surroundings, plan: JobPlan) -> Surroundings:
    """What the output takes over from the `surroundings` of the input.

    A scale is cut to the elements that the outputs belong to. Rates among the attributes of groups are divided by the
    strides. Notes name the scales that are left out, and those that `valid` padding shifts.
    """
    layer, axes = plan.layer, plan.data.axes
    output_axes = axes.of_output(layer.output_channels(plan.data.channels))
    batch, steps, channels = output_axes.canonical_shape(plan.shape)
    origins = axes.arrange(
        Origin(batch),
        Origin(steps, plan.data.steps.start, layer.strides),
        Origin(channels, repeats=layer.depth_multiplier),
    )
    notes = list(surroundings.notes)
    dimensions = []
    for dimension, origin in zip(surroundings.dimensions, origins, strict=True):
        scales = []
        for scale in dimension.scales:
            if not origin.length or not origin.fits(scale.length):
                notes.append(f"the dimension scale {scale.name} has {scale.length} values; it is left out")
                continue
            scales.append(_cut(scale, origin))
        dimensions.append(replace(dimension, scales=tuple(scales)))
    if layer.padding == "valid" and layer.kernel_size > 1:
        along_steps = dimensions[axes.arrange("batch", "steps", "channels").index("steps")]
        notes += [
            f"{scale.name}: an output has the value of the first step that it is made of; "
            "--padding same keeps outputs at their steps"
            for scale in along_steps.scales
        ]
    groups = {
        path: carried_attributes(attributes, layer.strides)
        for path, attributes in surroundings.groups.items()
    }
    return replace(surroundings, dimensions=tuple(dimensions), groups=groups, notes=notes)


def _cut(scale: Scale, origin: Origin) -> Scale:
    """The part of a scale that belongs to an output."""
    piece = max(1, PIECE // origin.strides)

    def part(values: Callable[[int, int], Array], start: int, stop: int) -> Array:
        first, last = start // origin.repeats, (stop - 1) // origin.repeats + 1
        parts = []
        for index in range(first, last, piece):
            final = min(index + piece, last) - 1
            whole = values(origin.begin + index * origin.strides, origin.begin + final * origin.strides + 1)
            parts.append(whole[:: origin.strides])
        return np.concatenate(parts).repeat(origin.repeats)[start - first * origin.repeats :][: stop - start]

    return replace(
        scale,
        length=origin.length,
        attributes=carried_attributes(scale.attributes, origin.strides),
        options=storage_options((origin.length,), scale.dtype.itemsize, False, scale.storage, {}),
        read=partial(part, scale.read),
        texts=None if scale.texts is None else partial(part, scale.texts),
    )


def _rescaled(name: str, value: Any, strides: int) -> Any:
    plain = _plain(name)
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


def _plain(name: str) -> str:
    """The name of an attribute as `_RATES` and `_PERIODS` spell it."""
    return "".join(c for c in name.lower() if c.isalnum()).removesuffix("hz")
