"""Values of options that are more than a word or a number."""

from __future__ import annotations

import re
from typing import Any

import click

# Name -> levels; the last two come with the extra hdf5plugin.
_COMPRESSIONS = {
    "gzip": range(10),
    "lzf": range(0),
    "none": range(0),
    "blosc": range(10),
    "zstd": range(1, 23),
}


def storage_of(given: dict[str, Any]) -> dict[str, Any]:
    """The HDF5 storage that options ask for, under h5py's names.

    Raises
    ------
    click.BadParameter
    """
    storage: dict[str, Any] = {key: True for key in ("shuffle", "fletcher32") if given[key]}
    if given["compression"] is not None:
        storage |= _compression(given["compression"])
    if given["chunks"] is not None:
        try:
            storage["chunks"] = tuple(int(side) for side in given["chunks"].split(","))
        except ValueError:
            raise click.BadParameter(
                f"{given['chunks']!r} is not like 1000,6", param_hint="--chunks"
            ) from None
    return storage


def size(text: str | None) -> int | None:
    """The bytes that a text such as ``64MiB`` stands for.

    Raises
    ------
    click.BadParameter
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if not found:
        raise click.BadParameter(f"{text!r} is not a size such as 64MiB or 1GB", param_hint="--memory-limit")
    number, letter, binary = found.groups()
    unit = 1024 if binary or not text.strip().lower().endswith("b") else 1000
    count = int(min(float(number) * unit ** " kmgt".index(letter or " "), 2.0**64))
    if count >= 1 << 63:
        raise click.BadParameter(f"{text!r} is more than any machine has", param_hint="--memory-limit")
    if count < 1 << 20:
        raise click.BadParameter(
            f"{text!r} is less than 1MiB, which nothing fits in", param_hint="--memory-limit"
        )
    return count


def _compression(text: str) -> dict[str, Any]:
    name, colon, level = text.partition(":")
    levels = _COMPRESSIONS.get(name)
    if levels is None or (colon and level not in map(str, levels)):
        choices = ", ".join(
            f"{known}[:{allowed.start} to {allowed.stop - 1}]" if allowed else known
            for known, allowed in _COMPRESSIONS.items()
        )
        raise click.BadParameter(f"{text!r} is none of {choices}", param_hint="--compression")
    return {"compression": name, **({"compression_opts": int(level)} if colon else {})}
