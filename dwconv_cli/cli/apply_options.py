"""The options of ``dwconv apply``, and which of them go together."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields

import click

from dwconv_cli.choices import FORMAT_NAMES, NAN_MODES, NanMode, OutputFormatName
from dwconv_cli.cli.declaring import argument, flag, option, option_name
from dwconv_cli.cli.options import COUNT, FilterOptions, check_stream_format, choice
from dwconv_cli.cli.recipes import files_read
from dwconv_cli.cli.sections import INPUT, LAYER, MANY_FILES, OUTPUT, REPORTS, STREAMS
from dwconv_cli.cli.values import chunks_of, compression_of, size
from dwconv_cli.storage.hdf5_storage import StorageOptions

# What --raw has no use for: its samples come without a header, and go to .npy or to samples.
_NOT_RAW = (
    *("input_format", "output_format", "skip_existing", "allow_external", "memory_limit"),
    *("chunks", "compression", "shuffle", "fletcher32", "sample_format"),
)


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class RunOptions:
    """Where from and where to, how fast and how loud: what does not decide the numbers that come out."""

    inputs: tuple[str, ...] = argument("INPUT...", "Addresses of recordings; wildcards name several")
    files_from: str | None = option(
        "--files-from FILE",
        "Read addresses of inputs from FILE, one a line; '-' is standard input",
        section=MANY_FILES,
    )
    null: bool = flag(
        "-0", "With --files-from: addresses end in NUL, as find -print0 writes them", section=MANY_FILES
    )
    output: str | None = option(
        "-o --output ADDR",
        "Where the output goes; '-' is standard output; for many inputs a template with {stem} {name} {suffix} "
        "{parent} {dataset}",
        section=OUTPUT,
    )
    output_dir: str | None = option(
        "--output-dir DIR",
        "Directory of outputs that are named as their inputs; where names repeat, all keep their tree in it",
        section=OUTPUT,
    )
    overwrite: bool = flag(
        "--overwrite", "Replace existing outputs, and the files of --report and --plot", section=OUTPUT
    )
    skip_existing: bool = flag("--skip-existing", "Pass over inputs whose output exists", section=MANY_FILES)
    keep_going: bool = option(
        "--keep-going/--fail-fast",
        "Go on after an input that fails, or stop at it",
        False,
        section=MANY_FILES,
        otherwise="fail-fast",
    )
    dry_run: bool = flag(
        "--dry-run", "Report what would be done; read headers alone, write nothing", section=REPORTS
    )
    checksum: bool = flag(
        "--checksum", "Fail if an input changes meanwhile; reads it twice more", section=INPUT
    )
    threads: int | None = option(
        "--threads N",
        "Number of threads; the numbers that come out are the same",
        section=MANY_FILES,
        type=COUNT,
        otherwise="one for each processor",
    )
    jobs: int = option(
        "-j --jobs N",
        "Outputs made side by side; they share --threads and --memory-limit",
        1,
        section=MANY_FILES,
        type=COUNT,
    )
    memory_limit: int | None = option(
        "--memory-limit SIZE",
        "Memory for blocks of samples, e.g. 64MiB; longer recordings are read block by block",
        section=MANY_FILES,
        type=size,
        otherwise="256MiB",
    )
    as_json: bool = flag(
        "--json", "Report as JSON on standard output, an object for each input", section=REPORTS
    )
    report_file: str | None = option(
        "--report FILE", "Write the same objects into FILE; '-' is --json", section=REPORTS
    )
    plot: str | None = option(
        "--plot FILE",
        "Draw the output over the input into a .png, .svg or .pdf; for many inputs a template, as for -o",
        section=REPORTS,
    )
    show_progress: bool | None = option(
        "--progress/--no-progress",
        "Show how far the work is",
        section=REPORTS,
        otherwise="on a terminal, when the work is long",
    )
    quiet: bool = flag("-q --quiet", "Leave out the report on standard error", section=REPORTS)
    verbose: bool = flag("-v --verbose", "Say why the algorithm was chosen", section=REPORTS)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ApplyOptions(RunOptions, FilterOptions):
    """What was typed. A field or property that bears the name of one of Settings' fields is handed on to it."""

    output_format: OutputFormatName | None = option(
        "--output-format",
        "Format of the outputs",
        section=OUTPUT,
        type=choice(FORMAT_NAMES),
        otherwise="by their suffixes",
    )
    raw: str | None = option(
        "--raw DTYPE",
        "Filter headerless samples from '-', e.g. f4 or '<i2', until they end or a signal (Ctrl-C) comes; then the "
        "output is finished",
        section=STREAMS,
    )
    channels: int | None = option(
        "--channels C",
        "With --raw: number of channels, whose samples take turns",
        section=STREAMS,
        type=COUNT,
        otherwise="1",
    )
    block_steps: int | None = option(
        "--block-steps N",
        "With --raw: steps to wait for before each write",
        section=STREAMS,
        type=COUNT,
        otherwise="1",
    )
    raw_out: str | None = option(
        "--raw-out DTYPE",
        "Write headerless samples, e.g. i2 or '<f4', to '-o -' or a file; integers are rounded and clipped, and "
        "clipped samples counted",
        section=STREAMS,
    )
    scale: float | None = option(
        "--scale S",
        "With --raw-out: factor of the outputs before they are rounded; with --raw i2 in and --raw-out i2 out, 1 is "
        "right, and for outputs from -1 to 1 it is 32767",
        section=STREAMS,
        type=float,
        otherwise="1",
    )
    chunks: str | None = option(
        "--chunks N,N…",
        "Shape of the chunks of HDF5 outputs",
        section=OUTPUT,
        otherwise="chosen by their size",
    )
    compression: str | None = option(
        "--compression gzip|lzf|none|blosc|zstd[:LEVEL]",
        "Compression of HDF5 outputs; blosc and zstd need the package hdf5plugin",
        section=OUTPUT,
        otherwise="as the input",
    )
    shuffle: bool = flag("--shuffle", "Shuffle the bytes of HDF5 outputs before compression", section=OUTPUT)
    fletcher32: bool = flag("--fletcher32", "Add checksums to HDF5 outputs", section=OUTPUT)
    sample_format: str | None = option(
        "--sample-format NAME",
        "How .wav, .flac and SigMF outputs hold samples, e.g. PCM_16, FLOAT or ci16_le; integers are rounded and "
        "clipped, and clipped samples counted",
        section=OUTPUT,
        otherwise="as the input; SigMF: as floating point",
    )
    nan: NanMode = option(
        "--nan",
        "What becomes of NaN in the data: propagate lets it make NaN of every output that it meets, as Keras does; "
        "error refuses the recording; zero puts 0 in its place",
        "propagate",
        section=LAYER,
        type=choice(NAN_MODES),
    )

    @property
    def storage(self) -> StorageOptions:
        """The storage of HDF5 outputs, under h5py's names."""
        storage = StorageOptions()
        if self.shuffle:
            storage["shuffle"] = True
        if self.fletcher32:
            storage["fletcher32"] = True
        if self.compression is not None:
            storage["compression"], level = compression_of(self.compression)
            if level is not None:
                storage["compression_opts"] = level
        if self.chunks is not None:
            storage["chunks"] = chunks_of(self.chunks)
        return storage

    @property
    def also_read(self) -> list[str]:
        """Files that are read besides recordings and weights."""
        return files_read(self) + [path for path in (self.files_from,) if path not in (None, "-")]

    @property
    def also_written(self) -> list[str]:
        """Files that are written besides outputs."""
        return [] if self.report_file is None else [self.report_file]


