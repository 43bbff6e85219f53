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
    STREAM_FORMATS,
    AlgorithmName,
    DataFormat,
    DTypeName,
    FormatName,
    KernelLayout,
    Padding,
)
from dwconv_cli.cli.declaring import flag, option
from dwconv_cli.cli.sections import INPUT, LAYER, WEIGHTS
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
    return _Choice(values, case_sensitive=False)


# What other programs call the choices of some options.
_OTHER_NAMES = {
    "nwc": "channels_last",
    "ntc": "channels_last",
    "last": "channels_last",
    "ncw": "channels_first",
    "nct": "channels_first",
    "first": "channels_first",
    "single": "float32",
    "float": "float32",
    "f4": "float32",
    "double": "float64",
    "f8": "float64",
    "fft": "overlap-save",
    "oaconvolve": "overlap-save",
}


class _Choice(click.Choice[str]):
    """Words of which one is chosen; another word is refused with the one that was probably meant."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            from difflib import get_close_matches

            word = value.strip().lower()
            likely = (
                [_OTHER_NAMES[word]] if word in _OTHER_NAMES else get_close_matches(word, self.choices, 1)
            )
            if not likely or likely[0] not in self.choices:
                raise
            self.fail(f"{error.message.rstrip('.')}; did you mean {likely[0]}?", param, ctx)


class _Algorithm(_Choice):
    """The names of algorithms, and a word on one that is no more."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value.lower() == REMOVED_ALGORITHM:
            self.fail(f"{REMOVED_ADVICE}; use --algorithm direct", param, ctx)
        return super().convert(value, param, ctx)


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class _ArrayOptions:
    """Where weights are read."""

    kernel: str | None = option(
        "-k --kernel ADDR",
        "Kernel alone: an array of shape (K, C, M), (K, C), or (K,) for all channels; its first tap meets the "
        "earliest step, as in Keras; the taps of lfilter and convolve stand the other way round, and need --flip",
        section=WEIGHTS,
        once=True,
    )
    bias: str | None = option(
        "-b --bias ADDR",
        "Bias of shape (C*M,) that belongs to --kernel, --design or --taps",
        section=WEIGHTS,
        once=True,
    )
    weights: str | None = option(
        "-w --weights ADDR",
        "Kernel and bias in one file: .npz, .safetensors or an HDF5 group with 'kernel' and 'bias', or a layer of a "
        "Keras model (.keras, .weights.h5, .h5), with its settings where the file holds them",
        section=WEIGHTS,
        once=True,
    )


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class ReadingOptions:
    """How weights are understood."""

    kernel_layout: KernelLayout = option(
        "--kernel-layout",
        "Order of the kernel's axes: keras is (K, C, M), torch is (C*M, 1, K) as in PyTorch's Conv1d",
        "keras",
        section=WEIGHTS,
        type=choice(KERNEL_LAYOUTS),
    )
    assume_depthwise: bool = flag(
        "--assume-depthwise",
        "Read layers of classes that only their model knows as DepthwiseConv1D layers",
        section=WEIGHTS,
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WeightsOptions(ReadingOptions, _ArrayOptions):
    """Which weights are read, and how."""


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class LayerOptions:
    """What makes a layer, and fresh weights for it; most names are those of the fields of LayerSpec."""

    kernel_size: int | None = option(
        "--kernel-size K",
        "Fresh weights of K taps, as a new Keras layer draws them; with --design the number of its taps",
        section=WEIGHTS,
        type=int,
    )
    design: str | None = option(
        "--design 'NAME(args)'",
        "Filter for all channels, e.g. 'lowpass(5)', 'bandpass(5, 15)' or 'savgol(polyorder=3)', with frequencies in Hz; "
        "dwconv list designs names all. --kernel-size is its number of taps, else its transition decides that",
        section=WEIGHTS,
        once=True,
    )
    taps: str | None = option(
        "--taps N,N...",
        "Kernel for all channels, e.g. 0.25,0.5,0.25; its first tap meets the earliest step",
        section=WEIGHTS,
        once=True,
    )
    flip: bool = flag(
        "--flip",
        "Reverse the taps of any kernel: a convolution, as of lfilter, where Keras correlates",
        section=WEIGHTS,
    )
    fs: float | None = option(
        "--fs HZ",
        "Sampling rate, for the frequencies of --design, and for seconds and Hz in reports",
        section=INPUT,
        type=rate_of,
        otherwise="as an attribute of the recording says, else frequencies are in cycles per step",
    )
    depth_multiplier: int | None = option(
        "--depth-multiplier M",
        "Outputs for each channel",
        section=LAYER,
        type=int,
        otherwise="as the weights, else 1",
    )
    data_format: DataFormat | None = option(
        "--data-format",
        "Order of the axes of recordings: channels_last is (steps, C), channels_first is (C, steps)",
        section=LAYER,
        type=choice(DATA_FORMATS),
        otherwise="as in keras.json, else channels_last",
    )
    use_bias: bool | None = option(
        "--use-bias/--no-bias",
        "Add a bias, or leave it out",
        section=LAYER,
        otherwise="as the weights, and with a bias for fresh ones",
    )
    activation: str | None = option(
        "--activation NAME",
        "Function of the sums, e.g. relu or 'leaky_relu(negative_slope=0.1)'",
        section=LAYER,
        otherwise="linear",
    )
    activity_regularizer: str | None = option(
        "--activity-regularizer NAME", "Penalty on the output, for the report", section=LAYER
    )
    depthwise_initializer: str | None = option(
        "--depthwise-initializer NAME",
        "How a fresh kernel is made",
        section=WEIGHTS,
        otherwise="glorot_uniform",
    )
    bias_initializer: str | None = option(
        "--bias-initializer NAME", "How a fresh bias is made", section=WEIGHTS, otherwise="zeros"
    )
    depthwise_regularizer: str | None = option(
        "--depthwise-regularizer NAME",
        "Penalty on the kernel, for the report, e.g. 'l2(0.01)'",
        section=LAYER,
    )
    bias_regularizer: str | None = option(
        "--bias-regularizer NAME", "Penalty on the bias, for the report", section=LAYER
    )
    depthwise_constraint: str | None = option(
        "--depthwise-constraint NAME",
        "Projection of the kernel before it is used, e.g. 'max_norm(2)'",
        section=LAYER,
    )
    bias_constraint: str | None = option(
        "--bias-constraint NAME", "Projection of the bias before it is used", section=LAYER, otherwise="none"
    )
    dtype: DTypeName | None = option(
        "--dtype",
        "Type of the arithmetic and the output",
        section=LAYER,
        type=choice(DTYPES),
        otherwise="what data and kernel need",
    )
    config: str | None = option(
        "--config FILE",
        "Keras config of the layer as JSON; FILE::LAYER is one of a model's; '-' is standard input",
        section=LAYER,
        once=True,
    )
    seed: int | None = option(
        "--seed N",
        "Seed of fresh weights; the same seed gives the same numbers",
        section=WEIGHTS,
        type=int,
        otherwise="drawn at random",
    )


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class _StepOptions:
    """Which steps the taps meet."""

    strides: int | None = option(
        "--strides N",
        "Steps from one output to the next; 2 keeps every other output",
        section=LAYER,
        type=int,
        otherwise="1",
    )
    padding: Padding | None = option(
        "--padding",
        "Zeros around a recording: valid adds none, so the output is shorter by the kernel's length less 1; same "
        "adds them at both ends, so the output is as long as the input and not delayed by a symmetric kernel; "
        "causal adds them at the start, so no output waits for later steps. causal is an extension of dwconv: "
        "Keras has it for Conv1D only",
        section=LAYER,
        type=choice(PADDINGS),
        otherwise="valid",
    )
    dilation_rate: int | None = option(
        "--dilation-rate N",
        "Steps from one tap to the next; 2 meets every other step",
        section=LAYER,
        type=int,
        otherwise="1",
    )


@dataclass(frozen=True, kw_only=True, init=False, eq=False, repr=False)
class FilterOptions(LayerOptions, _StepOptions, WeightsOptions):
    """Which layer meets which recordings, and how they are read."""

    algorithm: AlgorithmName = option(
        "--algorithm",
        "How the sums are computed: direct adds tap after tap, with the same bits on every machine; overlap-save "
        "multiplies spectra, which is faster for long kernels and rounds differently; auto takes the one that is "
        "predicted to be faster, and the report names it",
        AUTO,
        section=LAYER,
        type=_Algorithm(ALGORITHM_NAMES, case_sensitive=False),
    )
    input_format: FormatName | None = option(
        "--input-format",
        "Format of the inputs",
        section=INPUT,
        type=choice(FORMAT_NAMES),
        otherwise="by their suffixes",
    )
    steps: slice = option(
        "--slice START:STOP",
        "Steps to take, counted from 0, from START on and before STOP",
        slice(None),
        section=INPUT,
        type=steps_of,
        otherwise="all",
    )
    allow_external: bool = flag("--allow-external", "Read HDF5 data that lies in other files", section=INPUT)


def check_stream_format(inputs: Sequence[str], input_format: str | None) -> None:
    """Refuse a format that standard input cannot have."""
    if input_format not in (None, *STREAM_FORMATS) and "-" in inputs:
        raise click.UsageError(
            "standard input is an .npy stream, or with --input-format csv or wav a table or sound; leave out --input-format, or name "
            "a file"
        )
