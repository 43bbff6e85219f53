"""Checks that there is address space for a library before it is loaded.

NumPy's and SciPy's BLAS allocate a buffer of 32 MiB while they are loaded, and another for each further thread that
uses BLAS at the same time. Where there is no room for a buffer, NumPy's ends the process with a message of its own,
and SciPy's tries again for ever and does not react even to SIGTERM. So the room is asked for first.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from dwconv_cli.errors import OutOfMemoryError

# The advice for whoever has too little of it.
MORE_SPACE = "allow more of it, e.g. ulimit -v 400000"

NUMPY_BYTES = 80 << 20
# One buffer, and what other threads may allocate between the check and the call.
BLAS_BYTES = 40 << 20
# What loading each module takes, measured, and a fifth more.
SCIPY_BYTES = {"special": 94 << 20, "fft": 94 << 20, "signal": 180 << 20, "signal.windows": 180 << 20}


def has_room(size: int) -> bool:
    """Whether `size` more bytes can be allocated."""
    try:
        # Zeros that are never read use addresses, but no pages of memory.
        bytes(size)
    except MemoryError:
        return False
    return True


def ask_for(size: int, purpose: str) -> None:
    """Raise OutOfMemoryError where `size` more bytes cannot be allocated for a `purpose` such as ``starting``."""
    if not has_room(size):
        raise OutOfMemoryError(f"out of memory while {purpose}; {MORE_SPACE}")


def scipy_module(name: str) -> Any:
    """SciPy's module `name`, one of those in `SCIPY_BYTES`, if it is loaded already or there is room to load it.

    Raises
    ------
    OutOfMemoryError
        If there is no room.
    """
    module = f"scipy.{name}"
    if module not in sys.modules:
        ask_for(SCIPY_BYTES[name], "loading SciPy")
    return import_module(module)
