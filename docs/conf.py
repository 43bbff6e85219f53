"""Sphinx's settings, and the parts of the pages that are generated: commands, exit codes, the report's schema."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, ClassVar

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.nodes import nested_parse_with_titles

from dwconv_cli.cli import COMMANDS
from dwconv_cli.cli.sections import SECTIONS
from dwconv_cli.errors import EXIT_CODES
from dwconv_cli.jobs.report import schema
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import Registry
from dwconv_cli.version import __version__

project, author = "dwconv", "the dwconv authors"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "numpydoc", "sphinx_click"]
html_theme, html_title = "furo", "dwconv"
html_show_sourcelink = html_show_copyright = False
exclude_patterns = ["_build"]
highlight_language = "console"
nitpicky = True
nitpick_ignore = [("py:func", "map")]
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|scipy|keras)\..*"),  # other projects have pages of their own
    ("py:.*", r"dwconv_cli\.\w+\..*"),  # only public names have a page
]

autodoc_typehints = "none"  # the types stand in the docstrings
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_validation_checks: set[str] = set()

# The manual pages: of `dwconv`, and of each of its commands. The date would make each day's pages different.
man_pages = [
    ("commands/index", "dwconv", "filter recordings with Keras's DepthwiseConv1D", "", 1),
    *(
        (
            f"commands/{name}",
            f"dwconv-{name}",
            purpose.rstrip(".")[0].lower() + purpose.rstrip(".")[1:],
            "",
            1,
        )
        for name, purpose in COMMANDS.items()
    ),
]
today = f"dwconv {__version__}"


def escaped(text: str) -> str:
    """Plain text as reStructuredText, in which no sign has a meaning."""
    return "".join("\\" + sign if sign in "\\*`|_" else sign for sign in text)


def parameter_lines(context: click.Context, parameter: click.Parameter) -> Iterator[str]:
    """An argument or an option with its help, as it is."""
    if isinstance(parameter, click.Option):
        value = "" if parameter.is_flag else " " + parameter.make_metavar(context)
        names = ", ".join(name + value for name in (*parameter.opts, *parameter.secondary_opts))
        text = (parameter.help or "") + (" Required." if parameter.required else "")
    else:
        names, text = parameter.make_metavar(context), getattr(parameter, "explanation", "")
    yield from (f".. option:: {names}", "", f"   {escaped(text)}", "")


def parameters_by_section(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """The arguments and options of a command in the sections of its help."""
    shown = sorted(
        (one for one in context.command.params if not getattr(one, "hidden", False)),
        key=lambda one: isinstance(one, click.Option),
    )
    lines.clear()
    for section in (None, *SECTIONS):
        members = [one for one in shown if getattr(one, "section", None) == section]
        if members and section:
            lines += [f".. rubric:: {section}", ""]
        for one in members:
            lines += parameter_lines(context, one)


def no_arguments(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Nothing: arguments stand among the options."""
    lines.clear()


def plain_text(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """A command's description as plain text, and what stands in lines of its own as lines of code."""
    described: list[str] = []
    for in_code, run in groupby(lines, lambda line: line.startswith("|")):
        if not in_code:
            described += map(escaped, run)
            continue
        code = [line.removeprefix("|").removeprefix(" ") for line in run]
        if code[0].endswith(":") and all(line.startswith(" ") for line in code[1:]):
            described += [f".. rubric:: {code.pop(0).rstrip(':')}", ""]
        described += ["::", "", *(f"   {line}" for line in code), ""]
    lines[:] = described


class Generated(Directive):
    """Lines of reStructuredText that a subclass makes of a table in the package."""

    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        parent = nodes.section()
        parent.document = self.state.document
        nested_parse_with_titles(self.state, StringList(list(self.lines()), "dwconv_cli"), parent)
        return parent.children


class Commands(Generated):
    """The commands and what they are for."""

    def lines(self) -> Iterator[str]:
        for name, purpose in COMMANDS.items():
            yield from (f"**dwconv {name}**", f"   {escaped(purpose)}", "")


class Catalogue(Generated):
    """The entries of a catalogue: what can be typed, and what it means."""

    required_arguments = 1
    registries: ClassVar[dict[str, Registry[Any]]] = {
        "activations": ACTIVATIONS,
        "constraints": CONSTRAINTS,
        "designs": DESIGNS,
        "initializers": INITIALIZERS,
        "regularizers": REGULARIZERS,
    }

    def lines(self) -> Iterator[str]:
        registry = self.registries[self.arguments[0]]
        # The designs are initializers, too; they stand under their own heading.
        others = DESIGNS.names() if registry is INITIALIZERS else ()
        for name in sorted({*registry.names()} - {*others}):
            entry = registry.entry(name)
            arguments = f"({entry.signature})" if entry.arguments else ""
            purpose = (inspect.getdoc(entry.function) or "").split("\n\n")[0].replace("\n", " ")
            yield from (f"``{name}{arguments}``", f"   {purpose}", "")


class ExitCodes(Generated):
    """The exit codes and what they mean."""

    def lines(self) -> Iterator[str]:
        yield from (".. list-table::", "   :header-rows: 1", "   :widths: 10 90", "")
        for code, meaning in [("Code", "Meaning"), *EXIT_CODES.items()]:
            yield f"   * - {code}"
            yield f"     - {escaped(meaning[0].upper() + meaning[1:])}"


class ReportSchema(Generated):
    """The keys of a report, with their types."""

    def lines(self) -> Iterator[str]:
        yield from (".. list-table::", "   :header-rows: 1", "   :widths: 30 70", "")
        yield from ("   * - Key", "     - Value")
        yield from self.rows(schema(), "")

    def rows(self, entry: Mapping[str, Any], path: str) -> Iterator[str]:
        for key, value in entry["properties"].items():
            yield f"   * - ``{path}{key}``"
            yield f"     - {escaped(self.words(value))}"
            if "properties" in value:
                yield from self.rows(value, f"{path}{key}.")

    def words(self, value: Mapping[str, Any]) -> str:
        if "$ref" in value:
            return {"shape": "list of integers from 0 on", "count": "integer from 0 on"}[
                value["$ref"].split("/")[-1]
            ]
        if "const" in value:
            return str(value["const"])
        if "enum" in value:
            return ", ".join(map(str, value["enum"]))
        if "oneOf" in value:
            return " or ".join(self.words(one) for one in value["oneOf"])
        types = value["type"] if isinstance(value["type"], list) else [value["type"]]
        if "items" in value and types == ["array"]:
            return f"list: {self.words(value['items'])}"
        named = " or ".join(types)
        if isinstance(value.get("additionalProperties"), dict):
            return f"{named}; each value is one of {self.words(value['additionalProperties'])}"
        return named


def setup(app: Sphinx) -> None:
    app.add_directive("commands", Commands)
    app.add_directive("catalogue", Catalogue)
    app.add_directive("exit-codes", ExitCodes)
    app.add_directive("report-schema", ReportSchema)
    app.connect("sphinx-click-process-options", parameters_by_section)
    app.connect("sphinx-click-process-arguments", no_arguments)
    app.connect("sphinx-click-process-epilog", plain_text)
    app.connect("sphinx-click-process-description", plain_text)
