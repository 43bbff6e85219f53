"""The options of ``dwconv inspect``, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass

import click

from dwconv_cli.cli.declaring import argument, flag, option
from dwconv_cli.cli.options import FilterOptions, check_stream_format
from dwconv_cli.cli.sections import INPUT, MANY_FILES, REPORTS
from dwconv_cli.cli.values import shape_of


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
    plot: str | None = option(
        "--plot FILE",
        "Draw the recording, the kernel or, with a layer, the filtered over the raw recording, into a .png, "
        ".svg or .pdf; for many targets a template with {stem} {name} {suffix} {parent} {dataset}",
        section=REPORTS,
    )
    overwrite: bool = flag("--overwrite", "Replace the picture of --plot if it exists", section=REPORTS)


def check(options: InspectOptions, has_layer: bool) -> None:
    """Refuse options that contradict each other."""
    targets, shape = options.targets, options.input_shape
    if sum((options.as_json, options.shape, options.replay)) > 1:
        raise click.UsageError("--json, --shape and --replay exclude each other")
    if options.replay and (not targets or has_layer):
        raise click.UsageError("--replay needs an HDF5 output of dwconv, and no layer")
    if options.replay and options.plot is not None:
        raise click.UsageError("--replay prints a command alone; leave out --plot")
    if options.overwrite and options.plot is None:
        raise click.UsageError("--overwrite is for the picture of --plot, and inspect writes nothing else")
    if targets and shape is not None:
        raise click.UsageError("--input-shape stands for a file; leave out one of them")
    if not targets and shape is not None and not has_layer:
        raise click.UsageError(
            "--input-shape needs a layer; give --kernel-size K, --kernel FILE or --weights FILE"
        )
    if not targets and not has_layer:
        raise click.UsageError(
            "nothing to inspect; name files, a directory, weights with -k or -w, or --input-shape"
        )
    if not targets and options.stats:
        raise click.UsageError("--stats needs a recording; name one")
    check_stream_format(targets, options.input_format)
    if (*targets, options.kernel, options.bias, options.weights, options.config).count("-") > 1:
        raise click.UsageError("standard input can be read once; '-' stands in several places")
