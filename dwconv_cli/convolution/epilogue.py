"""What follows the sums of a tile: bias, activation and the cast, in pieces that stay in cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS, NEEDS_WHOLE_AXIS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec

# Numbers of a piece: few enough for the second-level cache beside what an activation makes on its way.
PIECE = 1 << 16
# Numbers of the row that a bias is repeated to: NumPy's loops run along the last axis, and channels may be few.
ROW = 512
# Steps of a channel that are worth a call of their own.
LONG = 1 << 12


class Finish:
    """Bias, activation and cast of one layer.

    Parameters
    ----------
    layer : LayerSpec
    bias : ndarray, shape (output channels before the activation,), or None
        In the compute dtype.
    """

    def __init__(self, layer: LayerSpec, bias: Array | None) -> None:
        self._last = layer.data_format == "channels_last"
        self._elementwise = layer.activation.name not in NEEDS_WHOLE_AXIS
        linear = layer.activation == Choice("linear")
        self._activation = None if linear else ACTIVATIONS.function(layer.activation)
        self._bias = bias if bias is None or not self._last else np.tile(bias, max(1, ROW // len(bias)))

    def takes(self, out: Array, size: int, dtype: np.dtype[Any]) -> bool:
        """Whether sums may be written to `out`, lying as in a call, and finished there; there are `size` of them."""
        if out.dtype != dtype or out.size != size:
            return False
        return self._idle or out.flags.c_contiguous or (not self._last and self._rows_suffice(out))

    def __call__(self, sums: Array, out: Array) -> None:
        """Finish sums.

        Parameters
        ----------
        sums : ndarray, shape (B, n, channels) or (B, channels, n), as the data format says
            C-contiguous unless `takes` says otherwise, in the compute dtype. Overwritten.
        out : ndarray
            Written whole; may be `sums` itself. Shorter in the last axis if the activation halves it.
        """
        if not sums.size or (sums is out and self._idle):
            return
        for place in self._pieces(*sums.shape, each=not sums.flags.c_contiguous):
            piece = sums[place]
            if self._bias is not None:
                self._shift(piece, place)
            done = piece if self._activation is None else self._activation(piece)
            if sums is not out or done is not piece:
                out[place] = done

    @property
    def _idle(self) -> bool:
        return self._bias is None and self._activation is None

    def _rows_suffice(self, out: Array) -> bool:
        return out.strides[-1] == out.itemsize and out.shape[-1] >= LONG

    def _pieces(self, items: int, rows: int, width: int, *, each: bool) -> Iterator[tuple[slice, ...]]:
        """Contiguous pieces, of one row if `each`.

        The last axis is cut only where it is steps and each of them is on its own.
        """
        columns = min(width, PIECE) if self._elementwise and not self._last else width
        down = 1 if each or columns < width else max(1, PIECE // width)
        together = 1 if each or down < rows else max(1, PIECE // (rows * width))
        for item in range(0, items, together):
            for row in range(0, rows, down):
                for column in range(0, width, columns):
                    place = slice(item, item + together), slice(row, row + down)
                    yield place if columns == width else (*place, slice(column, column + columns))

    def _shift(self, piece: Array, place: tuple[slice, ...]) -> None:
        assert self._bias is not None
        if not self._last:
            piece += self._bias[place[1], None]
            return
        flat, row = piece.reshape(-1), len(self._bias)
        whole = len(flat) // row * row
        flat[:whole].reshape(-1, row)[...] += self._bias
        flat[whole:] += self._bias[: len(flat) - whole]
