"""The README's recipes, run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
RECIPES = README.split("## Recipes")[1]
SHELL = re.findall(r"```sh\n(.*?)```", RECIPES, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", RECIPES, re.DOTALL)


@pytest.fixture
def sample_data(tmp_path: Path) -> Path:
    """A copy of the sample data, and a `dwconv` on the path that runs this checkout."""
    place = tmp_path / "sample_data"
    shutil.copytree(ROOT / "sample_data", place)
    script = tmp_path / "bin" / "dwconv"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dwconv_cli "$@"\n')
    script.chmod(0o755)
    return place


def run(command: list[str], place: Path) -> str:
    path = f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "KERAS_HOME": str(place)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("recipe", SHELL, ids=range(len(SHELL)))
def test_shell(recipe: str, sample_data: Path) -> None:
    run(["bash", "-euo", "pipefail", "-c", recipe], sample_data)


@pytest.mark.parametrize("recipe", PYTHON, ids=range(len(PYTHON)))
def test_python(recipe: str, sample_data: Path) -> None:
    check = "assert y.shape == (64, 100, 18) and sum(len(part) for part in parts) == 200"
    run([sys.executable, "-W", "error", "-c", recipe + check], sample_data)


def test_there_are_recipes() -> None:
    assert len(SHELL) >= 5
    assert PYTHON


def test_shape_recipe_prints_the_documented_shape(sample_data: Path) -> None:
    (line,) = [line for line in README.splitlines() if line.endswith("--shape")]
    assert run(["bash", "-c", line], sample_data) == "4,4,36\n"


def test_main_command_filters(sample_data: Path) -> None:
    command = README.split("<!-- run -->\n```sh\n")[1].split("```")[0].split("&&")[-1]
    run(
        ["bash", "-euo", "pipefail", "-c", f"cd .. && {command.strip().replace('.venv/bin/', '')}"],
        sample_data,
    )
    assert (sample_data.parent / "smooth.npy").stat().st_size == 128 + 1398 * 3 * 4
