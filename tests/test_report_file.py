"""The file of ``--report``: it replaces nothing, and appears whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from helpers_cli import run, run_shell, save, start, until
from recordings import X, added

APPLY = "apply a.npy b.npy -q -k k.npy --output-dir out"


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with two recordings."""
    for name in "ab":
        save(place / f"{name}.npy", X)
    return place


def statuses(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line)["status"] for line in file]


@pytest.mark.parametrize("more", ["", "--keep-going", "--skip-existing", "--dry-run"])
def test_an_existing_file_is_refused(place: Path, more: str) -> None:
    thesis = save(place / "thesis.npy", X)
    before = thesis.read_bytes()
    ran = run(f"{APPLY} {more} --report thesis.npy").failed(4, "thesis.npy", "exists", "--overwrite")
    assert "--skip-existing" not in ran.err
    assert thesis.read_bytes() == before
    assert added(place) == ["a.npy", "b.npy", "thesis.npy"]
    run(f"{APPLY} {more} --report .").failed(4, "is a directory")
    if "--dry-run" not in more:
        run(f"{APPLY} {more} --report out/r.json").done()
        assert statuses("out/r.json") == ["ok", "ok"]
    run(f"{APPLY} {more} --report no/r.json").failed(4, "no/r.json", "its directory does not exist")


def test_it_is_replaced_if_that_is_asked_for(place: Path) -> None:
    (place / "r.json").write_text("old")
    (place / "r.json").chmod(0o600)
    run(f"{APPLY} --overwrite --report r.json").done()
    assert statuses("r.json") == ["ok", "ok"]
    assert stat.S_IMODE(os.stat("r.json").st_mode) == 0o600
    run(f"{APPLY} --overwrite --report k.npy").failed(4, "would replace k.npy")


@pytest.mark.parametrize(
    "more, expected",
    [
        ("", ["ok", "failed"]),
        ("--keep-going", ["ok", "failed", "ok"]),
        ("-j 2", ["ok", "failed"]),
        ("-j 2 --keep-going", ["ok", "failed", "ok"]),
    ],
)
def test_runs_that_fail_have_one_too(place: Path, more: str, expected: list[str]) -> None:
    (place / "aa.npy").write_bytes(b"no array")
    ran = run(f"apply a.npy aa.npy b.npy -q -k k.npy --output-dir out {more} --report r.json")
    ran.failed(1 if "--keep-going" in more else 3, "aa.npy")
    assert statuses("r.json") == expected
    assert added(place) == ["a.npy", "aa.npy", "b.npy", "out", "r.json"]


def test_a_dash_is_standard_output(place: Path) -> None:
    ran = run(f"{APPLY} --report -").done()
    assert [report["status"] for report in ran.reports] == ["ok", "ok"]
    assert "-" not in added(place)
    run("apply a.npy -k k.npy -o - --report -").failed(2, "standard output", "--report FILE")


def test_a_pipe_gets_each_report_as_it_comes(place: Path) -> None:
    ran = run_shell(f"mkfifo pipe; cat pipe > r.json & dwconv {APPLY} --report pipe; wait").done()
    assert ran.out == b""
    assert statuses("r.json") == ["ok", "ok"]


def test_what_comes_meanwhile_is_not_replaced(place: Path) -> None:
    from dwconv_cli.cli.log import Log

    real = Log.add

    def add(log: Any, report: Any) -> None:
        Path("r.json").write_text("somebody else's")
        real(log, report)

    with mock.patch.object(Log, "add", add):
        run(f"{APPLY} --report r.json").failed(4, "r.json", "exists already")
    assert Path("r.json").read_text() == "somebody else's"
    assert added(place) == ["a.npy", "b.npy", "out", "r.json"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_ended_leaves_none(place: Path, number: int, code: int) -> None:
    line = "apply a.npy - -q -k k.npy --output-dir out --report r.json"
    with start(line, stdin=subprocess.PIPE) as process:
        until((place / "out" / "a.npy").exists)
        process.send_signal(number)
        assert process.wait(20) == code
    assert added(place) == ["a.npy", "b.npy", "out"]
