"""In which dtype a convolution is computed, and which dtype its output has."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dwconv_cli.convolution.compiled import BACKEND
from dwconv_cli.errors import LayerError, ShapeError

DType = np.dtype[Any]


class Precision(NamedTuple):
    """Dtypes of the arithmetic and of the output."""

    compute: DType
    output: DType


def precision(data: DType, kernel: DType, requested: str | None = None) -> Precision:
    """Compute and output dtype for `data` and `kernel`.

    The output has the dtype `requested`, if there is one. Otherwise it has the promotion of the two, where 8- and 16-bit
    integers and float16 count as float32, and longer integers as float64. float16 data gives float16 output, computed in
    float32, unless the kernel is wider. Integers with integers are summed in float64; where that is not exact,
    :mod:`~dwconv_cli.convolution.integers` changes it.

    Raises
    ------
    LayerError
        If `requested` is real and data or kernel complex.
    ShapeError
        If a dtype holds no numbers of at most 64 bits.
    """
    for what, dtype in (("data", data), ("kernel", kernel)):
        if dtype.kind not in "biufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
            raise ShapeError(
                f"{what} of dtype {dtype} cannot be filtered; convert it to a number of at most 64 bits"
            )
    single = np.dtype(np.float32)
    if requested is not None:
        output = np.dtype(requested)
        if "c" in (data.kind, kernel.kind) and output.kind != "c":
            raise LayerError(f"dtype={requested} would drop the imaginary part; use complex64 or complex128")
        return Precision(np.promote_types(output, single), output)
    output = np.promote_types(_counted_as(data), _counted_as(kernel))
    if data.kind == "f" and data.itemsize == 2 and output == single:
        return Precision(single, np.dtype(np.float16))
    if is_exact(data, kernel):
        return Precision(np.dtype(np.float64), output)
    return Precision(output, output)


def backend(compute: DType) -> str:
    """What sums in a compute dtype run on, for reports; integers of 64 bits are NumPy's."""
    return "numpy" if compute.kind in "iu" else BACKEND


def is_exact(data: DType, kernel: DType) -> bool:
    """Whether both hold integers, whose sums are to be exact."""
    return data.kind in "biu" and kernel.kind in "biu"


def _counted_as(dtype: DType) -> DType:
    if dtype.kind in "fc":
        return np.promote_types(dtype.newbyteorder("="), np.float32)
    return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
