"""What is compared: arrays in memory, and arrays at addresses."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from dwconv_cli.errors import InputError, LayerError, ShapeError
from dwconv_cli.layer.arguments import Location, location
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.address import STREAM, Address
from dwconv_cli.storage.formats import array_names, format_of
from dwconv_cli.storage.patterns import has_wildcards
from dwconv_cli.storage.resolution import completed, matching


class ArrayReader:
    """An array in memory, read as files are."""

    sequential = False
    chunks: tuple[int, ...] | None = None

    def __init__(self, array: Array, name: str) -> None:
        if array.dtype.kind not in "biufc" or array.dtype.itemsize > (16 if array.dtype.kind == "c" else 8):
            raise ShapeError(f"{name} must hold numbers of at most 64 bits, got dtype {array.dtype}")
        self._array = array
        self.name = name
        self.shape, self.dtype = array.shape, array.dtype
        self.fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        self.attributes: dict[str, Any] = {}
        self.storage: dict[str, Any] = {}

    def read(self, selection: tuple[slice, ...], out: Array) -> None:
        """Copy the selected part into `out`."""
        out[...] = self._array[selection]

    def spool(self) -> None:
        """Do nothing: arrays are read in any order."""

    def finish(self) -> None:
        """Do nothing: arrays do not change."""

    def close(self) -> None:
        """Do nothing."""


def addresses_of(
    a: Location | Address | None, b: Location | Address | None, format: str | None
) -> tuple[list[Address | None], list[str]]:
    """The complete addresses of both sides, None for an array in memory, and notes on what was chosen.

    Where a name is left out and the file holds several arrays, the name that the other side has is taken, if the file
    has it too. The `format` is that of the side whose suffix does not tell it, or of both if both suffixes do.

    Raises
    ------
    InputError
        If an address names no array, or several and the other side's name does not tell.
    LayerError
        If wildcards match several arrays, or both sides are standard input.
    """
    texts = {"a": a, "b": b}
    untold = [name for name, text in texts.items() if text is not None and _needs_format(name, text)]
    sides = [
        None if text is None else _only(name, text, format if name in untold or not untold else None)
        for name, text in texts.items()
    ]
    if all(side is not None and side.is_stream for side in sides):
        raise LayerError("standard input can be read once; '-' stands in several places")
    notes = []
    for number, side in enumerate(sides):
        other = sides[1 - number]
        if side is None or side.name is not None or other is None or other.name is None:
            continue
        module = format_of(side)
        if module.ROOT is None:
            continue
        names, name = array_names(side), module.ROOT + other.name.lstrip("/")
        if len(names) > 1 and name in names:
            sides[number] = replace(side, name=name)
            notes.append(
                f"{side.path} holds {len(names)} arrays; {name} is compared, as named for {other.path}"
            )
    return [None if side is None else completed(side) for side in sides], notes


def _needs_format(name: str, text: Location | Address) -> bool:
    """Whether an address is a stream, or a file whose suffix does not tell its format."""
    address = text if isinstance(text, Address) else Address.parse(location(name, text))
    return address.is_stream or address.format is None


def _only(name: str, text: Location | Address, format: str | None) -> Address:
    """The one address that `text` names."""
    address = text if isinstance(text, Address) else Address.parse(location(name, text), format)
    if address.path != STREAM and os.path.isdir(address.path):
        raise InputError(
            f"{address.path}: is a directory, and compare takes one array on each side; name a file in it"
        )
    if not has_wildcards(f"{address.path}{address.name or ''}"):
        return address
    matches = matching(str(address), address.format).addresses
    if len(matches) > 1:
        raise LayerError(
            f"{address}: matches {len(matches)} arrays, and compare takes one on each side; "
            f"name one, e.g. {matches[0]}, and compare the others one by one"
        )
    return matches[0]


def entry(reader: Any, address: Address | None) -> dict[str, Any]:
    """What a comparison says of one side."""
    return {
        "address": None if address is None else str(address),
        "shape": list(reader.shape),
        "dtype": np.dtype(reader.dtype).newbyteorder("=").name,
    }
