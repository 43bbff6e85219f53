"""Attributes that say how an HDF5 output was made, and how they are read again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.text import printable
from dwconv_cli.version import __version__

VERSION = "dwconv_version"
COMMAND = "dwconv_command"
LAYER = "dwconv_layer"
WEIGHTS = "dwconv_weights_sha256"
HISTORY = "dwconv_history"
PROGRAM = ("dwconv", "apply")
MAX_COMMAND = 1 << 20


def made_by(
    source: str,
    output: str,
    options: Sequence[str],
    layer: Mapping[str, Any],
    sha256: str,
    attributes: Mapping[str, Any],
) -> dict[str, Any]:
    """The attributes that say how an output was made: by these options, with this layer, and weights of this checksum.

    If dwconv made the input too, as its `attributes` say, the input's command goes into the history.
    """
    entries = {
        VERSION: __version__,
        COMMAND: command(source, options, output),
        LAYER: json.dumps(layer),
        WEIGHTS: sha256,
    }
    commands = [attributes.get(HISTORY), attributes.get(COMMAND)]
    if isinstance(commands[1], str):
        entries[HISTORY] = "\n".join(command for command in commands if isinstance(command, str))
    return entries


def command(source: str, options: Sequence[str], output: str) -> str:
    """The command line that makes `output` of `source`; what is unprintable in names is escaped."""
    # A name that begins with a dash would be taken for an option.
    place = f"./{source}" if source.startswith("-") and source != "-" else source
    return shlex.join(map(printable, [*PROGRAM, place, *options, "-o", output]))


def words_of(attributes: Mapping[str, Any], name: str) -> list[str]:
    """What follows ``dwconv apply`` in the command that made an output, as its attributes say.

    Anybody may have written the attribute, so it counts only in exactly the form in which :func:`command` writes it:
    then a shell reads these words and nothing else. Any other form is an UnsafeFileError.
    """
    text = attributes.get(COMMAND)
    if not isinstance(text, str):
        raise InputError(f"{name}: does not say how it was made; HDF5 outputs of dwconv do")
    if len(text) > MAX_COMMAND or not text.isprintable():
        raise unsafe(name, "it is too long, or holds control characters")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise unsafe(name, str(error).lower()) from error
    if (*words[:2],) != PROGRAM or shlex.join(words) != text:
        raise unsafe(name, "a shell would read something else than one quoted 'dwconv apply'")
    return words[2:]


def unsafe(name: str, why: str) -> UnsafeFileError:
    """The error of an output whose command is not shown."""
    return UnsafeFileError(
        f"{name}: its attribute {COMMAND} is not a command that dwconv wrote ({why}), and could harm whoever runs "
        f"it; dwconv inspect {shlex.quote(name)} shows what the file says"
    )
