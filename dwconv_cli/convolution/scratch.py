"""Working memory that each thread keeps from call to call."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array

# Bytes kept for one purpose in one thread; what is larger is given back after the call.
KEEP = 1 << 22


class Scratch(threading.local):
    """Named buffers of one thread. A fresh page costs as much as the work done in it, so they are reused."""

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
            if size <= KEEP:
                self._buffers[name] = buffer
        return np.ndarray(shape, dtype, buffer.data)


SCRATCH = Scratch()
