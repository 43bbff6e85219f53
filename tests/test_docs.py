"""The documentation: every command line and every Python example in it is run, and what it shows is what comes out.

A page's commands run in the order in which they stand, in a copy of the sample data. Three dots stand for anything.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from helpers_cli import ROOT, Ran, run, run_shell

PAGES = sorted((ROOT / "docs").rglob("*.rst"))
IDS = [str(page.relative_to(ROOT / "docs")) for page in PAGES]
BLOCK = re.compile(r"^\.\. code-block:: (\S+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
ANYTHING = "..."


def commands(page: str) -> list[tuple[str, str]]:
    """The command lines of a page, each with the output that is shown below it."""
    pairs: list[tuple[str, str]] = []
    for language, block in BLOCK.findall(page):
        if language != "console":
            continue
        for line in block.replace(" \\\n   > ", " ").splitlines():
            if line.startswith("   $ "):
                pairs.append((line[5:], ""))
            elif line.strip():
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]}{line[3:]}\n")
    return pairs


def ran(line: str) -> Ran:
    """The command line, run in this process where nothing in it needs a shell."""
    words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
    if words[0] == "dwconv" and not any(set(word) <= set("|&;<>()") for word in words):
        return run(line.removeprefix("dwconv "))
    python = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return run_shell(f"set -euo pipefail\n{line}", env=python)


def shows(expected: str, output: str) -> bool:
    """Whether the output is the expected one, in which three dots stand for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split(ANYTHING))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


@pytest.fixture
def sample_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sample data, as the working directory."""
    folder = tmp_path / "sample_data"
    shutil.copytree(ROOT / "sample_data", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands(page: Path, sample_data: Path) -> None:
    for line, expected in commands(page.read_text("utf-8")):
        command = ran(line)
        assert command.code == 0, (line, command.err)
        output = command.err + command.out.decode()
        assert not expected or shows(expected, output), f"{line}\n{output}"


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
def test_every_block_is_of_a_kind_that_is_run(page: Path) -> None:
    text = page.read_text("utf-8")
    assert {language for language, _ in BLOCK.findall(text)} <= {"console", "pycon"}
    assert len(BLOCK.findall(text)) == text.count("code-block::")
    assert not re.findall(r"^ *dwconv ", text, re.MULTILINE), "a command line begins with a dollar sign"
