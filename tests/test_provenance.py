"""An HDF5 output tells how it was made, and the command it tells makes it again."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from shlex import quote

import h5py
import numpy as np
import pytest
from helpers_cli import ROOT, run

WATCH = ROOT / "sample_data" / "watch.h5"
LOWPASS = ROOT / "sample_data" / "kernels" / "lowpass.npy"


def replay(address: str) -> str:
    """The command that an output tells, without ``dwconv``."""
    name, _, line = run(f"inspect {quote(address)} --replay").done().out.decode().strip().partition(" ")
    assert name == "dwconv"
    return line


@pytest.mark.parametrize(
    "options",
    [
        "--kernel-size 5",
        "--kernel-size 5 --seed 3 --no-bias --activation 'leaky_relu(negative_slope=0.1)'",
        f"-k {LOWPASS} --slice 10: --strides 3 --padding SAME",
        "--kernel-size 5 --dtype float64 --compression gzip:9 --shuffle",
    ],
)
def test_replay_makes_the_same_output(place: Path, options: str) -> None:
    assert run(f"apply {WATCH}::/pen/acc {options} -o a.h5 -q").code == 0
    line = replay("a.h5")
    with h5py.File("a.h5") as file:
        before, attributes = file["pen/acc"][()], dict(file["pen/acc"].attrs)
    (place / "a.h5").unlink()
    run(f"{line} -q").done()
    with h5py.File("a.h5") as file:
        assert np.array_equal(file["pen/acc"][()], before)
        again = dict(file["pen/acc"].attrs)
    # A seed that was drawn comes last, one that was given in its place.
    commands = [sorted(shlex.split(each.pop("dwconv_command"))) for each in (again, attributes)]
    assert commands[0] == commands[1]
    assert {k: str(v) for k, v in again.items()} == {k: str(v) for k, v in attributes.items()}


def test_history_grows(place: Path) -> None:
    for source, target in ((f"{WATCH}::/pen/acc", "a.h5"), ("a.h5", "b.h5"), ("b.h5", "c.h5")):
        assert run(f"apply {source} --kernel-size 3 -o {target} -q").code == 0
    with h5py.File("c.h5") as file:
        attributes = file["pen/acc"].attrs
        history = str(attributes["dwconv_history"]).splitlines()
        assert [shlex.split(line)[-1] for line in history] == ["a.h5::/pen/acc", "b.h5::/pen/acc"]
        assert shlex.split(str(attributes["dwconv_command"]))[-1] == "c.h5::/pen/acc"


def test_what_was_not_made_by_us_says_so() -> None:
    run(f"inspect {WATCH}::/pen/acc --replay").failed(3, "does not say how it was made")


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
def test_forged_commands_are_not_shown(place: Path, command: object) -> None:
    with h5py.File("a.h5", "w") as file:
        file["x"] = np.zeros((5, 2), "f4")
        file["x"].attrs["dwconv_command"] = command
    assert run("inspect a.h5 --replay").failed(3, "a.h5::/x").out == b""


def test_replayed_words_are_quoted(place: Path) -> None:
    source, output = "a; touch pwned.h5::/$(touch pwned)", "'&& touch pwned #.h5::/`touch pwned`"
    with h5py.File(source.partition("::")[0], "w") as file:
        file["$(touch pwned)"] = np.ones((5, 2), "f4")
    layer = "--kernel-size 2 --activation 'elu(alpha=2)'"
    run(f"apply {quote(source)} {layer} -o {quote(output)} -q").done()
    shell = f"dwconv() {{ printf '%s\\n' \"$@\"; }}; dwconv {replay(output)}"
    words = subprocess.run(
        ["sh", "-c", shell], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words[:2] == ["apply", source]
    assert words[-2:] == ["-o", output]
    assert "elu(alpha=2)" in words
    assert not list(place.glob("pwned"))


def test_names_that_look_like_options_are_replayed(place: Path) -> None:
    np.save("-x.npy", np.ones((5, 2), "f4"))
    run("apply --kernel-size 2 -o a.h5 -q -- -x.npy").done()
    line = replay("a.h5")
    Path("a.h5").unlink()
    run(f"{line} -q").done()


def test_a_seed_that_was_drawn_is_reported(place: Path) -> None:
    assert b"--seed" in run(f"apply {WATCH}::/pen/acc --kernel-size 3 -o a.npy --json").out
