"""A pytest plugin: what became of each test, and how often functions of ours were called, into a JSON file."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

CALLS: Counter[str] = Counter()
_FOUND: dict[str, str] = {}


def pytest_runtest_logreport(report: Any) -> None:
    """Keep the worst of a test's three phases."""
    name = report.nodeid.split("/")[-1]
    if report.failed:
        message = str(report.longrepr.reprcrash.message if hasattr(report.longrepr, "reprcrash") else "error")
        # Some tests compare with a package that need not be there.
        _FOUND[name] = "skipped" if message.startswith("ModuleNotFoundError") else message
    elif report.when == "call" and report.passed:
        _FOUND[name] = "passed"
    elif report.skipped:
        _FOUND.setdefault(name, "skipped")


def pytest_sessionfinish() -> None:
    """Write the file that the environment names."""
    Path(os.environ["DWCONV_OUTCOMES"]).write_text(json.dumps({"tests": _FOUND, "calls": CALLS}))
