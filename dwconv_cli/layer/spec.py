"""A layer and its weights as data that is checked once, when it is made: :class:`LayerSpec` and :class:`Weights`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dwconv_cli.choices import DATA_FORMATS, DTYPES, LARGEST, PADDINGS, DataFormat, DTypeName, Padding
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer import geometry
from dwconv_cli.layer.arguments import (
    Converted,
    array,
    default,
    dtype_name,
    instance,
    one_of,
    shape_of,
    whole_number,
)
from dwconv_cli.layer.axes import Array, Axes, other_data_format
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS, output_channels
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.keys import STEP_KEYS
from dwconv_cli.layer.registry import Choice, Registry
from dwconv_cli.text import counted, shown

Entry = Converted[Choice, Choice | str | Mapping[str, Any] | None]
OptionalEntry = Converted[Choice | None, Choice | str | Mapping[str, Any] | None]
Number = Converted[int, int | Sequence[int]]

CATALOGUES: dict[str, Registry[Any]] = {
    "activation": ACTIVATIONS,
    "depthwise_initializer": INITIALIZERS,
    "bias_initializer": INITIALIZERS,
    "depthwise_regularizer": REGULARIZERS,
    "bias_regularizer": REGULARIZERS,
    "activity_regularizer": REGULARIZERS,
    "depthwise_constraint": CONSTRAINTS,
    "bias_constraint": CONSTRAINTS,
}


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """Keras's ``DepthwiseConv1D``, by Keras's names.

    Parameters
    ----------
    kernel_size, strides, dilation_rate : int or sequence of one int
        Steps. At most one of `strides` and `dilation_rate` is above 1, as Keras documents.
    padding : str
        ``valid``, ``same`` or ``causal``, in any case. Keras's own DepthwiseConv1D has no ``causal``; it means here
        what it means in Keras's ``Conv1D``.
    depth_multiplier : int
        Output channels for each input channel, M.
    data_format : str
        ``channels_last`` for ``(batch, steps, channels)``, ``channels_first`` for ``(batch, channels, steps)``.
    activation, *_initializer, *_regularizer, *_constraint : Choice, str, mapping or None
        Catalogue entries, e.g. ``"relu(max_value=6)"``, or objects as Keras serializes them.
    use_bias : bool
    dtype : str or dtype, optional
        Compute and output dtype, e.g. ``"float64"`` or ``np.float64``, stored as its name. None means the dtype to
        which NumPy promotes data and kernel.
    name : str, optional
        The layer's name in a model.
    allow_strided_dilation : bool
        Allow `strides` and `dilation_rate` above 1 together. Keras's layer and ``keras.ops.depthwise_conv`` compute
        them, although the layer's documentation promises a ValueError, so there are trained layers of this kind.

    Raises
    ------
    LayerError
        If the layer is impossible.

    Examples
    --------
    >>> layer = LayerSpec(kernel_size=5, padding="same", activation="relu(max_value=6)")
    >>> layer.output_shape((1000, 3))
    (1000, 3)
    >>> print(layer.activation)
    relu(max_value=6)
    """

    kernel_size: int
    strides: Number = default(1)
    padding: Padding = "valid"
    depth_multiplier: int = 1
    data_format: DataFormat = "channels_last"
    dilation_rate: Number = default(1)
    activation: Entry = default(Choice("linear"))
    use_bias: bool = True
    depthwise_initializer: Entry = default(Choice("glorot_uniform"))
    bias_initializer: Entry = default(Choice("zeros"))
    depthwise_regularizer: OptionalEntry = default(None)
    bias_regularizer: OptionalEntry = default(None)
    activity_regularizer: OptionalEntry = default(None)
    depthwise_constraint: OptionalEntry = default(None)
    bias_constraint: OptionalEntry = default(None)
    dtype: Converted[DTypeName | None, DTypeLike | None] = default(None)
    name: str | None = None
    allow_strided_dilation: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        for key in (*STEP_KEYS, "depth_multiplier"):
            put(self, key, _positive(key, getattr(self, key)))
        put(self, "padding", one_of("padding", self.padding, PADDINGS))
        put(self, "data_format", one_of("data_format", self.data_format, DATA_FORMATS))
        if self.dtype is not None:
            put(self, "dtype", dtype_name("dtype", self.dtype, DTYPES))
        if self.strides > 1 and self.dilation_rate > 1 and not self.allow_strided_dilation:
            raise LayerError(
                f"strides={self.strides} with dilation_rate={self.dilation_rate}: "
                "at most one of the two may be above 1"
            )
        if not isinstance(self.use_bias, bool):
            raise LayerError(f"use_bias must be True or False, got {shown(self.use_bias)}")
        if self.name is not None:
            instance("name", self.name, str)
        for key, catalogue in CATALOGUES.items():
            value = getattr(self, key)
            if isinstance(value, str):
                put(self, key, catalogue.parse(value))
            else:
                # None stands for the field's default.
                put(self, key, getattr(LayerSpec, key) if value is None else catalogue.from_config(value))

    def _repr_html_(self) -> str:
        from dwconv_cli.layer.notebook import html_table

        rows = [(item.name, getattr(self, item.name)) for item in fields(self) if item.name != "name"]
        if not self.allow_strided_dilation:
            del rows[-1]
        return html_table("DepthwiseConv1D" if self.name is None else f"DepthwiseConv1D {self.name}", rows)

    @property
    def effective_kernel_size(self) -> int:
        """Steps from a kernel's first tap to its last."""
        return geometry.effective_kernel_size(self.kernel_size, self.dilation_rate)

    def output_steps(self, steps: int) -> int:
        """Length of the output for a recording of `steps` steps.

        Raises
        ------
        ShapeError
            If nothing would be left.
        """
        steps = whole_number("steps", steps, 0)
        output = geometry.output_steps(
            steps, self.kernel_size, self.strides, self.padding, self.dilation_rate
        )
        if output < 1:
            advice = "shorten the kernel or use --padding same" if steps else "nothing can be filtered"
            raise ShapeError(
                f"{steps} steps are too few for padding={self.padding} with an effective kernel size of "
                f"{self.effective_kernel_size}; {advice}"
            )
        return output

    def pad_amounts(self, steps: int) -> tuple[int, int]:
        """Zero steps left and right of a recording of `steps` steps."""
        steps = whole_number("steps", steps, 0)
        return geometry.pad_amounts(steps, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the output for data of `shape`, rank 1 to 3.

        Raises
        ------
        ShapeError
            If the rank is another, or nothing would be left.
        """
        shape = shape_of(shape)
        axes = Axes(len(shape), self.data_format)
        batch, steps, channels = axes.canonical_shape(shape)
        steps, channels = self.activated_steps(self.output_steps(steps)), self.output_channels(channels)
        return axes.of_output(channels).arrange(batch, steps, channels)

    def activated_steps(self, steps: int) -> int:
        """Steps after the activation: `steps`, but half of them if glu halves the axis of steps.

        Raises
        ------
        LayerError
            If glu is to halve an odd number.
        """
        if self.data_format == "channels_first":
            return output_channels(self.activation, steps)
        return steps

    def unactivated_steps(self, steps: int) -> int:
        """Steps before the activation, if it returns `steps`; the inverse of :meth:`activated_steps`."""
        return 2 * steps if self.activated_steps(2) == 1 else steps

    def output_channels(self, channels: int) -> int:
        """Channels of the output, ``channels * depth_multiplier`` unless the activation halves them (glu)."""
        total = channels * self.depth_multiplier
        return output_channels(self.activation, total) if self.data_format == "channels_last" else total


@dataclass(frozen=True, eq=False)
class Weights:
    """A kernel and maybe a bias.

    Parameters
    ----------
    kernel : array_like, shape (K, C, M), (K, C) or (K,)
        Taps of a correlation, so not flipped. Stored as ``(K, C, M)``; one of ``(K,)`` as ``(K, 1, 1)`` and `shared`.
    bias : array_like, shape (C*M,), optional
    shared : bool
        The kernel is one of ``(K, 1, M)`` that fits any number of channels.

    Raises
    ------
    ShapeError
        If they have other shapes, do not fit each other, or hold no numbers.

    Examples
    --------
    >>> weights = Weights([0.25, 0.5, 0.25])
    >>> weights.shared, weights.for_channels(6).kernel.shape
    (True, (3, 6, 1))
    """

    kernel: Array
    bias: Array | None = None
    shared: bool = False

    if TYPE_CHECKING:  # the fields are made from more types than they have

        def __init__(
            self, kernel: ArrayLike, bias: ArrayLike | None = None, shared: bool = False
        ) -> None: ...

    def __post_init__(self) -> None:
        kernel = array("kernel", self.kernel)
        shape = kernel.shape
        if kernel.ndim not in (1, 2, 3) or not kernel.size:
            raise ShapeError(f"a kernel has shape (K, C, M), (K, C) or (K,), got {shape}")
        kernel = kernel.reshape(shape + (1,) * (3 - kernel.ndim))
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "shared", len(shape) == 1 or self.shared)
        if self.shared and kernel.shape[1] != 1:
            raise ShapeError(f"a shared kernel has shape (K, 1, M) or (K,), got {shape}")
        if self.bias is not None:
            object.__setattr__(self, "bias", array("bias", self.bias))
        for what, numbers in (("kernel", kernel), ("bias", self.bias)):
            dtype = kernel.dtype if numbers is None else numbers.dtype
            if dtype.kind not in "biufc" or dtype.itemsize > 8 * (1 + (dtype.kind == "c")):
                raise ShapeError(f"a {what} holds numbers of at most 64 bits, got {dtype}")
        if self.bias is not None:
            outputs = kernel.shape[1] * kernel.shape[2]
            if self.bias.ndim != 1 or (self.bias.shape[0] != outputs and not self.shared):
                raise ShapeError(
                    f"the bias has shape {self.bias.shape}, the kernel {kernel.shape} needs ({outputs},)"
                )

    def for_channels(self, channels: int, data_format: DataFormat = "channels_last") -> Weights:
        """These weights for data of `channels` channels; a shared kernel is repeated.

        Raises
        ------
        ShapeError
            If the kernel is for another number of channels.
        """
        size, own, multiplier = self.kernel.shape
        if whole_number("channels", channels, 0) == 0:
            raise ShapeError("data without channels cannot be filtered; no kernel fits it")
        if self.shared:
            kernel = np.broadcast_to(self.kernel, (size, channels, multiplier))
            return Weights(kernel, self.bias)
        if own != channels:
            other = other_data_format(data_format)
            raise ShapeError(
                f"{counted(channels, 'channel')} ({data_format}), but the kernel {self.kernel.shape} is for {own}; "
                f"try --data-format {other} or another kernel"
            )
        return self


def _positive(key: str, value: Any) -> int:
    number = whole_number(key, value[0] if isinstance(value, list | tuple) and len(value) == 1 else value)
    if number > LARGEST:
        raise LayerError(f"{key} must be at most {LARGEST}, got {number}")
    return number
