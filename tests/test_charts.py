"""Taps and gains that are drawn with characters."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import run, run_process, save

GUTTER = 10


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    save(tmp_path / "mean.npy", np.full(5, 0.2))
    save(tmp_path / "slope.npy", np.array([-1.0, 0.0, 1.0]))
    save(tmp_path / "long.npy", rng.normal(size=1000))
    save(tmp_path / "many.npy", rng.normal(size=(9, 12)))
    save(tmp_path / "two.npy", np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]]))
    save(tmp_path / "zeros.npy", np.zeros(3))
    save(tmp_path / "one.npy", np.ones(1))
    save(tmp_path / "complex.npy", np.array([1, 1j, -1]))
    return tmp_path


def shown(line: str) -> list[str]:
    return run(line).done().out.decode().splitlines()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("kernel", ["mean", "slope", "long", "two", "one", "complex"])
def test_charts_are_as_wide_as_the_terminal(
    here: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = shown(f"inspect -k {kernel}.npy --fs 50")
    charts = [line for line in lines if re.search("[┤│└]", line)]
    assert max(map(len, charts)) in (columns - 1, columns)
    assert any(re.search(r"^ +-?\d+ dB ┤", line) for line in charts)
    assert sum(bool(re.search(r"\d Hz$", line)) for line in lines) == (2 if kernel == "two" else 1)


def test_the_height_of_a_column_is_its_gain(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy import signal

    monkeypatch.setenv("COLUMNS", "120")
    lines = shown("inspect -k mean.npy --fs 50")
    start = next(number for number, line in enumerate(lines) if "gain in dB" in line)
    rows = [line[GUTTER:].ljust(109) for line in lines[start + 1 : start + 9]]
    assert lines[start + 1].startswith("    0 dB ┤")
    eighths = np.array([[" ▁▂▃▄▅▆▇█".index(c) for c in row] for row in rows]).sum(axis=0)
    frequencies = np.linspace(0, 25, 109 * 64)
    response = np.abs(signal.freqz(np.full(5, 0.2), worN=frequencies, fs=50)[1])
    largest = 20 * np.log10(response.reshape(109, 64).max(axis=1))
    # Eight rows of 10 dB, in eighths; near zeros of the response its neighbours decide.
    clear = largest > -20
    assert clear.sum() > 80
    np.testing.assert_allclose(eighths[clear], (largest[clear] + 80) / 10 * 8, atol=2.0)
    axis = lines[start + 10]
    assert axis.index("10") - GUTTER == pytest.approx(109 * 10 / 25, abs=2)


def test_taps_stand_on_both_sides_of_zero(here: Path) -> None:
    lines = shown("inspect -k slope.npy")
    start = next(number for number, line in enumerate(lines) if "taps (3 taps" in line)
    rows = [line[GUTTER:].ljust(69) for line in lines[start + 1 : start + 9]]
    columns = ["".join(column) for column in zip(*rows, strict=True)]
    assert [columns[place] for place in (5, 30, 55)] == ["    ████", "        ", "████    "]
    assert lines[start + 1].startswith("       1 ┤")
    assert lines[start + 5].startswith("       0 ┤")


def test_many_kernels_have_small_pictures_that_fit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = shown("inspect -k many.npy")
    assert not any("┤" in line for line in wide)
    assert any(line.split()[-1] == "response" for line in wide)
    for columns in (80, 110, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        table = shown("inspect -k many.npy")
        assert max(map(len, table)) <= columns


def test_what_cannot_be_drawn_is_left_out(here: Path) -> None:
    assert not any("┤" in line for line in shown("inspect -k zeros.npy"))
    assert sum("channels 0-1" in line for line in shown("inspect -k two.npy")) == 1


def test_encodings_without_blocks_get_ascii(here: Path) -> None:
    ran = run_process("inspect -k mean.npy", env={"PYTHONIOENCODING": "ascii"}).done()
    assert ran.out.isascii()
    assert rb"\u" not in ran.out
    assert b"0 dB |####" in ran.out
