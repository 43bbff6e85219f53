"""What follows the sums of a tile: bias, activation and the cast, in pieces that stay in cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS, NEEDS_WHOLE_AXIS
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec

# Elements of a piece: few enough for the second-level cache, with room for what an activation computes on its way.
PIECE_SIZE = 1 << 16
# NumPy's inner loop runs along the last axis. Where channels are few, steps are taken together, and the bias is repeated
# to a row of about so many elements.
BIAS_ROW_SIZE = 512
# A row with gaps behind it takes a call of its own, which pays from so many steps on.
LONG_ROW_STEPS = 1 << 12


class Epilogue:
    """Bias, activation and cast of one layer.

    Parameters
    ----------
    layer : LayerSpec
    bias : ndarray, shape (output channels before the activation,), or None
        In the compute dtype.
    """

    def __init__(self, layer: LayerSpec, bias: Array | None) -> None:
        self._channels_last = layer.data_format == "channels_last"
        self._elementwise = layer.activation.name not in NEEDS_WHOLE_AXIS
        linear = layer.activation == Choice("linear")
        self._activation = None if linear else ACTIVATIONS.function(layer.activation)
        self._bias = bias
        if bias is not None and self._channels_last:
            self._bias = np.tile(bias, max(1, BIAS_ROW_SIZE // len(bias)))
        self._does_nothing = bias is None and linear

    def sums_fit(self, out: Array, size: int, dtype: np.dtype[Any]) -> bool:
        """Whether `size` sums of `dtype` may be written to `out`, which lies as in a call, and be finished there."""
        if out.dtype != dtype or out.size != size:
            return False
        if self._does_nothing or out.flags.c_contiguous:
            return True
        return not self._channels_last and out.strides[-1] == out.itemsize and out.shape[-1] >= LONG_ROW_STEPS

    def __call__(self, sums: Array, out: Array) -> None:
        """Turn sums into outputs.

        Parameters
        ----------
        sums : ndarray, shape (B, n, channels) or (B, channels, n), as the data format says
            In the compute dtype, C-contiguous unless `sums_fit` has said otherwise. Overwritten.
        out : ndarray
            Written whole; may be `sums` itself. Shorter in the last axis if the activation halves it.
        """
        if not sums.size or (sums is out and self._does_nothing):
            return
        for place in self._pieces(*sums.shape, one_row=not sums.flags.c_contiguous):
            piece = sums[place]
            if self._bias is not None:
                self._add_bias(self._bias, piece, place)
            outputs = piece if self._activation is None else self._activation(piece)
            if sums is not out or outputs is not piece:
                out[place] = outputs

    def _pieces(self, items: int, rows: int, width: int, *, one_row: bool) -> Iterator[tuple[slice, ...]]:
        """Contiguous pieces of an array of shape (items, rows, width), each of one row if `one_row`.

        A row is cut only where it holds steps, and an activation that takes each of them on its own.
        """
        columns = min(width, PIECE_SIZE) if self._elementwise and not self._channels_last else width
        down = 1 if one_row or columns < width else max(1, PIECE_SIZE // width)
        together = 1 if one_row or down < rows else max(1, PIECE_SIZE // (rows * width))
        for item in range(0, items, together):
            for row in range(0, rows, down):
                for column in range(0, width, columns):
                    place = slice(item, item + together), slice(row, row + down)
                    yield place if columns == width else (*place, slice(column, column + columns))

    def _add_bias(self, bias: Array, piece: Array, place: tuple[slice, ...]) -> None:
        if not self._channels_last:
            piece += bias[place[1], None]
            return
        flat, row = piece.reshape(-1), len(bias)
        in_rows = len(flat) // row * row
        flat[:in_rows].reshape(-1, row)[...] += bias
        flat[in_rows:] += bias[: len(flat) - in_rows]
