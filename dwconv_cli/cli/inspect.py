"""``dwconv inspect``: say what things are, and check that they fit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.cli import options, say
from dwconv_cli.layer.keys import OPTION_KEYS

if TYPE_CHECKING:
    from dwconv_cli.weights.recipe import Recipe

# What says nothing of a recording by itself, as its data format does.
_NEED_LAYER = (*(name for name in OPTION_KEYS if name != "data_format"), "seed")


@click.command("inspect")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@options.weights_options
@options.layer_options
@options.catalogue_options
@click.option("--input-shape", metavar="N,N,N", help="Check this shape; no file is needed.")
@options.input_options
@options.algorithm
@click.option("--stats", is_flag=True, help="Of each channel: min, max, mean, std, NaN, Inf; reads the data.")
@click.option("--fs", type=float, metavar="HZ", help="Sampling rate: Hz and seconds instead of steps.")
@click.option(
    "--shape", is_flag=True, help="Bare shapes alone, one a line: the output's where a layer is given."
)
@click.option("--replay", is_flag=True, help="The command that makes an HDF5 output of dwconv again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per target.")
@options.debug
def command(targets: tuple[str, ...], **given: Any) -> None:
    """Say what a recording, a kernel, a model, a file or a directory is, from headers alone.

    With a layer, as for apply: what it makes of the recording. A single array is a recording; -k shows it as a
    kernel, and so does a file that holds one under the name "kernel".

    \b
    dwconv inspect rec.h5
    dwconv inspect 'rec.h5::/*/imu' --stats
    dwconv inspect -k lowpass.npy --fs 50
    dwconv inspect rec.npy -w model.keras::conv --padding same
    dwconv inspect --input-shape 4,10,12 --kernel-size 3 --strides 3 --padding same --shape
    """
    recipe = _recipe(given)
    _check(targets, recipe, given)
    if given["replay"]:
        from dwconv_cli.cli.replay import replay

        replay(targets, given["input_format"])
        return
    from dwconv_cli.cli.render import answering
    from dwconv_cli.description import shapes_of

    for number, found in enumerate(_descriptions(targets, recipe, given)):
        with answering(sys.stdout):
            if given["as_json"]:
                sys.stdout.write(json.dumps(found, allow_nan=False) + "\n")
            elif given["shape"]:
                # A shape alone does not show which settings it rests on.
                for note in found["notes"] if "output" in found else ():
                    say(note, "note")
                sys.stdout.writelines(",".join(map(str, sides)) + "\n" for sides in shapes_of(found))
            else:
                from dwconv_cli.cli.views import show

                sys.stdout.write("\n" if number else "")
                show(found, sys.stdout)


def _recipe(given: dict[str, Any]) -> Recipe | None:
    """The layer, where the options name one."""
    if options.named_weights(given) or given["config"] is not None:
        return options.recipe_of(given)
    for name in _NEED_LAYER:
        if given[name] is not None:
            option = "--no-bias" if given[name] is False else "--" + name.replace("_", "-")
            raise click.UsageError(
                f"{option} says nothing without a kernel; give --kernel FILE, --weights FILE or --kernel-size K"
            )
    return None


def _check(targets: tuple[str, ...], recipe: Recipe | None, given: dict[str, Any]) -> None:
    if sum((given["as_json"], given["shape"], given["replay"])) > 1:
        raise click.UsageError("--json, --shape and --replay exclude each other")
    if given["replay"] and (not targets or recipe is not None):
        raise click.UsageError("--replay needs an HDF5 output of dwconv, and no layer")
    if targets and given["input_shape"] is not None:
        raise click.UsageError("--input-shape stands for a file; leave out one of them")
    if not targets and given["input_shape"] is not None and recipe is None:
        raise click.UsageError(
            "--input-shape needs a layer; give --kernel-size K, --kernel FILE or --weights FILE"
        )
    if not targets and recipe is None:
        raise click.UsageError(
            "nothing to inspect; name files, a directory, weights with -k or -w, or --input-shape"
        )
    if not targets and given["stats"]:
        raise click.UsageError("--stats needs a recording; name one")
    if given["fs"] is not None and not 0 < given["fs"] < float("inf"):
        raise click.BadParameter(f"{given['fs']} is no sampling rate", param_hint="--fs")
    options.check_stream_format(targets, given["input_format"])
    reads = [*targets, *(given[key] for key in ("kernel", "bias", "weights", "config"))]
    if reads.count("-") > 1:
        raise click.UsageError("standard input can be read once; '-' stands in several places")


def _descriptions(
    targets: tuple[str, ...], recipe: Recipe | None, given: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    from dwconv_cli.description import describe, describe_all

    chosen = {
        "recipe": recipe,
        "stats": given["stats"],
        "fs": given["fs"],
        "steps": given["steps"],
        "algorithm": given["algorithm"],
        "input_format": given["input_format"],
        "allow_external": given["allow_external"],
        "kernel_layout": given["kernel_layout"],
        "assume_depthwise": given["assume_depthwise"],
    }
    if targets:
        yield from describe_all(targets, **chosen, **_data_format(given))
    elif given["input_shape"] is not None:
        yield describe(_shape(given["input_shape"]), **chosen)
    else:
        yield describe(None, **chosen)


def _data_format(given: dict[str, Any]) -> dict[str, str | None]:
    from dwconv_cli.cli.keras_home import default_data_format

    return {"data_format": given["data_format"], "default_format": default_data_format().value}


def _shape(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(side) for side in text.strip(" ()[]").removesuffix(",").split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1 or max(found) >= 1 << 63:
        raise click.BadParameter(
            f"{text!r} is not a shape of whole numbers from 1 on, e.g. 4,10,12", param_hint="--input-shape"
        )
    return found
