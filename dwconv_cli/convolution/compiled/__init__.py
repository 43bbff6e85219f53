"""The direct sum in C where it was built, and what the backend is called in reports.

``DWCONV_COMPILED`` in the environment chooses: ``0`` turns the compiled part off, ``avx512``, ``avx2`` or ``baseline``
restricts it to those instructions. The bits of the sums do not depend on it.
"""

from __future__ import annotations

import os
from types import ModuleType

from dwconv_cli.errors import LayerError

VARIABLE = "DWCONV_COMPILED"
CHOICES = ("0", "1", "avx512", "avx2", "baseline")


def load(wanted: str) -> tuple[ModuleType | None, str]:
    """The extension, if it was built and is wanted, and the backend's name.

    Parameters
    ----------
    wanted : str
        One of ``CHOICES``, or empty for the best there is.

    Returns
    -------
    module or None
    str
        ``compiled avx512``, ``compiled avx2``, ``compiled baseline`` or ``numpy``.

    Raises
    ------
    LayerError
        If `wanted` is another word, or this processor has no such instructions.
    """
    if wanted not in ("", *CHOICES):
        raise LayerError(f"{VARIABLE}={wanted}: set it to one of {', '.join(CHOICES)}, or unset it")
    if wanted == "0":
        return None, "numpy"
    try:
        from dwconv_cli.convolution.compiled import _direct
    except ImportError:
        return None, "numpy"
    try:
        return _direct, f"compiled {_direct.choose('' if wanted == '1' else wanted)}"
    except ValueError as error:
        raise LayerError(f"{VARIABLE}={wanted}: {error}; unset it") from error


EXTENSION, BACKEND = load(os.environ.get(VARIABLE, ""))

# Products from which on NumPy takes about ten seconds longer than the extension.
_LONG = 3 * 10**10


def missing(products: int) -> list[str]:
    """A note on a job of as many products that runs without the extension, unless that was asked for."""
    if EXTENSION is not None or os.environ.get(VARIABLE) == "0" or products < _LONG:
        return []
    return [
        "the sums are NumPy's, which takes several times as long as the compiled part; install dwconv-cli again where "
        "there is a C compiler, e.g. gcc"
    ]
