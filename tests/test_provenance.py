"""An HDF5 output tells how it was made, and the command it tells makes it again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import run

ROOT = Path(__file__).parents[1]
WATCH = ROOT / "sample_data" / "watch.h5"


def dwconv(place: Path, *words: str, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_HOME": str(place)}
    command = [sys.executable, "-m", "dwconv_cli", *words]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--kernel-size", "5"],
        ["--kernel-size", "5", "--seed", "3", "--no-bias", "--activation", "leaky_relu(negative_slope=0.1)"],
        [
            "-k",
            str(ROOT / "sample_data/kernels/lowpass.npy"),
            "--slice",
            "10:",
            "--strides",
            "3",
            "--padding",
            "SAME",
        ],
        ["--kernel-size", "5", "--dtype", "float64", "--compression", "gzip:9", "--shuffle"],
    ],
)
def test_replay_makes_the_same_output(options: list[str], tmp_path: Path) -> None:
    dwconv(tmp_path, "apply", f"{WATCH}::/pen/acc", *options, "-o", "a.h5", "-q")
    (line,) = dwconv(tmp_path, "inspect", "a.h5", "--replay").splitlines()
    with h5py.File(tmp_path / "a.h5") as file:
        before, attributes = file["pen/acc"][()], dict(file["pen/acc"].attrs)
    (tmp_path / "a.h5").unlink()
    words = shlex.split(line)
    assert words[:2] == ["dwconv", "apply"]
    dwconv(tmp_path, *words[1:], "-q")
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(file["pen/acc"][()], before)
        again = dict(file["pen/acc"].attrs)
    # A seed that was drawn comes last, one that was given in its place.
    commands = [sorted(shlex.split(found.pop("dwconv_command"))) for found in (again, attributes)]
    assert commands[0] == commands[1]
    assert {k: str(v) for k, v in again.items()} == {k: str(v) for k, v in attributes.items()}


def test_history_grows(tmp_path: Path) -> None:
    for source, target in ((f"{WATCH}::/pen/acc", "a.h5"), ("a.h5", "b.h5"), ("b.h5", "c.h5")):
        dwconv(tmp_path, "apply", source, "--kernel-size", "3", "-o", target, "-q")
    with h5py.File(tmp_path / "c.h5") as file:
        attributes = file["pen/acc"].attrs
        history = str(attributes["dwconv_history"]).splitlines()
        assert [shlex.split(line)[-1] for line in history] == ["a.h5::/pen/acc", "b.h5::/pen/acc"]
        assert shlex.split(str(attributes["dwconv_command"]))[-1] == "c.h5::/pen/acc"


def test_what_was_not_made_by_us_says_so(tmp_path: Path) -> None:
    assert "does not say how it was made" in dwconv(
        tmp_path, "inspect", f"{WATCH}::/pen/acc", "--replay", code=3
    )


FORGED = {
    "a second command": "dwconv apply x -o y; touch pwned",
    "a command in a command": "dwconv apply $(touch pwned) -o y",
    "backticks": "dwconv apply `touch pwned` -o y",
    "a redirection": "dwconv apply x -o y > pwned",
    "a second line": "dwconv apply x -o y\ntouch pwned",
    "another program": "touch pwned",
    "a path to a program": "./dwconv apply x -o y",
    "another command": "dwconv init-weights --kernel-size 3 --channels 2 -o pwned",
    "an escape sequence": "dwconv apply 'x\x1b]0;owned\x07' -k k.npy -o y",
    "an 8-bit control character": "dwconv apply 'x\x9b31m' -k k.npy -o y",
    "reversed writing": "dwconv apply 'x\u202ey' -k k.npy -o y",
    "half a quote": "dwconv apply 'x -o y",
    "help": "dwconv apply --help",
    "an overwrite": "dwconv apply x -k k.npy --overwrite -o y",
    "a report": "dwconv apply x -k k.npy --report pwned -o y",
    "another folder": "dwconv apply x -k k.npy --output-dir pwned",
    "a list of files": "dwconv apply --files-from pwned -k k.npy -o y",
    "several inputs": "dwconv apply x z -k k.npy -o y",
    "no output": "dwconv apply x -k k.npy",
    "no input": "dwconv apply -k k.npy -o y",
    "an unknown option": "dwconv apply x -k k.npy --pwned -o y",
    "a value that is none": "dwconv apply x -k k.npy --strides two -o y",
    "a very long one": "dwconv apply x -k k.npy -o " + "y" * (1 << 20),
    "a number": 7,
}


@pytest.mark.parametrize("command", FORGED.values(), ids=FORGED)
def test_forged_commands_are_not_shown(
    command: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file["x"] = np.zeros((5, 2), "f4")
        file["x"].attrs["dwconv_command"] = command
    assert run("inspect", "a.h5", "--replay").failed(3, "a.h5::/x").out == b""


def test_replayed_words_are_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source, output = "a; touch pwned.h5::/$(touch pwned)", "'&& touch pwned #.h5::/`touch pwned`"
    with h5py.File(source.partition("::")[0], "w") as file:
        file["$(touch pwned)"] = np.ones((5, 2), "f4")
    run("apply", source, "--kernel-size", "2", "--activation", "elu(alpha=2)", "-o", output, "-q").done()
    line = run("inspect", output, "--replay").done().out.decode()
    printed = subprocess.run(
        ["sh", "-c", f"dwconv() {{ printf '%s\\n' \"$@\"; }}; {line}"],
        capture_output=True,
        text=True,
        check=True,
    )
    words = printed.stdout.splitlines()
    assert words[:2] == ["apply", source]
    assert words[-2:] == ["-o", output]
    assert "elu(alpha=2)" in words
    assert not list(tmp_path.glob("pwned"))


def test_names_that_look_like_options_are_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("-x.npy", np.ones((5, 2), "f4"))
    run("apply", "--kernel-size", "2", "-o", "a.h5", "-q", "--", "-x.npy").done()
    line = run("inspect", "a.h5", "--replay").done().out.decode()
    Path("a.h5").unlink()
    run(*shlex.split(line)[1:], "-q").done()


def test_drawn_seed_is_told(tmp_path: Path) -> None:
    report = dwconv(tmp_path, "apply", f"{WATCH}::/pen/acc", "--kernel-size", "3", "-o", "a.npy", "--json")
    assert "--seed" in report
