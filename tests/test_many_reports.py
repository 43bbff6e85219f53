"""What standard error says of many inputs: a line each, a counter on terminals, and a summary."""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import npy_bytes, run, save
from recordings import X

from dwconv_cli.cli.durations import in_words, on_a_clock
from dwconv_cli.cli.progress import Progress
from dwconv_cli.jobs.report import Report

APPLY = "apply in/*.npy -k k.npy"
COUNT = 30
BAD = (3, 7, 20, 29)


@pytest.fixture
def many(place: Path) -> Path:
    """Thirty recordings, four of which are broken."""
    (place / "in").mkdir()
    for number in range(COUNT):
        path = place / "in" / f"r{number:02}.npy"
        path.write_bytes(b"bad" if number in BAD else npy_bytes(X))
    return place


def lines(line: str, code: int, **options: bytes) -> list[str]:
    ran = run(line, **options)
    assert ran.code == code, ran.err
    return ran.err.splitlines()


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_line_each_and_a_summary_that_names_the_failures(many: Path, jobs: int) -> None:
    *each, summary = lines(f"{APPLY} --output-dir out --keep-going -j {jobs}", 1)
    assert len(each) == COUNT
    for number, line in enumerate(each):
        name = f"in/r{number:02}.npy"
        if number in BAD:
            assert line.startswith(f"dwconv: error: {name}: ")
        else:
            assert re.fullmatch(rf"{name}  \(20, 3\) -> \(19, 3\)  \S+ s", line), line
    failures = ", ".join(f"in/r{number:02}.npy" for number in BAD)
    assert re.fullmatch(rf"26 done, 4 failed, 0 skipped in \S+ s; failures: {failures}", summary)


def test_what_is_left_after_a_failure_is_done_as_the_summary_says(many: Path) -> None:
    *each, summary, error = lines(f"{APPLY} --output-dir out", 3)
    assert [line.split()[0] for line in each] == ["in/r00.npy", "in/r01.npy", "in/r02.npy"]
    assert error.startswith("dwconv: error: in/r03.npy")
    assert "3 done, 1 failed, 0 skipped, 26 left in " in summary
    advice = re.search(r"; (--keep-going .*) does the rest", summary)
    assert advice, summary
    *_, summary = lines(f"{APPLY} --output-dir out {advice[1]}", 1)
    assert summary.startswith("23 done, 4 failed, 3 skipped in ")


def test_a_first_input_that_fails_has_the_only_line(many: Path) -> None:
    (line,) = lines("apply in/r03.npy in/r04.npy -k k.npy --output-dir out", 3)
    assert line.startswith("dwconv: error: in/r03.npy")


def test_plans_and_what_is_there_already(many: Path) -> None:
    run("apply in/r00.npy -k k.npy -q --output-dir out").done()
    *each, summary = lines("apply in/r0[0-2].npy -k k.npy --output-dir out --skip-existing --dry-run", 0)
    assert each == [
        "in/r00.npy  skipped, its output exists",
        "in/r01.npy  (20, 3) -> (19, 3)  planned",
        "in/r02.npy  (20, 3) -> (19, 3)  planned",
    ]
    assert summary.startswith("2 planned, 0 failed, 1 skipped in ")


def test_notes_stand_at_the_first_line_that_they_are_for(many: Path) -> None:
    for number in (0, 1, 2):
        save(many / "in" / f"r{number:02}.npy", np.full((20, 3), np.nan if number == 1 else 1, "f4"))
    each = lines("apply in/r0[0-2].npy --kernel-size 3 --output-dir out", 0)
    assert len(each) == 4
    assert "; " in each[0]
    assert "; " not in each[2]
    assert "NaN or Inf: 60 in, 54 out" in each[1]


def test_one_input_has_its_table(many: Path) -> None:
    head, *rows = lines("apply in/r00.npy -k k.npy --output-dir out", 0)
    assert head == "in/r00.npy -> out/r00.npy: ok"
    assert any(row.split() == ["padding", "0", "left,", "0", "right"] for row in rows)


def test_tables_for_each_and_nothing_at_all(many: Path) -> None:
    tables = lines("apply in/r0[01].npy -v -k k.npy --output-dir out", 0)
    assert [line for line in tables if line.endswith(": ok")] == [
        f"in/r0{number}.npy -> out/r0{number}.npy: ok" for number in (0, 1)
    ]
    assert tables[-1].startswith("2 done, 0 failed, 0 skipped in ")
    run("apply in/r0[01].npy -q -k k.npy --output-dir out2").done()
    ran = run("apply in/r0[01].npy --json -k k.npy --output-dir out3").done()
    assert len(ran.reports) == 2


