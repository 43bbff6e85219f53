"""Checks and settings that several test modules share."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
from hypothesis import settings

Array = np.ndarray[Any, Any]


def examples(times: float) -> settings:
    """So many times the profile's number of cases."""
    return settings(max_examples=max(1, round(times * settings.default.max_examples)))


def assert_same_bits(found: Array, expected: Array) -> None:
    """Equal shapes, dtypes and bits; NaN in the same places, whatever its sign and payload."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    parts = [(found, expected)]
    if found.dtype.kind == "c":
        parts = [(found.real, expected.real), (found.imag, expected.imag)]
    for one, other in parts:
        missing = np.isnan(one)
        assert np.array_equal(missing, np.isnan(other))
        assert np.where(missing, 0, one).tobytes() == np.where(missing, 0, other).tobytes()


def reshaped_in_memory(array: Array, how: str) -> Array:
    """The same numbers, lying in memory in another way."""
    if how == "fortran":
        return np.asfortranarray(array)
    if how == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    if how == "read-only":
        array = array.copy()
        array.flags.writeable = False
        return array
    if how == "reversed":
        flip = (slice(None, None, -1),) * array.ndim
        return array[flip].copy()[flip]
    if how == "spaced":
        wide = np.full(tuple(3 * size for size in array.shape), 99).astype(array.dtype)
        wide[(slice(1, None, 3),) * array.ndim] = array
        return wide[(slice(1, None, 3),) * array.ndim]
    if how == "unaligned":
        raw = np.empty(array.nbytes + 1, np.uint8)[1:]
        held = raw[: array.nbytes].view(array.dtype).reshape(array.shape)
        held[...] = array
        return held
    assert how == "plain", how
    return array


MEMORY = ("plain", "fortran", "big-endian", "read-only", "reversed", "spaced", "unaligned")


def public_callables(module_name: str) -> list[tuple[str, Any]]:
    """Public functions, classes and methods that a module defines."""
    module = importlib.import_module(module_name)
    found: list[tuple[str, Any]] = []
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module_name or not callable(value):
            continue
        found.append((name, value))
        if isinstance(value, type):
            found += [
                (f"{name}.{key}", getattr(value, key))
                for key, member in vars(value).items()
                if not key.startswith("_") and callable(getattr(member, "__func__", member))
            ]
    return found


def run_python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )
