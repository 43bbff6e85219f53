"""Options that several commands share, each written once, and what they amount to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dwconv_cli.choices import (
    ALGORITHM_NAMES,
    DATA_FORMATS,
    DTYPES,
    FORMAT_NAMES,
    KERNEL_LAYOUTS,
    LARGEST,
    PADDINGS,
    REMOVED_ADVICE,
    REMOVED_ALGORITHM,
)
from dwconv_cli.layer.keys import INITIALIZER_KEYS, OPTION_KEYS

if TYPE_CHECKING:
    from dwconv_cli.weights.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]

_MAX_CONFIG = 16 << 20  # a model's has all of its layers

COUNT = click.IntRange(1, LARGEST)


def _choice(values: tuple[str, ...]) -> click.Choice[str]:
    return click.Choice(values, case_sensitive=False)


def _single(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> str | None:
    """The one value of an option; the last of several would win in silence."""
    if len(values) > 1:
        name = max(option.opts, key=len)
        raise click.UsageError(f"{name} stands {len(values)} times, and there is one layer; give it once")
    return values[0] if values else None


def once(*names: str, **attributes: Any) -> Decorator[Any]:
    """An option that is refused when it stands more than once."""
    return click.option(*names, multiple=True, callback=_single, **attributes)


assume_depthwise = click.option(
    "--assume-depthwise", is_flag=True, help="Take a layer of somebody's own class for a DepthwiseConv1D."
)


class _Algorithm(click.Choice[str]):
    """The names of algorithms, and a word on one that is no more."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value.lower() == REMOVED_ALGORITHM:
            self.fail(f"{REMOVED_ADVICE}; use --algorithm direct", param, ctx)
        return super().convert(value, param, ctx)


# What makes a layer; the names are Keras's, and those of LayerSpec's fields.
_LAYER = (
    click.option("--strides", type=int, metavar="N", help="Steps between outputs (1)."),
    click.option("--padding", type=_choice(PADDINGS), help="(valid)"),
    click.option("--depth-multiplier", type=int, metavar="M", help="Outputs for each channel (1)."),
    click.option("--data-format", type=_choice(DATA_FORMATS), help="(as in keras.json, else channels_last)"),
    click.option("--dilation-rate", type=int, metavar="N", help="Steps between taps (1)."),
    click.option(
        "--use-bias/--no-bias", default=None, help="(as the weights have it; fresh weights have one)"
    ),
)
_CATALOGUES = (
    click.option(
        "--activation", metavar="NAME", help="E.g. relu, 'leaky_relu(negative_slope=0.1)' (linear)."
    ),
    click.option("--activity-regularizer", metavar="NAME", help="Penalty on the output, for the report."),
    click.option("--depthwise-initializer", metavar="NAME", help="Of fresh kernels (glorot_uniform)."),
    click.option("--bias-initializer", metavar="NAME", help="Of fresh biases (zeros)."),
    click.option(
        "--depthwise-regularizer", metavar="NAME", help="E.g. 'l2(0.01)': its penalty, for the report."
    ),
    click.option("--bias-regularizer", metavar="NAME", help="The same of the bias."),
    click.option("--depthwise-constraint", metavar="NAME", help="E.g. 'max_norm(2)': project the kernel."),
    click.option("--bias-constraint", metavar="NAME", help="The same of the bias."),
    once(
        "--config",
        metavar="FILE",
        help="A Keras layer config as JSON, or a model's, FILE::LAYER; '-' is standard input.",
    ),
    click.option("--seed", type=int, metavar="N", help="Of fresh weights: the same seed, the same numbers."),
    click.option("--dtype", type=_choice(DTYPES), help="Of arithmetic and output (as data and kernel need)."),
)
_WEIGHTS = (
    once("-k", "--kernel", metavar="ADDR", help="Kernel (K, C, M), (K, C), or (K,) for all channels."),
    once("-b", "--bias", metavar="ADDR", help="Bias (C*M,), with --kernel."),
    once("-w", "--weights", metavar="ADDR", help="A file that holds kernel and bias together."),
    click.option("--kernel-size", type=int, metavar="K", help="Fresh weights of this many taps."),
    click.option(
        "--kernel-layout", type=_choice(KERNEL_LAYOUTS), default="keras", help="torch is (C*M, 1, K). (keras)"
    ),
    assume_depthwise,
)
_INPUT = (
    click.option("--input-format", type=_choice(FORMAT_NAMES), help="Where a suffix does not tell."),
    click.option(
        "--slice", "steps", metavar="START:STOP", callback=lambda c, p, v: _steps(v), help="Steps to take."
    ),
    click.option("--allow-external", is_flag=True, help="HDF5 data may lie in other files."),
)
threads = click.option("--threads", type=COUNT, metavar="N", help="(all processors)")
algorithm = click.option(
    "--algorithm", type=_Algorithm(ALGORITHM_NAMES, case_sensitive=False), default="auto", help="(auto)"
)
debug = click.option("--debug", is_flag=True, expose_value=False, help="Add the traceback to an error.")


