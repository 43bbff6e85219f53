"""One recording, from its header to its report."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from dwconv_cli.choices import ALGORITHM_NAMES, AUTO, DATA_FORMATS, FORMAT_NAMES, NAN_MODES
from dwconv_cli.convolution.compiled import missing
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.jobs.attributes import Kept, carried_attributes, carried_surroundings
from dwconv_cli.jobs.naming import Target
from dwconv_cli.jobs.orientation import attributes_note, shape_note
from dwconv_cli.jobs.provenance import made_by
from dwconv_cli.jobs.report import Report, array_entry
from dwconv_cli.jobs.transfer import MEMORY_LIMIT, Tally, Transfer
from dwconv_cli.layer.arguments import instance, location, mapping, one_of, several, shown, whole_number
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.config import to_config
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage.checksum import Checksum
from dwconv_cli.storage.formats import Output, Writer, open_reader
from dwconv_cli.storage.hdf5_storage import OPTIONS, storage_options
from dwconv_cli.threads import available
from dwconv_cli.weights.recipe import Recipe
from dwconv_cli.weights.resolved import Resolved

# The least share of the memory for one of several jobs.
_LEAST_MEMORY = 1 << 20


@dataclass(frozen=True)
class Settings:
    """How recordings are read, filtered and written.

    Parameters
    ----------
    steps : slice
        Part of each recording to take.
    algorithm : str
    input_format, output_format : str, optional
        Where suffixes do not tell.
    overwrite : bool
    skip_existing : bool
        Pass over recordings whose output exists.
    storage : mapping
        HDF5 storage asked for: ``chunks``, ``compression``, ``compression_opts``, ``shuffle``, ``fletcher32``.
    allow_external : bool
        Whether HDF5 data may lie in other files.
    dry_run : bool
        Look at headers only.
    checksum : bool
        Read each input file once more before and after, and fail if its content has changed.
    threads : int, optional
        All processors by default; the jobs share them.
    memory_limit : int
        Bytes of working buffers; the jobs share them.
    jobs : int
        Output files that :func:`~dwconv_cli.apply_many` makes side by side. The result does not depend on it.
    nan : str
        ``propagate``, ``zero`` or ``error``.
    options : sequence of str, optional
        Command-line options that make these outputs again, for HDF5 outputs to tell.
    also_read, also_written : sequence of str
        Paths of files that the run reads besides recordings and weights, and writes besides outputs. Nothing that
        is read is replaced.
    progress : callable, optional
        Called with an address, the samples done, and all there are; with several jobs in their threads.

    Raises
    ------
    LayerError
        If a setting is none.
    """

    steps: slice = field(default_factory=lambda: slice(None))
    algorithm: str = AUTO
    input_format: str | None = None
    output_format: str | None = None
    overwrite: bool = False
    skip_existing: bool = False
    storage: Mapping[str, Any] = field(default_factory=dict)
    allow_external: bool = False
    dry_run: bool = False
    checksum: bool = False
    threads: int | None = None
    memory_limit: int = MEMORY_LIMIT
    jobs: int = 1
    nan: str = "propagate"
    options: Sequence[str] | None = None
    also_read: Sequence[str] = ()
    also_written: Sequence[str] = ()
    progress: Callable[[str, int, int], None] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("jobs", "memory_limit", "threads"):
            if name != "threads" or self.threads is not None:
                put(self, name, whole_number(name, getattr(self, name)))
        put(self, "nan", one_of("nan", self.nan, NAN_MODES))
        put(self, "algorithm", one_of("algorithm", self.algorithm, ALGORITHM_NAMES))
        for name in ("input_format", "output_format"):
            if getattr(self, name) is not None:
                put(self, name, one_of(name, getattr(self, name), FORMAT_NAMES))
        for name in ("overwrite", "skip_existing", "allow_external", "dry_run", "checksum"):
            instance(name, getattr(self, name), bool)
        instance("steps", self.steps, slice)
        if self.steps.step not in (None, 1):
            raise LayerError(f"steps must be a slice without a stride, got {self.steps}; a layer has strides")
        for end in (self.steps.start, self.steps.stop):
            if end is not None and not isinstance(end, int | np.integer):
                raise LayerError(f"steps must be a slice of whole numbers, got {shown(self.steps)}")
        for key in mapping("storage", self.storage):
            if key not in OPTIONS:
                raise LayerError(f"storage has {shown(key)}; there are: {', '.join(OPTIONS)}")
        for name in ("also_read", "also_written"):
            listed = several(name, getattr(self, name), "paths")
            put(self, name, tuple(location(f"each of {name}", path) for path in listed))
        if self.progress is not None and not callable(self.progress):
            raise LayerError(f"progress must be a function, got {shown(self.progress)}")

    def shared_out(self, jobs: int) -> Settings:
        """The settings of each of `jobs` jobs side by side."""
        threads = available() if self.threads is None else self.threads
        return replace(
            self,
            jobs=1,
            threads=max(1, threads // jobs),
            memory_limit=max(min(_LEAST_MEMORY, self.memory_limit), self.memory_limit // jobs),
        )


class Job:
    """One recording: looked at on entering, filtered by :meth:`run`."""

    def __init__(self, target: Target, recipe: Recipe, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._started = time.perf_counter()
        options = {"allow_external": True} if settings.allow_external else {}
        self._checksum: Checksum | None = None
        with contextlib.ExitStack() as opened:
            if settings.checksum and not settings.dry_run:
                self._checksum = opened.enter_context(contextlib.closing(Checksum(target.source.path)))
            self._reader = opened.enter_context(
                contextlib.closing(open_reader(target.source, settings.input_format, **options))
            )
            try:
                self._look(recipe, settings)
            except (LayerError, ShapeError) as error:
                raise type(error)(f"{target.source}: {error}") from error
            self._opened = opened.pop_all()

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()

    def _look(self, recipe: Recipe, settings: Settings) -> None:
        reader, output = self._reader, self._target.output
        self._axes = Axes(len(reader.shape), recipe.data_format())
        batch, steps, channels = self._axes.canonical_shape(reader.shape)
        self._steps = steps_of(settings.steps, steps)
        found = resolved(recipe, channels, steps, self._axes.rank)
        layer = found.layer
        self._conv = Convolution(
            layer,
            found.weights,
            channels,
            reader.dtype,
            algorithm=settings.algorithm,
            threads=settings.threads,
        )
        taken = self._steps.stop - self._steps.start
        doubt = shape_note(taken, channels, layer.effective_kernel_size, layer.data_format)
        try:
            kept = layer.activated_steps(layer.output_steps(taken))
        except ShapeError as error:
            raise ShapeError(f"{error}; {doubt}" if doubt else str(error)) from error
        self._output_axes = self._axes.of_output(self._conv.output_channels)
        self._shape = self._output_axes.arrange(batch, kept, self._conv.output_channels)
        self._tally = Tally(layer.activity_regularizer, batch, settings.nan, reader.name)
        left, right = layer.pad_amounts(taken)
        dtype = self._conv.precision.output
        nbytes = math.prod(self._shape) * dtype.itemsize
        self.report = Report(
            input=array_entry(
                str(self._target.source),
                self._axes.arrange(batch, taken, channels),
                reader.dtype,
            ),
            output=array_entry(None if output is None else str(output), self._shape, dtype, nbytes),
            padding={"left": left, "right": right},
            **layer_report(found, self._conv),
        )
        self.report.notes += missing(0 if settings.dry_run else math.prod(self._shape) * layer.kernel_size)
        if self._axes.rank > 1:
            doubts = (doubt, attributes_note(reader.attributes, layer.data_format))
            self.report.notes += filter(None, doubts)

    def storage(self) -> dict[str, Any]:
        """h5py's options for the output.

        Raises
        ------
        ShapeError
            If the chunks asked for do not fit it.
        """
        itemsize = self._conv.precision.output.itemsize
        asked = self._settings.storage
        first, stored = self._axes.channels_first, self._reader.storage
        try:
            return storage_options(self._shape, itemsize, first, stored, asked)
        except ShapeError as error:
            raise ShapeError(f"{self._target.output}: {error}") from error

    def run(self, output: Output) -> None:
        """Filter the recording into `output` and complete the report."""
        reader, address, dtype = self._reader, self._target.output, self._conv.precision.output
        writer = output.writer(
            (address.name if address else None) or "",
            self._shape,
            dtype,
            self._attributes(),
            self.storage(),
        )
        try:
            self._describe(writer)
            told = self._settings.progress
            Transfer(
                reader,
                writer,
                self._conv,
                self._axes,
                self._steps,
                self._tally,
                memory=self._settings.memory_limit,
                progress=None if told is None else partial(told, str(self._target.source)),
            ).run()
            reader.finish()
            if self._checksum is not None:
                self._checksum.verify()
            writer.commit()
        except BaseException:
            with contextlib.suppress(Exception):
                writer.abort()
            raise
        self.report.add_activity(self._tally.penalty)
        self.report.nonfinite = {"input": self._tally.input, "output": self._tally.output}
        self.report.status = "ok"
        self.report.seconds = time.perf_counter() - self._started

    def _describe(self, writer: Writer) -> None:
        """From HDF5 to HDF5, hand on labels and scales of the dimensions and attributes of the groups."""
        if not (hasattr(self._reader, "surroundings") and hasattr(writer, "describe")):
            return
        layer = self._conv.layer
        batch, steps, channels = self._output_axes.canonical_shape(self._shape)
        kept = self._axes.arrange(
            Kept(batch),
            Kept(steps, self._steps.start, layer.strides),
            Kept(channels, repeats=layer.depth_multiplier),
        )
        found = carried_surroundings(self._reader.surroundings(), kept, layer.strides)
        self.report.notes += found.notes
        along_steps = found.dimensions[self._axes.arrange("batch", "steps", "channels").index("steps")]
        if layer.padding == "valid" and layer.kernel_size > 1:
            self.report.notes += [
                f"{scale.name}: an output has the value of the first step that it is made of; "
                "--padding same keeps outputs at their steps"
                for scale in along_steps.scales
            ]
        writer.describe(found)

    def _attributes(self) -> dict[str, Any]:
        """The input's, and how this output is made."""
        before, output, weights = self._reader.attributes, self._target.output, self.report.weights
        options = self._settings.options
        if output is None or weights is None or options is None:
            return carried_attributes(before, self._conv.layer.strides)
        made = made_by(
            str(self._target.source), str(output), options, self.report.layer or {}, weights["sha256"], before
        )
        return carried_attributes(before, self._conv.layer.strides) | made


