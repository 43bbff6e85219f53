"""Hypothesis: few cases and the same ones every time, unless the environment asks for others or for more.

``DWCONV_EXAMPLES=1000`` sets the cases of each property; ``HYPOTHESIS_PROFILE=random`` draws fresh ones.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from helpers_cli import ROOT
from hypothesis import HealthCheck, settings
from recordings import fill

from dwconv_cli.convolution import engine

# Tables would be as wide as the terminal of the person who runs the tests; pytest-xdist sets it in its workers.
os.environ.pop("COLUMNS", None)

EXAMPLES = int(os.environ.get("DWCONV_EXAMPLES", "40"))

settings.register_profile(
    "ci",
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("random", parent=settings.get_profile("ci"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a test: ``x.npy``, the kernel ``k.npy`` and the layer ``w.npz`` of `recordings`."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    return tmp_path


@pytest.fixture
def sample_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sample data, as the working directory."""
    folder = tmp_path / "sample_data"
    shutil.copytree(ROOT / "sample_data", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles as small as they were not worth it."""
    for name, number in (
        ("TILE_OUTPUTS", 1 << 11),
        ("LEAST_TILE_OUTPUTS", 1 << 10),
        ("FULL_SPEED_STEPS", 1 << 8),
        ("UNTILED_OUTPUTS", 1 << 8),
    ):
        monkeypatch.setattr(engine, name, number)


@pytest.fixture
def here(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files that a module makes once, as the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    return tmp_path
