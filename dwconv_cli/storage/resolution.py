"""From what people type to complete addresses: wildcards are matched, and the name of an only array is found."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from dwconv_cli.errors import InputError
from dwconv_cli.errors.system import NOWHERE, is_nowhere
from dwconv_cli.layer.arguments import Location
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, format_of, members
from dwconv_cli.storage.hints import one_colon
from dwconv_cli.storage.patterns import has_wildcards, matching_paths, name_pattern
from dwconv_cli.storage.protocols import Member


class Matches(NamedTuple):
    """What an address with wildcards stands for.

    Parameters
    ----------
    addresses : list of Address
        Files in sorted order, and what is in each in its order.
    left_out : list of Address
        What has a name that matches, but is a dimension scale, or no numeric array of rank 1 to 3.
    """

    addresses: list[Address]
    left_out: list[Address]


def recording_at(text: Location, format: str | None = None) -> Address:
    """The complete address of the one array that `text` names.

    Parameters
    ----------
    text : str or path
        An address without wildcards. The name inside the file may be left out where there is only one array.
    format : str, optional
        The file's, where its suffix does not tell.

    Raises
    ------
    InputError
        If there is no array, or more than one; the message lists them.
    """
    return completed(Address.parse(text, format))


def recordings_at(text: Location, format: str | None = None) -> Matches:
    """The complete addresses of the recordings that `text` names, with wildcards on both sides of ``::``.

    Wildcards leave out dimension scales; who wants one names it.

    Raises
    ------
    InputError
        If wildcards match nothing, or an address without a name stands for several arrays.
    """
    matches = matching(text, format, scales=False)
    return matches._replace(addresses=[completed(address, several=True) for address in matches.addresses])


def matching(
    text: Location,
    format: str | None = None,
    *,
    scales: bool = True,
    members_of: Callable[[Address], Sequence[Member]] = members,
) -> Matches:
    """The addresses that `text` names, with wildcards on both sides of ``::``.

    In a path and in a name alike ``*`` stays within one level and ``**`` crosses levels. What exists under its
    literal name is taken literally. Each file is listed once.

    Parameters
    ----------
    text : str or path
    format : str, optional
    scales : bool
        Whether wildcards match dimension scales too; nothing is ``left_out`` then.
    members_of : callable
        A file's address to what is in it.

    Raises
    ------
    InputError
        If wildcards match nothing.
    """
    address = Address.parse(text, format)
    files = _files(address, None if format is None else address.format)
    if address.is_stream or address.name is None or not has_wildcards(address.name):
        return Matches(files, [])
    matches, pattern = Matches([], []), name_pattern(address.name)
    first_offer = ""
    for file in files:
        listed = members_of(file)
        names = [member.name for member in listed if member.is_array]
        first_offer = first_offer or _offer(file.path, names)
        if address.name in names:
            matches.addresses.append(file)
            continue
        others: list[Address] = []
        for member in listed:
            if pattern.fullmatch(member.name):
                is_match = member.is_array and (scales or not member.is_scale)
                (matches.addresses if is_match else others).append(replace(file, name=member.name))
        if not scales:
            matches.left_out.extend(sorted(others, key=str))
    if matches.addresses:
        return matches
    if matches.left_out:
        raise InputError(
            f"{address}: matches only dimension scales and what is not numeric data of rank 1 to 3 "
            f"({matches.left_out[0].name}); name a dataset without wildcards"
        )
    raise InputError(f"{address}: no name in the file matches{first_offer}")


def _files(address: Address, format: str | None) -> list[Address]:
    """The files that match, each with the name that `address` has; `format` is the one that was typed, if one was."""
    if not has_wildcards(address.path) or os.path.lexists(address.path):
        return [address]
    paths = matching_paths(address.path)
    if not paths:
        meant = one_colon(str(address))
        advice = f"; a name in a file follows two colons; write {meant}" if meant else ""
        if is_nowhere(address.path):
            advice = f"; {NOWHERE}"
        raise InputError(f"{address.path}: no file matches{advice}")
    # Two files of one recording are one address.
    return list(dict.fromkeys(Address(path, address.name, format) for path in paths))


def _offer(path: str, names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"; {path} holds {', '.join(names[:5])}{more} ('{path}::**' is all)" if names else ""


def completed(address: Address, several: bool = False) -> Address:
    """`address` with the name of the only array in its file, where the name was left out.

    Parameters
    ----------
    address : Address
    several : bool
        Whether all arrays of the file could be taken, which the message for more than one says.

    Raises
    ------
    InputError
        If there is none, or more than one; the message lists them.
    """
    root = format_of(address).ROOT
    if root is None:
        if address.name is not None:
            raise InputError(
                f"{address}: a file of format {address.format} has no names inside; leave out ::{address.name}"
            )
        return address
    if address.name is not None:
        return address if address.name.startswith(root) else replace(address, name=root + address.name)
    names = array_names(address)
    if len(names) == 1:
        return replace(address, name=names[0])
    if not names:
        raise InputError(f"{address.path}: holds no numeric arrays")
    all_of = f", or all with '{address.path}::**'" if several else ""
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise InputError(f"{address.path}: holds {len(names)} arrays; name one after '::'{all_of}: {shown}")
