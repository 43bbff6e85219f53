"""The help of the commands: sections, explained choices, and what fits a screen."""

from __future__ import annotations

import re

import click
import pytest
from helpers_cli import run

from dwconv_cli.choices import DTYPES, FORMAT_NAMES
from dwconv_cli.cli import COMMANDS, group
from dwconv_cli.cli.sections import SECTIONS, SectionCommand

# Choices whose values are names that stand for themselves.
PLAIN = {*DTYPES, *FORMAT_NAMES}


def command_of(name: str) -> click.Command:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command


def help_of(name: str) -> str:
    return run(f"{name} --help").done().out.decode()


OPTIONS = [
    pytest.param(name, parameter, id=f"{name} {parameter.opts[-1]}")
    for name in COMMANDS
    for parameter in command_of(name).params
    if isinstance(parameter, click.Option)
]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_has_a_section_and_a_sentence(name: str, option: click.Option) -> None:
    assert isinstance(command_of(name), SectionCommand)
    assert isinstance(command_of(name), SectionCommand)
    assert getattr(option, "section", None) in SECTIONS
    assert re.fullmatch(r"(?s)[A-Z].{8,}\.", option.help or ""), option.help


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_choice_is_explained(name: str, option: click.Option) -> None:
    for value in option.type.choices if isinstance(option.type, click.Choice) else ():
        assert value in PLAIN or re.search(rf"\b{value}\b", option.help or ""), value


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_80_columns(name: str) -> None:
    too_long = [line for line in help_of(name).splitlines() if len(line) >= 80]
    assert not too_long


@pytest.mark.parametrize("name", ["apply", "inspect", "init-weights"])
def test_words_and_exit_codes_are_defined_once(name: str) -> None:
    text = help_of(name)
    for heading in ("Words:", "Order of the taps:", "Exit codes:"):
        assert text.count(heading) == 1
    for word in ("ADDR", "K", "C", "M"):
        assert len(re.findall(rf"^    {word}  +\S", text, re.MULTILINE)) == 1
    for code in (0, 1, 2, 3, 4, 5, 70, 130, 141, 143):
        assert len(re.findall(rf"^    {code}  +[A-Z]", text, re.MULTILINE)) == 1
    assert "correlates" in text


def test_help_of_apply() -> None:
    text = help_of("apply")
    headings = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert headings == [
        "Input",
        "Weights",
        "Layer",
        "Output",
        "Many files",
        "Streams",
        "Reports",
    ]
    first_screen = text.splitlines()[:23]
    assert "-o ADDR" in first_screen[0]
    assert any(line.startswith("  -o names the output") for line in first_screen)
    assert any("model.keras::" in line for line in first_screen)
    assert any("--raw" in line for line in first_screen)
    # Keras has no causal padding for this layer.
    assert re.search(r"causal is an extension of\s+dwconv", text)
