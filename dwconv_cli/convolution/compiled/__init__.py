"""The direct sum in C, where it was built, and the name of the backend for reports.

``DWCONV_COMPILED`` in the environment chooses: ``0`` turns the compiled part off, ``avx512``, ``avx2`` or ``baseline``
restricts it to those instructions. The bits of the sums do not depend on it.
"""

from __future__ import annotations

import os
from types import ModuleType

from dwconv_cli.errors import LayerError

VARIABLE = "DWCONV_COMPILED"
CHOICES = ("0", "1", "avx512", "avx2", "baseline")


def load(choice: str) -> tuple[ModuleType | None, str]:
    """The extension, if it was built and is chosen, and the backend's name.

    Parameters
    ----------
    choice : str
        One of ``CHOICES``, or empty for the best there is.

    Returns
    -------
    module or None
    str
        ``compiled avx512``, ``compiled avx2``, ``compiled baseline`` or ``numpy``.

    Raises
    ------
    LayerError
        If `choice` is another word, or this processor has no such instructions.
    """
    if choice not in ("", *CHOICES):
        raise LayerError(f"{VARIABLE}={choice}: set it to one of {', '.join(CHOICES)}, or unset it")
    if choice == "0":
        return None, "numpy"
    try:
        from dwconv_cli.convolution.compiled import _direct
    except ImportError:
        return None, "numpy"
    try:
        return _direct, f"compiled {_direct.choose('' if choice == '1' else choice)}"
    except ValueError as error:
        raise LayerError(f"{VARIABLE}={choice}: {error}; unset it") from error


EXTENSION, BACKEND = load(os.environ.get(VARIABLE, ""))

# With so many products NumPy takes about ten seconds longer than the extension.
_PRODUCTS_OF_A_LONG_JOB = 3 * 10**10


def missing_extension_notes(products: int) -> list[str]:
    """A note for a job of `products` products, if it is long and the extension is missing though not turned off."""
    if EXTENSION is not None or os.environ.get(VARIABLE) == "0" or products < _PRODUCTS_OF_A_LONG_JOB:
        return []
    return [
        "the sums are NumPy's, which takes several times as long as the compiled part; install dwconv-cli again where "
        "there is a C compiler, e.g. gcc"
    ]
