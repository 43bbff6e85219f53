"""Compute and output dtypes, as the command line's help describes them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dwconv_cli.choices import DTYPES
from dwconv_cli.convolution.precision import precision
from dwconv_cli.errors import LayerError, ShapeError

NUMBERS = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16")
# "int8/16 and float16 count as float32, int32/64 as float64".
COUNTED = dict(
    zip(
        NUMBERS,
        ("f4", "f4", "f4", "f4", "f4", "f8", "f8", "f8", "f8", "f4", "f4", "f8", "c8", "c16"),
        strict=True,
    )
)


@pytest.mark.parametrize("data", NUMBERS)
@pytest.mark.parametrize("kernel", NUMBERS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_promotion(data: str, kernel: str, order: str) -> None:
    dtypes = precision(np.dtype(order + data), np.dtype(order + kernel))
    promoted = np.promote_types(COUNTED[data], COUNTED[kernel])
    # float16 in, float16 out, computed in float32; anything wider on the other side wins.
    expected = np.dtype("f2") if data == "f2" and promoted == "f4" else promoted
    assert dtypes.output == expected
    both_whole = np.dtype(data).kind in "biu" and np.dtype(kernel).kind in "biu"
    assert dtypes.compute == ("f8" if both_whole else promoted)
    assert dtypes.compute.isnative
    assert dtypes.output.isnative


@pytest.mark.parametrize("requested", DTYPES)
def test_requested(requested: str) -> None:
    for data, kernel in itertools.product(map(np.dtype, NUMBERS), repeat=2):
        if "c" in (data.kind, kernel.kind) and not requested.startswith("complex"):
            with pytest.raises(LayerError, match=f"dtype={requested} would drop the imaginary part"):
                precision(data, kernel, requested)
            continue
        dtypes = precision(data, kernel, requested)
        assert dtypes.output == np.dtype(requested)
        assert dtypes.compute == ("float32" if requested == "float16" else requested)


@pytest.mark.parametrize(
    "dtype", ["O", "U3", "S3", "V4", "M8[s]", "m8[ms]", "i4,f4", "longdouble", "clongdouble"]
)
@pytest.mark.parametrize("requested", [None, "float64"])
def test_no_numbers(dtype: str, requested: str | None) -> None:
    with pytest.raises(ShapeError, match=r"^data of dtype"):
        precision(np.dtype(dtype), np.dtype("f4"), requested)
    with pytest.raises(ShapeError, match=r"^kernel of dtype"):
        precision(np.dtype("f4"), np.dtype(dtype), requested)
