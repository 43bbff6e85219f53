"""Compare two arrays block by block."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dwconv_cli.choices import FormatName
from dwconv_cli.description.comparison.arrays import ArrayReader, addresses_of, entry
from dwconv_cli.description.comparison.attributes import compare_attributes
from dwconv_cli.description.comparison.blocks import is_reversed, paired_blocks
from dwconv_cli.description.comparison.result import Comparison
from dwconv_cli.description.comparison.tally import Tally, Tolerances
from dwconv_cli.errors import LayerError
from dwconv_cli.errors.wording import worded
from dwconv_cli.layer.arguments import Location
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import open_reader
from dwconv_cli.storage.protocols import Reader
from dwconv_cli.text import counted, shown


def compare(
    a: Location | Address | ArrayLike,
    b: Location | Address | ArrayLike,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    ulp: int = 0,
    equal_nan: bool = True,
    ignore_dtype: bool = False,
    bits: bool = False,
    attributes: bool = False,
    input_format: FormatName | None = None,
    allow_external: bool = False,
) -> Comparison:
    """Say where `a` differs from the reference `b`, and by how much.

    A pair of numbers is within the tolerances if ``|a - b| <= atol + rtol * |b|``, as in
    :func:`numpy.testing.assert_allclose`, or if at most `ulp` steps from one floating-point number to the next lie
    between them; one of the two suffices. Differences are computed in double precision, those of integers without
    rounding. Equal infinities are equal; NaN or an infinity against any other number is beyond every tolerance.
    Shapes have to be equal, nothing is broadcast. Byte order and order in memory are no differences.

    Parameters
    ----------
    a, b : str, path, Address or array
        Addresses are read in blocks; memory does not grow with their size.
    rtol, atol : float
    ulp : int
        For integers a step is 1. Of two floating-point types the shorter one's steps count.
    equal_nan : bool
        Whether NaN equals NaN at the same place.
    ignore_dtype : bool
        Compare the numbers of arrays of different dtypes, which are not within tolerances otherwise.
    bits : bool
        Allow no difference of bits, not even that of -0.0 and 0.0.
    attributes : bool
        Compare the attributes of HDF5 datasets too. Those that say how dwconv made a file are left out.
    input_format : str, optional
        Format of the side whose suffix does not tell it, or of both.
    allow_external : bool
        Whether HDF5 data may lie in other files.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If an array cannot be read.
    LayerError
        If a tolerance is no number from 0 on, or an address names several arrays.

    Examples
    --------
    >>> np.save("golden.npy", np.float32([0.0, 0.5, 1.0]))
    >>> comparison = compare(np.float32([-0.0, 0.5, 1.0000001]), "golden.npy", ulp=1)
    >>> comparison.within, comparison.identical, comparison.counts.signed_zeros
    (True, False, 1)
    >>> comparison.ulp.index, comparison.ulp.value
    ((2,), 1)
    """
    tolerances = _tolerances(rtol, atol, ulp, equal_nan)
    if bits and (rtol or atol or ulp):
        raise LayerError("--bits allows no difference at all; leave out --rtol, --atol and --ulp")
    arrays = [None if _is_address(side) else np.asarray(side) for side in (a, b)]
    texts: list[Any] = [side if array is None else None for side, array in zip((a, b), arrays, strict=True)]
    addresses, notes = addresses_of(texts[0], texts[1], input_format)
    with ExitStack() as stack:
        readers: list[Reader] = []
        for name, address, array in zip("ab", addresses, arrays, strict=True):
            reader: Reader = (
                ArrayReader(np.asarray(array), name)
                if address is None
                else open_reader(address, allow_external)
            )
            readers.append(stack.enter_context(closing(reader)))
        left, right = readers
        entries = [entry(reader, address) for reader, address in zip(readers, addresses, strict=True)]
        limits = {**tolerances._asdict(), "ignore_dtype": ignore_dtype, "bits": bits}
        reasons: list[str] = []
        attribute_differences: dict[str, Any] | None = None
        same_dtype = entries[0]["dtype"] == entries[1]["dtype"]
        if attributes:
            attribute_differences = compare_attributes(left.attributes, right.attributes)
            notes += _attribute_notes(attribute_differences, left, right)
        if left.shape != right.shape:
            reasons = [
                f"the shapes differ: {left.shape} against {right.shape}",
                *_attribute_reasons(attribute_differences),
            ]
            return Comparison(
                False,
                False,
                entries[0],
                entries[1],
                limits,
                attributes=attribute_differences,
                reasons=tuple(map(worded, reasons)),
                notes=tuple(notes),
            )
        native = (left.dtype.newbyteorder("="), right.dtype.newbyteorder("="))
        tally = Tally(tolerances, native, is_reversed(left, right))
        for block_a, block_b, corner in paired_blocks(left, right):
            tally.add(block_a, block_b, corner)
        for reader in readers:
            reader.finish()
    counts, pairs = tally.counts, tally.differences
    if not same_dtype and (bits or not ignore_dtype):
        advice = "" if bits else "; --ignore-dtype compares the numbers alone"
        reasons.append(f"the dtypes differ: {native[0]} against {native[1]}{advice}")
    if bits and counts.bits:
        reasons.append(f"the bits of {counted(counts.bits, 'number')} differ")
    if counts.beyond:
        verb = "differs" if counts.beyond == 1 else "differ"
        beyond = " by more than the tolerances" if rtol or atol or ulp else ""
        reasons.append(f"{counts.beyond} of {counted(counts.total, 'number')} {verb}{beyond}")
    reasons += _attribute_reasons(attribute_differences)
    return Comparison(
        not reasons,
        same_dtype and not counts.bits,
        entries[0],
        entries[1],
        limits,
        counts,
        absolute=pairs.get("absolute"),
        relative=pairs.get("relative"),
        ulp=pairs.get("ulp"),
        first=pairs.get("first"),
        first_nonfinite=pairs.get("first_nonfinite"),
        attributes=attribute_differences,
        reasons=tuple(map(worded, reasons)),
        notes=tuple(notes),
    )


def _is_address(value: object) -> bool:
    return isinstance(value, str | bytes | Address) or hasattr(value, "__fspath__")


def _tolerances(rtol: Any, atol: Any, ulp: Any, equal_nan: Any) -> Tolerances:
    for name, value in (("rtol", rtol), ("atol", atol)):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not number >= 0:
            raise LayerError(f"{name} must be a number from 0 on, got {shown(value)}")
    try:
        steps = operator.index(ulp)
    except TypeError:
        steps = -1
    if not 0 <= steps < 1 << 64:
        raise LayerError(f"ulp must be a whole number from 0 on, got {shown(ulp)}")
    return Tolerances(float(rtol), float(atol), steps, bool(equal_nan))


def _attribute_reasons(attribute_differences: Mapping[str, Any] | None) -> list[str]:
    different = (
        sum(len(attribute_differences[key]) for key in ("differ", "only_a", "only_b"))
        if attribute_differences
        else 0
    )
    return [f"{counted(different, 'attribute')} differ{'s' if different == 1 else ''}"] if different else []


def _attribute_notes(attribute_differences: Mapping[str, Any], a: Reader, b: Reader) -> list[str]:
    notes = []
    if attribute_differences["left_out"]:
        notes.append(
            f"not compared, since they say how a file was made: {', '.join(attribute_differences['left_out'])}"
        )
    for reader in (a, b):
        if reader.storage.get("format") != "hdf5":
            notes.append(f"{reader.name}: only HDF5 keeps attributes")
    return notes
