"""Working memory that is used again: the first touch of a fresh page costs as much as the work done in it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from dwconv_cli.layer.axes import Array

# Bytes of one buffer that a thread keeps; a larger one is freed after the call.
LARGEST_KEPT_BUFFER_BYTES = 1 << 22


class Scratch(threading.local):
    """Named buffers of one thread."""

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """An array with arbitrary contents, valid until the next `take` of the same name in this thread."""
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        buffer = self._buffers.get(name)
        if buffer is None or buffer.nbytes < size:
            buffer = np.empty(size, np.uint8)
            if size <= LARGEST_KEPT_BUFFER_BYTES:
                self._buffers[name] = buffer
        return np.ndarray(shape, dtype, buffer.data)


SCRATCH = Scratch()


class ArrayPool:
    """Arrays that several threads share: one takes an array, any may give it back.

    Parameters
    ----------
    make : callable
        Makes a new array of a shape.
    """

    def __init__(self, make: Callable[[tuple[int, ...]], Array]) -> None:
        self._make = make
        self._free: defaultdict[tuple[int, ...], list[Array]] = defaultdict(list)

    def take(self, shape: tuple[int, ...]) -> Array:
        """An array of `shape` and arbitrary contents, a new one if none is free."""
        free = self._free[shape]
        return free.pop() if free else self._make(shape)

    def give_back(self, array: Array) -> None:
        """Let others take `array`."""
        self._free[array.shape].append(array)
