"""How what Keras said is written down: as JSON with one record a line, so that a change of one is a change of one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write(path: Path, report: dict[str, Any]) -> None:
    """Write `report`, of which lists of objects are records."""
    path.write_text(
        "{\n" + ",\n".join(f"{json.dumps(key)}: {_value(value)}" for key, value in report.items()) + "\n}\n"
    )


def _value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
    return json.dumps(value)
