"""``dwconv init-weights``: make, convert or project weights."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from dwconv_cli.choices import DTYPES, FORMAT_NAMES, KERNEL_LAYOUTS, DTypeName, FormatName, KernelLayout
from dwconv_cli.cli import answering, tell
from dwconv_cli.cli.declaring import flag, option, takes
from dwconv_cli.cli.options import COUNT, LayerOptions, ReadingOptions, WeightsOptions, choice
from dwconv_cli.cli.recipes import WAYS, files_read, recipe_of
from dwconv_cli.cli.sections import INPUT, OUTPUT, REPORTS, WEIGHTS, WORDS, SectionCommand, exit_codes

if TYPE_CHECKING:
    from dwconv_cli.weights.resolved import Resolved

_WAYS = {**WAYS, "kernel": "--from", "weights": "--from"}


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class _FileOptions:
    """The weights to be written, and what they come from."""

    output: str = option(
        "-o --output ADDR",
        "File to make: .npz, HDF5, .safetensors, .npy (the kernel alone), .weights.h5 or .keras (both for Keras)",
        section=OUTPUT,
        required=True,
    )
    channels: int | None = option("--channels C", "Number of channels of the data", section=INPUT, type=COUNT)
    like: str | None = option("--like INPUT", "Recording that has as many channels", section=INPUT)
    source: str | None = option(
        "--from ADDR",
        "Existing weights to convert, project or bring into another layout",
        section=WEIGHTS,
        once=True,
    )
    bias: str | None = option("-b --bias ADDR", "Bias of a bare kernel", section=WEIGHTS, once=True)
    output_layout: KernelLayout = option(
        "--output-layout",
        "Order of the axes of --output: keras is (K, C, M), torch is (C*M, 1, K)",
        "keras",
        section=OUTPUT,
        type=choice(KERNEL_LAYOUTS),
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InitOptions(LayerOptions, ReadingOptions, _FileOptions):
    """What was typed."""

    dtype: DTypeName | None = option(
        "--dtype",
        "Type of the weights",
        section=OUTPUT,
        type=choice(DTYPES),
        otherwise="as --from, else float32",
    )
    overwrite: bool = flag("--overwrite", "Replace an existing file", section=OUTPUT)
    input_format: FormatName | None = option(
        "--input-format",
        "Format of --like",
        section=INPUT,
        type=choice(FORMAT_NAMES),
        otherwise="by its suffix",
    )
    output_format: FormatName | None = option(
        "--output-format",
        "Format of --output",
        section=OUTPUT,
        type=choice(FORMAT_NAMES),
        otherwise="by its suffix",
    )
    as_json: bool = flag("--json", "Say what was made as JSON on standard output", section=REPORTS)
    quiet: bool = flag("-q --quiet", "Leave out the report on standard error", section=REPORTS)


@click.command(
    "init-weights", cls=SectionCommand, options_metavar="-o ADDR [OPTIONS]", epilog=f"{WORDS}\n{exit_codes()}"
)
@takes(InitOptions)
def command(options: InitOptions) -> int:
    """Make the layer's weights, or convert existing ones.

    \b
    The suffix of -o says what is written.
    --kernel-size K draws fresh weights; --from reads existing ones;
    --design or --taps makes a kernel for any number of channels.

    \b
    Fresh weights for 6 channels, the same ones each time:
      dwconv init-weights -o layer.npz --kernel-size 9 --channels 6 --seed 1
    A filter as a kernel:
      dwconv init-weights -o low.npy --design 'lowpass(5)' --fs 50
    A layer of a Keras model, for PyTorch:
      dwconv init-weights --from model.keras::conv -o conv.npz \\
          --output-layout torch
    """
    output = options.output
    # Of these a kernel for any number of channels can be made.
    alike = options.source is not None or options.design is not None or options.taps is not None
    if not alike and options.channels is None and options.like is None:
        raise click.UsageError("no number of channels; give --channels C, or --like INPUT")
    if options.fs is not None and options.design is None:
        raise click.UsageError("--fs is for the frequencies of --design; leave it out")
    if options.channels is not None and options.like is not None:
        raise click.UsageError("--channels and --like exclude each other")
    if output == "-" and (options.as_json or sys.stdout.isatty()):
        raise click.UsageError("standard output is not free for weights; name a file, or redirect it")
    _protect(options)
    if options.input_format is not None and options.like is None:
        raise click.UsageError("--input-format is for --like; leave it out")
    recipe = recipe_of(options, _source(options), ways=_WAYS)
    from dwconv_cli.jobs.pipeline import make_weights
    from dwconv_cli.weights.save import save_weights

    resolved, losses = make_weights(recipe, options.channels, options.like, options.input_format)
    save_weights(
        output,
        resolved.weights,
        resolved.layer,
        config=resolved.config or {},
        layout=options.output_layout,
        overwrite=options.overwrite,
        output_format=options.output_format,
    )
    entry, notes = {**resolved.entry, "address": output}, _notes(resolved, output)
    if options.output_layout == "torch":
        taps, channels, multiplier = resolved.weights.kernel.shape
        entry["kernel_shape"] = [channels * multiplier, 1, taps]
    if options.as_json:
        from dwconv_cli.layer.config import to_config

        answer = {"weights": entry, "layer": to_config(resolved.layer), "losses": losses, "notes": notes}
        with answering():
            click.echo(json.dumps(answer))
    elif not options.quiet:
        bias = "no bias" if entry["bias_shape"] is None else f"bias {tuple(entry['bias_shape'])}"
        tell(f"{output}: kernel {tuple(entry['kernel_shape'])}, {bias}")
        if losses["total"]:
            tell(f"  penalties: {', '.join(f'{k} {v:.6g}' for k, v in losses.items() if v)}")
        for note in notes:
            tell(f"  {note}")
    return 0


def _protect(options: InitOptions) -> None:
    """Refuse an output that would replace a file that is read, except the weights, which may be changed in place."""
    from dwconv_cli.jobs.protection import ReadFiles
    from dwconv_cli.storage.address import Address

    named = [address for address in (options.bias, options.like) if address is not None]
    reads = [Address.parse(address).path for address in named]
    ReadFiles([], [*reads, *files_read(options)]).check(Address.parse(options.output).path)


def _notes(resolved: Resolved, output: str) -> list[str]:
    """Notes on the weights, with regard to what a file with the suffix of `output` can hold."""
    from dwconv_cli.weights.layer_settings import lost_note
    from dwconv_cli.weights.save import keras_name

    suffix = output.partition("::")[0].lower()
    if suffix.endswith((".keras", ".weights.h5")) and resolved.layer.name and "/" in resolved.layer.name:
        renamed = f"the layer is called {keras_name(resolved.layer)} in {output}, since Keras refuses / in {resolved.layer.name}"
        resolved = replace(resolved, notes=[*resolved.notes, renamed])
    if suffix.endswith(".keras"):
        return resolved.notes
    # Settings that are missing in --from may be missing in a file of weights alone, too.
    notes = [note for note in resolved.notes if note != resolved.defaults_note]
    bare = suffix.endswith((".npy", ".weights.h5")) or output == "-"
    lost = lost_note(resolved.source, resolved.layer, output) if bare else None
    return [*notes, lost] if lost else notes


def _source(options: InitOptions) -> WeightsOptions:
    """The weights of ``--from`` as options that read them: a bare array, or a file of kernel and bias."""
    address, bias = options.source, options.bias
    source = WeightsOptions(
        bias=bias, kernel_layout=options.kernel_layout, assume_depthwise=options.assume_depthwise
    )
    if address is None:
        return source
    from dwconv_cli.weights.load import holds_pair

    pair = holds_pair(address)
    if bias and pair:
        raise click.UsageError(f"--bias goes with a bare kernel, and {address} holds its own; leave it out")
    return replace(source, weights=address) if pair else replace(source, kernel=address)
