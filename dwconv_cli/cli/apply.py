"""``dwconv apply``: filter recordings."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import click

from dwconv_cli.cli import say
from dwconv_cli.cli.apply_options import DECISIVE, ApplyOptions, check
from dwconv_cli.cli.columns import has_colour
from dwconv_cli.cli.declaring import as_typed, takes
from dwconv_cli.cli.log import Log
from dwconv_cli.cli.recipes import named_weights, recipe_of
from dwconv_cli.cli.sections import WORDS, SectionCommand, exit_codes
from dwconv_cli.cli.side_files import listed_in

if TYPE_CHECKING:
    from dwconv_cli.cli.pictures import ApplyPictures
    from dwconv_cli.cli.progress import Progress
    from dwconv_cli.jobs.ending import Ending
    from dwconv_cli.jobs.report import Report
    from dwconv_cli.jobs.settings import Settings
    from dwconv_cli.weights.recipe import Recipe


@click.command(
    "apply", cls=SectionCommand, options_metavar="-o ADDR [OPTIONS]", epilog=f"{WORDS}\n{exit_codes()}"
)
@takes(ApplyOptions)
def command(options: ApplyOptions) -> int:
    """Filter recordings with a DepthwiseConv1D layer.

    \b
    -o names the output, or --output-dir a directory for several outputs.
    -k or -w names the weights, --design or --taps types a filter;
    --kernel-size K draws fresh weights.

    \b
    A filter by its name, at the recording's own sampling rate, and a picture:
      dwconv apply rec.h5::/imu/acc --design 'lowpass(5)' --padding same \\
          -o smooth.npy --plot smooth.png
    A kernel from a file; the output is as long as the recording:
      dwconv apply rec.npy -k lowpass.npy --padding same -o smooth.npy
    A layer of a Keras model, with its settings:
      dwconv apply rec.h5::/imu/acc -w model.keras::conv -o features.npy
    Many recordings, the good ones even if some are broken:
      dwconv apply 'day*/rec.h5::/imu/*' -w layer.npz --output-dir filtered \\
          --keep-going
    Pipes, of .npy and of bare 16-bit samples while they are recorded:
      cat rec.npy | dwconv apply - -k taps.npy -o - | dwconv inspect -
      arecord -f S16_LE | dwconv apply - --raw '<i2' -k taps.npy -o live.npy
    """
    if options.report_file == "-":
        options = replace(options, report_file=None, as_json=True)
    ending = _ending(options)
    listed = listed_in(options.files_from, options.null)
    check(options, listed)
    drawn = None
    if options.seed is None and named_weights(options, options) in (None, "--kernel-size"):
        # A seed that the report tells, so that the same weights can be drawn again.
        drawn = int.from_bytes(os.urandom(4), "little")
    recipe = recipe_of(options, options, drawn_seed=drawn)
    from dwconv_cli.jobs.pipeline import apply_many

    pictures = None
    if options.plot is not None:
        from dwconv_cli.cli.pictures import ApplyPictures

        pictures = ApplyPictures(options.plot, options)
    log = Log(options)
    recipe.load()
    progress = _progress(options)
    settings = _settings(options, drawn, progress, pictures)
    if options.raw is not None:
        reports: Generator[Report, None, None] = _live(recipe, settings, options, ending, log)
    else:
        many = apply_many(
            (*options.inputs, *(listed or ())),
            options.output,
            recipe,
            settings,
            directory=options.output_dir,
            keep_going=options.keep_going,
        )
        log.expect(len(many))
        if progress is not None:
            progress.expect(len(many))
        reports = many
    failed, cause = False, None
    # Closing ends all jobs when a report cannot be written.
    with log, contextlib.closing(reports):
        for report in reports:
            if progress is not None:
                progress.clear()
                progress.count(report)
            log.add(report)
            if pictures is not None and report.cause is None:
                report.cause = pictures.draw(report)
            if report.cause is None:
                if progress is not None:
                    progress.show_counter()
                continue
            if not options.keep_going:
                # Raised below, after the file of reports is published.
                cause = report.cause
                break
            failed = True
            say(str(report.cause))
    log.summarize()
    if cause is not None:
        raise cause
    return int(failed)


def _ending(options: ApplyOptions) -> Ending | None:
    """Have a signal end the stream from now on, so that one during start-up ends the recording, not the command."""
    if options.raw is None:
        return None
    from dwconv_cli.jobs.ending import ending_of_standard_input

    ending = ending_of_standard_input()
    return None if ending is None else click.get_current_context().with_resource(ending)


def _live(
    recipe: Recipe, settings: Settings, options: ApplyOptions, ending: Ending | None, log: Log
) -> Generator[Report, None, None]:
    """The one report of a stream of headerless samples."""
    from dwconv_cli.jobs.live import Raw, filter_live
    from dwconv_cli.jobs.naming import targets
    from dwconv_cli.jobs.pipeline import files_beside
    from dwconv_cli.storage.address import Address
    from dwconv_cli.storage.sink import open_sink
    from dwconv_cli.storage.standard_streams import standard_input

    path, source = options.output or "-", Address("-")
    if options.raw_out is None and path != "-" and not path.lower().endswith(".npy"):
        raise click.UsageError(
            f"-o {path}: a stream of unknown length goes to an .npy file, as samples to '-o -', or with --raw-out "
            "DTYPE as samples to any file"
        )
    (target,) = targets(
        [source], path, None, settings.output_format, *files_beside(recipe, settings, [source])
    )
    raw = Raw(options.raw or "", options.channels or 1, options.block_steps or 1)
    sink = open_sink("-" if target.output is None else target.output.path, settings.overwrite)
    if options.channels is None and not options.quiet:
        say("--raw samples are taken for one channel; --channels C says how many", "note")
    yield filter_live(standard_input().read, sink, target, raw, recipe, settings, ending, log.note)


def _settings(
    options: ApplyOptions, drawn: int | None, progress: Progress | None, pictures: ApplyPictures | None
) -> Settings:
    """The options that bear the names of settings, and those that make the outputs again."""
    from dwconv_cli.jobs.settings import Settings

    words = as_typed(click.get_current_context(), DECISIVE)
    if drawn is not None:
        words += ["--seed", str(drawn)]
    values = {item.name: getattr(options, item.name, None) for item in fields(Settings)}
    typed = {name: value for name, value in values.items() if value is not None}
    watch = None if pictures is None or options.dry_run else pictures.watch
    return Settings(**typed, options=words, progress=progress, watch=watch)


def _progress(options: ApplyOptions) -> Progress | None:
    shown = options.show_progress
    if shown or (shown is None and not options.quiet and has_colour(sys.stderr)):
        from dwconv_cli.cli.progress import Progress

        return Progress()
    return None
