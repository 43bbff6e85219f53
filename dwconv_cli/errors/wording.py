"""Advice in messages, with options for readers of the command line and with arguments for callers from Python.

Messages are written with options, since most people read them there. A caller from Python is shown the same advice
with the names of arguments: ``--data-format channels_first`` becomes ``data_format='channels_first'``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dwconv_cli.choices import (
    ALGORITHM_NAMES,
    DATA_FORMATS,
    DTYPES,
    FORMAT_NAMES,
    KERNEL_LAYOUTS,
    NAN_MODES,
    PADDINGS,
    REMOVED_ALGORITHM,
)

if TYPE_CHECKING:
    import re

# Options whose argument has another name than the option.
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
# Options without a value, whose argument is True.
_SWITCHES = {
    "--allow-external",
    "--assume-depthwise",
    "--bits",
    "--checksum",
    "--ignore-dtype",
    "--overwrite",
    "--skip-existing",
}
_OPTION = r"(?<![\w/.-])(--[a-z][a-z-]*|-[bkow])(?![\w-])(?:[ =]([\w:.]+))?"
_NUMBER = r"\d[\w.:]*"
_SIZE = r"(\d+)([KMG])iB"
_WORDS = frozenset(
    (*PADDINGS, *DATA_FORMATS, *DTYPES, *KERNEL_LAYOUTS, *ALGORITHM_NAMES, *FORMAT_NAMES, *NAN_MODES)
) | {REMOVED_ALGORITHM}

_running = {"command lines": 0}


@contextmanager
def for_the_command_line() -> Iterator[None]:
    """Leave messages with options while this lasts, in every thread."""
    _running["command lines"] += 1
    try:
        yield
    finally:
        _running["command lines"] -= 1


def worded(text: str) -> str:
    """`text` with arguments in place of options, unless the command line is running.

    Examples
    --------
    >>> worded("the file exists; try --overwrite or --output-dir DIR")
    'the file exists; try overwrite=True or directory DIR'
    """
    if _running["command lines"]:
        return text
    import re  # here, because whoever imports the package may never see a message

    return re.sub(_OPTION, _argument, text)


def _argument(match: re.Match[str]) -> str:
    import re

    option, value = match.groups()
    name = _ARGUMENTS.get(option, option.lstrip("-").replace("-", "_"))
    rest = match[0][len(option) :]
    if option in _SWITCHES:
        return f"{name}=True{rest}"
    if value is None:
        return name + rest
    # A stop or colon behind the value ends the sentence.
    value, end = value.rstrip(".:"), value[len(value.rstrip(".:")) :]
    if value in _WORDS:
        return f"{name}={value!r}{end}"
    if size := re.fullmatch(_SIZE, value):
        return f"{name}={int(size[1]) << {'K': 10, 'M': 20, 'G': 30}[size[2]]}{end}"
    if re.fullmatch(_NUMBER, value) and ":" not in value:
        return f"{name}={value}{end}"
    return name + rest
