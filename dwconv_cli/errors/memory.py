"""Address space asked for before a library takes it that does not end well without it.

The BLAS of NumPy and that of SciPy allocate a buffer of 32 MiB while they are loaded, and one for each further thread
that is in BLAS at the same time. Where there is no room for it NumPy's ends the process with a message of its own, and
SciPy's tries again for ever, in which not even SIGTERM is heard.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from dwconv_cli.errors import OutOfMemoryError

# What to do where there is not enough of it.
MORE_SPACE = "allow more of it, e.g. ulimit -v 400000"

NUMPY_BYTES = 80 << 20
# A buffer, and what other threads may take in the same moment.
BLAS_BYTES = 40 << 20
# As measured, and a fifth more.
SCIPY_BYTES = {"special": 94 << 20, "fft": 94 << 20, "signal": 180 << 20, "signal.windows": 180 << 20}


def has_room(size: int) -> bool:
    """Whether `size` bytes more can be had."""
    try:
        # Zeros that nobody looks at take addresses, but no pages.
        bytes(size)
    except MemoryError:
        return False
    return True


def ask_for(size: int, purpose: str) -> None:
    """Refuse to go on where `size` bytes more cannot be had.

    Parameters
    ----------
    size : int
    purpose : str
        What they are needed for, such as ``starting``.

    Raises
    ------
    OutOfMemoryError
    """
    if not has_room(size):
        raise OutOfMemoryError(f"out of memory while {purpose}; {MORE_SPACE}")


def scipy_module(name: str) -> Any:
    """SciPy's module `name`, one of those in `SCIPY_BYTES`.

    Raises
    ------
    OutOfMemoryError
        If it is not loaded yet, and there is no room for it.
    """
    whole = f"scipy.{name}"
    if whole not in sys.modules:
        ask_for(SCIPY_BYTES[name], "loading SciPy")
    return import_module(whole)
