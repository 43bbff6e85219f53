"""Command lines that stand in the documentation: which they are, and how they are run."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers_cli import Ran, run, run_shell

RST_BLOCK = re.compile(r"^\.\. code-block:: (\S+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
MARKDOWN_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANYTHING = "..."


Block = tuple[str, str]


def markdown_blocks(text: str) -> list[Block]:
    """The blocks of code of a text: the language of each, and its lines."""
    return MARKDOWN_BLOCK.findall(text)


def rst_blocks(text: str) -> list[Block]:
    """The same of reStructuredText."""
    return [
        (language, re.sub("^   ", "", block, flags=re.MULTILINE))
        for language, block in RST_BLOCK.findall(text)
    ]


def commands(blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """The command lines in blocks of `sh` and of `console`, each with the output that is shown below it, if any."""
    for language, block in blocks:
        lines = block.splitlines() if language == "sh" else re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        if language in ("sh", "console"):
            yield from ((line, expected) for line, _, expected in (text.partition("\n") for text in lines))


def check_commands(blocks: Iterable[Block]) -> None:
    """Run all command lines, in their order."""
    for line, expected in commands(blocks):
        command = ran(line)
        assert command.code == 0, (line, command.err)
        output = command.err + command.out.decode("utf-8", "replace")
        assert not expected or shows(expected, output), f"{line}\n{output}"


def ran(line: str) -> Ran:
    """The command line, run in this process where nothing in it needs a shell."""
    words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
    if words[0] == "dwconv" and not any(set(word) <= set("|&;<>()") for word in words):
        return run(shlex.join(shlex.split(line, comments=True)[1:]))
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return run_shell(f"set -euo pipefail\n{line}", env=path, timeout=300)


def shows(expected: str, output: str) -> bool:
    """Whether the output is the expected one, in which three dots stand for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split(ANYTHING))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None
