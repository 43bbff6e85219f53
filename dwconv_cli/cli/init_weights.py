"""``dwconv init-weights``: make, convert or project weights."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.choices import DATA_FORMATS, FORMAT_NAMES, KERNEL_LAYOUTS
from dwconv_cli.cli import options, tell, writing

if TYPE_CHECKING:
    from dwconv_cli.weights.resolved import Resolved

_WAYS = {**options.WAYS, "kernel": "--from", "weights": "--from"}


@click.command("init-weights")
@click.option(
    "-o",
    "--output",
    metavar="ADDR",
    required=True,
    help=".npz, HDF5, .npy (kernel alone), .weights.h5, .keras.",
)
@click.option("--kernel-size", type=int, metavar="K", help="Taps.")
@click.option("--channels", type=options.COUNT, metavar="C", help="Channels of the data.")
@click.option("--like", metavar="INPUT", help="As many channels as this recording has.")
@options.once(
    "--from", "source", metavar="ADDR", help="Existing weights instead: convert, project, re-layout."
)
@options.once("-b", "--bias", metavar="ADDR", help="With --from and a bare kernel: its bias.")
@click.option(
    "--kernel-layout", type=click.Choice(KERNEL_LAYOUTS), default="keras", help="Of --from. (keras)"
)
@click.option(
    "--output-layout",
    type=click.Choice(KERNEL_LAYOUTS),
    default="keras",
    help="torch is (C*M, 1, K). (keras)",
)
@click.option("--depth-multiplier", type=int, metavar="M", help="Outputs for each channel (1).")
@click.option("--data-format", type=click.Choice(DATA_FORMATS, case_sensitive=False), help="Of --like.")
@click.option("--use-bias/--no-bias", default=None, help="(with a bias)")
@options.assume_depthwise
@options.catalogue_options
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option(
    "--input-format", type=click.Choice(FORMAT_NAMES), help="Of --like, where a suffix does not tell."
)
@click.option("--output-format", type=click.Choice(FORMAT_NAMES), help="Where a suffix does not tell.")
@click.option("--json", "as_json", is_flag=True, help="What was made, as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No report on standard error.")
@options.debug
def command(**given: Any) -> int:
    """Make the layer's weights, or convert existing ones.

    \b
    dwconv init-weights -o layer.npz --kernel-size 9 --channels 6 --seed 1
    dwconv init-weights -o low.npy --kernel-size 31 --like rec.npy --no-bias \\
        --depthwise-initializer 'firwin(cutoff=5, fs=50)'
    """
    source = given["source"]
    if source is None and given["channels"] is None and given["like"] is None:
        raise click.UsageError("no number of channels; give --channels C, or --like INPUT")
    if given["channels"] is not None and given["like"] is not None:
        raise click.UsageError("--channels and --like exclude each other")
    if given["output"] == "-" and (given["as_json"] or sys.stdout.isatty()):
        raise click.UsageError("standard output is not free for weights; name a file, or redirect it")
    _protect(given)
    if given["input_format"] is not None and given["like"] is None:
        raise click.UsageError("--input-format is for --like; leave it out")
    recipe = options.recipe_of({**given, **_source(source, given["bias"])}, _WAYS)
    from dwconv_cli.jobs.pipeline import make_weights
    from dwconv_cli.weights.save import save_weights

    made, losses = make_weights(recipe, given["channels"], given["like"], given["input_format"])
    save_weights(
        given["output"],
        made.weights,
        made.layer,
        config=made.config or {},
        layout=given["output_layout"],
        overwrite=given["overwrite"],
        output_format=given["output_format"],
    )
    entry, notes = {**made.entry, "address": given["output"]}, _notes(made, given["output"])
    if given["output_layout"] == "torch":
        taps, channels, multiplier = made.weights.kernel.shape
        entry["kernel_shape"] = [channels * multiplier, 1, taps]
    if given["as_json"]:
        from dwconv_cli.layer.config import to_config

        made_of = {"weights": entry, "layer": to_config(made.layer), "losses": losses, "notes": notes}
        with writing("standard output"):
            click.echo(json.dumps(made_of))
    elif not given["quiet"]:
        bias = "no bias" if entry["bias_shape"] is None else f"bias {_shape(entry['bias_shape'])}"
        tell(f"{given['output']}: kernel {_shape(entry['kernel_shape'])}, {bias}")
        if losses["total"]:
            tell(f"  penalties: {', '.join(f'{k} {v:.6g}' for k, v in losses.items() if v)}")
        for note in notes:
            tell(f"  {note}")
    return 0


def _protect(given: dict[str, Any]) -> None:
    """Refuse an output in the place of what is read, but for the weights themselves, which may be changed in place."""
    from dwconv_cli.jobs.protection import ReadFiles
    from dwconv_cli.storage.address import Address

    named = [given[key] for key in ("bias", "like") if given[key] is not None]
    reads = [Address.parse(address).path for address in named]
    ReadFiles([], [*reads, *options.files_read(given)]).check(Address.parse(given["output"]).path)


def _notes(made: Resolved, output: str) -> list[str]:
    """What is to be told, given what a file with the suffix of `output` can hold."""
    from dwconv_cli.weights.layer_source import lost_note
    from dwconv_cli.weights.save import keras_name

    suffix = output.partition("::")[0].lower()
    if suffix.endswith((".keras", ".weights.h5")) and made.layer.name and "/" in made.layer.name:
        renamed = f"the layer is called {keras_name(made.layer)} in {output}, since Keras refuses / in {made.layer.name}"
        made = replace(made, notes=[*made.notes, renamed])
    if suffix.endswith(".keras"):
        return made.notes
    # The settings stay as unknown as they were.
    notes = [note for note in made.notes if note != made.untold]
    bare = suffix.endswith((".npy", ".weights.h5")) or output == "-"
    lost = lost_note(made.source, made.layer, output) if bare else None
    return [*notes, lost] if lost else notes


def _source(address: str | None, bias: str | None) -> dict[str, Any]:
    """``--from`` as the option that reads what is there: a bare array, or a file of kernel and bias."""
    if address is None:
        return {"bias": bias}
    from dwconv_cli.weights.load import holds_pair

    pair = holds_pair(address)
    if bias and pair:
        raise click.UsageError(f"--bias goes with a bare kernel, and {address} holds its own; leave it out")

    return {"weights": address, "bias": None} if pair else {"kernel": address, "bias": bias}


def _shape(shape: list[int]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
