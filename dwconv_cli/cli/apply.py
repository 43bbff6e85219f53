"""``dwconv apply``: filter recordings."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TextIO

import click

from dwconv_cli.cli import options, say, writing
from dwconv_cli.words import FORMAT_NAMES, NAN_MODES

if TYPE_CHECKING:
    from dwconv_cli.cli.progress import Progress
    from dwconv_cli.job import Settings
    from dwconv_cli.recipe import Recipe
    from dwconv_cli.report import Report

# Name -> levels; the last two come with the extra hdf5plugin.
_COMPRESSIONS = {
    "gzip": range(10),
    "lzf": range(0),
    "none": range(0),
    "blosc": range(10),
    "zstd": range(1, 23),
}


@click.command("apply")
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@options.weights_options
@options.layer_options
@options.catalogue_options
@click.option(
    "-o",
    "--output",
    metavar="ADDR",
    help="Where to; for many inputs {stem} {name} {suffix} {parent} {dataset}.",
)
@click.option("--output-dir", metavar="DIR", help="Where to, under the inputs' file names.")
@click.option("--overwrite", is_flag=True, help="Replace existing outputs.")
@click.option("--skip-existing", is_flag=True, help="Pass over inputs whose output exists.")
@click.option("--output-format", type=click.Choice(FORMAT_NAMES), help="Where a suffix does not tell.")
@options.input_options
@click.option("--raw", metavar="DTYPE", help="'-' is headerless samples, e.g. f4 or '<i2', interleaved.")
@click.option("--channels", type=click.IntRange(1), metavar="C", help="With --raw: samples of a step.")
@click.option(
    "--block-steps", type=click.IntRange(1), metavar="N", help="With --raw: wait for N steps at a time (1)."
)
@click.option("--chunks", metavar="N,N…", help="Chunk shape of HDF5 outputs.")
@click.option(
    "--compression", metavar="gzip|lzf|none|blosc|zstd[:LEVEL]", help="Of HDF5 outputs (as the input's)."
)
@click.option("--shuffle", is_flag=True, help="HDF5: shuffle bytes before compression.")
@click.option("--fletcher32", is_flag=True, help="HDF5: add checksums.")
@options.algorithm
@options.threads
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Files side by side, which share --threads and --memory-limit. (1)",
)
@click.option("--nan", type=click.Choice(NAN_MODES), default="propagate", help="NaN in the data. (propagate)")
@click.option(
    "--memory-limit",
    metavar="SIZE",
    callback=lambda c, p, v: _size(v),
    help="Of working buffers, e.g. 64MiB. (256MiB)",
)
@click.option(
    "--files-from", metavar="FILE", help="Read inputs from FILE, one a line; '-' is standard input."
)
@click.option("-0", "null", is_flag=True, help="With --files-from: inputs end in NUL.")
@click.option("--keep-going/--fail-fast", default=False, help="After an input fails (fail-fast).")
@click.option("--dry-run", is_flag=True, help="Look at headers, report, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per input on standard output.")
@click.option("--report", "report_file", metavar="FILE", help="The same objects into FILE.")
@click.option("--progress/--no-progress", default=None, help="(on a terminal, when the work is long)")
@click.option("-q", "--quiet", is_flag=True, help="No report on standard error.")
@click.option("-v", "--verbose", is_flag=True, help="Say why the algorithm was chosen.")
@options.debug
def command(inputs: tuple[str, ...], **given: Any) -> int:
    """Filter recordings with a DepthwiseConv1D layer.

    Weights come from --kernel, --weights, or fresh ones from --kernel-size.

    \b
    dwconv apply rec.npy -k lowpass.npy --padding same -o smooth.npy
    dwconv apply 'day*/rec.h5::/imu/*' -w layer.npz --output-dir filtered
    cat rec.npy | dwconv apply - -k taps.npy -o - | dwconv apply - -k taps.npy -o out.npy
    """
    listed = _listed(given["files_from"], given["null"])
    _check(inputs, listed, given)
    if given["seed"] is None and given["kernel"] is None and given["weights"] is None:
        # Fresh weights that nobody could make again would be lost with this run.
        given |= {"seed": int.from_bytes(os.urandom(4), "little"), "drawn": True}
    recipe = options.recipe_of(given)
    from dwconv_cli.pipeline import apply_many

    recipe.load()
    progress = _progress(given["progress"], given["quiet"])
    settings = _settings(given, progress)
    if given["raw"] is not None:
        reports = _live(recipe, settings, given)
    else:
        reports = apply_many(
            (*inputs, *(listed or ())),
            given["output"],
            recipe,
            settings,
            directory=given["output_dir"],
            keep_going=given["keep_going"],
        )
    failed = False
    # Closed, so that no job goes on when its report cannot be written.
    with _Log(given) as log, contextlib.closing(reports):
        for report in reports:
            if progress is not None:
                progress.clear()
            log.add(report)
            if report.cause is None:
                continue
            if not given["keep_going"]:
                raise report.cause
            failed = True
            say(str(report.cause))
    return int(failed)


def _check(inputs: tuple[str, ...], listed: list[str] | None, given: dict[str, Any]) -> None:
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
    if given["raw"] is None and (given["channels"] is not None or given["block_steps"] is not None):
        raise click.UsageError("--channels and --block-steps go with --raw; other inputs know their shape")
    if given["raw"] is not None and (inputs != ("-",) or listed or given["channels"] is None):
        raise click.UsageError("--raw is for '-' alone, and needs --channels C")
    if given["raw"] is not None and (output is None or given["dry_run"] or given["steps"] != slice(None)):
        raise click.UsageError(
            "--raw reads a stream of unknown length: it needs -o, and no --slice or --dry-run"
        )
    if given["null"] and given["files_from"] is None:
        raise click.UsageError("-0 goes with --files-from")
    _check_distinct("--report", given["report_file"], [*reads, output])
    _check_distinct("--output", output, beside)


def _check_distinct(option: str, target: str | None, others: list[str | None]) -> None:
    """Refuse to write over what the command reads, or over its own output."""
    from dwconv_cli.errors import OutputError
    from dwconv_cli.formats import Address

    if target is None or target == "-":
        return
    for path, other in ((Address.parse(other).path, other) for other in others if other is not None):
        same = os.path.isfile(path) and os.path.isfile(target) and os.path.samefile(path, target)
        if same or os.path.realpath(path) == os.path.realpath(target):
            raise OutputError(f"{target}: {option} would replace {other}; write to another name")


def _listed(path: str | None, null: bool) -> list[str] | None:
    """Addresses from a file, one a line."""
    if path is None:
        return None
    from dwconv_cli.errors import InputError

    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    lines = data.split(b"\0") if null else data.splitlines()
    return [os.fsdecode(line) for line in lines if line.strip()]


def _live(recipe: Recipe, settings: Settings, given: dict[str, Any]) -> Generator[Report, None, None]:
    """The one report of a stream of headerless samples."""
    from dwconv_cli.formats import Address
    from dwconv_cli.formats.sink import FileSink
    from dwconv_cli.formats.standard import standard_input, standard_output
    from dwconv_cli.live import Raw, filter_live
    from dwconv_cli.naming import Target

    raw = Raw(given["raw"], given["channels"], given["block_steps"] or 1)
    target = Target(Address("-"), Address.parse(given["output"]))
    path = given["output"]
    if path != "-" and not path.lower().endswith(".npy"):
        raise click.UsageError(
            f"-o {path}: a stream of unknown length goes to an .npy file, or as samples to '-o -'"
        )
    sink = standard_output() if path == "-" else FileSink(path, settings.overwrite)
    yield filter_live(standard_input(), sink, target, raw, recipe, settings)


def _settings(given: dict[str, Any], progress: Progress | None) -> Settings:
    from dwconv_cli.job import Settings

    storage: dict[str, Any] = {key: True for key in ("shuffle", "fletcher32") if given[key]}
    if given["compression"] is not None:
        storage |= _compression(given["compression"])
    if given["chunks"] is not None:
        try:
            storage["chunks"] = tuple(int(side) for side in given["chunks"].split(","))
        except ValueError:
            raise click.BadParameter(
                f"{given['chunks']!r} is not like 1000,6", param_hint="--chunks"
            ) from None
    return Settings(
        steps=given["steps"],
        algorithm=given["algorithm"],
        input_format=given["input_format"],
        output_format=given["output_format"],
        overwrite=given["overwrite"],
        skip_existing=given["skip_existing"],
        storage=storage,
        allow_external=given["allow_external"],
        dry_run=given["dry_run"],
        threads=given["threads"],
        jobs=given["jobs"],
        memory_limit=given["memory_limit"] or Settings.memory_limit,
        nan=given["nan"],
        options=_replayable(given),
        progress=progress,
    )


def _replayable(given: dict[str, Any]) -> list[str]:
    words = options.replayable(click.get_current_context())
    fresh = given["kernel"] is None and given["weights"] is None
    return words if not fresh or "--seed" in words else [*words, "--seed", str(given["seed"])]


def _progress(wanted: bool | None, quiet: bool) -> Progress | None:
    if wanted or (wanted is None and not quiet and sys.stderr.isatty()):
        from dwconv_cli.cli.progress import Progress

        return Progress()
    return None


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if not found:
        raise click.BadParameter(f"{text!r} is not a size such as 64MiB or 1GB", param_hint="--memory-limit")
    number, letter, binary = found.groups()
    size = int(
        float(number)
        * (1024 if binary or not text.strip().lower().endswith("b") else 1000) ** " kmgt".index(letter or " ")
    )
    if size < 1 << 20:
        raise click.BadParameter(
            f"{text!r} is less than 1MiB, which nothing fits in", param_hint="--memory-limit"
        )
    return size


def _compression(text: str) -> dict[str, Any]:
    name, colon, level = text.partition(":")
    levels = _COMPRESSIONS.get(name)
    if levels is None or (colon and level not in map(str, levels)):
        choices = ", ".join(
            f"{known}[:{allowed.start} to {allowed.stop - 1}]" if allowed else known
            for known, allowed in _COMPRESSIONS.items()
        )
        raise click.BadParameter(f"{text!r} is none of {choices}", param_hint="--compression")
    return {"compression": name, **({"compression_opts": int(level)} if colon else {})}


class _Log:
    """Where reports go: a table on standard error, JSON on standard output, JSON into a file."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._json = given["as_json"]
        self._table = not (given["quiet"] or given["as_json"])
        self._verbose = given["verbose"]
        self._path = given["report_file"]
        self._file: TextIO | None = None

    def __enter__(self) -> _Log:
        if self._path is not None:
            with writing(self._path):
                self._file = open(self._path, "w", encoding="utf-8")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            # What was written is flushed; what could not be was told of.
            with contextlib.suppress(OSError):
                self._file.close()

    def add(self, report: Report) -> None:
        entry = report.to_json()
        line = json.dumps(entry)
        if self._file is not None:
            with writing(self._path):
                self._file.write(line + "\n")
                self._file.flush()
        if self._json:
            with writing("standard output"):
                click.echo(line)
        elif self._table and report.status != "failed":
            from dwconv_cli.cli.render import report_table

            report_table(entry, sys.stderr, self._verbose)