def _all(options: tuple[Decorator[Any], ...]) -> Decorator[Any]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


layer_options = _all(_LAYER)
catalogue_options = _all(_CATALOGUES)
weights_options = _all(_WEIGHTS)
input_options = _all(_INPUT)


# Options that say where to, how fast and how loud, but not what.
_BYSTANDERS = frozenset(
    (
        *("inputs", "files_from", "null", "output", "output_dir", "overwrite", "skip_existing"),
        *("keep_going", "dry_run", "as_json", "report_file", "quiet", "verbose", "progress"),
        *("jobs", "threads", "memory_limit", "checksum"),
    )
)


def is_replayable(option: click.Parameter) -> bool:
    """Whether an option decides what comes out."""
    return option.expose_value and option.name not in _BYSTANDERS


def replayable(context: click.Context) -> list[str]:
    """The options of a command that decide what comes out, as they would be typed."""
    words: list[str] = []
    for option in context.command.params:
        given = context.params.get(option.name or "")
        source = context.get_parameter_source(option.name or "")
        if not is_replayable(option) or source is not click.core.ParameterSource.COMMANDLINE:
            continue
        name = max(option.opts, key=len)
        if isinstance(given, bool):
            words.append(name if given else max(option.secondary_opts, key=len))
        elif isinstance(given, slice):
            words += [name, ":".join("" if end is None else str(end) for end in (given.start, given.stop))]
        else:
            words += [name, str(given)]
    return words


# Where weights come from, and the options of a command for it.
WAYS = {"kernel": "--kernel", "weights": "--weights", "kernel_size": "--kernel-size"}


def recipe_of(given: dict[str, Any], ways: Mapping[str, str] = WAYS) -> Recipe:
    """The recipe that a command's options amount to.

    Parameters
    ----------
    given : dict
        The options by name; those of the layer that were not given are None.
    ways : mapping
        What the command calls the options that say where the weights come from.

    Raises
    ------
    click.UsageError
        If not exactly one source of weights is named, or an option says nothing about it.
    """
    named = named_weights(given, ways)
    config = load_config(given["config"]) if given.get("config") else None
    from dwconv_cli.layer.keras_json import is_model

    if not named and not (config and (is_model(config) or _has_kernel_size(config))):
        files = ", ".join(dict.fromkeys(f"{ways[key]} FILE" for key in ("kernel", "weights")))
        raise click.UsageError(f"no weights; give {files}, or --kernel-size K for fresh ones")
    if named and named != ways["kernel_size"]:
        for name in ("seed", *INITIALIZER_KEYS):
            if given.get(name) is not None:
                option = "--" + name.replace("_", "-")
                raise click.UsageError(
                    f"{option} is for fresh weights, and {named} gives weights that are there; leave out one of them"
                )
    from dwconv_cli.cli.keras_home import default_data_format
    from dwconv_cli.weights.recipe import Recipe

    options = {name: given[name] for name in OPTION_KEYS if given.get(name) is not None}
    default = default_data_format() if "data_format" not in options else None
    return Recipe(
        options=options,
        defaults={} if default is None else {"data_format": default.value},
        kernel=given.get("kernel"),
        bias=given.get("bias"),
        weights=given.get("weights"),
        layout=given.get("kernel_layout") or "keras",
        config=config,
        assume_depthwise=given.get("assume_depthwise", False),
        seed=given.get("seed"),
        drawn=given.get("drawn", False),
        default_notes=(f"data_format is {default.value} in {default.path}",)
        if default and default.value != "channels_last"
        else (),
    )


