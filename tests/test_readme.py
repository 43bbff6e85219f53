"""The README's recipes, run as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_cli import ROOT, environment

README = (ROOT / "README.md").read_text("utf-8")
RECIPES = README.split("## Recipes")[1]
SHELL = re.findall(r"```sh\n(.*?)```", RECIPES, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", RECIPES, re.DOTALL)


@pytest.fixture
def sample_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sample data as the working directory, and a `dwconv` on the path that runs this checkout."""
    folder = tmp_path / "sample_data"
    shutil.copytree(ROOT / "sample_data", folder)
    script = tmp_path / "bin" / "dwconv"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dwconv_cli "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(folder)
    return folder


def ran(*command: str) -> str:
    """The standard output of a command that ends well."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("recipe", SHELL, ids=range(len(SHELL)))
def test_shell(recipe: str, sample_data: Path) -> None:
    ran("bash", "-euo", "pipefail", "-c", recipe)


@pytest.mark.parametrize("recipe", PYTHON, ids=range(len(PYTHON)))
def test_python(recipe: str, sample_data: Path) -> None:
    check = "assert y.shape == (64, 100, 18) and sum(len(part) for part in parts) == 200"
    ran(sys.executable, "-W", "error", "-c", recipe + check)


def test_there_are_recipes() -> None:
    assert len(SHELL) >= 5
    assert PYTHON


def test_shape_recipe_prints_the_documented_shape(sample_data: Path) -> None:
    (line,) = [line for line in README.splitlines() if line.endswith("--shape")]
    assert ran("bash", "-c", line) == "4,4,36\n"


def test_main_command_filters(sample_data: Path) -> None:
    command = README.split("<!-- run -->\n```sh\n")[1].split("```")[0].split("&&")[-1]
    ran("bash", "-euo", "pipefail", "-c", f"cd .. && {command.strip().replace('.venv/bin/', '')}")
    assert (sample_data.parent / "smooth.npy").stat().st_size == 128 + 1398 * 3 * 4
