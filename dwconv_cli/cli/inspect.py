"""``dwconv inspect``: say what things are, and check that they fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.cli import answering, say
from dwconv_cli.cli.declaring import argument, flag, option, option_name, takes
from dwconv_cli.cli.options import FilterOptions, check_stream_format
from dwconv_cli.cli.recipes import named_weights, recipe_of
from dwconv_cli.cli.sections import INPUT, MANY_FILES, REPORTS, WORDS, SectionCommand, exit_codes
from dwconv_cli.cli.values import shape_of
from dwconv_cli.layer.keys import OPTION_KEYS

if TYPE_CHECKING:
    from dwconv_cli.weights.recipe import Recipe

# Options that mean nothing without a layer; the data format says how a recording is read.
_NEED_LAYER = (*(name for name in OPTION_KEYS if name != "data_format"), "seed", "flip")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InspectOptions(FilterOptions):
    """What was typed."""

    targets: tuple[str, ...] = argument(
        "[TARGET]...", "Addresses of recordings, kernels, models or files; or directories"
    )
    input_shape: tuple[int, ...] | None = option(
        "--input-shape N,N,N",
        "Shape of data to check, e.g. 4,10,12; no file is needed",
        section=INPUT,
        type=shape_of,
    )
    stats: bool = flag(
        "--stats", "Min, max, mean, std, NaN and Inf of each channel; reads the data", section=REPORTS
    )
    shape: bool = flag(
        "--shape", "Bare shapes, one a line; those of outputs where a layer is named", section=REPORTS
    )
    replay: bool = flag("--replay", "The command that makes an HDF5 output of dwconv again", section=REPORTS)
    as_json: bool = flag("--json", "One JSON object for each target", section=REPORTS)
    keep_going: bool = option(
        "--keep-going/--fail-fast",
        "Go on after a target that fails, and end with exit code 1; or stop at it",
        False,
        section=MANY_FILES,
        otherwise="fail-fast",
    )


@click.command("inspect", cls=SectionCommand, epilog=f"{WORDS}\n{exit_codes()}")
@takes(InspectOptions)
def command(options: InspectOptions) -> int:
    """Say what a recording, a kernel, a model, a file or a directory is, from headers alone.

    With a layer, as for apply: what it makes of the recording. A single array is a recording; -k shows it as a
    kernel, and so does a file that holds one under the name "kernel".

    \b
    What a file holds, and what its recordings look like:
      dwconv inspect rec.h5
      dwconv inspect 'rec.h5::/*/imu' --stats
    What a kernel, or a model's layer, does to frequencies:
      dwconv inspect -k lowpass.npy --fs 50
      dwconv inspect --design 'lowpass(5)' --fs 50
      dwconv inspect -w model.keras::conv
    What a layer would make of a recording, or of a shape:
      dwconv inspect rec.npy -w model.keras::conv --padding same
      dwconv inspect --input-shape 4,10,12 --kernel-size 3 --strides 3 --shape
    """
    recipe = _recipe(options)
    _check(options, recipe)
    if options.replay:
        from dwconv_cli.cli.replay import replay

        return int(replay(options.targets, options.input_format, options.keep_going))
    if recipe is not None and options.keep_going:
        # Weights that cannot be read are one error, not one for each target.
        recipe.load()
    from dwconv_cli.description import shapes_of

    shown = failed = 0
    for entry in _descriptions(options, recipe):
        if entry["kind"] == "failed":
            failed = 1
            say(entry["error"]["message"])
            if not options.as_json:
                continue
        with answering():
            if options.as_json:
                sys.stdout.write(json.dumps(entry, allow_nan=False) + "\n")
            elif options.shape:
                # A shape alone does not show which settings it rests on.
                for note in entry["notes"] if "output" in entry else ():
                    say(note, "note")
                sys.stdout.writelines(",".join(map(str, sides)) + "\n" for sides in shapes_of(entry))
            else:
                from dwconv_cli.cli.views import show

                sys.stdout.write("\n" if shown else "")
                shown += 1
                show(entry, sys.stdout)
    return failed


def _recipe(options: InspectOptions) -> Recipe | None:
    """The layer, where the options name one."""
    if named_weights(options, options) or options.config is not None:
        return recipe_of(options, options)
    for name in _NEED_LAYER:
        value = getattr(options, name)
        if value is not None and (name != "flip" or value):
            word = "--no-bias" if value is False else option_name(name)
            raise click.UsageError(
                f"{word} says nothing without a kernel; give --kernel FILE, --weights FILE, --design 'lowpass(5)' or --kernel-size K"
            )
    return None


def _check(options: InspectOptions, recipe: Recipe | None) -> None:
    targets, shape = options.targets, options.input_shape
    if sum((options.as_json, options.shape, options.replay)) > 1:
        raise click.UsageError("--json, --shape and --replay exclude each other")
    if options.replay and (not targets or recipe is not None):
        raise click.UsageError("--replay needs an HDF5 output of dwconv, and no layer")
    if targets and shape is not None:
        raise click.UsageError("--input-shape stands for a file; leave out one of them")
    if not targets and shape is not None and recipe is None:
        raise click.UsageError(
            "--input-shape needs a layer; give --kernel-size K, --kernel FILE or --weights FILE"
        )
    if not targets and recipe is None:
        raise click.UsageError(
            "nothing to inspect; name files, a directory, weights with -k or -w, or --input-shape"
        )
    if not targets and options.stats:
        raise click.UsageError("--stats needs a recording; name one")
    check_stream_format(targets, options.input_format)
    if (*targets, options.kernel, options.bias, options.weights, options.config).count("-") > 1:
        raise click.UsageError("standard input can be read once; '-' stands in several places")


def _descriptions(options: InspectOptions, recipe: Recipe | None) -> Iterator[dict[str, Any]]:
    from dwconv_cli.cli.keras_home import default_data_format
    from dwconv_cli.description import describe, describe_all

    if not options.targets:
        yield describe(options.input_shape, recipe=recipe, fs=options.fs, algorithm=options.algorithm)
        return
    yield from describe_all(
        options.targets,
        keep_going=options.keep_going,
        recipe=recipe,
        data_format=options.data_format,
        default_format=default_data_format().value,
        stats=options.stats,
        fs=options.fs,
        steps=options.steps,
        algorithm=options.algorithm,
        input_format=options.input_format,
        allow_external=options.allow_external,
        kernel_layout=options.kernel_layout,
        assume_depthwise=options.assume_depthwise,
    )
