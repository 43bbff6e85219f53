"""What is drawn of a recording: all samples, or the extremes of spans of steps where there are more than can be seen."""

from __future__ import annotations

import numpy as np

from dwconv_cli.jobs.blocks import Storage, lanes
from dwconv_cli.layer.axes import Array, Axes
from dwconv_cli.storage.protocols import Reader

# About as many spans as a page has pixels from left to right.
SPANS = 1500
BLOCK_ITEMS = 1 << 18


class Envelope:
    """The smallest and the largest finite sample of each span of steps of several channels.

    Parameters
    ----------
    steps, channels : int
    first : int
        The step of the recording that is the first one here; others are left out.

    Attributes
    ----------
    width : int
        Steps of a span; 1 where all samples are kept.
    nonfinite : int
        NaN and Inf, which are not drawn.

    Examples
    --------
    >>> envelope = Envelope(4, 1)
    >>> envelope.add(0, np.array([[3.0], [1.0], [np.nan], [2.0]]))
    >>> envelope.curve(0)[1].tolist()
    [3.0, 1.0, nan, 2.0]
    """

    def __init__(self, steps: int, channels: int, first: int = 0) -> None:
        self.steps, self.first = steps, first
        self.width = 1 if steps <= 2 * SPANS else -(-steps // SPANS)
        self.nonfinite = 0
        shape = (-(-steps // self.width), channels)
        self._low, self._high = np.full(shape, np.nan), np.full(shape, np.nan)

    def add(self, first: int, block: Array, channel: int = 0) -> None:
        """Add the steps from `first` on, shape (steps, channels), of the channels from `channel` on."""
        begin = max(first, self.first)
        block = block[begin - first : max(begin, self.first + self.steps) - first]
        if not block.size:
            return
        with np.errstate(all="ignore"):
            values = np.abs(block) if np.iscomplexobj(block) else block
            values = values.astype(np.float64)
            finite = np.isfinite(values)
            values[~finite] = np.nan
            self.nonfinite += finite.size - int(np.count_nonzero(finite))
            start = begin - self.first
            spans = np.arange(start // self.width, (start + len(values) - 1) // self.width + 1)
            bounds = np.maximum(spans * self.width - start, 0)
            place = slice(spans[0], spans[-1] + 1), slice(channel, channel + values.shape[1])
            self._low[place] = np.fmin(self._low[place], np.fmin.reduceat(values, bounds, axis=0))
            self._high[place] = np.fmax(self._high[place], np.fmax.reduceat(values, bounds, axis=0))

    def curve(self, channel: int) -> tuple[Array, Array]:
        """Steps and samples of a line, which goes through both extremes of each span."""
        low, high = self._low[:, channel], self._high[:, channel]
        places = self.first + np.arange(len(low)) * float(self.width)
        if self.width == 1:
            return places, low
        return np.repeat(places + (self.width - 1) / 2, 2), np.stack([low, high], axis=1).ravel()

    def extremes(self, channel: int) -> tuple[float, float]:
        """The smallest and the largest sample; NaN where none is finite."""
        low, high = self._low[:, channel], self._high[:, channel]
        if np.isnan(low).all():
            return np.nan, np.nan
        return float(np.nanmin(low)), float(np.nanmax(high))


def read_envelope(reader: Reader, axes: Axes, steps: slice, channels: int) -> Envelope:
    """The envelope of the first `channels` channels of the first recording, in one pass with bounded memory."""
    if reader.sequential:
        # Not all of it may be read, and not in its order.
        reader.spool()
    dtype = reader.dtype.newbyteorder("=")
    count = steps.stop - steps.start
    envelope = Envelope(count, channels)
    storage = Storage(
        channel_major=axes.channels_first != reader.fortran,
        chunks=axes.canonical_shape(reader.chunks) if reader.chunks else (1, 1, 1),
    )
    for lane in lanes((1, count, channels), storage, BLOCK_ITEMS):
        for part in lane.blocks(steps):
            block = axes.empty((1, part.stop - part.start, lane.width), dtype)
            reader.read(axes.arrange(lane.batch, part, lane.channels), axes.restore(block))
            envelope.add(part.start - steps.start, block[0], lane.channels.start)
    reader.finish()
    return envelope
