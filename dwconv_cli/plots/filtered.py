"""Pages that show the outputs of a layer over the recording that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dwconv_cli.description.response import response
from dwconv_cli.plots.captions import delay_text
from dwconv_cli.plots.figures import COLOURS, DARK, GREY, WIDTH, cut, headline, page
from dwconv_cli.plots.recordings import PER_PAGE
from dwconv_cli.plots.trace import Trace
from dwconv_cli.text import counted, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Outputs of one channel that are drawn.
_MOST_OUTPUTS = len(COLOURS)
# Raw and filtered samples get an axis each where one of them would fill less of a common one, or where they lie so far
# apart that neither would fill more of it.
_LEAST_FILLED, _MOST_APART = 0.2, 0.7


def draw_filtered(trace: Trace, title: str) -> list[Figure]:
    """Pages of the first channels, with the whole recording and, where it is long, some steps in its middle."""
    delays = delays_of(trace)
    remarks = [*trace.remarks, _filter_remark(trace), *_delay_remark(trace, delays)]
    nonfinite = trace.raw[0].nonfinite + trace.filtered[0].nonfinite
    if nonfinite:
        remarks.append(f"{nonfinite} NaN or Inf are not drawn")
    pages = []
    for first in range(0, trace.channels, PER_PAGE):
        shown = range(first, min(trace.channels, first + PER_PAGE))
        figure = page(1.1 + max(1.9, 1.2 * len(shown)), WIDTH + 0.8)
        headline(figure, title, remarks)
        ratios = [3, 2][: len(trace.parts)]
        grid = figure.subplots(len(shown), len(trace.parts), sharex="col", squeeze=False, width_ratios=ratios)
        for channel, row in zip(shown, grid, strict=True):
            apart = _is_apart(trace, channel)
            for part, axes in enumerate(row):
                _draw_channel(trace, channel, part, axes, apart)
            row[0].set_ylabel(trace.captions.of(channel))
        if len(trace.parts) > 1:
            _mark_detail(trace, grid)
        _mark_delay(trace, grid[0, -1], delays[first * trace.multiplier], len(trace.parts) - 1)
        label = trace.captions.time(trace.plan.data.steps).label
        for axes in grid[-1]:
            axes.set_xlabel(label)
            # Long numbers would touch in the narrow column.
            axes.xaxis.get_major_locator().set_params(nbins=5)
        figure.align_ylabels(grid[:, 0])
        _legend(figure, trace)
        pages.append(figure)
    return pages


def delays_of(trace: Trace) -> list[float | None]:
    """How many steps each output that is drawn lags the recording where both are at their places in the file.

    It is the group delay where the gain is largest; it is less than that of the causal filter by the steps of the
    kernel for which no padding stands before the recording.
    """
    plan = trace.plan
    advance = plan.layer.effective_kernel_size - 1 - plan.padding["left"]
    kernel = plan.ready().weights.kernel
    delays: list[float | None] = []
    known: dict[bytes, float | None] = {}
    for channel in range(trace.channels):
        for multiple in range(trace.multiplier):
            taps = np.ascontiguousarray(kernel[:, channel, multiple])
            key = taps.tobytes()
            if key not in known:
                known[key] = response(taps, plan.layer.dilation_rate).group_delay
            delay = known[key]
            delays.append(None if delay is None else delay - advance)
    return delays


def _filter_remark(trace: Trace) -> str:
    """Which filter this is."""
    layer, weights = trace.plan.layer, trace.plan.weights
    words = [printable(weights["address"] or "fresh weights"), counted(layer.kernel_size, "tap")]
    words.append(f"padding {layer.padding}")
    defaults = {"strides": 1, "dilation_rate": 1}
    words += [
        f"{key} {getattr(layer, key)}" for key, usual in defaults.items() if getattr(layer, key) != usual
    ]
    if layer.activation.name != "linear":
        words.append(f"activation {layer.activation}")
    return f"filter: {cut(words[0], 60)}, {', '.join(words[1:])}"


def _delay_remark(trace: Trace, delays: list[float | None]) -> list[str]:
    fs = trace.captions.fs
    lags = sorted({round(delay, 6) + 0.0 for delay in delays if delay is not None})
    if not lags:
        return []
    if lags == [0.0]:
        return ["delay: none; filtered and raw are in time with each other"]
    if len(lags) > 1:
        return [f"delay: filtered lags raw by {delay_text(lags[0], None)} to {delay_text(lags[-1], fs)}"]
    lag = lags[0]
    verb = "lags" if lag > 0 else "leads"
    return [f"delay: filtered {verb} raw by {delay_text(abs(lag), fs)}"]


def _is_apart(trace: Trace, channel: int) -> bool:
    """Whether the outputs of a channel need an axis of their own."""
    low, high = trace.raw[0].extremes(channel)
    outputs = range(channel * trace.multiplier, (channel + 1) * trace.multiplier)
    bounds = np.array([trace.filtered[0].extremes(output) for output in outputs])
    if not np.isfinite(bounds).any() or not np.isfinite([low, high]).all():
        return False
    least, most = float(np.nanmin(bounds[:, 0])), float(np.nanmax(bounds[:, 1]))
    whole = max(high, most) - min(low, least)
    spans = (high - low, most - least)
    return min(spans) > 0 and (min(spans) < _LEAST_FILLED * whole or max(spans) < _MOST_APART * whole)


def _draw_channel(trace: Trace, channel: int, part: int, axes: Any, apart: bool) -> None:
    time = trace.captions.time(trace.plan.data.steps)
    places, samples = trace.raw[part].curve(channel)
    axes.plot(time(places), samples, color=GREY, linewidth=0.8)
    upper: Axes = axes.twinx() if apart else axes
    if apart:
        upper.grid(False)
        upper.spines["right"].set_visible(True)
        colour = COLOURS[0] if trace.multiplier == 1 else DARK
        upper.tick_params(axis="y", colors=colour)
        if part == len(trace.parts) - 1:
            upper.set_ylabel("filtered" if trace.multiplier == 1 else "outputs", color=colour)
    for number in range(min(trace.multiplier, _MOST_OUTPUTS)):
        places, samples = trace.filtered[part].curve(channel * trace.multiplier + number)
        upper.plot(time(places * trace.strides), samples, color=COLOURS[number], linewidth=1.2)
    steps = trace.parts[part]
    low, high = time(np.array([steps.start, max(steps.stop - 1, steps.start + 1)]))
    margin = 0.01 * (high - low)
    axes.set_xlim(low - margin, high + margin)


def _mark_detail(trace: Trace, grid: Any) -> None:
    time = trace.captions.time(trace.plan.data.steps)
    low, high = time(np.array([trace.parts[1].start, trace.parts[1].stop]))
    for axes in grid[:, 0]:
        axes.axvspan(low, high, color="#000000", alpha=0.06, linewidth=0)
    grid[0, 0].set_title("whole recording", loc="left")
    grid[0, 1].set_title("the shaded part", loc="left")


def _mark_delay(trace: Trace, axes: Any, delay: float | None, part: int) -> None:
    """Draw an arrow as long as the delay, from raw to filtered."""
    steps = trace.parts[part]
    if not delay or abs(delay) < 0.01 * (steps.stop - steps.start):
        return
    time = trace.captions.time(trace.plan.data.steps)
    middle = (steps.start + steps.stop) / 2
    begin, end = time(np.array([middle - delay / 2, middle + delay / 2]))
    arrow = {"arrowstyle": "-|>", "color": DARK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.0}
    frame = axes.get_xaxis_transform()
    axes.annotate("", (end, 1.04), (begin, 1.04), xycoords=frame, textcoords=frame, arrowprops=arrow)
    axes.annotate("delay", (max(begin, end), 1.04), (4, 0), frame, "offset points", va="center", fontsize=7)


def _legend(figure: Figure, trace: Trace) -> None:
    from matplotlib.lines import Line2D

    names = ["filtered"]
    if trace.multiplier > 1:
        names = [f"output {number} of {trace.multiplier}" for number in range(trace.multiplier)]
    lines = [Line2D([], [], color=GREY, linewidth=1.2)]
    lines += [Line2D([], [], color=colour, linewidth=1.6) for colour in COLOURS[: len(names)]]
    labels = ["raw", *names[: len(lines) - 1]]
    figure.legend(lines, labels, loc="outside lower center", ncols=len(labels))
