"""A recording, described from its header."""

from __future__ import annotations

import math
from contextlib import closing
from typing import Any

from dwconv_cli.choices import AlgorithmName, DataFormat
from dwconv_cli.description.channel_stats import channel_stats
from dwconv_cli.description.check import check
from dwconv_cli.description.json_values import json_value
from dwconv_cli.errors import ShapeError
from dwconv_cli.jobs.attributes import recording_rate
from dwconv_cli.jobs.orientation import stated_format
from dwconv_cli.jobs.plan import steps_of
from dwconv_cli.jobs.report import array_entry
from dwconv_cli.layer.axes import Axes
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import lay_out, open_reader
from dwconv_cli.storage.resolution import completed
from dwconv_cli.weights.recipe import Recipe


def describe_recording(
    address: Address,
    recipe: Recipe | None,
    data_format: DataFormat | None,
    default_format: DataFormat,
    stats: bool,
    fs: float | None,
    steps: slice,
    algorithm: AlgorithmName,
    allow_external: bool,
) -> dict[str, Any]:
    """A recording, and with a `recipe` what its layer makes of it; see :func:`~dwconv_cli.description.describe`.

    Without a recipe, an output of dwconv has the data format that its attributes say.
    """
    address = completed(address)
    with closing(open_reader(address, allow_external)) as reader:
        attributes = reader.attributes
        if recipe is not None:
            data_format = recipe.data_format()
        data_format = data_format or stated_format(attributes) or default_format
        lay_out(reader, data_format)
        shape = reader.shape
        recording: dict[str, Any] = dict.fromkeys(("batch", "steps", "channels", "duration", "data_format"))
        rate = recording_rate(reader, fs)
        if len(shape) in (1, 2, 3):
            axes = Axes(len(shape), data_format)
            batch, length, channels = axes.canonical_shape(shape)
            try:
                steps = steps_of(steps, length)
            except ShapeError as error:
                raise ShapeError(f"{address}: {error}") from error
            count = steps.stop - steps.start
            shape = axes.arrange(batch, count, channels)
            duration = None if rate is None else count / rate
            recording = {
                "batch": batch,
                "steps": count,
                "channels": channels,
                "duration": duration,
                "data_format": data_format,
            }
        elif stats or steps != slice(None):
            raise ShapeError(f"{address}: rank {len(shape)} has no steps and channels; ranks 1, 2 and 3 have")
        storage = dict(reader.storage)
        description = {
            "input": array_entry(str(address), shape, reader.dtype),
            "nbytes": math.prod(shape) * reader.dtype.itemsize,
            "order": storage.pop("order", "C"),
            "recording": recording,
            "storage": json_value(storage),
            "attributes": json_value(attributes),
        }
        if recipe is not None:
            rate = recording_rate(reader, rate, recipe.needs_rate)
            description |= check(
                recipe, shape, reader.dtype, str(address), algorithm=algorithm, fs=rate, attributes=attributes
            )
        if stats:
            description["stats"] = channel_stats(reader, axes, steps)
        return description
