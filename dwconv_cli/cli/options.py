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
from dwconv_cli.cli.values import rate_of, steps_of


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


@dataclass(frozen=True, kw_only=True)
class _ArrayOptions:
    """Where weights are read."""

    kernel: str | None = option(
        "-k --kernel ADDR", "Kernel of shape (K, C, M), (K, C), or (K,) for all channels", once=True
    )
    bias: str | None = option("-b --bias ADDR", "Bias of shape (C*M,), for --kernel", once=True)
    weights: str | None = option("-w --weights ADDR", "File that holds kernel and bias together", once=True)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How weights are understood."""

    kernel_layout: str = option(
        "--kernel-layout",
        "Order of the kernel's axes: keras is (K, C, M), torch is (C*M, 1, K)",
        "keras",
        type=choice(KERNEL_LAYOUTS),
    )
    assume_depthwise: bool = flag(
        "--assume-depthwise", "Read layers of unknown classes as DepthwiseConv1D layers"
    )


@dataclass(frozen=True, kw_only=True)
class WeightsOptions(ReadingOptions, _ArrayOptions):
    """Which weights are read, and how."""


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """What makes a layer, and fresh weights for it; most names are those of the fields of LayerSpec."""

    kernel_size: int | None = option("--kernel-size K", "Number of taps of fresh weights", type=int)
    depth_multiplier: int | None = option(
        "--depth-multiplier M", "Outputs for each channel", type=int, otherwise="as the weights, else 1"
    )
    data_format: str | None = option(
        "--data-format",
        "Order of steps and channels in recordings",
        type=choice(DATA_FORMATS),
        otherwise="as in keras.json, else channels_last",
    )
    use_bias: bool | None = option(
        "--use-bias/--no-bias",
        "Add a bias, or leave it out",
        otherwise="as the weights, and with a bias for fresh ones",
    )
    activation: str | None = option(
        "--activation NAME",
        "Function of the sums, e.g. relu or 'leaky_relu(negative_slope=0.1)'",
        otherwise="linear",
    )
    activity_regularizer: str | None = option(
        "--activity-regularizer NAME", "Penalty on the output, for the report"
    )
    depthwise_initializer: str | None = option(
        "--depthwise-initializer NAME", "How a fresh kernel is made", otherwise="glorot_uniform"
    )
    bias_initializer: str | None = option(
        "--bias-initializer NAME", "How a fresh bias is made", otherwise="zeros"
    )
    depthwise_regularizer: str | None = option(
        "--depthwise-regularizer NAME", "Penalty on the kernel, for the report, e.g. 'l2(0.01)'"
    )
    bias_regularizer: str | None = option("--bias-regularizer NAME", "Penalty on the bias, for the report")
    depthwise_constraint: str | None = option(
        "--depthwise-constraint NAME", "Projection of the kernel, e.g. 'max_norm(2)'"
    )
    bias_constraint: str | None = option("--bias-constraint NAME", "Projection of the bias", otherwise="none")
    dtype: str | None = option(
        "--dtype",
        "Type of the arithmetic and the output",
        type=choice(DTYPES),
        otherwise="what data and kernel need",
    )
    config: str | None = option(
        "--config FILE",
        "Keras config of the layer as JSON; FILE::LAYER is one of a model's; '-' is standard input",
        once=True,
    )
    seed: int | None = option(
        "--seed N",
        "Seed of fresh weights; the same seed gives the same numbers",
        type=int,
        otherwise="drawn at random",
    )


@dataclass(frozen=True, kw_only=True)
class FilterOptions(LayerOptions, WeightsOptions):
    """Which layer meets which recordings, and how they are read."""

    strides: int | None = option("--strides N", "Steps between two outputs", type=int, otherwise="1")
    padding: str | None = option(
        "--padding", "Where zeros are added to a recording", type=choice(PADDINGS), otherwise="valid"
    )
    dilation_rate: int | None = option("--dilation-rate N", "Steps between two taps", type=int, otherwise="1")
    algorithm: str = option(
        "--algorithm",
        "How the sums are computed",
        AUTO,
        type=_Algorithm(ALGORITHM_NAMES, case_sensitive=False),
        otherwise="auto, the one predicted fastest",
    )
    input_format: str | None = option(
        "--input-format", "Format of the inputs", type=choice(FORMAT_NAMES), otherwise="by their suffixes"
    )
    steps: slice = option("--slice START:STOP", "Steps to take", slice(None), type=steps_of, otherwise="all")
    fs: float | None = option(
        "--fs HZ",
        "Sampling rate, for seconds and Hz",
        type=rate_of,
        otherwise="as an attribute of the recording",
    )
    allow_external: bool = flag("--allow-external", "Read HDF5 data that lies in other files")


def check_stream_format(inputs: Sequence[str], input_format: str | None) -> None:
    """Refuse a format that standard input cannot have."""
    if input_format not in (None, "npy") and "-" in inputs:
        raise click.UsageError("standard input is an .npy stream; leave out --input-format, or name a file")
