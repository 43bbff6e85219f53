"""Properties: the suites of the ordinary tests that draw their cases, with many more of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

from faults.bench import ROOT, Bench, Trial

# Cases of each property; together far more than ten thousand.
USUAL = 1000


def rows(bench: Bench) -> Iterator[Trial]:
    """Run every test file that uses hypothesis."""
    examples = str(bench.number(USUAL))
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        if "hypothesis" not in path.read_text(encoding="utf-8"):
            continue
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
            cwd=ROOT, env={**os.environ, "DWCONV_EXAMPLES": examples}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        last = done.stdout.strip().splitlines()[-1:] or [done.stderr[-200:]]
        passed = re.search(r"(\d+) passed", last[0])
        label = f"{path.name}: {passed[1] if passed else 0} tests, {examples} cases of each property"
        yield Trial(label, None if done.returncode == 0 else last[0])
