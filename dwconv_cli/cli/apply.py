"""``dwconv apply``: filter recordings."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.choices import FORMAT_NAMES, NAN_MODES
from dwconv_cli.cli import options, say
from dwconv_cli.cli.files_from import listed_in
from dwconv_cli.cli.log import Log
from dwconv_cli.cli.rules import check
from dwconv_cli.cli.values import size, storage_of

if TYPE_CHECKING:
    from dwconv_cli.cli.progress import Progress
    from dwconv_cli.jobs.ending import Ending
    from dwconv_cli.jobs.live import Raw
    from dwconv_cli.jobs.naming import Target
    from dwconv_cli.jobs.report import Report
    from dwconv_cli.jobs.settings import Settings
    from dwconv_cli.weights.recipe import Recipe


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
@click.option("--overwrite", is_flag=True, help="Replace existing outputs, and --report's file.")
@click.option("--skip-existing", is_flag=True, help="Pass over inputs whose output exists.")
@click.option("--output-format", type=click.Choice(FORMAT_NAMES), help="Where a suffix does not tell.")
@options.input_options
@click.option(
    "--raw", metavar="DTYPE", help="'-' is headerless samples, e.g. f4 or '<i2'; SIGINT once ends them."
)
@click.option("--channels", type=options.COUNT, metavar="C", help="With --raw: samples of a step (1).")
@click.option(
    "--block-steps", type=options.COUNT, metavar="N", help="With --raw: wait for N steps at a time (1)."
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
    type=options.COUNT,
    default=1,
    metavar="N",
    help="Files side by side, which share --threads and --memory-limit. (1)",
)
@click.option("--nan", type=click.Choice(NAN_MODES), default="propagate", help="NaN in the data. (propagate)")
@click.option(
    "--memory-limit",
    metavar="SIZE",
    callback=lambda c, p, v: size(v),
    help="Of working buffers, e.g. 64MiB. (256MiB)",
)
@click.option("--checksum", is_flag=True, help="Fail if an input's content changes: two more readings.")
@click.option(
    "--files-from", metavar="FILE", help="Read inputs from FILE, one a line; '-' is standard input."
)
@click.option("-0", "null", is_flag=True, help="With --files-from: inputs end in NUL.")
@click.option("--keep-going/--fail-fast", default=False, help="After an input fails (fail-fast).")
@click.option("--dry-run", is_flag=True, help="Look at headers, report, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per input on standard output.")
@click.option("--report", "report_file", metavar="FILE", help="The same objects into FILE; '-' is --json.")
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
    if given["report_file"] == "-":
        given |= {"report_file": None, "as_json": True}
    ending = _ending(given)
    listed = listed_in(given["files_from"], given["null"])
    check(inputs, listed, given)
    if given["seed"] is None and given["kernel"] is None and given["weights"] is None:
        # Fresh weights that nobody could make again would be lost with this run.
        given |= {"seed": int.from_bytes(os.urandom(4), "little"), "drawn": True}
    recipe = options.recipe_of(given)
    from dwconv_cli.jobs.pipeline import apply_many

    log = Log(given)
    recipe.load()
    progress = _progress(given["progress"], given["quiet"])
    settings = _settings(given, progress)
    if given["raw"] is not None:
        reports = _live(recipe, settings, given, ending, log)
    else:
        reports = apply_many(
            (*inputs, *(listed or ())),
            given["output"],
            recipe,
            settings,
            directory=given["output_dir"],
            keep_going=given["keep_going"],
        )
    failed, cause = False, None
    # Closed, so that no job goes on when its report cannot be written.
    with log, contextlib.closing(reports):
        for report in reports:
            if progress is not None:
                progress.clear()
            log.add(report)
            if report.cause is None:
                continue
            if not given["keep_going"]:
                # The reports are published before it is raised.
                cause = report.cause
                break
            failed = True
            say(str(report.cause))
    if cause is not None:
        raise cause
    return int(failed)


def _ending(given: dict[str, Any]) -> Ending | None:
    """What a signal ends, from now on: what comes while the command gets ready belongs to the recording."""
    if given["raw"] is None:
        return None
    from dwconv_cli.jobs.ending import ending_of_standard_input

    ending = ending_of_standard_input()
    return None if ending is None else click.get_current_context().with_resource(ending)


def _live(
    recipe: Recipe, settings: Settings, given: dict[str, Any], ending: Ending | None, log: Log
) -> Generator[Report, None, None]:
    """The one report of a stream of headerless samples; what is to be refused is refused before it is asked for."""
    from dwconv_cli.jobs.live import Raw
    from dwconv_cli.jobs.naming import targets
    from dwconv_cli.jobs.pipeline import files_beside
    from dwconv_cli.storage.address import Address

    raw = Raw(given["raw"], given["channels"] or 1, given["block_steps"] or 1)
    path, source = given["output"], Address("-")
    if given["channels"] is None and not given["quiet"]:
        say("--raw samples are taken for one channel; --channels C says how many", "note")
    if path != "-" and not path.lower().endswith(".npy"):
        raise click.UsageError(
            f"-o {path}: a stream of unknown length goes to an .npy file, or as samples to '-o -'"
        )
    (target,) = targets([source], path, None, None, *files_beside(recipe, settings, [source]))
    return _filtered(target, raw, recipe, settings, ending, log)


def _filtered(
    target: Target, raw: Raw, recipe: Recipe, settings: Settings, ending: Ending | None, log: Log
) -> Generator[Report, None, None]:
    from dwconv_cli.jobs.live import filter_live
    from dwconv_cli.storage.sink import open_sink
    from dwconv_cli.storage.standard_streams import standard_input

    sink = open_sink("-" if target.output is None else target.output.path, settings.overwrite)
    yield filter_live(standard_input(), sink, target, raw, recipe, settings, ending, log.note)


def _settings(given: dict[str, Any], progress: Progress | None) -> Settings:
    from dwconv_cli.jobs.settings import Settings

    return Settings(
        steps=given["steps"],
        algorithm=given["algorithm"],
        input_format=given["input_format"],
        output_format=given["output_format"],
        overwrite=given["overwrite"],
        skip_existing=given["skip_existing"],
        storage=storage_of(given),
        allow_external=given["allow_external"],
        dry_run=given["dry_run"],
        checksum=given["checksum"],
        threads=given["threads"],
        jobs=given["jobs"],
        memory_limit=given["memory_limit"] or Settings.memory_limit,
        nan=given["nan"],
        options=_replayable(given),
        also_read=options.files_read(given),
        also_written=[given["report_file"]] if given["report_file"] is not None else [],
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
