"""A recording in pieces: :class:`StreamingConv`, the public class for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.choices import AUTO, AlgorithmName
from dwconv_cli.convolution.blockwise import BlockwiseConvolution
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import ShapeError
from dwconv_cli.layer.arguments import any_dtype, array, instance, whole_number
from dwconv_cli.layer.axes import Array, Axes
from dwconv_cli.layer.spec import LayerSpec, Weights


class StreamingConv:
    """Filters a recording, or a batch of equally long ones, block by block.

    The outputs, joined, are the same bits as those of the whole recording, however it is split.

    Parameters
    ----------
    layer : LayerSpec
    weights : Weights
    channels : int, optional
        Needed only where the kernel is shared by all channels.
    dtype : dtype, optional
        Of the blocks to come; float32 by default.
    batch : int
        Recordings side by side.
    steps : int, optional
        Length of the recording, where it is known; ``same`` with strides above 1 needs it.
    algorithm : str
    threads : int, optional
        At most as many; all processors by default.

    Raises
    ------
    LayerError
        If the layer needs the length and it is not given.

    Examples
    --------
    A sum over three steps, of a recording that comes in two blocks:

    >>> import numpy as np
    >>> from dwconv_cli import LayerSpec, StreamingConv, Weights
    >>> layer = LayerSpec(kernel_size=3, padding="same")
    >>> stream = StreamingConv(layer, Weights(np.ones((3, 1), "float32")))
    >>> stream.push([[1.0], [2.0]])
    array([[3.]], dtype=float32)
    >>> stream.push([[3.0], [4.0]])
    array([[6.],
           [9.]], dtype=float32)
    >>> stream.finish()
    array([[[7.]]], dtype=float32)
    """

    def __init__(
        self,
        layer: LayerSpec,
        weights: Weights,
        *,
        channels: int | None = None,
        dtype: Any = np.float32,
        batch: int = 1,
        steps: int | None = None,
        algorithm: AlgorithmName = AUTO,
        threads: int | None = None,
    ) -> None:
        instance("layer", layer, LayerSpec)
        channels = instance("weights", weights, Weights).kernel.shape[1] if channels is None else channels
        dtype = any_dtype("dtype", dtype)
        batch = whole_number("batch", batch, 0)
        steps = None if steps is None else whole_number("steps", steps, 0)
        self.convolution = Convolution(layer, weights, channels, dtype, algorithm=algorithm, threads=threads)
        self._blockwise = BlockwiseConvolution(self.convolution, batch, steps)

    def push(self, block: Any) -> Array:
        """Take the next steps, give the outputs they complete.

        Parameters
        ----------
        block : array_like, shape as for :func:`~dwconv_cli.depthwise_conv1d`
            Any number of steps; rank 1, 2 or 3.

        Returns
        -------
        ndarray
            Outputs not given before, maybe none, of the block's rank.
        """
        block = array("block", block)
        convolution, expected_batch = self.convolution, self._blockwise.batch
        axes = Axes(block.ndim, convolution.layer.data_format)
        batch, steps, channels = axes.canonical_shape(block.shape)
        if (batch, channels) != (expected_batch, convolution.channels):
            expected = f"{expected_batch} recordings of {convolution.channels} channels"
            raise ShapeError(f"a block of {batch} recordings of {channels} channels, expected {expected}")
        if not np.can_cast(block.dtype, convolution.precision.compute, "same_kind"):
            raise ShapeError(f"a block of {block.dtype}, expected {convolution.precision.compute}")
        with np.errstate(all="ignore"):
            self._blockwise.space(steps)[...] = axes.canonical(block)
        return axes.of_output(convolution.output_channels).restore(self._blockwise.advance(steps))

    def finish(self) -> Array:
        """The outputs that were waiting for the end of the recording; shape (batch, …) of rank 3.

        Raises
        ------
        ShapeError
            If the recording was too short for the layer, or not as long as was said.
        """
        return Axes(3, self.convolution.layer.data_format).restore(self._blockwise.advance(0, last=True))
