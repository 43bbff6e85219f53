"""The data format that Keras's own settings file makes the default."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from dwconv_cli.choices import DATA_FORMATS, DataFormat
from dwconv_cli.errors import InputError
from dwconv_cli.text import shown

_MAX_BYTES = 1 << 16


class KerasDefault(NamedTuple):
    """A data format, and the file that sets it, if one does."""

    value: DataFormat
    path: str | None


def default_data_format() -> KerasDefault:
    """``image_data_format`` of ``$KERAS_HOME/keras.json`` or ``~/.keras/keras.json``, else channels_last."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = os.path.join(home, "keras.json")
    try:
        with open(path, encoding="utf-8") as file:
            settings = json.loads(file.read(_MAX_BYTES))
    except OSError:
        return KerasDefault("channels_last", None)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not valid JSON; mend it, or give --data-format") from None
    value = settings.get("image_data_format") if isinstance(settings, dict) else None
    if value is None:
        return KerasDefault("channels_last", None)
    if value not in DATA_FORMATS:
        choices = " or ".join(DATA_FORMATS)
        raise InputError(f"{path}: image_data_format is {shown(str(value))}, expected {choices}")
    return KerasDefault(value, path)
