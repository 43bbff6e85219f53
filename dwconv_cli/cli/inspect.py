"""``dwconv inspect``: say what things are, and check that they fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.cli import answering, say
from dwconv_cli.cli.declaring import option_name, takes
from dwconv_cli.cli.inspect_options import InspectOptions, check
from dwconv_cli.cli.recipes import named_weights, recipe_of
from dwconv_cli.cli.sections import WORDS, SectionCommand, exit_codes
from dwconv_cli.layer.keys import OPTION_KEYS

if TYPE_CHECKING:
    from dwconv_cli.weights.recipe import Recipe

# Options that mean nothing without a layer; the data format says how a recording is read.
_NEED_LAYER = (*(name for name in OPTION_KEYS if name != "data_format"), "seed", "flip")


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
      dwconv inspect -k lowpass.npy --fs 50 --plot lowpass.png
      dwconv inspect --design 'lowpass(5)' --fs 50
      dwconv inspect -w model.keras::conv
    What a layer would make of a recording, or of a shape:
      dwconv inspect rec.npy -w model.keras::conv --padding same
      dwconv inspect --input-shape 4,10,12 --kernel-size 3 --strides 3 --shape
    """
    recipe = _recipe(options)
    check(options, recipe is not None)
    if options.replay:
        from dwconv_cli.cli.replay import replay

        return int(replay(options.targets, options.input_format, options.keep_going))
    if recipe is not None and options.keep_going:
        # Weights that cannot be read are one error, not one for each target.
        recipe.load()
    from dwconv_cli.description import shapes_of

    pictures = None
    if options.plot is not None:
        from dwconv_cli.cli.pictures import InspectPictures

        pictures = InspectPictures(options, recipe)
    failures: list[int] = []
    shown = 0
    for number, entry in enumerate(_descriptions(options, recipe)):
        if entry["kind"] == "failed":
            failures.append(number)
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
                if entry["kind"] == "weights":
                    from dwconv_cli.cli.charts import weights_of, write_charts

                    layout, depthwise = options.kernel_layout, options.assume_depthwise
                    write_charts(weights_of(entry, recipe, layout, depthwise), options.fs, sys.stdout)
    if pictures is not None:
        failures += pictures.draw(without=failures)
    return int(bool(failures))


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
