"""Which options of ``dwconv apply`` go together."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from dwconv_cli.cli import options


def check(inputs: tuple[str, ...], listed: list[str] | None, given: dict[str, Any]) -> None:
    """Refuse options that contradict each other.

    Raises
    ------
    click.UsageError
    """
    output, directory = given["output"], given["output_dir"]
    if not inputs and listed is None:
        raise click.UsageError("no inputs; name recordings, '-' for standard input, or --files-from FILE")
    if output is not None and directory is not None:
        raise click.UsageError("--output and --output-dir exclude each other")
    if output is None and directory is None and not given["dry_run"]:
        raise click.UsageError("no output; give -o FILE, -o - for standard output, or --output-dir DIR")
    beside = [given[key] for key in ("kernel", "bias", "weights", "config", "files_from")]
    reads = [*inputs, *(listed or ()), *beside]
    if reads.count("-") > 1:
        raise click.UsageError("standard input can be read once; '-' stands in several places")
    if output == "-" and given["as_json"]:
        raise click.UsageError("--json and '-o -' both want standard output; use --report FILE for the JSON")
    if output == "-" and not given["dry_run"] and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; redirect it to a file or a pipe")
    if given["overwrite"] and given["skip_existing"]:
        raise click.UsageError(
            "--overwrite replaces outputs that exist, --skip-existing keeps them; leave out one of them"
        )
    options.check_stream_format((*inputs, *(listed or ())), given["input_format"])
    if given["raw"] is None and (given["channels"] is not None or given["block_steps"] is not None):
        raise click.UsageError("--channels and --block-steps go with --raw; other inputs know their shape")
    if given["raw"] is not None and (inputs != ("-",) or listed):
        files = [path for path in (*inputs, *(listed or ())) if path != "-"]
        raise click.UsageError(
            "--raw reads standard input alone; write '-' for the input"
            + (f", and < {shlex.quote(files[0])}" if files else "")
        )
    if given["raw"] is not None and (output is None or given["dry_run"] or given["steps"] != slice(None)):
        raise click.UsageError(
            "--raw reads a stream of unknown length: it needs -o, and no --slice or --dry-run"
        )
    if given["raw"] is not None:
        _check_raw(given)
    if given["checksum"] and "-" in (*inputs, *(listed or ())):
        raise click.UsageError("--checksum reads inputs again, which a stream cannot be; leave it out")
    if given["null"] and given["files_from"] is None:
        raise click.UsageError("-0 goes with --files-from")


# What a stream of headerless samples into .npy or samples has no use for.
_NOT_RAW = (
    *("input_format", "output_format", "skip_existing", "allow_external", "memory_limit"),
    *("chunks", "compression", "shuffle", "fletcher32"),
)


def _check_raw(given: dict[str, Any]) -> None:
    """Refuse what would be ignored for headerless samples."""
    if given["data_format"] == "channels_first":
        raise click.UsageError("--raw samples are interleaved, channels last; leave out --data-format")
    for name in _NOT_RAW:
        if given[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} says nothing for --raw; leave it out")
