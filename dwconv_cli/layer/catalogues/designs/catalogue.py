"""The catalogue of designs, and the decorator that enters one.

A design is a function of the number of taps and of keyword arguments. It returns taps of shape ``(K,)``, which all
channels share, or ``(K, C)``. A layer correlates, so taps stand in the order of the samples they meet:
``y[t] = sum_k x[t + k] * w[k]``. A kernel of `size` taps is centred on tap ``(size - 1) / 2``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.registry import Limit, Registry

MOST_TAPS = 1_000_001
"""The longest filter that a specification may ask for; a longer one is seldom meant."""


class Length(NamedTuple):
    """A number of taps, the arguments that it rests on, and the words for what was not typed of that."""

    size: int
    arguments: Mapping[str, Any] = {}
    default: str = ""


DESIGNS: Registry[Callable[..., Array]] = Registry("design", "keras.initializers")
DESIGNS.refuse(
    "a recursive filter (IIR) has no kernel; use lowpass, highpass, bandpass, bandstop or notch",
    *("butter", "butterworth", "bessel", "cheby1", "cheby2", "ellip", "iirfilter", "iirnotch", "iirpeak"),
)
DESIGNS.refuse("it is a method of the others, e.g. 'lowpass(5, method=remez)'", "remez")
DESIGNS.refuse(
    "a median is no sum of products, and has no kernel; use gaussian or moving_average", "median", "medfilt"
)
LENGTHS: dict[str, Callable[..., Length]] = {}
"""For each design the function that finds its number of taps from its arguments."""


def design(
    example: str, length: Callable[..., Length], **limits: Limit
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Enter a function among the designs.

    `example` is a call as people type it, and `length` finds the number of taps where none is typed.
    """

    def enter(function: Callable[..., Array]) -> Callable[..., Array]:
        DESIGNS.register(in_keras=False, limits=limits, example=example)(function)
        LENGTHS[function.__name__] = length
        return function

    return enter


def offsets(size: int) -> Array:
    """Distance of each tap from the kernel's centre, in steps."""
    return np.arange(size) - (size - 1) / 2


def odd(size: float) -> int:
    """The smallest odd whole number that is not below `size`."""
    return math.ceil(size) | 1