def test_long_names_lose_their_middle_where_there_is_a_width(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{'long' * 30}.npy"
    save(many / "in" / name, X)
    wide = "加速度" * 20 + ".npy"
    save(many / "in" / wide, X)
    line = f"apply in/r00.npy in/{name} in/{wide} -k k.npy --overwrite --output-dir out"
    assert f"in/{name}  (20, 3)" in lines(line, 0)[1]
    monkeypatch.setenv("COLUMNS", "80")
    _, long, of_two_columns, _ = lines(line, 0)
    assert len(long) <= 80
    assert re.match(r"in/long\w+\.\.\.\w+\.npy  \(20, 3\) -> ", long)
    assert len(of_two_columns) + sum(character in "加速度" for character in of_two_columns) <= 80
    assert of_two_columns.startswith("in/加速度")


def test_failures_of_one_output_file(many: Path) -> None:
    (error,) = lines("apply in/r0[0-4].npy -k k.npy -o all.npz", 3)
    assert error.startswith("dwconv: error: in/r03.npy")
    *_, summary = lines("apply in/r0[0-4].npy -k k.npy -o all.npz --keep-going", 1)
    assert summary.startswith("4 done, 1 failed, 0 skipped in ")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which the test sets; terminals are 60 columns wide."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    return now


def counting(recordings: int, monkeypatch: pytest.MonkeyPatch) -> Progress:
    """What counts recordings on a terminal, which is standard error from now on."""
    monkeypatch.setattr(sys, "stderr", _Terminal())
    progress = Progress()
    progress.expect(recordings)
    return progress


def shown() -> str:
    """The line on the terminal."""
    stream = sys.stderr
    assert isinstance(stream, io.StringIO)
    return stream.getvalue().rpartition("\r")[2].rstrip()


def test_the_counter(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    progress = counting(1999, monkeypatch)
    done = Report("ok", {"address": "a", "shape": [1000, 1000], "dtype": "float32"})
    progress("a.npy", 5, 10)
    assert shown() == ""
    clock[0] += 1.5
    progress("a.npy", 6, 10)
    # Neither the bytes nor the time of a recording are known yet.
    assert shown() == "[0/1999]  a.npy  60 %"
    progress("a.npy", 10, 10)
    clock[0] += 0.5
    progress.count(done)
    progress.show_counter()
    # 4 MB in 2 s, and 1998 times 2 s to go.
    assert shown() == "[1/1999] 2 MB/s 1:06:36 left"
    progress.count(Report("skipped"))
    progress.show_counter()
    assert shown() == "[2/1999] 2 MB/s 1:06:34 left"
    progress("b.npy", 1, 2)
    clock[0] += 2
    progress("b.npy", 1, 2)
    # One and a half recordings took 4 s.
    assert shown().startswith("[2/1999] 2 MB/s 1:28:")
    progress.clear()
    assert shown() == ""


def test_the_counter_fits_the_terminal(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    progress = counting(2, monkeypatch)
    progress("加" * 50, 1, 2)
    clock[0] += 2
    progress("加" * 50, 1, 2)
    assert shown().startswith("[0/2]  加")
    assert len(shown()) + shown().count("加") < 60


def test_one_recording_has_its_line(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    progress = counting(1, monkeypatch)
    progress("a.npy", 0, 8_000_000)
    clock[0] += 2
    progress("a.npy", 4_000_000, 8_000_000)
    assert shown() == "a.npy  50 %  2 M samples/s  0:02 left"


@pytest.mark.parametrize("variable, value", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_where_no_line_can_be_replaced(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    progress = counting(3, monkeypatch)
    progress("a.npy", 1, 2)
    clock[0] += 6
    progress("a.npy", 1, 2)
    assert isinstance(sys.stderr, io.StringIO)
    assert sys.stderr.getvalue() == "[0/3]  a.npy  50 %\n"


@pytest.mark.parametrize(
    "seconds, words, clock_words",
    [
        (0, "0.0 s", "0:00"),
        (59.9, "59.9 s", "1:00"),
        (59.96, "1 min 0 s", "1:00"),
        (3600, "1 h 0 min", "1:00:00"),
    ],
)
def test_durations(seconds: float, words: str, clock_words: str) -> None:
    assert (in_words(seconds), on_a_clock(seconds)) == (words, clock_words)
