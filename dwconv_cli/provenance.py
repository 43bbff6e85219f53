"""How an HDF5 output says what it was made of and how, and how that is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dwconv_cli.errors import InputError
from dwconv_cli.version import __version__

VERSION = "dwconv_version"
COMMAND = "dwconv_command"
LAYER = "dwconv_layer"
WEIGHTS = "dwconv_weights_sha256"
HISTORY = "dwconv_history"


def made_by(
    source: str,
    output: str,
    options: Sequence[str],
    layer: Mapping[str, Any],
    sha256: str,
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """Attributes of an output.

    Parameters
    ----------
    source, output : str
        Addresses.
    options : sequence of str
        Command-line options that make this output again.
    layer : mapping
        The layer's Keras config.
    sha256 : str
        Checksum of kernel and bias.
    before : mapping
        The input's attributes; if it was made by dwconv itself, its command goes into the history.
    """
    import shlex

    made = {
        VERSION: __version__,
        COMMAND: shlex.join(["dwconv", "apply", source, *options, "-o", output]),
        LAYER: json.dumps(layer),
        WEIGHTS: sha256,
    }
    if isinstance(before.get(COMMAND), str):
        earlier = before.get(HISTORY)
        made[HISTORY] = "\n".join([*([earlier] if isinstance(earlier, str) else []), before[COMMAND]])
    return made


def command_of(attributes: Mapping[str, Any], name: str) -> str:
    """The command that makes an output again.

    Raises
    ------
    InputError
        If its attributes do not tell.
    """
    command = attributes.get(COMMAND)
    if not isinstance(command, str):
        raise InputError(f"{name}: does not say how it was made; HDF5 outputs of dwconv do")
    return command
