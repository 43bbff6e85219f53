"""A recording, described from its header."""

from __future__ import annotations

import math
from typing import Any

from dwconv_cli.choices import AUTO
from dwconv_cli.description.check import check
from dwconv_cli.description.plain import plain
from dwconv_cli.description.stats import channel_stats
from dwconv_cli.errors import ShapeError
from dwconv_cli.jobs.orientation import stated_format
from dwconv_cli.jobs.plan import steps_of
from dwconv_cli.jobs.report import array_entry
from dwconv_cli.layer.axes import Axes
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import open_reader
from dwconv_cli.storage.protocols import Reader
from dwconv_cli.storage.resolution import completed
from dwconv_cli.weights.recipe import Recipe


def describe_data(
    address: Address,
    recipe: Recipe | None,
    *,
    data_format: str | None = None,
    default_format: str = "channels_last",
    stats: bool = False,
    fs: float | None = None,
    steps: slice = slice(None),
    algorithm: str = AUTO,
    allow_external: bool = False,
) -> dict[str, Any]:
    """A recording, and with a `recipe` what its layer makes of it; see :func:`~dwconv_cli.description.describe`.

    Without a recipe, an output of ours is read as its attributes say it was made.
    """
    address = completed(address)
    reader = open_reader(address, allow_external)
    try:
        if recipe is not None:
            data_format = recipe.data_format()
        data_format = data_format or stated_format(reader.attributes) or default_format
        return _described(reader, address, recipe, data_format, stats, fs, steps, algorithm)
    finally:
        reader.close()


def _described(
    reader: Reader,
    address: Address,
    recipe: Recipe | None,
    data_format: str,
    stats: bool,
    fs: float | None,
    wanted: slice,
    algorithm: str,
) -> dict[str, Any]:
    shape = reader.shape
    filterable = len(shape) in (1, 2, 3)
    recording: dict[str, Any] = dict.fromkeys(("batch", "steps", "channels", "duration", "data_format"))
    if not filterable and (stats or wanted != slice(None)):
        raise ShapeError(f"{address}: rank {len(shape)} has no steps and channels; ranks 1, 2 and 3 have")
    if filterable:
        axes = Axes(len(shape), data_format)
        batch, length, channels = axes.canonical_shape(shape)
        taken = _steps(wanted, length, address)
        count = taken.stop - taken.start
        parts = axes.arrange(slice(0, batch), taken, slice(0, channels))
        shape = tuple(part.stop - part.start for part in parts)
        recording = {
            "batch": batch,
            "steps": count,
            "channels": channels,
            "duration": None if fs is None else count / fs,
            "data_format": data_format,
        }
    found = {
        "input": array_entry(str(address), shape, reader.dtype),
        "nbytes": math.prod(shape) * reader.dtype.itemsize,
        "order": reader.storage.get("order", "C"),
        "recording": recording,
        "storage": plain({key: value for key, value in reader.storage.items() if key != "order"}),
        "attributes": plain(reader.attributes),
    }
    if recipe is not None:
        found |= check(
            recipe,
            shape,
            reader.dtype,
            str(address),
            algorithm=algorithm,
            fs=fs,
            attributes=reader.attributes,
        )
    if stats:
        found["stats"] = channel_stats(reader, axes, taken)
    return found


def _steps(wanted: slice, length: int, address: Address) -> slice:
    try:
        return steps_of(wanted, length)
    except ShapeError as error:
        raise ShapeError(f"{address}: {error}") from error
