"""A convolution block by block, on canonical arrays: :class:`BlockwiseConvolution` keeps the halo between blocks."""

from __future__ import annotations

from collections.abc import Callable

from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer import geometry
from dwconv_cli.layer.axes import Array


class BlockwiseConvolution:
    """Equally long recordings side by side on their way through a convolution.

    All arrays are (batch, steps, channels). The outputs, joined, are the bits of the whole recordings' outputs.

    Parameters
    ----------
    convolution : Convolution
    batch : int
        Recordings side by side.
    steps : int, optional
        Length of the recordings, where it is known; ``same`` with strides above 1 needs it.
    allocate : callable, optional
        Makes an array of a shape (batch, steps, channels) for outputs; a new one by default.

    Raises
    ------
    LayerError
        If the layer needs the length and it is not given.
    """

    def __init__(
        self,
        convolution: Convolution,
        batch: int = 1,
        steps: int | None = None,
        allocate: Callable[[tuple[int, ...]], Array] | None = None,
    ) -> None:
        layer = convolution.layer
        if steps is None and geometry.left_needs_length(layer.strides, layer.padding):
            raise LayerError(
                f"padding=same with strides={layer.strides} depends on the recording's length, which is not known "
                "here; use padding=causal or valid"
            )
        self.convolution = convolution
        self.batch = batch
        self._allocate = allocate or convolution.empty_output
        self._length = steps
        # Without the length, strides are 1 or the left padding does not depend on it.
        self._left, _ = layer.pad_amounts(layer.effective_kernel_size if steps is None else steps)
        self._received = 0
        self._outputs_done = 0
        self._ended = False
        # The steps that are still needed: `_count` steps of the buffer, from its step `_begin` on.
        self._buffer = convolution.empty_input((batch, 0, convolution.channels))
        self._begin = self._count = 0
        #: The most steps that one block can leave for the next.
        self.halo = layer.effective_kernel_size + convolution.panel * layer.strides

    def space(self, steps: int) -> Array:
        """A view of shape (batch, steps, channels), to which the next steps are to be written."""
        end = self._begin + self._count
        if end + steps > self._buffer.shape[1]:
            # A quarter more than is needed, so that many short blocks seldom move the steps.
            length = (self._count + steps) * 5 // 4
            self.continue_in(self.convolution.empty_input((self.batch, length, self.convolution.channels)), 0)
            end = self._count
        return self._buffer[:, end : end + steps]

    def continue_in(self, buffer: Array, begin: int) -> Array:
        """Move the steps that are still needed to steps `begin` and after of another buffer; give the buffer before.

        The next steps follow there. They may be in the buffer already, which can so be filled while an earlier one is
        filtered; :attr:`halo` steps are room enough before them.
        """
        before = self._buffer
        buffer[:, begin : begin + self._count] = before[:, self._begin : self._begin + self._count]
        self._buffer, self._begin = buffer, begin
        return before

    def load(self, buffer: Array) -> Array:
        """Continue in `buffer`, which holds the next steps from step :attr:`halo` on; give the buffer before."""
        return self.continue_in(buffer, self.halo - self._count)

    def advance(self, steps: int, last: bool = False) -> Array:
        """Filter the next `steps` steps, which stand in the buffer now.

        Parameters
        ----------
        steps : int
        last : bool
            The recordings end here.

        Returns
        -------
        ndarray, shape (batch, n, channels)
            The outputs completed, maybe none.

        Raises
        ------
        ShapeError
            If the recordings end and were too short for the layer, or not as long as was said.
        """
        if self._ended:
            raise ShapeError("the recording has ended; begin another stream for the next")
        self._ended = last
        self._received += steps
        self._count += steps
        layer, convolution = self.convolution.layer, self.convolution
        if last:
            if self._length not in (None, self._received):
                raise ShapeError(f"the recording ended after {self._received} of {self._length} steps")
            return self._outputs_until(layer.output_steps(self._received))
        if convolution.needs_all_steps:
            return self._outputs_until(0)
        ready = geometry.ready_outputs(
            self._left + self._received, layer.kernel_size, layer.strides, layer.dilation_rate
        )
        return self._outputs_until(max(self._outputs_done, ready // convolution.panel * convolution.panel))

    def _outputs_until(self, stop: int) -> Array:
        layer, start = self.convolution.layer, self._outputs_done
        out = self._allocate(
            (self.batch, layer.activated_steps(stop - start), self.convolution.output_channels)
        )
        first = self._left + self._received - self._count
        if stop > start:
            needed = self._buffer[:, self._begin : self._begin + self._count]
            self.convolution.run(needed, first, out, start)
            self._outputs_done = stop
        # The first tap of the next output is on the oldest step still needed, or, with large strides, on one to come.
        spent = min(max(0, stop * layer.strides - first), self._count)
        self._begin += spent
        self._count -= spent
        return out
