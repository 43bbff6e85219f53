"""A page that shows kernels: their taps, their gain in decibels and their group delay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dwconv_cli.description.curve import Curve, curve_of
from dwconv_cli.description.kernels import DistinctKernel
from dwconv_cli.layer.axes import Array
from dwconv_cli.plots.bands import Bands, bands_of
from dwconv_cli.plots.captions import delay_text
from dwconv_cli.plots.envelope import Envelope
from dwconv_cli.plots.figures import COLOURS, DARK, LINE_STYLES, headline, page
from dwconv_cli.text import ranges

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_KERNELS = len(COLOURS)
# With more taps their marks would touch.
_MOST_STEMS = 128
# The gain is drawn from so far below the largest one.
_DEPTH_DB = 100.0
# Half-power points that are named, and that are marked.
_MOST_EDGES, _MOST_MARKS = 4, 32


def draw_kernels(
    kernels: Sequence[DistinctKernel],
    dilation_rate: int,
    fs: float | None,
    title: str,
    remarks: Sequence[str],
) -> Figure:
    """A page with the first of the kernels."""
    shown = kernels[:MOST_KERNELS]
    if len(kernels) > len(shown):
        remarks = [*remarks, f"{len(shown)} of {len(kernels)} different kernels are drawn"]
    unit = "cycles per step" if fs is None else "Hz"
    curves = [curve_of(kernel.taps, dilation_rate, fs or 1.0) for kernel in shown]
    if len(shown) == 1:
        remarks = [*remarks, *_words(shown[0], fs, " (●)")]
    figure = page(6.4 if len(shown) == 1 else 7.0)
    headline(figure, title, remarks)
    taps, gain, delay = figure.subplots(3, height_ratios=[3, 4, 2.4])
    _draw_taps(taps, shown, dilation_rate)
    _draw_gain(gain, shown, curves)
    _draw_delay(delay, shown, curves, fs)
    is_complex = any(np.iscomplexobj(kernel.taps) for kernel in shown)
    taps.set_ylabel("weight (● real,\n■ imaginary)" if is_complex else "weight")
    taps.set_xlabel("tap (steps after the earliest one)")
    gain.set_ylabel("gain (dB)")
    gain.set_xlabel(f"frequency ({unit})")
    delay.set_ylabel("group delay\n(steps)")
    delay.set_xlabel(f"frequency ({unit})")
    delay.set_xlim(gain.get_xlim())
    figure.align_ylabels()
    _legend(figure, shown, fs)
    return figure


def _look(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number], "linestyle": LINE_STYLES[number % len(LINE_STYLES)]}


def _draw_taps(axes: Any, kernels: Sequence[DistinctKernel], dilation_rate: int) -> None:
    axes.axhline(0, color=DARK, linewidth=0.8)
    for number, kernel in enumerate(kernels):
        parts = [kernel.taps.real, kernel.taps.imag] if np.iscomplexobj(kernel.taps) else [kernel.taps]
        for imaginary, values in enumerate(parts):
            places, heights = np.arange(len(values)) * dilation_rate, values.astype(np.float64)
            marker = "s" if imaginary else "o"
            look: dict[str, Any] = {**_look(number), "alpha": 0.5 if imaginary else 1.0}
            if len(values) <= _MOST_STEMS:
                size = 4.0 if len(values) <= 40 else 2.5
                if len(kernels) == 1:
                    axes.vlines(places, 0, heights, color=look["color"], alpha=look["alpha"], linewidth=1.0)
                    look["linestyle"] = ""
                axes.plot(places, heights, marker=marker, markersize=size, **look)
            else:
                envelope = Envelope(len(values), 1)
                envelope.add(0, heights[:, None])
                steps, line = envelope.curve(0)
                axes.plot(steps * dilation_rate, line, **look)
    axes.margins(x=0.02)
    # Taps are counted, so that ticks between them would mean nothing.
    axes.xaxis.get_major_locator().set_params(integer=True)


def _draw_gain(axes: Any, kernels: Sequence[DistinctKernel], curves: Sequence[Curve | None]) -> None:
    peaks = [float(curve.decibels.max()) for curve in curves if curve is not None]
    if not peaks:
        axes.text(0.5, 0.5, "all taps are zero, or one is not finite", transform=axes.transAxes, ha="center")
        return
    lowest = min(float(curve.decibels.min()) for curve in curves if curve is not None)
    top, bottom = max(peaks), max(lowest, max(peaks) - _DEPTH_DB)
    bottom = min(bottom, top - 10)
    axes.set_ylim(bottom - 0.05 * (top - bottom), top + 0.16 * (top - bottom))
    for number, curve in enumerate(curves):
        if curve is not None:
            axes.plot(*_thinned(curve.frequencies, curve.decibels), **_look(number), linewidth=1.3)
    first = curves[0]
    assert first is not None or len(curves) > 1
    if len(kernels) == 1 and first is not None:
        _mark_bands(axes, bands_of(first.frequencies, first.decibels - first.decibels.max()))
        _mark_edges(axes, kernels[0])
    frequencies = next(curve.frequencies for curve in curves if curve is not None)
    axes.set_xlim(frequencies[0], frequencies[-1])


def _mark_bands(axes: Any, bands: Bands) -> None:
    """Shade the bands, and say above them what they are, where there is room for a word."""
    width = np.ptp(axes.get_xlim()) or 1.0
    low, high = axes.get_xlim()
    for band in bands.passing:
        axes.axvspan(band.low, band.high, color=COLOURS[2], alpha=0.12, linewidth=0)
        _band_name(axes, band.low, band.high, "pass", width)
    for band in bands.stopping:
        axes.axvspan(band.low, band.high, color=COLOURS[1], alpha=0.10, linewidth=0)
        _band_name(axes, band.low, band.high, f"stop: at least {-band.decibels:.3g} dB less", width)
        axes.hlines(
            axes.dataLim.ymax + band.decibels,
            band.low,
            band.high,
            color=COLOURS[1],
            linewidth=0.8,
            linestyle="--",
        )
    axes.set_xlim(low, high)


def _band_name(axes: Any, low: float, high: float, name: str, width: float) -> None:
    share = (high - low) / width
    if share < 0.05:
        return
    word = name if share > 0.012 * len(name) else name.partition(":")[0]
    axes.annotate(
        word,
        ((low + high) / 2, 1),
        (0, -4),
        axes.get_xaxis_transform(),
        "offset points",
        ha="center",
        va="top",
        fontsize=8,
        color=DARK,
    )


def _mark_edges(axes: Any, kernel: DistinctKernel) -> None:
    """Mark the frequencies where half of the power passes; the headline has their numbers."""
    edges = kernel.response.cutoffs[:_MOST_MARKS]
    heights = [axes.dataLim.ymax + 10 * np.log10(0.5)] * len(edges)
    axes.plot(edges, heights, "o", color=DARK, markersize=4.5, zorder=5)


def _draw_delay(
    axes: Any, kernels: Sequence[DistinctKernel], curves: Sequence[Curve | None], fs: float | None
) -> None:
    seen: list[Array] = []
    for number, curve in enumerate(curves):
        if curve is not None:
            axes.plot(*_thinned(curve.frequencies, curve.delay), **_look(number), linewidth=1.3)
            seen.append(curve.delay[np.isfinite(curve.delay)])
    if not seen:
        return
    # A few points near zeros of the response would squeeze all the rest.
    low, high = np.quantile(np.concatenate(seen), [0.01, 0.99])
    margin = max(0.1 * (high - low), 1.0)
    axes.set_ylim(low - margin, high + margin)
    if fs is not None:
        in_ms = (high + margin) / fs < 0.5
        factor = 1e3 / fs if in_ms else 1 / fs
        right = axes.secondary_yaxis("right", functions=(lambda y: y * factor, lambda y: y / factor))
        right.set_ylabel("(ms)" if in_ms else "(s)")
    if all(kernel.response.linear_phase for kernel in kernels):
        delays = {kernel.response.group_delay for kernel in kernels} - {None}
        if len(delays) == 1:
            text = f"linear phase: {delay_text(delays.pop() or 0.0, fs)} at all frequencies"
            axes.annotate(
                text, (1, 0.94), (-6, 0), "axes fraction", "offset points", ha="right", va="top", fontsize=8
            )


def _thinned(frequencies: Array, values: Array) -> tuple[Array, Array]:
    """As many points as can be told apart."""
    envelope = Envelope(len(values), 1)
    envelope.add(0, values[:, None])
    places, line = envelope.curve(0)
    return np.interp(places, np.arange(len(frequencies)), frequencies), line


def _words(kernel: DistinctKernel, fs: float | None, mark: str = "") -> list[str]:
    """Half-power points and delay of a kernel."""
    edges, unit = kernel.response.cutoffs, "cycles/step" if fs is None else "Hz"
    words = []
    if edges:
        more = "" if len(edges) <= _MOST_EDGES else f" and {len(edges) - _MOST_EDGES} more"
        words.append(f"−3 dB{mark}: {', '.join(f'{edge:.4g}' for edge in edges[:_MOST_EDGES])}{more} {unit}")
    if kernel.response.group_delay is not None:
        words.append(f"delay: {delay_text(kernel.response.group_delay, fs)}, causal")
    return words


def _legend(figure: Figure, kernels: Sequence[DistinctKernel], fs: float | None) -> None:
    """Say below the page, of each kernel, for which channels it is, its half-power points and its delay."""
    if len(kernels) == 1:
        return
    from matplotlib.lines import Line2D

    lines, labels = [], []
    for number, kernel in enumerate(kernels):
        words = [f"{'channel' if len(kernel.outputs) == 1 else 'channels'} {ranges(kernel.outputs)}"]
        words += _words(kernel, fs)
        lines.append(Line2D([], [], **_look(number), linewidth=1.6))
        labels.append("\n".join(words))
    figure.legend(lines, labels, loc="outside lower center", ncols=min(3, len(labels)))
