"""The errors that the package raises on purpose, and the exit code of each.

::

    DwconvError
    ├── LayerError          a layer that cannot exist            (also a ValueError)
    ├── ShapeError          arrays that do not fit each other    (also a ValueError)
    ├── InputError          a file that cannot be read           (also an OSError)
    │   └── UnsafeFileError a file that asks for more than data
    ├── OutputError         a result that cannot be written      (also an OSError)
    ├── MissingExtraError   an optional package is absent        (also an ImportError)
    └── OutOfMemoryError    a job needs more than it may use     (also a MemoryError)

A message is one line: which file or setting, what is wrong with it, and what to do.
"""

from __future__ import annotations

from dwconv_cli.errors.wording import worded


class DwconvError(Exception):
    """Root of every error raised on purpose."""

    def __str__(self) -> str:
        return worded(super().__str__())


class LayerError(DwconvError, ValueError):
    """The layer's configuration is impossible or names something unknown."""


class ShapeError(DwconvError, ValueError):
    """Data, kernel, bias or output do not fit each other.

    Attributes
    ----------
    kernel_channels : int or None
        Channels that the kernel is for, where the error is that the data has another number of them.
    """

    kernel_channels: int | None = None


class InputError(DwconvError, OSError):
    """An input is missing, unreadable, malformed or unsupported."""


class UnsafeFileError(InputError):
    """An input asks for more than its data: links elsewhere, bombs, code."""


class OutputError(DwconvError, OSError):
    """An output exists already or could not be written whole."""


class MissingExtraError(DwconvError, ImportError):
    """A feature needs an optional package that is not installed."""


class OutOfMemoryError(DwconvError, MemoryError):
    """A job needs more memory than it may use."""


# The first row whose class the error is of counts, so an UnsafeFileError has the code of an InputError.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (LayerError, 2),
    (ShapeError, 2),
    (MissingExtraError, 3),
    (InputError, 3),
    (OutputError, 4),
    (MemoryError, 5),
    (KeyboardInterrupt, 130),
    (BrokenPipeError, 141),
)


# What each exit code of the command means, for the help and the documentation.
EXIT_CODES = {
    0: "All is done.",
    1: "With --keep-going: some inputs failed; the report says which.",
    2: "Wrong usage: an option, a layer, or weights that do not fit the data.",
    3: "An input is unreadable, malformed, unsupported or unsafe.",
    4: "An output could not be written: it exists, no space, no permission.",
    5: "Out of memory.",
    70: "A bug of dwconv; please report it.",
    130: "Ended by SIGINT, as Ctrl-C sends it.",
    141: "Ended by a closed pipe.",
    143: "Ended by SIGTERM.",
}


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether a library could not be loaded because there was no memory for it."""
    while error is not None:
        text = str(error).lower()
        if (
            isinstance(error, MemoryError | SystemError)
            or "failed to map segment" in text
            or "cannot allocate memory" in text
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def exit_code(error: BaseException) -> int:
    """The exit code for `error`; 70 for an error that is not foreseen.

    Examples
    --------
    >>> exit_code(InputError("rec.npy: no such file or directory"))
    3
    """
    if isinstance(error, ImportError | SystemError) and _lacks_memory(error):
        return 5
    return next((code for kind, code in _CODES if isinstance(error, kind)), 70)
