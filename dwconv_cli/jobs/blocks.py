"""How a recording is cut for reading: lanes that are filtered on their own, and blocks of steps along each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Lane(NamedTuple):
    """Recordings and channels that are filtered together, from their first step to their last.

    Parameters
    ----------
    batch, channels : slice
        Ranges of the whole.
    block_steps : int
        Steps to read at a time.
    """

    batch: slice
    channels: slice
    block_steps: int

    @property
    def recordings(self) -> int:
        """Number of recordings."""
        return int(self.batch.stop - self.batch.start)

    @property
    def width(self) -> int:
        """Number of channels."""
        return int(self.channels.stop - self.channels.start)

    def blocks(self, steps: slice) -> Iterator[slice]:
        """Cut `steps` into blocks.

        Where there are several, they end at multiples of :attr:`block_steps`, so that no chunk is read twice.
        """
        whole = steps.stop - steps.start <= self.block_steps
        start = steps.start
        while start < steps.stop:
            stop = steps.stop if whole else start - start % self.block_steps + self.block_steps
            yield slice(start, min(stop, steps.stop))
            start = stop


class Storage(NamedTuple):
    """What decides how an array in a file is cut into blocks.

    Parameters
    ----------
    channel_major : bool
        All steps of a channel lie together.
    batch_inside : bool
        The recordings of a batch are interleaved.
    chunks : (int, int, int)
        Sides of a storage chunk along (batch, steps, channels); 1 where there are none.
    """

    channel_major: bool = False
    batch_inside: bool = False
    chunks: tuple[int, int, int] = (1, 1, 1)


def lanes(
    shape: tuple[int, int, int], storage: Storage, block_items: int, whole_steps: bool = False
) -> Iterator[Lane]:
    """Lanes over data of `shape` (batch, steps, channels), in the order in which it lies.

    Parameters
    ----------
    shape : (int, int, int)
    storage : Storage
    block_items : int
        About how many numbers a block may hold; a block holds at least one storage chunk.
    whole_steps : bool
        Each block holds all steps of its recordings, however many.
    """
    batch, steps, channels = shape
    if 0 in shape:
        return
    batch_side, steps_side, channel_side = storage.chunks
    together = batch if storage.batch_inside else min(batch, batch_side)
    width = min(channels, channel_side) if storage.channel_major else channels
    recording = steps * width * together
    if recording <= block_items and storage.channel_major:
        width = _multiple(block_items // (steps * together), width, channels)
        recording = steps * width * together
    if recording <= block_items and width == channels:
        together = _multiple(block_items // (steps * width), together, batch)
    block_steps = steps
    if not whole_steps:
        block_steps = _multiple(block_items // (together * width), min(steps_side, steps), steps)
    for item in range(0, batch, together):
        for channel in range(0, channels, width):
            yield Lane(
                slice(item, min(batch, item + together)),
                slice(channel, min(channels, channel + width)),
                block_steps,
            )


def _multiple(number: int, side: int, most: int) -> int:
    """The largest multiple of `side` up to `number`, but at least one `side`, and at most `most`."""
    return min(most, max(1, number // side) * side)


def in_order(lane: Lane, shape: tuple[int, int, int], channels_first: bool, multiplier: int = 1) -> bool:
    """Whether the blocks of `lane`, one after another, run through a row-major array without a jump.

    Parameters
    ----------
    lane : Lane
    shape : (int, int, int)
        Of the whole data: (batch, steps, channels).
    channels_first : bool
        The array is (batch, channels, steps) rather than (batch, steps, channels).
    multiplier : int
        Channels in the array for each channel of `shape`.
    """
    _, steps, channels = shape
    whole = lane.block_steps >= steps
    if not channels_first:
        return whole or lane.recordings == 1
    one_row = lane.recordings * lane.width * multiplier == 1
    return one_row or (whole and (lane.recordings == 1 or lane.width == channels))
