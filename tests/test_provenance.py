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


def test_drawn_seed_is_told(tmp_path: Path) -> None:
    report = dwconv(tmp_path, "apply", f"{WATCH}::/pen/acc", "--kernel-size", "3", "-o", "a.npy", "--json")
    assert "--seed" in report
