"""How recordings are cut: every sample once, in blocks no larger than need be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from checks import examples
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.jobs.blocks import Lane, Storage, in_order, lanes

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 50), st.integers(1, 6))
STORAGES = st.builds(
    Storage,
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 4)),
)


def blocks(lane: Lane, steps: int) -> list[slice]:
    return [slice(start, min(steps, start + lane.block_steps)) for start in range(0, steps, lane.block_steps)]


@examples(1.5)
@given(SHAPES, STORAGES, st.integers(1, 400), st.booleans())
def test_every_sample_once(
    shape: tuple[int, int, int], storage: Storage, block_items: int, whole_steps: bool
) -> None:
    seen = np.zeros(shape, int)
    for lane in lanes(shape, storage, block_items, whole_steps):
        assert 1 <= lane.block_steps <= shape[1]
        assert not whole_steps or lane.block_steps == shape[1]
        for steps in blocks(lane, shape[1]):
            seen[lane.batch, steps, lane.channels] += 1
    assert (seen == 1).all()


@examples(1.5)
@given(SHAPES, STORAGES, st.integers(1, 400))
def test_no_larger_than_asked_for_but_for_a_chunk(
    shape: tuple[int, int, int], storage: Storage, block_items: int
) -> None:
    batch_side, steps_side, channel_side = storage.chunks
    least = (
        (shape[0] if storage.batch_inside else min(shape[0], batch_side))
        * min(shape[1], steps_side)
        * (min(shape[2], channel_side) if storage.channel_major else shape[2])
    )
    for lane in lanes(shape, storage, block_items):
        size = (
            (lane.batch.stop - lane.batch.start)
            * lane.block_steps
            * (lane.channels.stop - lane.channels.start)
        )
        assert size <= max(block_items, least)
        # Whole chunks are read at a time.
        assert lane.block_steps == shape[1] or lane.block_steps % min(shape[1], steps_side) == 0


@pytest.mark.parametrize("shape", [(0, 5, 5), (5, 0, 5), (5, 5, 0)])
def test_nothing_of_nothing(shape: tuple[int, int, int]) -> None:
    assert list(lanes(shape, Storage(), 10)) == []


def test_small_recordings_go_together() -> None:
    assert list(lanes((100, 10, 2), Storage(), 400)) == [
        Lane(slice(i, i + 20), slice(0, 2), 10) for i in range(0, 100, 20)
    ]
    assert next(lanes((4, 1000, 3), Storage(channel_major=True), 2000)) == Lane(
        slice(0, 1), slice(0, 2), 1000
    )
    assert len(list(lanes((4, 1000, 3), Storage(channel_major=True), 500))) == 12


@examples(2)
@given(SHAPES, STORAGES, st.integers(1, 400), st.booleans(), st.booleans(), st.integers(1, 3))
def test_in_order(
    shape: tuple[int, int, int],
    storage: Storage,
    block_items: int,
    whole_steps: bool,
    channels_first: bool,
    rows: int,
) -> None:
    """By the places of the blocks' samples in a row-major array, one after another."""
    if not channels_first:
        # Only there may a lane hold some of the channels.
        storage = storage._replace(channel_major=False)
    cut = list(lanes(shape, storage, block_items, whole_steps))
    full = shape[0], shape[1], shape[2] * rows
    flat = np.arange(math.prod(full))
    places = (
        flat.reshape(full[0], full[2], full[1]).transpose(0, 2, 1) if channels_first else flat.reshape(full)
    )
    order = [
        (block.transpose(0, 2, 1) if channels_first else block).ravel()
        for lane in cut
        for steps in blocks(lane, shape[1])
        for block in [places[lane.batch, steps, lane.channels.start * rows : lane.channels.stop * rows]]
    ]
    if all(in_order(lane, shape, channels_first, rows) for lane in cut):
        assert np.array_equal(np.concatenate(order), flat)


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_one_recording_is_read_in_order(channels_first: bool, whole: bool) -> None:
    """What a pipe needs, lest it be spooled: the plain cases are seen to be in order."""
    storage = Storage(channel_major=channels_first)
    for shape in [(1, 1000, 1), (1, 1000, 8 if not channels_first else 1), (5, 10, 8)]:
        cut = list(lanes(shape, storage, 400, whole))
        assert all(in_order(lane, shape, channels_first) for lane in cut)
