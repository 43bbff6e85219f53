"""The documentation: every command line and every Python example in it is run, and what it shows is what comes out.

A page's commands run in the order in which they stand, in a copy of the sample data.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import click
import pytest
from documented import check_commands, rst_blocks
from helpers_cli import ROOT

from dwconv_cli.cli import COMMANDS, group

PAGES = [page for page in sorted((ROOT / "docs").rglob("*.rst")) if page.parent.name != "commands"]
IDS = [str(page.relative_to(ROOT / "docs")) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands(page: Path, sample_data: Path) -> None:
    check_commands(rst_blocks(page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_examples(page: Path, sample_data: Path) -> None:
    failures, _ = doctest.testfile(
        str(page),
        module_relative=False,
        encoding="utf-8",
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert not failures


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_block_is_run(page: Path) -> None:
    text = page.read_text("utf-8")
    assert {language for language, _ in rst_blocks(text)} <= {"console"}
    assert len(rst_blocks(text)) == text.count("code-block::")
    # What ends a paragraph with two colons would be code that nothing runs.
    assert not re.findall(r"^(?!\.\. ).*::$", text, re.MULTILINE)


def test_every_command_has_a_page() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "commands").glob("*.rst")}
    assert pages == {"index", *COMMANDS}


def letters(text: str) -> str:
    """Only the letters and digits of a text, since line breaks and signs differ between a help and a manual page."""
    return re.sub(r"[\W_]+", "", text)


def manual_page(name: str) -> str:
    """The text of a manual page, without roff's requests and escapes."""
    text = (ROOT / "man" / f"{name}.1").read_text("utf-8")
    lines = [line.removeprefix(".B ") for line in text.splitlines()]
    return re.sub(r"\\(\(..|f.|.)", "", "\n".join(line for line in lines if not line.startswith(".")))


@pytest.mark.parametrize("name", COMMANDS)
def test_manual_page_is_of_this_version(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    page = letters(manual_page(f"dwconv-{name}"))
    described = [(one.opts[-1], getattr(one, "help", None) or one.explanation) for one in command.params]
    missing = [option for option, text in described if letters(text) not in page]
    advice = "make the pages anew: sphinx-build -E -W -b man -d build/man docs man"
    assert not missing, advice
    assert letters(COMMANDS[name]) in letters(manual_page("dwconv")), advice
