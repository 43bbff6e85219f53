"""How recordings are read, filtered and written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dwconv_cli.choices import (
    ALGORITHM_NAMES,
    AUTO,
    FORMAT_NAMES,
    NAN_MODES,
    RAW,
    AlgorithmName,
    FormatName,
    NanMode,
    OutputFormatName,
)
from dwconv_cli.errors import LayerError
from dwconv_cli.jobs.transfer import MEMORY_LIMIT, Watcher
from dwconv_cli.layer.arguments import instance, location, mapping, one_of, several, whole_number
from dwconv_cli.storage.formats.npy import numeric_dtype
from dwconv_cli.storage.hdf5_storage import StorageOptions
from dwconv_cli.text import shown
from dwconv_cli.threads import available

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
        ``auto``, ``direct`` or ``overlap-save``.
    input_format, output_format : str, optional
        Formats of files whose suffix does not say it.
    overwrite : bool
        Replace outputs that exist.
    skip_existing : bool
        Pass over recordings whose output exists.
    storage : mapping
        Storage of HDF5 outputs: ``chunks``, ``compression``, ``compression_opts``, ``shuffle``, ``fletcher32``.
    sample_format : str, optional
        How ``.wav``, ``.flac`` and SigMF outputs hold samples, such as ``PCM_16``; by default as the input did.
    raw_out : str, optional
        Dtype of headerless samples, such as ``<i2``, which outputs are then; integers are rounded and clipped.
    scale : float
        Factor of the numbers before they become headerless samples.
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
        Command-line options that make these outputs again; HDF5 outputs keep them as an attribute.
    also_read, also_written : sequence of str
        Paths of files that the run reads besides recordings and weights, and writes besides outputs. Nothing that
        is read is replaced.
    fs : float, optional
        Sampling rate in Hz, instead of the one that the attributes of a recording state.
    plot : str, optional
        Path of a picture of the recording and its output; for many recordings a template. It is refused where it
        exists and may not be replaced, and drawn by the one who gives `watch`.
    watch : callable, optional
        Called with an address, a :class:`~dwconv_cli.jobs.plan.JobPlan` and the attributes of each recording that
        is filtered; gives a :class:`~dwconv_cli.jobs.transfer.Watcher` of its samples.
    progress : callable, optional
        Called with an address, the number of samples that are done, and their total. With several jobs it is called
        in their threads.

    Raises
    ------
    LayerError
        If a setting has a value that it cannot have.

    Examples
    --------
    >>> Settings(steps=slice(100, 200), jobs=4, nan="zero").memory_limit
    268435456
    """

    steps: slice = field(default_factory=lambda: slice(None))
    algorithm: AlgorithmName = AUTO
    input_format: FormatName | None = None
    output_format: OutputFormatName | None = None
    overwrite: bool = False
    skip_existing: bool = False
    storage: StorageOptions = field(default_factory=StorageOptions)
    sample_format: str | None = None
    raw_out: str | None = None
    scale: float = 1.0
    allow_external: bool = False
    dry_run: bool = False
    checksum: bool = False
    threads: int | None = None
    memory_limit: int = MEMORY_LIMIT
    jobs: int = 1
    nan: NanMode = "propagate"
    options: Sequence[str] | None = None
    also_read: Sequence[str] = ()
    also_written: Sequence[str] = ()
    fs: float | None = None
    plot: str | None = None
    watch: Callable[..., Watcher] | None = None
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
                known = FORMAT_NAMES if self.raw_out is None else (*FORMAT_NAMES, RAW)
                put(self, name, one_of(name, getattr(self, name), known))
        if self.sample_format is not None:
            put(self, "sample_format", instance("sample_format", self.sample_format, str))
        if self.raw_out is not None:
            numeric_dtype(self.raw_out, "raw_out")
            put(self, "output_format", RAW)
        if not (isinstance(self.scale, int | float) and self.scale and math.isfinite(self.scale)):
            raise LayerError(f"scale must be a finite number other than 0, got {shown(self.scale)}")
        for name in ("overwrite", "skip_existing", "allow_external", "dry_run", "checksum"):
            instance(name, getattr(self, name), bool)
        instance("steps", self.steps, slice)
        if self.steps.step not in (None, 1):
            raise LayerError(f"steps must be a slice without a stride, got {self.steps}; a layer has strides")
        for end in (self.steps.start, self.steps.stop):
            if end is not None and not isinstance(end, int | np.integer):
                raise LayerError(f"steps must be a slice of whole numbers, got {shown(self.steps)}")
        for key in mapping("storage", self.storage):
            if key not in StorageOptions.__annotations__:
                raise LayerError(
                    f"storage has {shown(key)}; there are: {', '.join(StorageOptions.__annotations__)}"
                )
        if self.fs is not None and not (isinstance(self.fs, int | float) and 0 < self.fs < math.inf):
            raise LayerError(f"fs must be a sampling rate above 0, got {shown(self.fs)}")
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
