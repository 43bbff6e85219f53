"""What there is to choose from: the entries of the catalogues, with their arguments, and the formats of files."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from dwconv_cli.choices import FORMATS
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import REQUIRED, Registry

CATALOGUES: dict[str, Registry[Any]] = {
    "designs": DESIGNS,
    "activations": ACTIVATIONS,
    "initializers": INITIALIZERS,
    "regularizers": REGULARIZERS,
    "constraints": CONSTRAINTS,
}
# Files of weights that are no recordings: their suffixes, and the modules that read them.
_WEIGHTS = {"keras": ((".keras", ".weights.h5", ".h5"), "dwconv_cli.weights.keras_files")}
_ROLE = re.compile(r":\w+:`~?([^`]*)`")


def describe_catalogue(name: str) -> list[dict[str, Any]]:
    """The entries of one of :data:`CATALOGUES`, or of ``formats``, in alphabetical order.

    Returns
    -------
    list of dict
        ``name``, ``summary`` and ``arguments``, each with a ``name`` and, unless it is required, a ``default``; of
        designs an ``example`` too. Formats have ``suffixes`` and what they ``hold``, recordings or weights.

    Examples
    --------
    >>> describe_catalogue("regularizers")[0]["arguments"]
    [{'name': 'l1', 'default': 0.01}]
    """
    if name == "formats":
        return _formats()
    registry = CATALOGUES[name]
    entries = []
    for key in registry.names():
        entry = registry.entry(key)
        arguments = [
            {"name": argument} if default is REQUIRED else {"name": argument, "default": default}
            for argument, default in entry.arguments.items()
        ]
        example = {} if entry.example is None else {"example": entry.example}
        entries.append({"name": key, "arguments": arguments, **example, "summary": _plain(entry.summary)})
    return entries


def _formats() -> list[dict[str, Any]]:
    recordings: dict[str, tuple[tuple[str, ...], str, str]] = {
        name: (suffixes, f"dwconv_cli.storage.formats.{name}", "recordings")
        for name, suffixes in FORMATS.items()
    }
    weights = {name: (*place, "weights") for name, place in _WEIGHTS.items()}
    return [
        {
            "name": name,
            "suffixes": list(suffixes),
            "holds": holds,
            "summary": _plain((import_module(module).__doc__ or "").partition("\n")[0]),
        }
        for name, (suffixes, module, holds) in {**recordings, **weights}.items()
    ]


def _plain(text: str) -> str:
    """A line of a docstring without its markup."""
    return _ROLE.sub(lambda match: match[1], text).replace("`", "")
