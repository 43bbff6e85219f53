"""Output addresses with fields such as ``{stem}``, which are filled from an input's address.

The value of a field is a name of a file, or a name from within one, so it may be any text. Here it cannot lead out of
the directory that the template names, make a relative path absolute, or stand for a standard stream.
"""

from __future__ import annotations

import os

from dwconv_cli.errors import LayerError, UnsafeFileError
from dwconv_cli.storage.address import STREAM, Address

FIELDS = ("stem", "name", "suffix", "parent", "dataset")
_PARENT = "{parent}"


def fields_of(source: Address) -> dict[str, str]:
    """The values of all fields for an input."""
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


def has_fields(template: str) -> bool:
    """Whether a template has a field; a plain address has none.

    Raises
    ------
    LayerError
        If it is malformed.
    """
    return any(field is not None for _, field in _parsed(template))


def filled_path(template: str, source: Address) -> str:
    """The path that a template gives for an input.

    ``{parent}`` at the very start is the input's directory as it was typed, so that outputs can lie beside inputs.
    Elsewhere it loses a leading ``/`` and each ``..``, as paths do when an archive is unpacked.

    Raises
    ------
    LayerError
        If the template is wrong, or the input has no value for its last part.
    UnsafeFileError
        If a value would lead out of the template's directory.
    """
    fields = fields_of(source)
    typed = ""
    if template.startswith(_PARENT):
        template = template.removeprefix(_PARENT)
        # Directly before other text, "." would make the name of a hidden file.
        typed = "" if fields["parent"] == "." and template[:1] not in ("", "/") else fields["parent"]
    fields["parent"] = _below(fields["parent"])
    fields["dataset"] = fields["dataset"].replace("/", "_")
    path = _filled(template, fields, source, typed)
    if path == STREAM and template != STREAM:
        raise UnsafeFileError(
            f"{source}: its name would make the output {STREAM!r}, which is a standard stream; "
            f"use -o './{template}'"
        )
    return path


def filled_name(template: str, source: Address) -> str:
    """The name inside a file that a template gives for an input; the slashes of ``{dataset}`` stay.

    Raises
    ------
    LayerError, UnsafeFileError
        As :func:`filled_path` does.
    """
    fields = fields_of(source)
    fields["parent"] = _below(fields["parent"])
    return _filled(template, fields, source)


def check_inside(name: str, source: Address) -> None:
    """Refuse a name for a member of an archive that other programs would unpack elsewhere.

    Raises
    ------
    UnsafeFileError
    """
    for part in name.split("/"):
        if part in (".", ".."):
            raise _leading_out(source, part)


def encodable(name: str) -> str:
    """A name as HDF5 and zip files can hold it: bytes of a file's name that are no UTF-8 become text like ``\\xff``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _below(parent: str) -> str:
    """`parent` as a relative path that leads nowhere up."""
    return "/".join(part for part in parent.split("/") if part not in ("", ".", ".."))


def _leading_out(source: Address, part: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"{source}: its name would put {part!r} into the output's path, which leads elsewhere; "
        "filter it by itself, with -o FILE"
    )


def _filled(template: str, fields: dict[str, str], source: Address, typed: str = "") -> str:
    """`template` with the values of its fields, behind the directory `typed`.

    Raises
    ------
    LayerError, UnsafeFileError
        As :func:`filled_path` does.
    """
    # The parts between slashes, each with whether a field's value is in it.
    parts: list[tuple[str, bool]] = [(typed, False)]
    for text, field in _parsed(template):
        for value, is_value in ((text, False), (fields[field] if field else "", field is not None)):
            first, *others = value.split("/")
            parts[-1] = (parts[-1][0] + first, parts[-1][1] or is_value)
            parts += [(other, is_value) for other in others]
    for part, is_value in parts:
        if is_value and part in (".", ".."):
            raise _leading_out(source, part)
    if parts[-1] == ("", True):
        raise LayerError(f"{source}: has nothing for the end of {template!r}; end it with {{stem}} or a name")
    # A part that is an empty value is left out: at the start it would make the path absolute.
    return "/".join(part for part, is_value in parts if part or not is_value)


def _parsed(template: str) -> list[tuple[str, str | None]]:
    """The template's pieces: text, and the field that follows it, if one does.

    Raises
    ------
    LayerError
        If a field is unknown or has a format, or a brace has no partner.
    """
    wrong = LayerError(
        f"output {template!r}: a template knows " + " ".join("{" + name + "}" for name in FIELDS)
    )
    if "{" not in template and "}" not in template:
        return [(template, None)] if template else []
    import string  # here, because most outputs have no fields

    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError:
        raise wrong from None
    for _, field, spec, conversion in pieces:
        if field is not None and (field not in FIELDS or spec or conversion):
            raise wrong
    return [(text, field) for text, field, _, _ in pieces]
