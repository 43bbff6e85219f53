"""Groups of options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from dwconv_cli.choices import (
    ALGORITHM_NAMES,
    AUTO,
    DATA_FORMATS,
    DTYPES,
    FORMAT_NAMES,
    KERNEL_LAYOUTS,
    LARGEST,
    PADDINGS,
    REMOVED_ADVICE,
    REMOVED_ALGORITHM,
)
from dwconv_cli.cli.declaring import flag, option
from dwconv_cli.cli.values import steps_of


class _Count(click.ParamType[int]):
    """A whole number of things; unlike click's range it does not clutter the help with its limits."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number: int = click.INT.convert(value, param, ctx)
        if not 1 <= number <= LARGEST:
            self.fail(f"{number} is not in the range from 1 to {LARGEST}", param, ctx)
        return number


COUNT = _Count()


def choice(values: tuple[str, ...]) -> click.Choice[str]:
    """One of `values`, in any case."""
    return click.Choice(values, case_sensitive=False)


class _Algorithm(click.Choice[str]):
    """The names of algorithms, and a word on one that is no more."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value.lower() == REMOVED_ALGORITHM:
            self.fail(f"{REMOVED_ADVICE}; use --algorithm direct", param, ctx)
        return super().convert(value, param, ctx)


ALGORITHM = _Algorithm(ALGORITHM_NAMES, case_sensitive=False)


@dataclass(frozen=True, kw_only=True)
class _ArrayOptions:
    """Where weights are read."""

    kernel: str | None = option(
        "-k",
        "--kernel",
        metavar="ADDR",
        multiple=True,
        help="Kernel of shape (K, C, M), (K, C), or (K,) for all channels",
    )
    bias: str | None = option(
        "-b", "--bias", metavar="ADDR", multiple=True, help="Bias of shape (C*M,), for --kernel"
    )
    weights: str | None = option(
        "-w", "--weights", metavar="ADDR", multiple=True, help="File that holds kernel and bias together"
    )


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How weights are understood."""

    kernel_layout: str = option(
        "--kernel-layout",
        type=choice(KERNEL_LAYOUTS),
        default="keras",
        help="Order of the kernel's axes: keras is (K, C, M), torch is (C*M, 1, K)",
    )
    assume_depthwise: bool = flag(
        "--assume-depthwise", help="Read layers of unknown classes as DepthwiseConv1D layers"
    )


@dataclass(frozen=True, kw_only=True)
class WeightsOptions(ReadingOptions, _ArrayOptions):
    """Which weights are read, and how."""


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """What makes a layer, and fresh weights for it; most names are those of the fields of LayerSpec."""

    kernel_size: int | None = option(
        "--kernel-size", type=int, metavar="K", help="Number of taps of fresh weights"
    )
    depth_multiplier: int | None = option(
        "--depth-multiplier",
        type=int,
        metavar="M",
        otherwise="as the weights, else 1",
        help="Outputs for each channel",
    )
    data_format: str | None = option(
        "--data-format",
        type=choice(DATA_FORMATS),
        otherwise="as in keras.json, else channels_last",
        help="Order of steps and channels",
    )
    use_bias: bool | None = option(
        "--use-bias/--no-bias",
        default=None,
        otherwise="as the weights, and with a bias for fresh ones",
        help="Add a bias, or leave it out",
    )
    activation: str | None = option(
        "--activation",
        metavar="NAME",
        otherwise="linear",
        help="Function of the sums, e.g. relu or 'leaky_relu(negative_slope=0.1)'",
    )
    activity_regularizer: str | None = option(
        "--activity-regularizer",
        metavar="NAME",
        otherwise="none",
        help="Penalty on the output, for the report",
    )
    depthwise_initializer: str | None = option(
        "--depthwise-initializer",
        metavar="NAME",
        otherwise="glorot_uniform",
        help="How a fresh kernel is made",
    )
    bias_initializer: str | None = option(
        "--bias-initializer", metavar="NAME", otherwise="zeros", help="How a fresh bias is made"
    )
    depthwise_regularizer: str | None = option(
        "--depthwise-regularizer",
        metavar="NAME",
        otherwise="none",
        help="Penalty on the kernel, for the report, e.g. 'l2(0.01)'",
    )
    bias_regularizer: str | None = option(
        "--bias-regularizer", metavar="NAME", otherwise="none", help="Penalty on the bias, for the report"
    )
    depthwise_constraint: str | None = option(
        "--depthwise-constraint",
        metavar="NAME",
        otherwise="none",
        help="Projection of the kernel, e.g. 'max_norm(2)'",
    )
    bias_constraint: str | None = option(
        "--bias-constraint", metavar="NAME", otherwise="none", help="Projection of the bias"
    )
    dtype: str | None = option(
        "--dtype",
        type=choice(DTYPES),
        otherwise="what data and kernel need",
        help="Type of the arithmetic and the output",
    )
    config: str | None = option(
        "--config",
        metavar="FILE",
        multiple=True,
        help="Keras config of the layer as JSON; FILE::LAYER is one of a model's; '-' is standard input",
    )
    seed: int | None = option(
        "--seed",
        type=int,
        metavar="N",
        otherwise="drawn at random",
        help="Seed of fresh weights; the same seed gives the same numbers",
    )


@dataclass(frozen=True, kw_only=True)
class FilterOptions(LayerOptions, WeightsOptions):
    """Which layer meets which recordings, and how they are read."""

    strides: int | None = option(
        "--strides", type=int, metavar="N", otherwise="1", help="Steps between two outputs"
    )
    padding: str | None = option(
        "--padding", type=choice(PADDINGS), otherwise="valid", help="Where zeros are added to a recording"
    )
    dilation_rate: int | None = option(
        "--dilation-rate", type=int, metavar="N", otherwise="1", help="Steps between two taps"
    )
    algorithm: str = option(
        "--algorithm",
        type=ALGORITHM,
        default=AUTO,
        otherwise="auto, the one predicted fastest",
        help="How the sums are computed",
    )
    input_format: str | None = option(
        "--input-format",
        type=choice(FORMAT_NAMES),
        otherwise="by their suffixes",
        help="Format of the inputs",
    )
    steps: slice = option(
        "--slice",
        type=steps_of,
        metavar="START:STOP",
        default=slice(None),
        otherwise="all",
        help="Steps to take",
    )
    allow_external: bool = flag("--allow-external", help="Read HDF5 data that lies in other files")


def check_stream_format(inputs: Sequence[str], input_format: str | None) -> None:
    """Refuse a format for standard input that it cannot have.

    Raises
    ------
    click.UsageError
    """
    if input_format not in (None, "npy") and "-" in inputs:
        raise click.UsageError("standard input is an .npy stream; leave out --input-format, or name a file")
