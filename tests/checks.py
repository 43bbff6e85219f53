"""Checks and settings that several test modules share."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from dwconv_cli import LayerSpec
from dwconv_cli.convolution.algorithms import ALGORITHMS
from dwconv_cli.convolution.plan import problem_of

Array = np.ndarray[Any, Any]

GOLDEN = Path(__file__).resolve().parent / "golden"


@functools.cache
def recorded(name: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """What Keras said, ``layers`` or ``catalogues``: the records, and the arrays that belong to them."""
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        arrays = dict(file)
    for array in arrays.values():
        array.flags.writeable = False
    return json.loads((GOLDEN / f"{name}.json").read_text()), arrays


def examples(times: float) -> settings:
    """So many times the profile's number of cases."""
    return settings(max_examples=max(1, round(times * settings.default.max_examples)))


@contextmanager
def refused(error: type[Exception], message: str) -> Iterator[None]:
    """An error of this kind has to come, whose message is one short line that matches `message`."""
    with pytest.raises(error, match=message) as caught:
        yield
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def able(algorithm: str, spec: LayerSpec, channels: int, dtype: Any) -> str:
    """The algorithm, or the automatic choice where it does not take the layer."""
    problem = problem_of(spec, channels, np.promote_types(dtype, np.float32).name)
    return "auto" if ALGORITHMS[algorithm].supports(problem) else algorithm


def assert_same_bits(result: Array, expected: Array) -> None:
    """Equal shapes, dtypes and bits; NaN in the same places, whatever its sign and payload."""
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    parts = [(result, expected)]
    if result.dtype.kind == "c":
        parts = [(result.real, expected.real), (result.imag, expected.imag)]
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
        shifted = raw[: array.nbytes].view(array.dtype).reshape(array.shape)
        shifted[...] = array
        return shifted
    assert how == "plain", how
    return array


MEMORY = ("plain", "fortran", "big-endian", "read-only", "reversed", "spaced", "unaligned")
