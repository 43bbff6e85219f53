"""Index arithmetic against counting by hand."""

from __future__ import annotations

import oracle
import pytest
from checks import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from dwconv_cli.layer import geometry

PADDINGS = ("valid", "same", "causal")
# (strides, dilation_rate): never both above 1.
SPACINGS = st.one_of(st.tuples(st.integers(1, 9), st.just(1)), st.tuples(st.just(1), st.integers(1, 9)))


@pytest.mark.parametrize(
    "steps, kernel_size, strides, padding, dilation_rate, length, pads",
    [
        # Keras's documentation: (4, 10, 12) becomes (4, 4, 36).
        (10, 3, 3, "same", 1, 4, (1, 1)),
        # TensorFlow's guide to padding: 13 steps, kernel 6, stride 5.
        (13, 6, 5, "valid", 1, 2, (0, 0)),
        (13, 6, 5, "same", 1, 3, (1, 2)),
        (10, 4, 1, "same", 1, 10, (1, 2)),
        (10, 3, 1, "causal", 4, 10, (8, 0)),
        (10, 3, 1, "valid", 4, 2, (0, 0)),
        (5, 1, 3, "same", 1, 2, (0, 0)),
        (3, 9, 1, "same", 1, 3, (4, 4)),
        (2, 3, 1, "valid", 1, 0, (0, 0)),
    ],
)
def test_table(
    steps: int,
    kernel_size: int,
    strides: int,
    padding: str,
    dilation_rate: int,
    length: int,
    pads: tuple[int, int],
) -> None:
    assert geometry.output_steps(steps, kernel_size, strides, padding, dilation_rate) == length
    assert geometry.pad_amounts(steps, kernel_size, strides, padding, dilation_rate) == pads


@examples(2)
@given(st.integers(1, 200), st.integers(1, 30), SPACINGS, st.sampled_from(PADDINGS))
def test_lengths_of_the_oracle(steps: int, kernel_size: int, spacing: tuple[int, int], padding: str) -> None:
    strides, dilation_rate = spacing
    expected, left, right = oracle.lengths(
        steps, kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate
    )
    length = geometry.output_steps(steps, kernel_size, strides, padding, dilation_rate)
    assert max(length, 0) == expected
    assert geometry.pad_amounts(steps, kernel_size, strides, padding, dilation_rate) == (left, right)


@pytest.mark.parametrize("kernel_size, dilation_rate, expected", [(1, 1, 1), (1, 9, 1), (3, 1, 3), (3, 4, 9)])
def test_effective_kernel_size(kernel_size: int, dilation_rate: int, expected: int) -> None:
    assert geometry.effective_kernel_size(kernel_size, dilation_rate) == expected


def test_only_same_with_strides_needs_the_length() -> None:
    needs = {(p, s) for p in PADDINGS for s in (1, 2, 7) if geometry.left_needs_length(s, p)}
    assert needs == {("same", 2), ("same", 7)}


@given(st.integers(1, 30), SPACINGS, st.sampled_from(PADDINGS))
def test_left_padding_is_what_left_needs_length_says(
    kernel_size: int, spacing: tuple[int, int], padding: str
) -> None:
    lefts = {geometry.pad_amounts(n, kernel_size, spacing[0], padding, spacing[1])[0] for n in range(1, 90)}
    assert len(lefts) == 1 or geometry.left_needs_length(spacing[0], padding)


@given(st.integers(0, 50), st.integers(1, 20), st.integers(1, 9), SPACINGS)
def test_needed_input_spans_exactly_the_taps(
    start: int, count: int, kernel_size: int, spacing: tuple[int, int]
) -> None:
    strides, dilation_rate = spacing
    taps = [o * strides + k * dilation_rate for o in range(start, start + count) for k in range(kernel_size)]
    needed = geometry.needed_input(start, start + count, kernel_size, strides, dilation_rate)
    assert needed == (min(taps), max(taps) + 1)


@given(st.integers(0, 100), st.integers(1, 9), SPACINGS)
def test_ready_outputs(padded: int, kernel_size: int, spacing: tuple[int, int]) -> None:
    strides, dilation_rate = spacing
    ready = 0
    while ready * strides + (kernel_size - 1) * dilation_rate < padded:
        ready += 1
    assert geometry.ready_outputs(padded, kernel_size, strides, dilation_rate) == ready


@examples(2)
@given(
    st.integers(0, 30),
    st.integers(0, 20),
    st.integers(0, 40),
    st.integers(1, 9),
    st.integers(0, 80),
    st.integers(0, 30),
)
def test_tap_range(start: int, count: int, offset: int, strides: int, first: int, length: int) -> None:
    stop, end = start + count, first + length
    low, high = geometry.tap_range(start, stop, offset, strides, first, end)
    expected = [o for o in range(start, stop) if first <= o * strides + offset < end]
    assert list(range(low, high)) == expected
    assert start <= low <= high <= stop


@given(st.integers(1, 10**30), st.integers(1, 10**30), st.sampled_from(PADDINGS))
def test_integers_of_any_size(steps: int, kernel_size: int, padding: str) -> None:
    left, right = geometry.pad_amounts(steps, kernel_size, 1, padding, 1)
    length = geometry.output_steps(steps, kernel_size, 1, padding, 1)
    assume(length > 0)
    assert length == steps + left + right - kernel_size + 1
