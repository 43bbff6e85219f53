"""Kernels that are typed instead of read: filter designs and lists of taps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.convolution.precision import precision
from dwconv_cli.errors import LayerError
from dwconv_cli.layer import arguments
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.designs import DESIGNS, designed
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.initializers.designed_kernels import for_channels
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.registry.calls import read_call
from dwconv_cli.text import shown

SINGLE = np.dtype(np.float32)


class TypedKernel(NamedTuple):
    """A kernel ``(K,)`` or ``(K, C)``, or ``(K, C, M)`` for several outputs a channel.

    With it the design that it comes from, in which all that was not typed is filled in, the sampling rate of its
    frequencies where that is known, and notes.
    """

    kernel: Array
    design: Choice | None = None
    fs: float | None = None
    notes: tuple[str, ...] = ()


def design_of(value: Any) -> Choice:
    """`value`, a call such as ``lowpass(5)`` or a Choice, as a design.

    Raises
    ------
    LayerError
        If it is none, or its arguments are impossible.

    Examples
    --------
    >>> print(design_of("bandpass(5, 15)"))
    bandpass(low=5, high=15)
    """
    if isinstance(value, Choice):
        return DESIGNS.from_config(value)
    if not isinstance(value, str):
        raise LayerError(f"design must be a call such as 'lowpass(5)', got {shown(value)}")
    name, _ = read_call("design", value)
    if INITIALIZERS.has(name) and not DESIGNS.has(name):
        raise LayerError(
            f"design {shown(name)}: this is an initializer and no design; use --depthwise-initializer {name}"
        )
    return DESIGNS.parse(value)


def numbers_of(value: Any) -> tuple[complex, ...]:
    """`value`, a sequence of numbers, as a tuple of Python's."""
    taps = arguments.array("taps", value if not isinstance(value, Iterable) else list(value))
    if taps.ndim != 1 or not taps.size or taps.dtype.kind not in "iufc" or not np.isfinite(taps).all():
        raise LayerError(f"taps must be a list of finite numbers, e.g. [0.25, 0.5, 0.25], got {shown(value)}")
    return tuple(taps.tolist())


def from_taps(
    taps: tuple[complex, ...], dtype: np.dtype[Any], channels: int | None, multiplier: int
) -> TypedKernel:
    """A kernel of typed taps."""
    return TypedKernel(_kernel("taps", np.array(taps), dtype, channels, multiplier))


def from_design(
    choice: Choice,
    size: int | None,
    typed_fs: float | None,
    recorded_fs: float | None,
    dtype: np.dtype[Any],
    channels: int | None,
    multiplier: int,
) -> TypedKernel:
    """A kernel from a design, of `size` taps or of as many as it takes.

    The sampling rate in the design itself counts more than `typed_fs`, and that more than the recording's own.
    """
    arguments_typed = dict(choice.arguments)
    fs = arguments_typed.get("fs", recorded_fs if typed_fs is None else typed_fs)
    taps, whole, notes = designed(choice, size, fs)
    if recorded_fs is not None and fs != recorded_fs and "fs" in DESIGNS.arguments(choice.name):
        notes = (
            *notes,
            f"fs is {fs:g}, as typed; the recording's attributes say {recorded_fs:g}",
        )
    kernel = _kernel(choice.name, taps, dtype, channels, multiplier)
    if not np.isfinite(kernel).all():
        raise LayerError(f"design {whole}: its taps are too large for {kernel.dtype}; use a wider dtype")
    return TypedKernel(kernel, whole, fs, notes)


def check_rates(choice: Choice, fs: float | None) -> None:
    """Refuse a sampling rate that contradicts the one in the design."""
    own = dict(choice.arguments).get("fs")
    if own is not None and fs is not None and own != fs:
        raise LayerError(f"--fs {fs:g} contradicts fs={own:g} in the design; leave out one of the two")


def taps_dtype(data: np.dtype[Any] | None, typed: str | None) -> np.dtype[Any]:
    """The real dtype to which typed taps are rounded: `typed`, else that in which the data is computed.

    Without data a file is to hold them: float32, as of fresh weights.
    """
    if data is None:
        return np.dtype(typed or SINGLE)
    compute = precision(data, SINGLE, typed).compute
    return np.empty(0, compute).real.dtype


def _kernel(name: str, taps: Array, dtype: np.dtype[Any], channels: int | None, multiplier: int) -> Array:
    """Taps as a kernel; one that several outputs of a channel share is repeated for them."""
    if taps.dtype.kind == "c":
        dtype = np.promote_types(dtype, np.complex64)
    if channels is not None and taps.ndim > 1:
        taps = for_channels(name, taps, (len(taps), channels))
    if multiplier > 1:
        columns = taps.shape[1] if taps.ndim > 1 else channels or 1
        taps = for_channels(name, taps, (len(taps), columns, multiplier))
    with np.errstate(all="ignore"):
        return np.asarray(taps.astype(dtype))
