"""One recording, from its header to its report."""

from __future__ import annotations

import contextlib
import math
import time
from functools import partial
from typing import Any

import numpy as np

from dwconv_cli.choices import SAMPLED_FORMATS
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.jobs.attributes import (
    carried_attributes,
    carried_surroundings,
    numbered_columns,
    recording_rate,
)
from dwconv_cli.jobs.naming import Target
from dwconv_cli.jobs.plan import plan_job
from dwconv_cli.jobs.provenance import made_by
from dwconv_cli.jobs.report import array_entry
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.jobs.tally import Tally
from dwconv_cli.jobs.transfer import Transfer
from dwconv_cli.layer.axes import Axes
from dwconv_cli.storage.checksum import Checksum
from dwconv_cli.storage.formats import lay_out, open_reader
from dwconv_cli.storage.hdf5_storage import storage_options
from dwconv_cli.storage.protocols import NewArray, Output, Writer
from dwconv_cli.storage.sigmf_metadata import METADATA, carried_metadata
from dwconv_cli.weights.recipe import Recipe


class Job:
    """One recording: its header is read and its plan made on entering; :meth:`run` filters it."""

    def __init__(self, target: Target, recipe: Recipe, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._started = time.perf_counter()
        self._checksum: Checksum | None = None
        with contextlib.ExitStack() as opened:
            if settings.checksum and not settings.dry_run:
                self._checksum = opened.enter_context(contextlib.closing(Checksum(target.source.path)))
            reader = opened.enter_context(
                contextlib.closing(open_reader(target.source, settings.allow_external))
            )
            if settings.checksum and hasattr(reader, "check_content"):
                reader.check_content()
            try:
                lay_out(reader, recipe.data_format())
                output_format = None if target.output is None else target.output.format
                needs_rate = recipe.needs_rate or output_format in SAMPLED_FORMATS
                fs = recording_rate(reader, settings.fs, needs_rate)
                self._plan = plan_job(
                    recipe, reader.shape, reader.dtype, settings, attributes=reader.attributes, fs=fs
                )
            except (LayerError, ShapeError) as error:
                raise type(error)(f"{target.source}: {error}") from error
            if settings.raw_out is not None and self._plan.data.axes.channels_first and len(reader.shape) > 1:
                raise LayerError(
                    f"{target.source}: headerless samples are interleaved, and this layer is channels_first; "
                    "leave out --raw-out"
                )
            self._reader = reader
            self._opened = opened.pop_all()
        output = None if target.output is None else str(target.output)
        self.report = self._plan.report(str(target.source), output)
        if settings.raw_out is not None:
            samples = np.dtype(settings.raw_out)
            shape = self._plan.shape
            self.report.output = array_entry(output, shape, samples, math.prod(shape) * samples.itemsize)
        # What a format that leaves something open took it for.
        self.report.notes += getattr(reader, "notes", [])

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def storage(self) -> dict[str, Any]:
        """h5py's options for the output."""
        plan = self._plan
        channels_first, stored = plan.data.axes.channels_first, self._reader.storage
        try:
            return storage_options(
                plan.shape, plan.dtype.itemsize, channels_first, stored, self._settings.storage
            )
        except ShapeError as error:
            raise ShapeError(f"{self._target.output}: {error}") from error

    def new_array(self) -> NewArray:
        """The array that is to be written."""
        plan, address, settings = self._plan, self._target.output, self._settings
        name = (address.name if address else None) or ""
        rate = None if plan.fs is None else plan.fs / plan.layer.strides
        return NewArray(
            name,
            plan.shape,
            plan.dtype,
            self._attributes(),
            self.storage(),
            rate,
            settings.raw_out or settings.sample_format,
            settings.scale,
            self._output_axes.channels_first,
        )

    @property
    def _output_axes(self) -> Axes:
        plan = self._plan
        return plan.data.axes.of_output(plan.layer.output_channels(plan.data.channels))

    def run(self, output: Output) -> None:
        """Filter the recording into `output` and complete the report."""
        reader, plan = self._reader, self._plan
        writer = output.writer(self.new_array())
        tally = Tally(plan.layer.activity_regularizer, plan.data.batch, self._settings.nan, reader.name)
        progress, watch = self._settings.progress, self._settings.watch
        try:
            self._describe(writer)
            Transfer(
                reader,
                writer,
                plan.ready(),
                plan.data.axes,
                plan.data.steps,
                tally,
                memory=self._settings.memory_limit,
                progress=None if progress is None else partial(progress, str(self._target.source)),
                watcher=None if watch is None else watch(self._target.source, plan, reader.attributes),
            ).run()
            reader.finish()
            if self._checksum is not None:
                self._checksum.verify()
            writer.commit()
            self.report.notes += getattr(writer, "notes", ())
            self.report.clipped = getattr(writer, "clipped", None)
        except BaseException:
            with contextlib.suppress(Exception):
                writer.abort()
            raise
        self.report.complete(tally, time.perf_counter() - self._started)

    def _attributes(self) -> dict[str, Any]:
        """The input's attributes, and how this output is made."""
        report, options = self.report, self._settings.options
        before = self._reader.attributes
        plan, strides = self._plan, self._plan.layer.strides
        attributes = carried_attributes(before, strides)
        attributes = numbered_columns(attributes, plan.data.channels, plan.layer.depth_multiplier)
        if METADATA in attributes:
            steps = self._output_axes.canonical_shape(plan.shape)[1]
            text = carried_metadata(attributes.pop(METADATA), plan.data.steps.start, strides, steps, plan.fs)
            attributes |= {} if text is None else {METADATA: text}
        if self._target.output is None or options is None:
            return attributes
        addresses = str(self._target.source), str(self._target.output)
        sha256 = self._plan.weights["sha256"]
        return attributes | made_by(*addresses, options, report.layer or {}, sha256, before)

    def _describe(self, writer: Writer) -> None:
        """Hand labels and scales of the dimensions, and attributes of the groups, to an output that can keep them."""
        if hasattr(self._reader, "surroundings") and hasattr(writer, "describe"):
            surroundings = carried_surroundings(self._reader.surroundings(), self._plan)
            self.report.notes += surroundings.notes
            writer.describe(surroundings)
