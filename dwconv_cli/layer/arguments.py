"""Arguments of the public functions: converted to one form, or refused with an error that names the argument.

Every function here takes the argument's name for the message first, and raises LayerError, or ShapeError where an
array or a shape is wrong.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from dwconv_cli.errors import LayerError, ShapeError
from dwconv_cli.layer.axes import Array
from dwconv_cli.text import shown

T = TypeVar("T")
Word = TypeVar("Word", bound=str)
Read_co = TypeVar("Read_co", covariant=True)
Written_contra = TypeVar("Written_contra", contravariant=True)

Location = str | os.PathLike[str]
"""An address as callers write it; a path may have ``::NAME`` at its end too."""


class Converted(Generic[Read_co, Written_contra]):
    """Tells type checkers that a dataclass's field is set as `Written_contra` and read as `Read_co`."""

    def __get__(self, instance: object, owner: type) -> Read_co:
        raise NotImplementedError

    def __set__(self, instance: object, value: Written_contra) -> None:
        raise NotImplementedError


def default(value: Any) -> Any:
    """`value` as the default of a :class:`Converted` field; type checkers would refuse it without this call."""
    return value


def location(name: str, value: Any) -> str:
    """The address `value`, given as a str or a path, as a str."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise LayerError(f"{name} must be a str or a pathlib.Path, got {shown(value)}") from None


def several(name: str, value: Any, what: str) -> Iterable[Any]:
    """`value`, which must be an iterable of `what`; a single str or path can be iterated too, but is a mistake."""
    if isinstance(value, str | bytes | os.PathLike):
        raise LayerError(f"{name} must be a list of {what}, got {shown(value)} alone; write [{shown(value)}]")
    if not isinstance(value, Iterable):
        raise LayerError(f"{name} must be a list of {what}, got {shown(value)}")
    return value


def whole_number(name: str, value: Any, low: int = 1) -> int:
    """`value`, a whole number of at least `low`, as an int.

    Examples
    --------
    >>> whole_number("strides", np.int64(2))
    2
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if number < low or isinstance(value, bool):
        raise LayerError(f"{name} must be a whole number of at least {low}, got {shown(value)}")
    return number


def one_of(name: str, value: Any, choices: tuple[Word, ...]) -> Word:
    """`value` in lower case, which must be one of `choices`."""
    if isinstance(value, str) and value.lower() in choices:
        return choices[choices.index(value.lower())]
    raise LayerError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")


def dtype_name(name: str, value: Any, choices: tuple[Word, ...]) -> Word:
    """The name of a dtype, which must be one of `choices`.

    Examples
    --------
    >>> dtype_name("dtype", np.float32, ("float32", "float64"))
    'float32'
    """
    try:
        dtype = any_dtype(name, value).name
    except LayerError:
        dtype = ""
    if dtype not in choices:
        raise LayerError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return dtype


def any_dtype(name: str, value: Any) -> np.dtype[Any]:
    """`value`, the name of a dtype or its NumPy type, as a dtype."""
    try:
        if value is not None:  # NumPy would take None for float64
            return np.dtype(value.lower() if isinstance(value, str) else value)
    except (TypeError, ValueError, SyntaxError):
        pass
    raise LayerError(f"{name} must be a dtype, e.g. 'float32' or np.float32, got {shown(value)}")


def instance(name: str, value: Any, kind: type[T]) -> T:
    """`value`, which must be an instance of the class `kind`."""
    if isinstance(value, kind):
        return value
    hint = f"; {name}.fit() makes one" if hasattr(value, "fit") else ""
    raise LayerError(f"{name} must be a {kind.__name__}, got {shown(value)}{hint}")


def mapping(name: str, value: Any) -> Mapping[Any, Any]:
    """`value`, which must be a mapping."""
    if isinstance(value, Mapping):
        return value
    raise LayerError(f"{name} must be a mapping such as a dict, got {shown(value)}")


def array(name: str, value: Any) -> Array:
    """`value` as an array; None, a file's name, and rows of different lengths are refused."""
    if value is None or isinstance(value, str | os.PathLike):
        raise ShapeError(
            f"{name} must be an array, got {shown(value)}; a file is read first, e.g. by np.load"
        )
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"{name} cannot be made an array: {' '.join(str(error).split())}") from None


def shape_of(value: Any) -> tuple[int, ...]:
    """`value`, a sequence of whole numbers from 0 on, as a shape."""
    try:
        shape = tuple(map(operator.index, value))
    except TypeError:
        shape = (-1,)
    if any(size < 0 for size in shape):
        raise ShapeError(f"a shape is a tuple of whole numbers, e.g. (4, 100, 6), got {shown(value)}")
    return shape
