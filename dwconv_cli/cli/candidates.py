"""What a shell may complete: addresses with the names in their files, calls of catalogues, files and directories."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from dwconv_cli.cli.catalogue_names import calls, catalogue_of

if TYPE_CHECKING:
    import click

SEPARATOR = "::"
# What help calls the values that are addresses.
_ADDRESSES = {"ADDR", "INPUT", "INPUT...", "[TARGET]...", "A B"}
# NumPy's short names of the dtypes that devices send.
_SAMPLES = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "<i2", ">i2", "<f4", ">f4")


def candidates(parameter: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The values of an option or argument that begin with `typed`; the kind of value is told by what help calls it."""
    metavar = parameter.metavar or ""
    if (catalogue := catalogue_of(parameter.name or "")) is not None:
        return [_call(text, catalogue) for text in calls(catalogue, typed)]
    if metavar == "DIR":
        return [CompletionItem(typed, type="dir")]
    if metavar == "DTYPE":
        return [CompletionItem(word) for word in _SAMPLES if word.startswith(typed)]
    if "|" in metavar:
        return [
            CompletionItem(word) for word in metavar.partition("[")[0].split("|") if word.startswith(typed)
        ]
    if metavar in _ADDRESSES:
        return addresses(typed, parameter.name in ("weights", "source"))
    return [CompletionItem(typed, type="file")] if "FILE" in metavar else []


def addresses(typed: str, groups: bool = False) -> list[CompletionItem[str]]:
    """The addresses that begin with `typed`: files, and after ``::`` what is in one.

    With `groups` those of HDF5 groups that hold a kernel are among them.
    """
    path, separator, name = typed.rpartition(SEPARATOR)
    if not separator and typed.endswith(":") and os.path.isfile(_expanded(typed[:-1])):
        # One colon says where this leads.
        path, separator, name = typed[:-1], SEPARATOR, ""
    if not separator or os.path.exists(_expanded(typed)):
        return [CompletionItem(typed, type="file")]
    items = []
    for known in names_in(_expanded(path), groups):
        # The first slash of an HDF5 name may be left out.
        text = known.removeprefix("/") if name and not name.startswith("/") else known
        if text.startswith(name) and text.isprintable() and SEPARATOR not in text:
            items.append(CompletionItem(f"{path}{SEPARATOR}{text}"))
    return items


def names_in(path: str, groups: bool = False) -> Iterable[str]:
    """The layers of a Keras file, or the arrays in any other file."""
    # A FIFO would keep its reader waiting.
    if not os.path.isfile(path) and not os.path.isdir(path):
        return ()
    from dwconv_cli.weights.keras_files import is_keras_file

    if is_keras_file(path):
        from dwconv_cli.weights.keras_files import read_layers

        return [layer.path for layer in read_layers(path, possible=True)]
    from dwconv_cli.storage.address import Address
    from dwconv_cli.storage.formats import array_names

    names = array_names(Address(path))
    return [*_groups(names), *names] if groups else names


def _groups(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        group, _, leaf = name.rpartition("/")
        if group and leaf == "kernel":
            yield group


def _expanded(path: str) -> str:
    """A path as the shell will expand it."""
    return os.path.expandvars(os.path.expanduser(path))


def _call(text: str, names: Mapping[str, tuple[str, ...]]) -> CompletionItem[str]:
    arguments = names.get(text)
    note = f"takes {', '.join(arguments)}" if arguments else None
    return CompletionItem(text, "open" if text.endswith(("=", "(")) else "plain", note)
