"""The recipe that a command's options amount to: which layer, with which weights."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from dwconv_cli.cli.declaring import option_name
from dwconv_cli.cli.options import LayerOptions, WeightsOptions
from dwconv_cli.cli.side_files import config_place, load_config
from dwconv_cli.cli.values import taps_of
from dwconv_cli.layer.keys import INITIALIZER_KEYS, OPTION_KEYS

if TYPE_CHECKING:
    from dwconv_cli.weights.recipe import Recipe

# Where weights come from, and the options of a command for it.
WAYS = {
    "kernel": "--kernel",
    "weights": "--weights",
    "design": "--design",
    "taps": "--taps",
    "kernel_size": "--kernel-size",
}


def recipe_of(
    layer: LayerOptions,
    source: WeightsOptions,
    *,
    ways: Mapping[str, str] = WAYS,
    drawn_seed: int | None = None,
) -> Recipe:
    """The recipe that options amount to; refused unless they name exactly one source of weights.

    `ways` is what the command calls the options for these sources. `drawn_seed` is for fresh weights where no seed was
    typed.
    """
    way = named_weights(layer, source, ways)
    config = None if layer.config is None else load_config(layer.config)
    from dwconv_cli.layer.keras_models import is_model

    if not way and not (config and (is_model(config) or _has_kernel_size(config))):
        files = ", ".join(dict.fromkeys(f"{ways[key]} FILE" for key in ("kernel", "weights")))
        raise click.UsageError(
            f"no weights; give {files}, --design 'lowpass(5)', --taps 0.25,0.5,0.25, or --kernel-size K for fresh ones"
        )
    if way and way != ways["kernel_size"]:
        for name in ("seed", *INITIALIZER_KEYS):
            if getattr(layer, name) is not None:
                raise click.UsageError(
                    f"{option_name(name)} is for fresh weights, and {way} gives weights that are there; "
                    "leave out one of them"
                )
    from dwconv_cli.cli.keras_home import default_data_format
    from dwconv_cli.weights.recipe import Recipe

    typed = {name: getattr(layer, name) for name in OPTION_KEYS if getattr(layer, name, None) is not None}
    default = default_data_format() if layer.data_format is None else None
    return Recipe(
        options=typed,
        defaults={} if default is None else {"data_format": default.value},
        kernel=source.kernel,
        bias=source.bias,
        weights=source.weights,
        layout=source.kernel_layout,
        config=config,
        assume_depthwise=source.assume_depthwise,
        design=layer.design,
        taps=None if layer.taps is None else taps_of(layer.taps),
        fs=None if layer.design is None else layer.fs,
        flip=layer.flip,
        seed=layer.seed if drawn_seed is None else drawn_seed,
        drawn=drawn_seed is not None,
        default_notes=(f"data_format is {default.value} in {default.path}",)
        if default and default.value != "channels_last"
        else (),
    )


def named_weights(layer: LayerOptions, source: WeightsOptions, ways: Mapping[str, str] = WAYS) -> str | None:
    """The option that says where the weights come from, if one does; refused if several do."""
    values = {
        "kernel": source.kernel,
        "weights": source.weights,
        "design": layer.design,
        "taps": layer.taps,
        # With a design it is the number of its taps.
        "kernel_size": layer.kernel_size if layer.design is None else None,
    }
    named = [ways[key] for key, value in values.items() if value is not None]
    if len(named) > 1:
        raise click.UsageError(
            f"{' and '.join(named)} exclude each other; the weights come from one place, so leave out "
            + (named[1] if len(named) == 2 else "all but one")
        )
    if source.bias is not None and (source.kernel, layer.design, layer.taps) == (None, None, None):
        raise click.UsageError(
            f"--bias goes with a kernel; give the kernel with {ways['kernel']}, or leave out --bias"
        )
    if source.kernel is not None and _is_call(source.kernel):
        raise click.UsageError(
            f"{source.kernel} is no file but a design; say --design {shlex.quote(source.kernel)}"
        )
    if named and source.kernel is None and source.weights is None and source.kernel_layout != "keras":
        raise click.UsageError("--kernel-layout is for a kernel that is read; leave it out")
    return named[0] if named else None


def files_read(layer: LayerOptions) -> list[str]:
    """Files of settings that the layer's options read."""
    from dwconv_cli.cli.keras_home import default_data_format

    settings = None if layer.data_format else default_data_format().path
    config = None if layer.config is None else config_place(layer.config)[0]
    return [path for path in (config, settings) if path not in (None, "-")]


def _is_call(text: str) -> bool:
    """Whether a kernel's address reads like a design, and there is no such file."""
    return text.endswith(")") and text.partition("(")[0].isidentifier() and not os.path.exists(text)


def _has_kernel_size(config: dict[str, Any]) -> bool:
    inner = config.get("config")
    return "kernel_size" in config or (isinstance(inner, dict) and "kernel_size" in inner)
