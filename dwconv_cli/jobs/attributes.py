"""What an output takes over from its input beside its numbers: attributes, dimension labels and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.storage.hdf5_storage import storage_options

if TYPE_CHECKING:
    from dwconv_cli.storage.hdf5.dimensions import Scale, Surroundings

# Names under which files keep the rate of their samples, and the time between two; case, spaces, dashes and
# underscores do not count.
_RATES = frozenset(
    {"samplingrate", "samplerate", "samplingfrequency", "samplefrequency", "sfreq", "fs", "rate"}
)
_PERIODS = frozenset({"samplingperiod", "sampleperiod", "samplinginterval", "sampleinterval", "dt"})

# Elements of a scale that are read at once.
_PIECE = 1 << 20


def carried_attributes(attributes: Mapping[str, Any], strides: int) -> dict[str, Any]:
    """`attributes` for an output that keeps one step of `strides`.

    A sampling rate is divided by `strides`, a sampling period multiplied; all else is as it was.
    """
    if strides == 1:
        return dict(attributes)
    return {name: _rescaled(name, value, strides) for name, value in attributes.items()}


class Kept(NamedTuple):
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


def carried_surroundings(found: Surroundings, kept: Sequence[Kept], strides: int) -> Surroundings:
    """What belongs to an output.

    Parameters
    ----------
    found : Surroundings
        Of the input.
    kept : sequence of Kept
        For each axis.
    strides : int
        Of the steps; rates among the groups' attributes are divided by it.
    """
    notes = list(found.notes)
    dimensions = []
    for dimension, axis in zip(found.dimensions, kept, strict=True):
        scales = []
        for scale in dimension.scales:
            if not axis.length or not axis.fits(scale.length):
                notes.append(f"the dimension scale {scale.name} has {scale.length} values; it is left out")
                continue
            scales.append(_cut(scale, axis))
        dimensions.append(replace(dimension, scales=tuple(scales)))
    groups = {path: carried_attributes(attributes, strides) for path, attributes in found.groups.items()}
    return replace(found, dimensions=tuple(dimensions), groups=groups, notes=notes)


def _cut(scale: Scale, kept: Kept) -> Scale:
    """The part of a scale that belongs to an output."""
    piece = max(1, _PIECE // kept.strides)

    def read(start: int, stop: int) -> Array:
        first, last = start // kept.repeats, (stop - 1) // kept.repeats + 1
        parts = []
        for index in range(first, last, piece):
            final = min(index + piece, last) - 1
            whole = scale.read(kept.begin + index * kept.strides, kept.begin + final * kept.strides + 1)
            parts.append(whole[:: kept.strides])
        return np.concatenate(parts).repeat(kept.repeats)[start - first * kept.repeats :][: stop - start]

    return replace(
        scale,
        length=kept.length,
        attributes=carried_attributes(scale.attributes, kept.strides),
        options=storage_options((kept.length,), scale.dtype.itemsize, False, scale.storage, {}),
        read=read,
    )


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
