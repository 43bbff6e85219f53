"""What HDF5 and h5py raise, turned into errors of one line that name the file and the object in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h5py
from h5py._objects import phil

from dwconv_cli.errors import DwconvError, InputError, OutputError
from dwconv_cli.text import printable

# Functions that are called before each piece of work on a file. The child process of a rehearsal enters one here, by
# which it sees that the work gets on; see rehearsal.py.
before_each_step: list[Callable[[], None]] = []


def file_name(obj: h5py.HLObject) -> str:
    """Return the path of the file that holds a group or dataset."""
    return os.fsdecode(h5py.h5f.get_name(obj.id))


def where(obj: h5py.HLObject, name: str | None = None) -> str:
    """Return ``path::name`` of a group or dataset for a message; `name` where it was reached by another name."""
    return f"{file_name(obj)}::{printable(obj.name or '' if name is None else name)}"


def step() -> None:
    """Say that a piece of work on a file begins."""
    for function in before_each_step:
        function()


@contextmanager
def errors(place: h5py.HLObject | str, name: str | None = None) -> Iterator[None]:
    """Turn whatever h5py raises inside into an InputError that names `place`, a path or an object called `name`.

    h5py's lock is held meanwhile. Without it, h5py lets go of the lock between two of its calls while HDF5 still uses
    data that both share, and two threads at that point crash the process. For the same reason nothing inside may
    wait for a thread that needs HDF5.
    """
    try:
        with phil:
            step()
            yield
    except (DwconvError, MemoryError):
        raise
    except Exception as error:
        subject = place if isinstance(place, str) else where(place, name)
        raise InputError(f"{subject}: HDF5 cannot read it: {_words_of(error)}") from error


@contextmanager
def writing(place: h5py.HLObject | str, name: str | None = None) -> Iterator[None]:
    """Turn whatever h5py raises inside into an OutputError that names `place`, as :func:`errors` does."""
    try:
        yield
    except (DwconvError, MemoryError):
        raise
    except Exception as error:
        subject = place if isinstance(place, str) else where(place, name)
        raise OutputError(f"{subject}: HDF5 cannot write it: {_words_of(error)}") from error


def _words_of(error: Exception) -> str:
    return printable(" ".join(str(error).split())) or type(error).__name__
