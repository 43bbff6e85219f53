"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import dwconv_cli

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(dwconv_cli.__path__, "dwconv_cli.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failures, _ = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert not failures


def test_every_public_name_but_the_errors_has_one() -> None:
    names = [name for name in dwconv_cli.__all__ if not name.endswith(("Error", "__"))]
    assert not [name for name in names if ">>> " not in str(getattr(dwconv_cli, name).__doc__)]
