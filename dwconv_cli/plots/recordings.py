"""Pages of channels, one below the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dwconv_cli.plots.captions import Captions
from dwconv_cli.plots.envelope import Envelope
from dwconv_cli.plots.figures import COLOURS, has_pages, headline, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Channels on a page, and pages of a file that has several.
PER_PAGE, MOST_PAGES = 8, 8


def channels_drawn(channels: int, path: str) -> int:
    """How many of `channels` channels a picture has room for."""
    return min(channels, PER_PAGE * (MOST_PAGES if has_pages(path) else 1))


def left_out(channels: int, drawn: int, batch: int, path: str) -> list[str]:
    """Remarks on channels and recordings that a picture lacks."""
    remarks = []
    if batch > 1:
        remarks.append(f"recording 0 of {batch} is drawn")
    if drawn < channels:
        more = "" if has_pages(path) else "; a .pdf has room for more"
        remarks.append(f"channels 0 to {drawn - 1} of {channels} are drawn{more}")
    return remarks


def draw_recording(
    envelope: Envelope, captions: Captions, steps: slice, channels: int, title: str, remarks: list[str]
) -> list[Figure]:
    """Pages of the first `channels` channels of a recording."""
    if envelope.nonfinite:
        remarks = [*remarks, f"{envelope.nonfinite} NaN or Inf are not drawn"]
    time = captions.time(steps)
    pages = []
    for first in range(0, channels, PER_PAGE):
        shown = range(first, min(channels, first + PER_PAGE))
        figure = page(0.9 + max(1.8, 1.15 * len(shown)))
        headline(figure, title, remarks)
        rows = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
        for channel, axes in zip(shown, rows, strict=True):
            places, samples = envelope.curve(channel)
            marker = {"marker": ".", "markersize": 3.0} if len(places) <= 100 else {}
            axes.plot(time(places), samples, color=COLOURS[0], linewidth=0.9, **marker)
            axes.set_ylabel(captions.of(channel))
        rows[-1].set_xlabel(time.label)
        axes.margins(x=0.01)
        figure.align_ylabels()
        pages.append(figure)
    return pages
