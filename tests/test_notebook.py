"""How notebooks show layers, plans, reports and comparisons."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from dwconv_cli import LayerSpec, Report, compare, plan_conv
from dwconv_cli.convolution.algorithms import Problem

HOSTILE = "<script>alert('x')</script>&\x1b[31m"
OBJECTS = {
    "layer": (
        LayerSpec(kernel_size=5, activation="relu(max_value=6)", use_bias=False, name=HOSTILE),
        ["kernel_size", "relu", "use_bias", "False"],
    ),
    "plan": (
        plan_conv(Problem(kernel_size=1000, channels=2)),
        ["overlap-save", "ns per output", "kernel_size"],
    ),
    "report": (
        Report(
            status="failed",
            input={"address": f"{HOSTILE}.npy", "shape": [4, 3], "dtype": "float32"},
            error={"code": 3, "message": HOSTILE},
            notes=["one", HOSTILE],
        ),
        ["failed", "[4, 3]", "one<br>"],
    ),
    "comparison": (compare(np.ones(3), np.zeros(3)), ["3 of 3 numbers differ", "absolute"]),
}


class Tags(HTMLParser):
    """The tags of a text, each of which must be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", OBJECTS)
def test_a_table_with_everything_escaped(name: str) -> None:
    shown, words = OBJECTS[name]
    text = shown._repr_html_()  # type: ignore[attr-defined]
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert not tags.open
    assert tags.seen <= {"table", "caption", "tbody", "tr", "th", "td", "br"}
    assert "\x1b" not in text
    for word in words:
        assert word in text
