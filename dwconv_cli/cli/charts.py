"""The taps of a kernel and its gain in decibels, drawn with characters, as wide as the terminal."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from dwconv_cli.cli.columns import columns_of
from dwconv_cli.layer.axes import Array
from dwconv_cli.text import SPARKS, counted, ranges

if TYPE_CHECKING:
    from dwconv_cli.description.kernels import DistinctKernel
    from dwconv_cli.layer.spec import LayerSpec
    from dwconv_cli.weights.resolved import Resolved

# Kernels that are drawn; with more of them the table has small pictures.
MOST_CHARTS = 3
# Columns where the stream is no terminal, and those that the labels of the vertical axis take.
_COLUMNS, _GUTTER = 80, 10
_ROWS, _DB_OF_ROW = 8, 10
# A label and the space behind it.
_LABEL = 12
_ASCII = str.maketrans("█▀▄┤│└─┴" + SPARKS[:-1], "#'.||+-+" + "_.:-=+*")


def write_charts(resolved: Resolved, fs: float | None, stream: TextIO) -> None:
    """Draw the kernels of some weights, unless there are many."""
    from dwconv_cli.description.kernels import distinct_kernels

    layer, fs = resolved.layer, fs or resolved.fs
    kernels = distinct_kernels(layer, resolved.weights, fs or 1.0)
    if len(kernels) > MOST_CHARTS:
        return
    width = max(20, (columns_of(stream) or _COLUMNS) - _GUTTER - 1)
    for kernel in kernels:
        lines = _taps(kernel, layer, width) + _gain(kernel, layer, fs, width)
        if len(kernels) > 1:
            noun = "channel" if len(kernel.outputs) == 1 else "channels"
            lines = ["", f"  {noun} {ranges(kernel.outputs)}", *lines]
        text = "".join(f"{line.rstrip()}\n" for line in lines)
        try:
            text.encode(getattr(stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            text = text.translate(_ASCII)
        stream.write(text)


def _taps(kernel: DistinctKernel, layer: LayerSpec, width: int) -> list[str]:
    """Bars from zero, as many columns for each tap as there are, or the largest of several taps in a column."""
    values = kernel.taps.real.astype(np.float64)
    if not np.isfinite(values).all() or not values.any():
        return []
    if len(values) > width:
        values = np.array([part[np.abs(part).argmax()] for part in _parts(values, width)])
    each = width // len(values)
    used = each * len(values)
    high, low = max(0.0, float(values.max())), min(0.0, float(values.min()))
    # Half rows, with zero between two rows.
    above = 0 if not high else max(1, round(_ROWS * high / (high - low)))
    above = min(above, _ROWS - bool(low))
    unit = max(high / above if above else 0.0, -low / (_ROWS - above) if above < _ROWS else 0.0) / 2
    heights = np.rint(values / unit).astype(int)
    rows = []
    for row in range(_ROWS):
        # The row's halves are those from `bottom` to `bottom + 2`.
        bottom = 2 * (above - row - 1)
        bars = ""
        for height in heights.tolist():
            first, last = sorted((0, height))
            halves = (first <= bottom + 1 < last, first <= bottom < last)
            bar = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}[halves]
            bars += bar * (each - 1) + (" " if each > 2 else bar)
        rows.append(bars)
    labels = {0: f"{2 * unit * above:.3g}", above: "0", _ROWS: f"{-2 * unit * (_ROWS - above):.3g}"}
    lines = ["", f"  taps ({counted(len(kernel.taps), 'tap')}; the first meets the earliest step)"]
    lines += [
        _row(labels.get(number, "") if number < _ROWS else "", bars) for number, bars in enumerate(rows)
    ]
    last_tap = (len(kernel.taps) - 1) * layer.dilation_rate
    return [*lines, *_axis(0.0, float(last_tap), used, each / 2, "step")]


def _gain(kernel: DistinctKernel, layer: LayerSpec, fs: float | None, width: int) -> list[str]:
    """The largest gain of each column's frequencies, over the rows' decibels."""
    from dwconv_cli.description.curve import curve_of

    curve = curve_of(kernel.taps, layer.dilation_rate, fs or 1.0)
    if curve is None:
        return []
    columns = np.array([part.max() for part in _parts(curve.decibels, width)])
    # A gain of a little more than 0 dB does not get a row of its own.
    top = math.ceil((float(columns.max()) - _DB_OF_ROW / 20) / _DB_OF_ROW) * _DB_OF_ROW
    floor = top - _ROWS * _DB_OF_ROW
    eighths = np.rint((columns - floor) / _DB_OF_ROW * len(SPARKS)).clip(0, _ROWS * len(SPARKS)).astype(int)
    lines = ["", f"  gain in dB, over frequencies in {'Hz' if fs else 'cycles per step'}"]
    for row in range(_ROWS):
        filled = (eighths - (_ROWS - 1 - row) * len(SPARKS)).clip(0, len(SPARKS))
        bars = "".join(" " if not level else SPARKS[level - 1] for level in filled.tolist())
        lines.append(_row(f"{top - row * _DB_OF_ROW} dB" if row % 2 == 0 else "", bars))
    first, last = float(curve.frequencies[0]), float(curve.frequencies[-1])
    return [*lines, *_axis(first, last, width, 0.5, "Hz" if fs else "")]


def _parts(values: Array, count: int) -> list[Array]:
    """`values` in `count` parts whose bounds are as far apart as they can be, so that an axis is true below them."""
    bounds = np.linspace(0, len(values), count + 1).astype(int)
    return [values[low : max(high, low + 1)] for low, high in pairwise(bounds.tolist())]


def _row(label: str, bars: str) -> str:
    return f"{label:>{_GUTTER - 2}} {'┤' if label else '│'}{bars}"


def _axis(first: float, last: float, width: int, offset: float, unit: str) -> list[str]:
    """The line below a chart, and round numbers from `first` to `last`, which stand `offset` columns from its ends."""
    line, labels = ["─"] * width, [" "] * width
    span = last - first
    step = _round_step(span / max(1, width // _LABEL)) if span else 1.0
    if unit == "step":
        step = max(1.0, math.ceil(step))
    number, free = math.ceil(first / step - 1e-9), 0
    while number * step <= last + 1e-9 * max(span, step):
        place = offset + (number * step - first) / (span or 1.0) * (width - 2 * offset)
        column = min(width - 1, int(place))
        text = f"{number * step:.6g}"
        if number == math.floor(last / step + 1e-9) and unit:
            text += f" {unit}"
        start = min(max(0, column - len(text) // 2), width - len(text))
        line[column] = "┴"
        if start >= free:
            labels[start : start + len(text)] = text
            free = start + len(text) + 1
        number += 1
    gutter = " " * (_GUTTER - 1)
    return [f"{gutter}└{''.join(line)}", f"{gutter} {''.join(labels)}"]


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def weights_of(entry: dict[str, Any], recipe: Any, kernel_layout: Any, assume_depthwise: bool) -> Resolved:
    """The weights that were described, which are read again."""
    from dwconv_cli.storage.address import Address
    from dwconv_cli.weights.recipe import Recipe

    if recipe is None:
        address = Address.parse(entry["weights"]["address"])
        recipe = Recipe(weights=address, layout=kernel_layout, assume_depthwise=assume_depthwise)
    resolved: Resolved = recipe.resolve(1 if recipe.is_fresh else None)
    return resolved
