"""Signs that a recording is read with its axes in the wrong order, and the notes that say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dwconv_cli.choices import DATA_FORMATS, DataFormat
from dwconv_cli.jobs.provenance import LAYER
from dwconv_cli.layer.axes import other_data_format

# Longer attributes are not parsed; a layer's config has a few hundred characters.
_MAX_CONFIG = 64 << 10


def stated_format(attributes: Mapping[str, Any]) -> DataFormat | None:
    """The data format that a recording's attributes state: its own, or that of the layer that made it."""
    layer = attributes.get(LAYER)
    config: Any = None
    if isinstance(layer, str) and len(layer) <= _MAX_CONFIG:
        try:
            config = json.loads(layer)
        except (ValueError, RecursionError):
            config = None
    made_in = config.get("data_format") if isinstance(config, dict) else None
    stated = (attributes.get("data_format"), made_in)
    return next((name for name in stated if isinstance(name, str) and name in DATA_FORMATS), None)


def attributes_note(attributes: Mapping[str, Any], data_format: str) -> str | None:
    """A note where the attributes state another data format than the one that is read."""
    stated = stated_format(attributes)
    if stated is None or stated == data_format:
        return None
    return f"the file's attributes say {stated}, and it is read as {data_format}; --data-format {stated} follows them"


def shape_note(steps: int, channels: int, span: int, data_format: DataFormat) -> str | None:
    """A note where a recording has fewer steps than channels, and fewer than the `span` of the kernel."""
    if steps >= channels or steps >= span:
        return None
    other = other_data_format(data_format)
    return (
        f"{steps} {'step' if steps == 1 else 'steps'} of {channels} channels; is this {other}? "
        f"--data-format {other} reads it so"
    )
