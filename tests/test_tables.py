"""Tables keep to the columns that a stream has, and to none where it has none."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import run, save
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.cli.columns import folded, padded, shortened, width_of
from dwconv_cli.cli.render import table, title

TEXTS = st.text("ab加é/ -.\u0301", max_size=60)
SPARKLINE = "▁▂▃▄▅▆▇█" * 4


@given(TEXTS, st.integers(4, 50))
def test_shortened_texts_fit(text: str, width: int) -> None:
    short = shortened(text, width)
    assert width_of(short) <= width
    assert short == text or "..." in short
    assert (short == text) == (width_of(text) <= width)


@given(TEXTS, st.integers(4, 50))
def test_folded_texts_fit_and_lose_no_word(text: str, width: int) -> None:
    lines = folded(text, width)
    assert all(width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_wide_characters_count_twice() -> None:
    assert padded("加速", 6) == "加速  "
    assert padded("加速", 6, right=True) == "  加速"


def written(rows: list[tuple[str, ...]], head: tuple[str, ...] = ()) -> list[str]:
    stream = io.StringIO()
    table(rows, stream, head)
    return stream.getvalue().splitlines()


HEAD = ("name", "kind", "shape", "taps")
LONG = "recordings/" + "long/" * 30 + "watch.h5"
ROWS = [
    (LONG, "array", "(1398, 3)", SPARKLINE),
    ("加速度" * 15, "file", "", SPARKLINE),
    ("a", "b", "(1,)", "▁"),
]


@pytest.mark.parametrize("columns", [60, 80, 120, 200, 400])
def test_names_lose_their_middle_and_sparklines_stay(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = written(ROWS, HEAD)
    assert all(width_of(line) <= columns for line in lines)
    assert sum(SPARKLINE in line for line in lines) == 2
    assert len(lines) == len(ROWS) + 1 or columns < 80
    assert (LONG in lines[1]) == (columns == 400)
    # The columns stand below each other, however wide the characters before them are.
    places = {width_of(line[: line.index("▁")]) for line in lines if "▁" in line}
    assert len(places) == 1


def test_rows_that_do_not_fit_are_tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    lines = written([("加速度" * 15, SPARKLINE, SPARKLINE)] * 2, ("name", "taps", "response"))
    assert all(width_of(line) <= 50 for line in lines)
    assert [line.split()[0] for line in lines if line] == ["name", "taps", "response"] * 2
    assert sum(SPARKLINE in line for line in lines) == 4


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_long_texts_are_folded_in_their_column(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    words = "words " * 50
    lines = written([("note", words.strip()), ("weights", LONG)])
    assert all(width_of(line) <= columns for line in lines)
    assert sum(line.count("words") for line in lines) == 50
    assert lines[-1].startswith("  weights  recordings/")
    assert lines[-1].endswith("watch.h5")
    assert len({len(line) - len(line.lstrip()) for line in lines[1:-1]}) <= 1


def test_streams_without_a_width_have_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert LONG in written(ROWS, HEAD)[1]
    assert written([("note", "words " * 50)])[0].count("words") == 50


@pytest.mark.parametrize("value", ["0", "-5", "wide", "²"])
def test_columns_that_are_no_number(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("COLUMNS", value)
    assert LONG in written(ROWS, HEAD)[1]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_reports_and_descriptions_fit(place: Path, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    deep = place / ("加速度" * 10) / ("long" * 20)
    deep.mkdir(parents=True)
    save(deep / "rec.npy", np.ones((20, 3), "f4"))
    np.save("taps.npy", np.hanning(101))
    name = deep.relative_to(place)
    report = run(f"apply '{name}/rec.npy' -k k.npy --output-dir out -v").err
    texts = [
        report,
        run(f"inspect '{name}/rec.npy' -k k.npy --padding causal --stats").done().out.decode(),
        run("inspect -k taps.npy --fs 50").done().out.decode(),
        run("inspect .").done().out.decode(),
    ]
    for text in texts:
        assert all(width_of(line) <= columns for line in text.splitlines()), text
    assert report.splitlines()[0].endswith(": ok")


def test_titles_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = io.StringIO()
    title(LONG, stream)
    assert stream.getvalue() == "recordings/lo.../long/watch.h5\n"
