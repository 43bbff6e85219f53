"""Values of options that are more than a word or a number; each function raises ``click.BadParameter``."""

from __future__ import annotations

import math
import re

import click

# Name -> levels; the last two come with the extra hdf5plugin.
_COMPRESSIONS = {
    "gzip": range(10),
    "lzf": range(0),
    "none": range(0),
    "blosc": range(10),
    "zstd": range(1, 23),
}


def rate_of(text: str) -> float:
    """A sampling rate in Hz."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise click.BadParameter(f"{text!r} is no sampling rate; it is a number of Hz above 0, e.g. 50")
    return rate


def steps_of(text: str) -> slice:
    """The slice that a text such as ``100:200`` stands for."""
    match = re.fullmatch(r"\s*([-+]?\d+)?\s*:\s*([-+]?\d+)?\s*", text)
    if not match:
        raise click.BadParameter(f"{text!r} is not START:STOP in whole steps, e.g. 100:200 or :500")
    return slice(*(None if end is None else int(end) for end in match.groups()))


def size(text: str) -> int:
    """The bytes that a text such as ``64MiB`` stands for."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if not match:
        raise click.BadParameter(f"{text!r} is not a size such as 64MiB or 1GB")
    number, letter, binary = match.groups()
    unit = 1024 if binary or not text.strip().lower().endswith("b") else 1000
    count = int(min(float(number) * unit ** " kmgt".index(letter or " "), 2.0**64))
    if count >= 1 << 63:
        raise click.BadParameter(f"{text!r} is more than any machine has")
    if count < 1 << 20:
        raise click.BadParameter(f"{text!r} is less than 1MiB, which nothing fits in")
    return count


def compression_of(text: str) -> tuple[str, int | None]:
    """The compression that a text such as ``gzip:4`` stands for: its name, and its level if there is one."""
    name, colon, level = text.partition(":")
    levels = _COMPRESSIONS.get(name)
    if levels is None or (colon and level not in map(str, levels)):
        choices = ", ".join(
            f"{known}[:{allowed.start} to {allowed.stop - 1}]" if allowed else known
            for known, allowed in _COMPRESSIONS.items()
        )
        raise click.BadParameter(f"{text!r} is none of {choices}", param_hint="--compression")
    return name, int(level) if colon else None


def chunks_of(text: str) -> tuple[int, ...]:
    """The shape of chunks that a text such as ``1000,6`` stands for."""
    try:
        return tuple(map(int, text.split(",")))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not like 1000,6", param_hint="--chunks") from None


def shape_of(text: str) -> tuple[int, ...]:
    """The shape that a text such as ``4,10,12`` stands for."""
    try:
        shape = tuple(map(int, text.strip(" ()[]").removesuffix(",").split(",")))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1 or max(shape) >= 1 << 63:
        raise click.BadParameter(f"{text!r} is not a shape of whole numbers from 1 on, e.g. 4,10,12")
    return shape


def taps_of(text: str) -> tuple[float, ...]:
    """The taps that a text such as ``0.25,0.5,0.25`` stands for; a tap may be a fraction such as ``1/3``."""
    words = text.replace(",", " ").strip(" ()[]").split()
    try:
        taps = tuple(map(_number, words))
    except (ValueError, ZeroDivisionError, OverflowError):
        taps = ()
    if not taps or not all(map(math.isfinite, taps)):
        raise click.BadParameter(
            f"{text!r} is not numbers with commas between, e.g. 0.25,0.5,0.25; a file of taps goes with -k",
            param_hint="--taps",
        )
    return taps


def _number(word: str) -> float:
    numerator, slash, denominator = word.partition("/")
    return float(numerator) / float(denominator) if slash else float(numerator)
