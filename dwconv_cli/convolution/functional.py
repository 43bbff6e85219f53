"""The layer as one function over arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.choices import AUTO, AlgorithmName, DataFormat, Padding
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.arguments import array
from dwconv_cli.layer.axes import Array, Axes
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.text import shown

# A larger kernel is prepared anew for each call; what is prepared from a kernel may take a few times its bytes.
LARGEST_KEPT_KERNEL_BYTES = 1 << 20

# Dtype, rank and channels of data; shape, dtype and content of an array.
_Data = tuple[np.dtype[Any], int, int]
_ArrayKey = tuple[tuple[int, ...], np.dtype[Any], bytes]


def depthwise_conv1d(
    inputs: Any,
    kernel: Any,
    bias: Any = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "valid",
    data_format: DataFormat = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
    activation: str | Choice | Mapping[str, Any] | None = None,
    dtype: DTypeLike | None = None,
    algorithm: AlgorithmName = AUTO,
    threads: int | None = None,
    out: Array | None = None,
) -> Array:
    """Convolve each channel with kernels of its own, as ``keras.ops.depthwise_conv`` does in one dimension.

    Parameters
    ----------
    inputs : array_like, shape (batch, steps, channels), (steps, channels) or (steps,)
        ``(batch, channels, steps)`` or ``(channels, steps)`` with ``data_format="channels_first"``.
    kernel : array_like, shape (K, C, M), (K, C) or (K,)
        Correlation taps; ``(K,)`` is shared by all channels.
    bias : array_like, shape (C*M,), optional
    strides, dilation_rate : int or sequence of one int
        Both may be above 1, as in ``keras.ops.depthwise_conv``.
    padding : str
        ``valid``, ``same`` or ``causal``.
    data_format : str
    activation : str, Choice or mapping, optional
        E.g. ``"relu(max_value=6)"``, or as Keras serializes it.
    dtype : str or dtype, optional
        Compute and output dtype, e.g. ``np.float64``; the promotion of data and kernel by default.
    algorithm : str
    threads : int, optional
        At most as many; all processors by default. The result does not depend on it.
    out : ndarray, optional
        Written and returned; must have the output's shape and dtype.

    Returns
    -------
    ndarray
        Same rank as `inputs`; rank 1 becomes rank 2 when M is above 1.

    Raises
    ------
    LayerError, ShapeError
        If layer and arrays are impossible or do not fit each other.

    Examples
    --------
    Two channels of four steps; the difference of neighbouring steps in the first channel, their sum in the second:

    >>> import numpy as np
    >>> from dwconv_cli import depthwise_conv1d
    >>> inputs = np.array([[1, 10], [2, 20], [4, 40], [8, 80]], "float32")
    >>> kernel = np.array([[-1, 1], [1, 1]], "float32")
    >>> depthwise_conv1d(inputs, kernel)
    array([[  1.,  30.],
           [  2.,  60.],
           [  4., 120.]], dtype=float32)
    >>> depthwise_conv1d(inputs, kernel, strides=2, padding="causal", activation="relu")
    array([[ 1., 10.],
           [ 2., 60.]], dtype=float32)
    """
    x = array("inputs", inputs)
    kernel = array("kernel", kernel)
    bias = None if bias is None else array("bias", bias)
    options = (strides, padding, data_format, dilation_rate, activation, dtype, algorithm, threads)
    convolution = _convolution(x, kernel, bias, options)
    _, axes, left, output_axes, shape = convolution.placed(x.shape)
    if out is None:
        out = np.empty(shape, convolution.precision.output)
    elif not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise ShapeError(f"out must be an array that can be written, got {shown(out)}")
    elif out.shape != shape or out.dtype != convolution.precision.output:
        raise ShapeError(
            f"out has shape {out.shape} {out.dtype}, the output has {shape} {convolution.precision.output}"
        )
    elif np.may_share_memory(out, x):
        # Outputs would overwrite steps that are still to be read.
        x = x.copy()
    convolution.run(axes.canonical(x), left, output_axes.canonical(out), 0)
    return out


def _convolution(x: Array, kernel: Array, bias: Array | None, options: tuple[Any, ...]) -> Convolution:
    """The convolution for `x`, from an earlier call if that had the same kernel, bias and options.

    A small call would otherwise take longer to prepare than to compute.
    """
    channels_axis = -2 if str(options[2]).lower() == "channels_first" else -1
    data = (x.dtype, x.ndim, x.shape[channels_axis] if x.ndim > 1 else 1)
    if kernel.nbytes <= LARGEST_KEPT_KERNEL_BYTES and not kernel.dtype.hasobject:
        key = None if bias is None else (bias.shape, bias.dtype, bias.tobytes())
        # The key has the options as text too, since 1, 1.0 and True are equal, but not all of them are strides.
        with suppress(TypeError):  # an option that cannot be part of a key, such as a list of one stride
            return _prepared_once(
                data, (kernel.shape, kernel.dtype, kernel.tobytes()), key, options, repr(options)
            )
    return _prepared(data, kernel, bias, options)


@lru_cache(maxsize=32)
def _prepared_once(
    data: _Data, kernel: _ArrayKey, bias: _ArrayKey | None, options: tuple[Any, ...], _: str
) -> Convolution:
    # These arrays are read from the key, since the caller may change its own later.
    return _prepared(data, np.ndarray(*kernel), None if bias is None else np.ndarray(*bias), options)


def _prepared(data: _Data, kernel: Array, bias: Array | None, options: tuple[Any, ...]) -> Convolution:
    dtype, rank, channels = data
    strides, padding, data_format, dilation_rate, activation, output_dtype, algorithm, threads = options
    weights = Weights(kernel, bias)
    layer = LayerSpec(
        kernel_size=weights.kernel.shape[0],
        strides=strides,
        padding=padding,
        depth_multiplier=weights.kernel.shape[2],
        data_format=data_format,
        dilation_rate=dilation_rate,
        activation=activation,
        dtype=output_dtype,
        allow_strided_dilation=True,
    )
    Axes(rank)  # refuses other ranks than 1 to 3
    return Convolution(layer, weights, channels, dtype, algorithm=algorithm, threads=threads)
