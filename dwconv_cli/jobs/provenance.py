"""How an HDF5 output says what it was made of and how, and how that is read again."""

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
    made = {
        VERSION: __version__,
        COMMAND: command(source, options, output),
        LAYER: json.dumps(layer),
        WEIGHTS: sha256,
    }
    if isinstance(before.get(COMMAND), str):
        earlier = before.get(HISTORY)
        made[HISTORY] = "\n".join([*([earlier] if isinstance(earlier, str) else []), before[COMMAND]])
    return made


def command(source: str, options: Sequence[str], output: str) -> str:
    """The command line that makes `output` of `source`; what is unprintable in names is escaped."""
    # A name that begins with a dash would be taken for an option.
    place = f"./{source}" if source.startswith("-") and source != "-" else source
    return shlex.join(map(printable, [*PROGRAM, place, *options, "-o", output]))


def words_of(attributes: Mapping[str, Any], name: str) -> list[str]:
    """What follows ``dwconv apply`` in the command that made an output.

    The attribute is text out of a file, which anybody may have written: it counts only in the very form in which
    :func:`command` writes it, so that a shell would read these words and nothing else.

    Raises
    ------
    InputError
        If the attributes do not tell.
    UnsafeFileError
        If what they tell is no single command of dwconv's.
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
