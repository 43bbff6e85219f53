"""Advice in the words of whoever reads it.

Messages are written in the words of the command line, which most people read. A caller from Python meets the same
advice with the names of arguments: ``--data-format channels_first`` is ``data_format='channels_first'`` there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

# Options whose argument is called otherwise, and options that are on or off.
_ARGUMENTS = {
    "-b": "bias",
    "-k": "kernel",
    "-o": "output",
    "-w": "weights",
    "--kernel-layout": "layout",
    "--no-bias": "use_bias=False",
    "--output-dir": "directory",
    "--slice": "steps",
}
_SWITCHES = {
    "--allow-external",
    "--assume-depthwise",
    "--checksum",
    "--overwrite",
    "--skip-existing",
}
_OPTION = re.compile(r"(?<![\w/.-])(--[a-z][a-z-]*|-[bkow])(?![\w-])(?:[ =]([\w:.]+))?")
_NUMBER = re.compile(r"\d[\w.:]*")
_SIZE = re.compile(r"(\d+)([KMG])iB")
_WORDS = frozenset(
    [
        "auto",
        "direct",
        "toeplitz",
        "overlap-save",
        "channels_first",
        "channels_last",
        "causal",
        "same",
        "valid",
        "complex64",
        "complex128",
        "error",
        "float16",
        "float32",
        "float64",
        "hdf5",
        "keras",
        "npy",
        "npz",
        "propagate",
        "torch",
        "zero",
    ]
)

_readers = {"command line": 0}


@contextmanager
def for_the_command_line() -> Iterator[None]:
    """Leave messages as they are written while this lasts."""
    _readers["command line"] += 1
    try:
        yield
    finally:
        _readers["command line"] -= 1


def worded(text: str) -> str:
    """`text` with options of the command line as arguments of Python, unless the command line is what reads it."""
    return text if _readers["command line"] else _OPTION.sub(_argument, text)


def _argument(match: re.Match[str]) -> str:
    option, value = match.groups()
    name = _ARGUMENTS.get(option, option.lstrip("-").replace("-", "_"))
    rest = match[0][len(option) :]
    if option in _SWITCHES:
        return f"{name}=True{rest}"
    if value is None:
        return name + rest
    end = value[len(value.rstrip(".:")) :]
    value = value.removesuffix(end) if end else value
    if value in _WORDS:
        return f"{name}={value!r}{end}"
    if size := _SIZE.fullmatch(value):
        return f"{name}={int(size[1]) << {'K': 10, 'M': 20, 'G': 30}[size[2]]}{end}"
    if _NUMBER.fullmatch(value) and ":" not in value:
        return f"{name}={value}{end}"
    return name + rest
