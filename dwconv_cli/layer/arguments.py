"""Arguments of the Python API: what is taken in several forms is converted, and what is nothing of the kind is refused."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from dwconv_cli.arrays import Array
from dwconv_cli.errors import LayerError, ShapeError

T = TypeVar("T")
Read_co = TypeVar("Read_co", covariant=True)
Written_contra = TypeVar("Written_contra", contravariant=True)
Location = str | os.PathLike[str]
"""An address as callers write it; a path may carry a name behind ``::`` too."""


class Converted(Generic[Read_co, Written_contra]):
    """The type of a dataclass's field that is given as `Written_contra` and read as `Read_co`; for type checkers alone."""

    def __get__(self, instance: object, owner: type) -> Read_co:
        raise NotImplementedError

    def __set__(self, instance: object, value: Written_contra) -> None:
        raise NotImplementedError


def default(value: Any) -> Any:
    """The default of a :class:`Converted` field, whose type is not that of the value."""
    return value


def location(name: str, value: Any) -> str:
    """The address `value` as text.

    Raises
    ------
    LayerError
        If it is neither text nor a path.
    """
    try:
        return os.fsdecode(value)
    except TypeError:
        raise LayerError(f"{name} must be a str or a pathlib.Path, got {shown(value)}") from None


def several(name: str, value: Any, what: str) -> Iterable[Any]:
    """`value`, which must be a list or another iterable of things, and not one thing that can be iterated.

    Raises
    ------
    LayerError
    """
    if isinstance(value, str | bytes | os.PathLike):
        raise LayerError(f"{name} must be a list of {what}, got {shown(value)} alone; write [{shown(value)}]")
    if not isinstance(value, Iterable):
        raise LayerError(f"{name} must be a list of {what}, got {shown(value)}")
    return value


def whole_number(name: str, value: Any, low: int = 1) -> int:
    """`value` as an int.

    Raises
    ------
    LayerError
        If it is not a whole number, or below `low`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or isinstance(value, bool):
        raise LayerError(f"{name} must be a whole number of at least {low}, got {shown(value)}")
    return number


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """`value`, in lower case, which must be one of the words.

    Raises
    ------
    LayerError
    """
    if isinstance(value, str) and value.lower() in choices:
        return value.lower()
    raise LayerError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")


def dtype_name(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """The name of a dtype, given by its name, its NumPy type or as a :class:`numpy.dtype`.

    Raises
    ------
    LayerError
        If it is no dtype, or none of `choices`.
    """
    try:
        found = any_dtype(name, value).name
    except LayerError:
        found = ""
    if found not in choices:
        raise LayerError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return found


def any_dtype(name: str, value: Any) -> np.dtype[Any]:
    """`value` as a dtype.

    Raises
    ------
    LayerError
    """
    try:
        if value is not None:  # which NumPy takes for float64
            found: np.dtype[Any] = np.dtype(value.lower() if isinstance(value, str) else value)
            return found
    except (TypeError, ValueError, SyntaxError):
        pass
    raise LayerError(f"{name} must be a dtype, e.g. 'float32' or np.float32, got {shown(value)}")


def instance(name: str, value: Any, kind: type[T]) -> T:
    """`value`, which must be of this class.

    Raises
    ------
    LayerError
    """
    if isinstance(value, kind):
        return value
    hint = f"; {name}.fit() makes one" if hasattr(value, "fit") else ""
    raise LayerError(f"{name} must be a {kind.__name__}, got {shown(value)}{hint}")


def mapping(name: str, value: Any) -> Mapping[Any, Any]:
    """`value`, which must be a mapping.

    Raises
    ------
    LayerError
    """
    if isinstance(value, Mapping):
        return value
    raise LayerError(f"{name} must be a mapping such as a dict, got {shown(value)}")


def array(name: str, value: Any) -> Array:
    """`value` as an array.

    Raises
    ------
    ShapeError
        If it is none, as a file's name, or its rows differ in length.
    """
    if value is None or isinstance(value, str | os.PathLike):
        raise ShapeError(
            f"{name} must be an array, got {shown(value)}; a file is read first, e.g. by np.load"
        )
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"{name} cannot be made an array: {' '.join(str(error).split())}") from None


def shape_of(value: Any) -> tuple[int, ...]:
    """`value` as a shape.

    Raises
    ------
    ShapeError
        If it is no sequence of whole numbers from 0 on.
    """
    try:
        shape = tuple(map(operator.index, value))
    except TypeError:
        shape = (-1,)
    if any(size < 0 for size in shape):
        raise ShapeError(f"a shape is a tuple of whole numbers, e.g. (4, 100, 6), got {shown(value)}")
    return shape


def shown(value: Any) -> str:
    """A short form of `value` for a message: itself where it is short, its type where it is not."""
    text = type(value).__name__ if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= 60 and text.isprintable() else f"a {type(value).__name__}"
