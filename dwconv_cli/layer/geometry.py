"""Integers of a convolution along the steps: lengths, padding, and which input an output needs.

A *padded* step is counted from the first step of the padded recording: padded step ``left + i`` is step ``i`` of
the recording. Output ``o`` reads the padded steps ``o*strides + k*dilation_rate`` for ``k`` in ``0 … K-1``.

The formulas are those of TensorFlow's and Keras's ``valid``, ``same`` and (for ``Conv1D``) ``causal``.
"""

from __future__ import annotations


def effective_kernel_size(kernel_size: int, dilation_rate: int = 1) -> int:
    """Steps from the first tap to the last, both counted."""
    return (kernel_size - 1) * dilation_rate + 1


def output_steps(steps: int, kernel_size: int, strides: int, padding: str, dilation_rate: int) -> int:
    """Length of the output; zero or negative where the kernel does not fit into the recording."""
    if padding == "valid":
        return (steps - effective_kernel_size(kernel_size, dilation_rate)) // strides + 1
    return -(-steps // strides)


def pad_amounts(
    steps: int, kernel_size: int, strides: int, padding: str, dilation_rate: int
) -> tuple[int, int]:
    """Zero steps before and after a recording of `steps` steps.

    ``same`` splits its total in halves, the odd one to the right; with ``strides > 1`` it depends on `steps`.
    """
    effective = effective_kernel_size(kernel_size, dilation_rate)
    if padding == "causal":
        return effective - 1, 0
    if padding == "same":
        total = max((-(-steps // strides) - 1) * strides + effective - steps, 0)
        return total // 2, total - total // 2
    return 0, 0


def left_needs_length(strides: int, padding: str) -> bool:
    """Whether the left padding cannot be known before the recording's length is."""
    return padding == "same" and strides > 1


def needed_input(
    start: int, stop: int, kernel_size: int, strides: int, dilation_rate: int
) -> tuple[int, int]:
    """Padded steps ``[first, last + 1)`` that the outputs ``[start, stop)`` read; ``stop > start``."""
    return start * strides, (stop - 1) * strides + effective_kernel_size(kernel_size, dilation_rate)


def ready_outputs(padded_steps: int, kernel_size: int, strides: int, dilation_rate: int) -> int:
    """How many outputs, from the first on, need nothing beyond the first `padded_steps` padded steps."""
    return max(0, (padded_steps - effective_kernel_size(kernel_size, dilation_rate)) // strides + 1)


def tap_range(start: int, stop: int, offset: int, strides: int, first: int, end: int) -> tuple[int, int]:
    """Outputs of ``[start, stop)`` whose tap at `offset` falls on padded steps ``[first, end)``.

    Returns
    -------
    (int, int)
        ``[low, high)`` with ``start <= low <= high <= stop``.
    """
    low = min(stop, max(start, -((offset - first) // strides)))
    high = min(stop, -((offset - end) // strides))
    return low, max(low, high)