# The options that a command needs to make an output again.
DECISIVE = frozenset(item.name for item in fields(ApplyOptions)) - {item.name for item in fields(RunOptions)}


def check(options: ApplyOptions, listed: Sequence[str] | None) -> None:
    """Refuse options that contradict each other; `listed` are the inputs from ``--files-from``."""
    inputs = (*options.inputs, *(listed or ()))
    output, directory, raw = options.output, options.output_dir, options.raw is not None
    if not options.inputs and listed is None:
        raise click.UsageError("no inputs; name recordings, '-' for standard input, or --files-from FILE")
    if output is not None and directory is not None:
        raise click.UsageError("--output and --output-dir exclude each other")
    if output is None and directory is None and not options.dry_run:
        *rest, last = inputs or [""]
        if rest and "." in last and not os.path.lexists(last) and "::" not in last and "*" not in last:
            raise click.UsageError(
                f"no output, and {last} does not exist; if it is the output, say -o {last}"
            )
        raise click.UsageError("no output; give -o FILE, -o - for standard output, or --output-dir DIR")
    beside = (options.kernel, options.bias, options.weights, options.config, options.files_from)
    if (*inputs, *beside).count("-") > 1:
        raise click.UsageError("standard input can be read once; '-' stands in several places")
    if output == "-" and options.as_json:
        raise click.UsageError("--json and '-o -' both want standard output; use --report FILE for the JSON")
    if output == "-" and not options.dry_run and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; redirect it to a file or a pipe")
    if options.overwrite and options.skip_existing:
        raise click.UsageError(
            "--overwrite replaces outputs that exist, --skip-existing keeps them; leave out one of them"
        )
    check_stream_format(inputs, options.input_format)
    if not raw and (options.channels is not None or options.block_steps is not None):
        raise click.UsageError("--channels and --block-steps go with --raw; other inputs know their shape")
    if raw and inputs != ("-",):
        files = [path for path in inputs if path != "-"]
        raise click.UsageError(
            "--raw reads standard input alone; write '-' for the input"
            + (f", and < {shlex.quote(files[0])}" if files else "")
        )
    if raw and (output is None or options.dry_run or options.steps != slice(None)):
        raise click.UsageError(
            "--raw reads a stream of unknown length: it needs -o, and no --slice or --dry-run"
        )
    if raw and options.plot is not None:
        raise click.UsageError(
            "--plot needs a recording, and --raw reads a stream of unknown length; leave it out"
        )
    if raw and options.data_format == "channels_first":
        raise click.UsageError("--raw samples are interleaved, channels last; leave out --data-format")
    for name in _NOT_RAW if raw else ():
        if getattr(options, name):
            raise click.UsageError(f"{option_name(name)} says nothing for --raw; leave it out")
    if options.raw_out is None and options.scale is not None:
        raise click.UsageError("--scale goes with --raw-out DTYPE; add it, or leave out --scale")
    for name in ("output_format", "sample_format") if options.raw_out is not None else ():
        if getattr(options, name):
            raise click.UsageError(f"{option_name(name)} says nothing for --raw-out; leave it out")
    if options.checksum and "-" in inputs:
        raise click.UsageError("--checksum reads inputs again, which a stream cannot be; leave it out")
    if options.null and options.files_from is None:
        raise click.UsageError("-0 goes with --files-from")