def resolved(recipe: Recipe, channels: int, steps: int, rank: int) -> Resolved:
    """The recipe for data of so many channels and steps.

    Raises
    ------
    LayerError, ShapeError, InputError
        If they do not fit, or cannot be read. Where the other data format fits, the error says so.
    """
    try:
        return recipe.resolve(channels)
    except ShapeError as error:
        if rank == 1 or error.wanted != steps:
            raise
        other = next(name for name in DATA_FORMATS if name != recipe.data_format())
        text = str(error).partition("; ")[0]
        raise ShapeError(f"{text}; read as {other} it has {steps}, so say --data-format {other}") from error


def steps_of(wanted: slice, steps: int) -> slice:
    """The part of `steps` steps that is wanted, as a slice with bounds.

    Raises
    ------
    ShapeError
        If it is empty.
    """
    begin, end, _ = wanted.indices(steps)
    if end <= begin and wanted != slice(None):
        stop = "" if wanted.stop is None else wanted.stop
        raise ShapeError(f"--slice {wanted.start or 0}:{stop} takes none of its {steps} steps")
    return slice(begin, end)


def layer_report(found: Resolved, conv: Convolution) -> dict[str, Any]:
    """What a report says of a layer and its weights."""
    return {
        "layer": to_config(found.layer, conv.precision.output.name),
        "layer_source": found.source,
        "weights": found.entry,
        "effective_kernel_size": found.layer.effective_kernel_size,
        "algorithm": {"name": conv.plan.algorithm, "reason": conv.plan.reason, "backend": conv.backend},
        "losses": weight_losses(found.layer, found.weights),
        "notes": [*found.notes, *conv.notes],
    }


def weight_losses(layer: LayerSpec, weights: Weights) -> dict[str, float]:
    """Penalties of the regularizers of kernel and bias."""
    found = {"depthwise": 0.0, "bias": 0.0, "activity": 0.0}
    if layer.depthwise_regularizer is not None:
        found["depthwise"] = float(REGULARIZERS.function(layer.depthwise_regularizer)(weights.kernel))
    if layer.bias_regularizer is not None and weights.bias is not None:
        found["bias"] = float(REGULARIZERS.function(layer.bias_regularizer)(weights.bias))
    return {**found, "total": found["depthwise"] + found["bias"]}
