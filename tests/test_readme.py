"""The README's commands, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from documented import check_commands, markdown_blocks, ran
from helpers_cli import ROOT, run_python

README = (ROOT / "README.md").read_text("utf-8")
COMMANDS, RECIPES = README.split("## What it says")
BLOCKS = markdown_blocks(RECIPES)
PYTHON = [block for language, block in BLOCKS if language == "python"]


def test_commands(sample_data: Path) -> None:
    check_commands(BLOCKS)


def test_python(sample_data: Path) -> None:
    check = "assert y.shape == (64, 100, 18) and sum(len(part) for part in parts) == 200"
    assert len(PYTHON) == 1
    run_python(PYTHON[0] + check).done()


def test_every_block_is_run() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "console", "python"}


def test_main_command_filters(sample_data: Path) -> None:
    command = COMMANDS.split("<!-- run -->\n```sh\n")[1].split("```")[0].split("&&")[-1].strip()
    assert ran(f"cd .. && {command.replace('.venv/bin/', '')}").code == 0
    assert (sample_data.parent / "smooth.npy").stat().st_size == 128 + 1398 * 3 * 4


def test_pages_that_are_named_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]*)\)", README) if "://" not in link]
    assert links
    assert all((ROOT / link).exists() for link in links)
