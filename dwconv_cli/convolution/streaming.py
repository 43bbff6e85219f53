"""A recording in pieces: :class:`StreamingConv` keeps the halo between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.choices import AUTO
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer import geometry
from dwconv_cli.layer.arguments import any_dtype, array, instance, whole_number
from dwconv_cli.layer.axes import Axes
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
        algorithm: str = AUTO,
        threads: int | None = None,
    ) -> None:
        instance("layer", layer, LayerSpec)
        channels = instance("weights", weights, Weights).kernel.shape[1] if channels is None else channels
        dtype = any_dtype("dtype", dtype)
        batch = whole_number("batch", batch, 0)
        steps = None if steps is None else whole_number("steps", steps, 0)
        convolution = Convolution(layer, weights, channels, dtype, algorithm=algorithm, threads=threads)
        self._begin(convolution, batch, steps)

    @classmethod
    def over(cls, convolution: Convolution, batch: int = 1, steps: int | None = None) -> StreamingConv:
        """A stream through a convolution that is ready already."""
        stream = cls.__new__(cls)
        stream._begin(convolution, batch, steps)
        return stream

    def _begin(self, convolution: Convolution, batch: int, steps: int | None) -> None:
        layer = convolution.layer
        if steps is None and geometry.left_needs_length(layer.strides, layer.padding):
            raise LayerError(
                f"padding=same with strides={layer.strides} depends on the recording's length, which is not known "
                "here; use padding=causal or valid"
            )
        self.convolution = convolution
        #: Where outputs come from; may be replaced by something that reuses memory.
        self.allocate = convolution.empty
        self.batch = batch
        self.steps = steps
        # Without the length, strides are 1 or the left padding does not depend on it.
        length = layer.effective_kernel_size if steps is None else steps
        self._left, _ = layer.pad_amounts(length)
        self._received = 0
        self._ended = False
        self._done = 0
        self._buffer = convolution.room(batch, 0)
        # Steps of the buffer that are still needed: `_held` of them from `_at` on.
        self._at = self._held = 0
        #: Most steps that one block leaves for the next, if it was filtered as far as can be.
        self.halo = layer.effective_kernel_size + convolution.panel * layer.strides

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
        given = array("block", block)
        layer = self.convolution.layer
        axes = Axes(given.ndim, layer.data_format)
        batch, steps, channels = axes.canonical_shape(given.shape)
        if (batch, channels) != (self.batch, self.convolution.channels):
            expected = f"{self.batch} recordings of {self.convolution.channels} channels"
            raise ShapeError(f"a block of {batch} recordings of {channels} channels, expected {expected}")
        if not np.can_cast(given.dtype, self.convolution.precision.compute, "same_kind"):
            raise ShapeError(f"a block of {given.dtype}, expected {self.convolution.precision.compute}")
        with np.errstate(all="ignore"):
            self.space(steps)[...] = axes.canonical(given)
        return self._restored(self.advance(steps), given.ndim)

    def finish(self) -> Array:
        """The outputs that were waiting for the end of the recording; shape (batch, …) of rank 3.

        Raises
        ------
        ShapeError
            If the recording was too short for the layer, or not as long as was said.
        """
        return self._restored(self.advance(0, last=True), 3)

    def space(self, steps: int) -> Array:
        """Where the next `steps` steps are to be written: a view of shape (batch, steps, channels)."""
        end = self._at + self._held
        if end + steps > self._buffer.shape[1]:
            used = self._held + steps
            self._move(self.convolution.room(self.batch, used + used // 4), 0)
            end = self._held
        return self._buffer[:, end : end + steps]

    def load(self, buffer: Array) -> Array:
        """Go on in another buffer, whose steps from :attr:`halo` on are the next ones, and give the one before.

        Other than the view from :meth:`space`, such a buffer can be filled while an earlier one is filtered.
        """
        before = self._buffer
        self._move(buffer, self.halo - self._held)
        return before

    def _move(self, buffer: Array, at: int) -> None:
        buffer[:, at : at + self._held] = self._buffer[:, self._at : self._at + self._held]
        self._buffer, self._at = buffer, at

    def advance(self, steps: int, last: bool = False) -> Array:
        """Account for `steps` steps written into :meth:`space`.

        Parameters
        ----------
        steps : int
        last : bool
            The recording ends here.

        Returns
        -------
        ndarray, shape (batch, n, channels)
            The outputs completed.

        Raises
        ------
        ShapeError
            If the recording ends and was too short for the layer, or not as long as was said.
        """
        if self._ended:
            raise ShapeError("the recording has ended; begin another stream for the next")
        self._ended = last
        self._received += steps
        self._held += steps
        layer = self.convolution.layer
        if last:
            if self.steps not in (None, self._received):
                raise ShapeError(f"the recording ended after {self._received} of {self.steps} steps")
            return self._outputs(layer.output_steps(self._received))
        if self.convolution.needs_all_steps:
            return self._outputs(self._done)
        ready = geometry.ready_outputs(
            self._left + self._received, layer.kernel_size, layer.strides, layer.dilation_rate
        )
        panel = self.convolution.panel
        return self._outputs(max(self._done, ready // panel * panel))

    def _outputs(self, stop: int) -> Array:
        out = self.allocate(self.batch, self.convolution.layer.activated_steps(stop - self._done))
        first = self._left + self._received - self._held
        if stop > self._done:
            held = self._buffer[:, self._at : self._at + self._held]
            self.convolution.run(held, first, out, self._done)
            self._done = stop
        # The next output's first tap is the oldest step still needed; it may lie ahead with large strides.
        spent = min(max(0, stop * self.convolution.layer.strides - first), self._held)
        self._at += spent
        self._held -= spent
        return out

    def _restored(self, outputs: Array, rank: int) -> Array:
        axes = Axes(rank, self.convolution.layer.data_format)
        return axes.of_output(outputs.shape[2]).restore(outputs)
