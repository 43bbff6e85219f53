"""``PATH[::NAME]``: a file, and a thing inside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from dwconv_cli.errors import InputError, OutputError
from dwconv_cli.errors.system import NOWHERE, is_nowhere
from dwconv_cli.layer.arguments import Location, location
from dwconv_cli.storage.hints import one_colon
from dwconv_cli.storage.patterns import has_wildcards, matching_paths, name_pattern

SEPARATOR = "::"
STREAM = "-"


def real_path(path: str) -> str:
    """Where an output really lies, without links.

    Raises
    ------
    OutputError
        If that depends on a working directory that is not there any more.
    """
    try:
        return os.path.realpath(path)
    except OSError as error:
        raise OutputError(
            f"{path}: the working directory was removed; change to one that is there, or write the path from / on"
        ) from error


@dataclass(frozen=True)
class Address:
    """Where data lies.

    Parameters
    ----------
    path : str
        A file's path, or ``-`` for a standard stream.
    name : str, optional
        A member of the file: an ``.npz`` key, an HDF5 path, a layer.
    """

    path: str
    name: str | None = None

    @classmethod
    def parse(cls, text: Location) -> Address:
        """Split `text` at its last ``::``; a path that exists as it stands is taken whole."""
        text = location("an address", text)
        path, separator, name = text.rpartition(SEPARATOR)
        if not separator or not path or os.path.lexists(text):
            return cls(text)
        return cls(path, name or None)

    def __str__(self) -> str:
        return self.path if self.name is None else f"{self.path}{SEPARATOR}{self.name}"

    @property
    def is_stream(self) -> bool:
        """Whether this is standard input or output."""
        return self.path == STREAM

    @property
    def suffix(self) -> str:
        """The path's last suffix in lower case, with its dot; of ``m.weights.h5`` it is ``.h5``."""
        return os.path.splitext(self.path)[1].lower()


def expand(
    text: Location,
    members: Callable[[str], list[str]],
    no_recordings: Callable[[str, str], list[str]] | None = None,
    left_out: list[Address] | None = None,
) -> list[Address]:
    """The addresses that `text` names, with wildcards on both sides of ``::`` resolved, in sorted order.

    In a path and in a name alike ``*`` stays within one level and ``**`` crosses levels. What exists under its
    literal name is taken literally.

    Parameters
    ----------
    text : str or path
    members : callable
        Path to the names inside that file.
    no_recordings : callable, optional
        Path and pattern to the matching names inside that file that wildcards leave out.
    left_out : list of Address, optional
        Gets what was left out.

    Raises
    ------
    InputError
        If wildcards match nothing.
    """
    address = Address.parse(text)
    if address.is_stream:
        return [address]
    paths = [address.path]
    if has_wildcards(address.path) and not os.path.lexists(address.path):
        paths = matching_paths(address.path)
        if not paths:
            meant = one_colon(str(address))
            advice = f"; a name in a file follows two colons; write {meant}" if meant else ""
            if is_nowhere(address.path):
                advice = f"; {NOWHERE}"
            raise InputError(f"{address.path}: no file matches{advice}")
    if address.name is None or not has_wildcards(address.name):
        return [Address(path, address.name) for path in paths]
    found: list[Address] = []
    others: list[Address] = []
    pattern = name_pattern(address.name)
    for path in paths:
        names = members(path)
        if address.name in names:
            found.append(Address(path, address.name))
            continue
        unwanted = frozenset(no_recordings(path, address.name)) if no_recordings else frozenset()
        others += [Address(path, name) for name in sorted(unwanted)]
        found += [Address(path, name) for name in names if pattern.fullmatch(name) and name not in unwanted]
    if not found and others:
        raise InputError(
            f"{address}: matches only dimension scales and what is not numeric data of rank 1 to 3 "
            f"({others[0].name}); name a dataset without wildcards"
        )
    if left_out is not None:
        left_out += others
    if not found:
        raise InputError(f"{address}: no name in the file matches{_held(paths[0], members(paths[0]))}")
    return found


def _held(path: str, names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"; {path} holds {', '.join(names[:5])}{more} ('{path}::**' is all)" if names else ""
