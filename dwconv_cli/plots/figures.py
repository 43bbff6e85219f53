"""Pages, their style, and how they become files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from dwconv_cli.errors import LayerError, MissingExtraError
from dwconv_cli.storage.sink import FileSink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
# Inches; about the width of the text on a page of A4, so that 9 points of text stay 9 points in a report.
WIDTH = 7.2
# The palette of M. Okabe and K. Ito, "Color Universal Design", 2008, without its yellow, which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
LAYOUT: Literal["constrained"] | None = "constrained"
GREY, DARK = "#A0A0A0", "#404040"
_STYLE = {
    "agg.path.chunksize": 10000,
    "axes.axisbelow": True,
    "axes.edgecolor": DARK,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,
    "savefig.dpi": 160,
    # Names in SVG files are random without it.
    "svg.hashsalt": "dwconv",
    # Names come from files, and a dollar sign would begin a formula.
    "text.parse_math": False,
    "xtick.color": DARK,
    "xtick.labelsize": 8,
    "ytick.color": DARK,
    "ytick.labelsize": 8,
}


def check_picture(path: str) -> None:
    """Refuse a picture whose suffix is unknown, and any where matplotlib is absent.

    Raises
    ------
    LayerError
    MissingExtraError
    """
    suffix = os.path.splitext(path)[1]
    if suffix.lower() not in SUFFIXES:
        problem = f"pictures do not end in {suffix!r}" if suffix else "a picture needs a suffix"
        raise LayerError(f"--plot {path}: {problem}; use .png, .svg or .pdf")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(
            f"--plot {path}: pictures are drawn by matplotlib, which is not installed; pip install matplotlib"
        )


def has_pages(path: str) -> bool:
    """Whether a picture may have several pages."""
    return path.lower().endswith(".pdf")


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw and save in the style of this module, whatever the settings of the user's matplotlib are."""
    import logging

    # It would tell of its cache of fonts, which is nothing that people asked for.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # The name of an unknown backend would be an error, though none is needed.
    with _without("MPLBACKEND"):
        import matplotlib as mpl
    parameters: Any = mpl.rcParams
    with warnings.catch_warnings(), mpl.rc_context():
        # Characters that the font lacks are drawn as boxes.
        warnings.simplefilter("ignore")
        parameters.update(
            (key, value) for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")
        )
        parameters.update(_STYLE)
        yield


def page(height: float, width: float = WIDTH) -> Figure:
    """An empty page, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=LAYOUT)


def headline(figure: Figure, title: str, below: Sequence[str] = ()) -> None:
    """Write what a page shows above it, and lines of remarks."""
    lines = [cut(title, 96), *below]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=9, linespacing=1.4, color="black")


def cut(text: str, most: int = 32) -> str:
    """`text` with its middle left out where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[len(text) - most // 2 + 3 :]}"


def save(pages: Sequence[Figure], path: str, overwrite: bool) -> None:
    """Write the pages into a file; only a PDF takes more than one.

    The bytes depend on what is drawn alone: the files bear no date.

    Raises
    ------
    OutputError
        If the file exists, or cannot be written.
    """
    sink = FileSink(path, overwrite)
    try:
        sink.write_at(memoryview(_encoded(pages, os.path.splitext(path)[1].lower())), 0)
        sink.commit()
    finally:
        sink.abort()


def _encoded(pages: Sequence[Figure], suffix: str) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".pdf":
        from matplotlib.backends.backend_pdf import PdfPages

        with PdfPages(buffer, metadata={"CreationDate": None}) as file:
            for figure in pages:
                file.savefig(figure)
    else:
        metadata: dict[str, Any] = {"Date": None} if suffix == ".svg" else {}
        pages[0].savefig(buffer, format=suffix[1:], metadata=metadata)
    return buffer.getvalue()


@contextlib.contextmanager
def _without(variable: str) -> Iterator[None]:
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value
