"""Files that options name besides recordings and weights: lists of inputs, and configs of layers."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

# Linux takes paths of 4096 bytes; the rest is for a name inside.
_LONGEST = 1 << 16
_MOST_BYTES = 1 << 28
# Bytes of a config at most; a model's config describes all of its layers.
_MAX_CONFIG = 16 << 20


def content_of(path: str, limit: int) -> tuple[bytes, str]:
    """At most `limit` + 1 bytes of a file, or of standard input for ``-``; and its name for messages."""
    from dwconv_cli.errors import InputError
    from dwconv_cli.errors.system import reason

    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            return sys.stdin.buffer.read(limit + 1), name
        with open(path, "rb") as file:
            return file.read(limit + 1), name
    except OSError as error:
        raise InputError(f"{name}: {reason(error)}") from error


def listed_in(path: str | None, null: bool) -> list[str] | None:
    """Addresses from a file, one a line, or each ended by NUL; blank lines mean nothing."""
    if path is None:
        return None
    from dwconv_cli.errors import InputError

    content, name = content_of(path, _MOST_BYTES)
    addresses = []
    end = b"\0" if null else b"\n"
    for entry in re.finditer(b"[^%b]+" % end, content):
        # Lines of other systems end in a carriage return, too.
        address = entry[0] if null else entry[0].rstrip(b"\r")
        if len(address) > _LONGEST or b"\0" in address:
            number = content.count(end, 0, entry.start()) + 1
            if len(address) <= _LONGEST:
                raise InputError(f"{name}: line {number} holds a NUL; with -0 addresses end in NUL")
            advice = ", and leave out -0 if each has a line" if null else ""
            raise InputError(
                f"{name}: entry {number} is longer than {_LONGEST} bytes; name a list of addresses{advice}"
            )
        if address.strip():
            addresses.append(os.fsdecode(address))
    if len(content) > _MOST_BYTES:
        raise InputError(f"{name}: is longer than {_MOST_BYTES} bytes; split the list")
    return addresses


def load_config(path: str) -> dict[str, Any]:
    """A Keras layer config, or a model's, from a JSON file, or from standard input for ``-``.

    With ``::NAME`` behind `path` it is the config of that layer of a model.
    """
    from dwconv_cli.errors import InputError
    from dwconv_cli.layer.keras_json import load_json
    from dwconv_cli.layer.keras_models import is_model, pick_layer

    path, layer = config_place(path)
    text, name = content_of(path, _MAX_CONFIG)
    config = load_json(text, name)
    if not isinstance(config, dict):
        raise InputError(f"{name}: a layer's config is a JSON object")
    if layer is None:
        return config
    if not is_model(config):
        raise InputError(f"{name}: not a model's config, so it has no layer {layer}; leave out ::{layer}")
    return pick_layer(config, layer, name)


def config_place(text: str) -> tuple[str, str | None]:
    """The file of a config, and the layer in it."""
    path, colons, name = text.rpartition("::")
    return (path, name) if colons and not os.path.exists(text) else (text, None)
