"""Wildcards: what they match, and that no pattern takes for ever."""

from __future__ import annotations

import glob
import os
import time
import warnings
from pathlib import Path

import pytest
from helpers_cli import run
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.storage.patterns import matching_paths, name_pattern


def matches(pattern: str, name: str) -> bool:
    """The definition, character by character; every way to go on is tried."""
    if not pattern:
        return not name
    if pattern.startswith("**"):
        return matches(pattern[2:], name) or (bool(name) and matches(pattern, name[1:]))
    if pattern[0] == "*":
        return matches(pattern[1:], name) or (name[:1] not in ("", "/") and matches(pattern, name[1:]))
    fits = name[:1] not in ("", "/") if pattern[0] == "?" else name[:1] == pattern[0]
    return fits and matches(pattern[1:], name[1:])


@given(st.text("ab/*?", max_size=9), st.text("ab/", max_size=9))
def test_stars_match_what_they_are_defined_to_match(pattern: str, name: str) -> None:
    pattern, name = "x" + pattern.replace("***", "**"), "x" + name
    assert bool(name_pattern(pattern).fullmatch(name)) == matches(pattern, name)


@pytest.mark.parametrize(
    "pattern, yes, no",
    [
        ("[ab]", "ab", "c/]"),
        ("[!ab]", "c]!", "ab/"),
        ("[^ab]", "c^", "ab/"),
        ("[a-c]", "abc", "d-"),
        ("[z-a]", "", "az-m"),
        ("[!z-a]", "az-", "/"),
        ("[]a]", "]a", "["),
        ("[!]a]", "[", "]a"),
        ("[[a]", "[a", "]"),
        ("[a--b]", "b", "a-"),
        ("[a&&b]", "a&b", "c"),
        ("[a||~~b]", "a|~b", "c"),
        ("[-a]", "-a", "b"),
        ("[a-]", "-a", "b"),
        ("[\\a]", "\\a", "b"),
        ("[", "[", "a"),
        ("[a", "", "a"),
    ],
)
def test_brackets_are_a_shells(pattern: str, yes: str, no: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = name_pattern(pattern)
    assert [c for c in yes + no if compiled.fullmatch(c)] == list(yes)


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 60 + "b",
        "**a" * 60 + "b",
        "*" * 1000 + "b",
        "**/" * 200 + "b",
        "*a**a?*" * 30 + "b",
        "**/*a*a/**" * 30 + "b",
        "[!b]*" * 50 + "b",
    ],
)
def test_many_stars_come_to_an_end(pattern: str) -> None:
    started = time.process_time()
    compiled = name_pattern(pattern)
    for name in ("a" * 400, "a/" * 200, "ab" * 200 + "c"):
        compiled.fullmatch(name)
    assert time.process_time() - started < 2


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "a.npy",
        "x/a.npy",
        "x/y/a.npy",
        "x/y/z/b.npy",
        ".h/a.npy",
        "x/.h.npy",
        "w/[1].npy",
        "w/1.npy",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    ["*.npy", "**/*.npy", "x/**/*.npy", "**/y/*.npy", "*/y/**/b.npy", "x/*/a.npy", ".h/*", ".*/*.npy", "x/.*.npy",
     "./*.npy", "x/../*.npy", "w/[[]1].npy", "w/[1].npy", "**/**/**/a.npy", "no/*.npy", "*/*/*/*/*", "x//*.npy",
     "a.npy/*", "**/z/**/b.npy"],
)  # fmt: skip
def test_paths_are_those_that_the_standard_library_finds(tree: Path, pattern: str) -> None:
    wanted = {os.path.normpath(path) for path in glob.glob(pattern, recursive=True)}
    assert {os.path.normpath(path) for path in matching_paths(pattern)} == wanted
    absolute = matching_paths(f"{tree}/{pattern}")
    assert {os.path.normpath(os.path.relpath(path, tree)) for path in absolute} == wanted
    assert absolute == sorted(set(absolute))


def test_circles_of_links_come_to_an_end(tree: Path) -> None:
    for name in ("l1", "l2", "x/l3", "x/y/l4"):
        (tree / name).symlink_to(tree)
    (tree / "other").symlink_to("x/y")
    started = time.process_time()
    names = matching_paths("**/*.npy")
    assert {"a.npy", "x/y/a.npy"} <= set(names)
    assert matching_paths("other/*.npy") == ["other/a.npy"]
    matching_paths("**/*/" * 20 + "*.npy")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("side", ["", "a.npz::"])
@pytest.mark.parametrize("pattern", ["[z-a]", "[[a]*x", "*a" * 40 + "b", "**/" * 40 + "b"])
def test_patterns_that_match_nothing_are_one_line(tree: Path, side: str, pattern: str) -> None:
    import numpy as np

    np.savez("a.npz", **{"a" * 100: np.zeros(3)})
    np.save("k.npy", np.ones(2))
    run(f"apply {side}{pattern} -k k.npy -o o.npy").failed(3, "matches")