def check_stream_format(inputs: Sequence[str], input_format: str | None) -> None:
    """Refuse a format for standard input that it cannot have.

    Raises
    ------
    click.UsageError
    """
    if input_format not in (None, "npy") and "-" in inputs:
        raise click.UsageError("standard input is an .npy stream; leave out --input-format, or name a file")


def files_read(given: dict[str, Any]) -> list[str]:
    """Files that options read, besides recordings and weights."""
    from dwconv_cli.cli.keras_home import default_data_format

    settings = None if given.get("data_format") else default_data_format().path
    config = given.get("config")
    named = (config and _config_place(config)[0], given.get("files_from"), settings)
    return [path for path in named if path not in (None, "-")]


def named_weights(given: dict[str, Any], ways: Mapping[str, str] = WAYS) -> str | None:
    """The option that says where the weights come from, if one does.

    Raises
    ------
    click.UsageError
        If several do, or --bias stands alone.
    """
    named = [option for key, option in ways.items() if given.get(key) is not None]
    if len(named) > 1:
        raise click.UsageError(f"{' and '.join(named)} exclude each other; the weights come from one place")
    if given.get("bias") is not None and given.get("kernel") is None:
        raise click.UsageError(
            f"--bias goes with a kernel; give the kernel with {ways['kernel']}, or leave out --bias"
        )
    if named == [ways["kernel_size"]] and given.get("kernel_layout") not in (None, "keras"):
        raise click.UsageError("--kernel-layout is for a kernel that is read; leave it out")
    return named[0] if named else None


def load_config(path: str) -> dict[str, Any]:
    """A Keras layer config, or a model's, from a JSON file, or from standard input for ``-``.

    Parameters
    ----------
    path : str
        With ``::NAME`` behind it, that layer of a model's config.

    Raises
    ------
    InputError
        If it cannot be read, or is not a JSON object.
    """
    from dwconv_cli.errors import InputError
    from dwconv_cli.errors.system import reason
    from dwconv_cli.layer.keras_json import is_model, load_json, pick_layer

    path, layer = _config_place(path)
    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            text = sys.stdin.buffer.read(_MAX_CONFIG + 1)
        else:
            with open(path, "rb") as file:
                text = file.read(_MAX_CONFIG + 1)
    except OSError as error:
        raise InputError(f"{name}: {reason(error)}") from error
    found = load_json(text, name)
    if not isinstance(found, dict):
        raise InputError(f"{name}: a layer's config is a JSON object")
    if layer is None:
        return found
    if not is_model(found):
        raise InputError(f"{name}: not a model's config, so it has no layer {layer}; leave out ::{layer}")
    return pick_layer(found, layer, name)


def _config_place(text: str) -> tuple[str, str | None]:
    """The file of a config, and the layer in it."""
    path, colons, name = text.rpartition("::")
    return (path, name) if colons and not os.path.exists(text) else (text, None)


def _has_kernel_size(config: dict[str, Any]) -> bool:
    inner = config.get("config")
    return "kernel_size" in config or (isinstance(inner, dict) and "kernel_size" in inner)


def _steps(text: str | None) -> slice:
    if text is None:
        return slice(None)
    start, colon, stop = text.partition(":")
    try:
        if colon:
            return slice(int(start) if start.strip() else None, int(stop) if stop.strip() else None)
    except ValueError:
        pass
    raise click.BadParameter(
        f"{text!r} is not START:STOP in whole steps, e.g. 100:200 or :500", param_hint="--slice"
    )
