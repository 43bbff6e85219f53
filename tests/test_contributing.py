"""The worked examples of CONTRIBUTING.md, followed as they stand in a copy of the package."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import ROOT, run_process

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# A path of the package in the text before a block, or the block with its language.
PIECES = re.compile(r"`(dwconv_cli/[\w/]+\.py)`|```(python|diff|console)\n(.*?)```", re.DOTALL)
EXAMPLES = TEXT.split("\n### ")[1:]


def change(path: Path, diff: str) -> None:
    """Apply the lines of a diff whose parts begin with ``@@`` and have no line numbers."""
    text = path.read_text(encoding="utf-8")
    for part in re.split(r"^@@.*\n", diff, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(before) == 1, before
        text = text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES, ids=[text.splitlines()[0] for text in EXAMPLES])
def test_a_worked_example_does_what_it_says(
    example: str, tmp_path_factory: pytest.TempPathFactory, place: Path
) -> None:
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "dwconv_cli", copy / "dwconv_cli")
    x = np.linspace(-1, 1, 24, dtype=np.float32)
    np.save("windows.npy", x.reshape(2, 4, 3))
    x.tofile("sound.f32")
    path, lines = Path(), []
    for name, language, block in PIECES.findall(example.partition("\n## ")[0]):
        if name:
            path = copy / name
        elif language == "python":
            with path.open("a", encoding="utf-8") as file:
                file.write("\n\n" + block)
        elif language == "diff":
            change(path, block)
        else:
            lines += re.findall(r"^\$ dwconv (.*)$", block, re.MULTILINE)
    (line,) = lines
    assert run_process(line, env={"PYTHONPATH": str(ROOT)}).code != 0, "nothing had to be added for this"
    ran = run_process(line, env={"PYTHONPATH": str(copy)})
    assert ran.code == 0, ran.err
    assert Path(line.split()[-1]).stat().st_size > 0
