"""The options of ``dwconv apply``, and which of them go together."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from dwconv_cli.choices import FORMAT_NAMES, NAN_MODES
from dwconv_cli.cli.declaring import argument, flag, option, typed_name
from dwconv_cli.cli.options import COUNT, FilterOptions, check_stream_format, choice
from dwconv_cli.cli.recipes import files_read
from dwconv_cli.cli.values import chunks_of, compression_of, size

# What --raw has no use for: its samples come without a header, and go to .npy or to samples.
_NOT_RAW = (
    *("input_format", "output_format", "skip_existing", "allow_external", "memory_limit"),
    *("chunks", "compression", "shuffle", "fletcher32"),
)


@dataclass(frozen=True, kw_only=True)
class ApplyOptions(FilterOptions):
    """What was typed. A field or property that bears the name of one of Settings' fields is handed on to it."""

    inputs: tuple[str, ...] = argument("INPUT...")
    files_from: str | None = option(
        "--files-from",
        metavar="FILE",
        replayed=False,
        help="Read inputs from FILE, one a line; '-' is standard input",
    )
    null: bool = flag("-0", replayed=False, help="With --files-from: inputs end in NUL, not in a line's end")
    output: str | None = option(
        "-o",
        "--output",
        metavar="ADDR",
        replayed=False,
        help="Output; for many inputs a template with {stem} {name} {suffix} {parent} {dataset}",
    )
    output_dir: str | None = option(
        "--output-dir",
        metavar="DIR",
        replayed=False,
        help="Directory of outputs that are named as their inputs",
    )
    output_format: str | None = option(
        "--output-format",
        type=choice(FORMAT_NAMES),
        otherwise="by their suffixes",
        help="Format of the outputs",
    )
    overwrite: bool = flag(
        "--overwrite", replayed=False, help="Replace existing outputs, and the file of --report"
    )
    skip_existing: bool = flag("--skip-existing", replayed=False, help="Pass over inputs whose output exists")
    raw: str | None = option(
        "--raw",
        metavar="DTYPE",
        help="Filter headerless samples from '-', e.g. f4 or '<i2', until their end or SIGINT",
    )
    channels: int | None = option(
        "--channels", type=COUNT, metavar="C", otherwise="1", help="With --raw: number of channels"
    )
    block_steps: int | None = option(
        "--block-steps",
        type=COUNT,
        metavar="N",
        otherwise="1",
        help="With --raw: steps to wait for before each write",
    )
    chunks: str | None = option(
        "--chunks", metavar="N,N…", otherwise="chosen by size", help="Shape of the chunks of HDF5 outputs"
    )
    compression: str | None = option(
        "--compression",
        metavar="gzip|lzf|none|blosc|zstd[:LEVEL]",
        otherwise="as the input",
        help="Compression of HDF5 outputs",
    )
    shuffle: bool = flag("--shuffle", help="Shuffle the bytes of HDF5 outputs before compression")
    fletcher32: bool = flag("--fletcher32", help="Add checksums to HDF5 outputs")
    nan: str = option(
        "--nan", type=choice(NAN_MODES), default="propagate", help="What becomes of NaN in the data"
    )
    threads: int | None = option(
        "--threads",
        type=COUNT,
        metavar="N",
        replayed=False,
        otherwise="all processors",
        help="Number of threads",
    )
    jobs: int = option(
        "-j",
        "--jobs",
        type=COUNT,
        default=1,
        metavar="N",
        replayed=False,
        help="Outputs made side by side; they share --threads and --memory-limit",
    )
    memory_limit: int | None = option(
        "--memory-limit",
        type=size,
        metavar="SIZE",
        replayed=False,
        otherwise="256MiB",
        help="Memory for blocks of samples",
    )
    checksum: bool = flag(
        "--checksum", replayed=False, help="Fail if an input changes meanwhile; reads it twice more"
    )
    keep_going: bool = option(
        "--keep-going/--fail-fast",
        default=False,
        replayed=False,
        otherwise="fail-fast",
        help="Go on after an input that fails, or stop",
    )
    dry_run: bool = flag(
        "--dry-run", replayed=False, help="Report what would be done; read headers alone, write nothing"
    )
    as_json: bool = flag(
        "--json", replayed=False, help="Report as JSON on standard output, an object for each input"
    )
    report_file: str | None = option(
        "--report", metavar="FILE", replayed=False, help="Write the same objects into FILE; '-' is --json"
    )
    show_progress: bool | None = option(
        "--progress/--no-progress",
        default=None,
        replayed=False,
        otherwise="on a terminal, when the work is long",
        help="Show how far the work is",
    )
    quiet: bool = flag("-q", "--quiet", replayed=False, help="Leave out the report on standard error")
    verbose: bool = flag("-v", "--verbose", replayed=False, help="Say why the algorithm was chosen")

    @property
    def storage(self) -> dict[str, Any]:
        """The storage of HDF5 outputs, under h5py's names.

        Raises
        ------
        click.BadParameter
        """
        storage: dict[str, Any] = {key: True for key in ("shuffle", "fletcher32") if getattr(self, key)}
        if self.compression is not None:
            storage["compression"], level = compression_of(self.compression)
            storage |= {} if level is None else {"compression_opts": level}
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


def check(options: ApplyOptions, listed: Sequence[str] | None) -> None:
    """Refuse options that contradict each other.

    Parameters
    ----------
    options : ApplyOptions
    listed : sequence of str, optional
        The inputs from ``--files-from``.

    Raises
    ------
    click.UsageError
    """
    inputs = (*options.inputs, *(listed or ()))
    output, directory, raw = options.output, options.output_dir, options.raw is not None
    if not options.inputs and listed is None:
        raise click.UsageError("no inputs; name recordings, '-' for standard input, or --files-from FILE")
    if output is not None and directory is not None:
        raise click.UsageError("--output and --output-dir exclude each other")
    if output is None and directory is None and not options.dry_run:
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
    if raw and options.data_format == "channels_first":
        raise click.UsageError("--raw samples are interleaved, channels last; leave out --data-format")
    for name in _NOT_RAW if raw else ():
        if getattr(options, name):
            raise click.UsageError(f"{typed_name(name)} says nothing for --raw; leave it out")
    if options.checksum and "-" in inputs:
        raise click.UsageError("--checksum reads inputs again, which a stream cannot be; leave it out")
    if options.null and options.files_from is None:
        raise click.UsageError("-0 goes with --files-from")
