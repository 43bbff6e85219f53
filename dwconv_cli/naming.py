"""Which output belongs to which input."""

from __future__ import annotations

import os
import stat
import string
from collections.abc import Sequence
from dataclasses import dataclass

from dwconv_cli.errors import LayerError, OutputError
from dwconv_cli.formats import FORMATS, Address, format_of

FIELDS = ("stem", "name", "suffix", "parent", "dataset")


@dataclass(frozen=True)
class Target:
    """An input and its output.

    Parameters
    ----------
    source : Address
        Complete.
    output : Address or None
        Complete; None where nothing is to be written.
    bare : bool
        The output's address named a file only, not a thing inside it.
    """

    source: Address
    output: Address | None
    bare: bool = True


def targets(
    sources: Sequence[Address],
    output: str | None,
    directory: str | None = None,
    given_format: str | None = None,
) -> list[Target]:
    """Pair inputs with outputs.

    Parameters
    ----------
    sources : sequence of Address
        Complete addresses of inputs.
    output : str or None
        An address; for several inputs a template with ``{stem} {name} {suffix} {parent} {dataset}``, or a file
        that holds several arrays.
    directory : str, optional
        Outputs get the inputs' file names in there.

    Raises
    ------
    LayerError
        If two inputs would get the same output, or the template is wrong.
    OutputError
        If an output is its own input.
    """
    found = [_target(source, output, directory, given_format) for source in sources]
    seen: dict[tuple[str, str | None], Address] = {}
    for target in found:
        if target.output is None:
            continue
        if target.output.is_stream and len(found) > 1:
            raise LayerError(
                f"{len(found)} inputs cannot share standard output; use -o with a template or --output-dir"
            )
        key = (os.path.realpath(target.output.path), target.output.name)
        if key in seen:
            raise LayerError(
                f"{seen[key]} and {target.source} would both be written to {target.output}; "
                "use a template such as -o 'out/{parent}_{name}'"
            )
        seen[key] = target.source
    _check_distinct(found)
    return found


def _check_distinct(found: Sequence[Target]) -> None:
    """Refuse an output that is an input, its own or another's, by path, link or hard link.

    Raises
    ------
    OutputError
    """
    inputs: dict[tuple[int, int], dict[str | None, Address]] = {}
    for source in (target.source for target in found):
        key = _file_id(source)
        if key is not None:
            inputs.setdefault(key, {})[source.name] = source
    for target in found:
        key = None if target.output is None else _file_id(target.output)
        if target.output is None or key not in inputs:
            continue
        own = target.source.name if target.source.name in inputs[key] else next(iter(inputs[key]))
        name = own if target.bare else target.output.name
        if name in inputs[key]:
            other = inputs[key][name]
            told = "output and input are the same" if other == target.source else f"is the input {other}, too"
            raise OutputError(f"{target.output}: {told}; write to another name")


def _file_id(address: Address) -> tuple[int, int] | None:
    """What tells a regular file from any other, whatever it is called."""
    try:
        found = os.stat(address.path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) and not address.is_stream else None


def _target(source: Address, output: str | None, directory: str | None, given_format: str | None) -> Target:
    if output is None and directory is None:
        return Target(source, None)
    if directory is not None:
        path = os.path.join(directory, _fields(source)["name"])
        if given_format is not None:
            path = os.path.splitext(path)[0] + FORMATS[given_format].suffixes[0]
        address = Address(path, source.name)
    else:
        address = Address.parse(output or "")
        fields = _fields(source)
        flat = {**fields, "dataset": fields["dataset"].replace("/", "_")}
        name = None if address.name is None else _filled(address.name, fields)
        address = Address(_filled(address.path, flat), name)
    if address.is_stream:
        return Target(source, Address(address.path))
    if format_of(address, given_format, output=True).members is None:
        if address.name is not None and directory is None:
            raise OutputError(
                f"{address}: this format holds one array without a name; leave out ::{address.name}"
            )
        return Target(source, Address(address.path))
    bare = address.name is None
    name = address.name or source.name or _fields(source)["stem"]
    hdf5 = format_of(address, given_format, output=True).name == "hdf5"
    return Target(source, Address(address.path, "/" * hdf5 + name.strip("/")), bare)


def _fields(source: Address) -> dict[str, str]:
    path = "stdin.npy" if source.is_stream else source.path
    parent, base = os.path.split(path)
    stem, suffix = os.path.splitext(base)
    return {
        "stem": stem,
        "name": base,
        "suffix": suffix,
        "parent": parent or ".",
        "dataset": (source.name or "").strip("/"),
    }


def _filled(template: str, fields: dict[str, str]) -> str:
    wrong = LayerError(
        f"output {template!r}: a template knows " + " ".join("{" + name + "}" for name in FIELDS)
    )
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError:
        raise wrong from None
    filled = ""
    for text, field, spec, conversion in parts:
        filled += text
        if field is None:
            continue
        if field not in fields or spec or conversion:
            raise wrong
        filled += fields[field]
    return filled
