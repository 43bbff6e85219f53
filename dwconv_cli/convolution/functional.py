"""The layer as one function over arrays in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from dwconv_cli.arrays import Array
from dwconv_cli.choices import AUTO
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.arguments import array
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.text import shown


def depthwise_conv1d(
    inputs: Any,
    kernel: Any,
    bias: Any = None,
    *,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: int | Sequence[int] = 1,
    activation: str | Choice | Mapping[str, Any] | None = None,
    dtype: DTypeLike | None = None,
    algorithm: str = AUTO,
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
    """
    x = array("inputs", inputs)
    taps = array("kernel", kernel)
    shift = None if bias is None else array("bias", bias)
    options = (strides, padding, data_format, dilation_rate, activation, dtype)
    convolution = _RECENT.get(x, taps, shift, options, algorithm, threads)
    axes, left, output_axes, shape = convolution.placed(x.shape)
    if out is None:
        out = np.empty(shape, convolution.precision.output)
    elif not isinstance(out, np.ndarray) or not out.flags.writeable:
        raise ShapeError(f"out must be an array that can be written, got {shown(out)}")
    elif out.shape != shape or out.dtype != convolution.precision.output:
        wanted = f"{shape} {convolution.precision.output}"
        raise ShapeError(f"out has shape {out.shape} {out.dtype}, the output has {wanted}")
    elif np.may_share_memory(out, x):
        # What is written may still have to be read.
        x = x.copy()
    convolution.run(axes.canonical(x), left, output_axes.canonical(out), 0)
    return out


class _Recent:
    """Convolutions of recent calls: a small call would take longer to prepare than to compute."""

    # Of kernels; what is prepared from one is at most a few times as large.
    BYTES = 1 << 20
    NUMBER = 32

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, Convolution] = OrderedDict()

    def get(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        options: tuple[Any, ...],
        algorithm: str,
        threads: int | None,
    ) -> Convolution:
        """The convolution of this kernel and these options, made now or before."""
        if kernel.nbytes > self.BYTES:
            return _made(x, kernel, bias, options, algorithm, threads)
        shift = None if bias is None else (bias.dtype.str, bias.shape, bias.tobytes())
        last = str(options[2]).lower() == "channels_last"
        channels_axis = x.shape[-1 if last else -2] if x.ndim > 1 else 1
        data = (x.dtype.str, channels_axis, x.ndim)
        taps = (kernel.dtype.str, kernel.shape, kernel.tobytes())
        # Equality is not enough: 1, 1.0 and True are equal, but not all of them are strides.
        key = (data, taps, shift, options, repr(options), algorithm, threads)
        try:
            with self._lock:
                found = self._held.get(key)
                if found is not None:
                    self._held.move_to_end(key)
                    return found
        except TypeError:
            # A list of one stride, as Keras allows.
            return _made(x, kernel, bias, options, algorithm, threads)
        # The caller may change its own arrays later.
        found = _made(x, kernel.copy(), None if bias is None else bias.copy(), options, algorithm, threads)
        with self._lock:
            self._held[key] = found
            while len(self._held) > self.NUMBER:
                self._held.popitem(last=False)
        return found


_RECENT = _Recent()


def _made(
    x: Array,
    kernel: Array,
    bias: Array | None,
    options: tuple[Any, ...],
    algorithm: str,
    threads: int | None,
) -> Convolution:
    strides, padding, data_format, dilation_rate, activation, dtype = options
    weights = Weights(kernel, bias)
    layer = LayerSpec(
        kernel_size=weights.kernel.shape[0],
        strides=strides,
        padding=padding,
        depth_multiplier=weights.kernel.shape[2],
        data_format=data_format,
        dilation_rate=dilation_rate,
        activation=activation,
        dtype=dtype,
        allow_strided_dilation=True,
    )
    channels = Axes(x.ndim, layer.data_format).canonical_shape(x.shape)[2]
    return Convolution(layer, weights, channels, x.dtype, algorithm=algorithm, threads=threads)
