"""Read attributes: one by name, or all that are worth copying to an output."""

from __future__ import annotations

from itertools import islice
from typing import Any

import h5py
import numpy as np

from dwconv_cli.errors import UnsafeFileError
from dwconv_cli.storage.hdf5.messages import errors, where
from dwconv_cli.storage.hdf5.variable_text import check_collections
from dwconv_cli.text import printable

MAX_ATTRIBUTES = 10_000
MAX_ATTRIBUTE_BYTES = 64 << 20
# Of all attributes that are copied from one object; those beyond it are left out.
MAX_COPIED_BYTES = 32 << 20
# An array of texts of varying length may name one large text many times over, and so become far larger than the file:
# it is read if it has few elements, or if the file is so small that this does not matter.
MAX_VARYING_ELEMENTS = 256
MAX_VARYING_BYTES = 1 << 30

# HDF5 writes these for dimension scales, and netCDF-4 too; they hold references into the file that they came from.
_SCALE_ATTRIBUTES = ("DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "CLASS", "NAME")


def attribute(obj: h5py.HLObject, name: str) -> Any:
    """Return one attribute, None if there is none; an UnsafeFileError if it is too large or of a kind not read."""
    with errors(obj):
        if name not in obj.attrs:
            return None
        if reason := why_unread(obj, name):
            raise UnsafeFileError(f"{where(obj)}: the attribute {printable(name)} {reason}")
        return obj.attrs[name]


def as_text(value: Any) -> str | None:
    """Return an attribute's value if it is a text, which h5py gives as str or bytes; None if it is not."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def attributes(obj: h5py.HLObject, left_out: list[str] | None = None) -> dict[str, Any]:
    """Return the attributes worth copying: no dimension scales, no references, nothing of unreasonable size.

    `left_out` gets the names of those that are too large, or of a kind that is not copied.
    """
    copied: dict[str, Any] = {}
    room = MAX_COPIED_BYTES
    with errors(obj):
        # Even to list the names, HDF5 loads the values of all attributes.
        stored = h5py.h5o.get_info(obj.id).meta_size.attr.heap_size
        if stored > MAX_ATTRIBUTE_BYTES:
            raise UnsafeFileError(
                f"{where(obj)}: {stored} bytes of attributes, more than {MAX_ATTRIBUTE_BYTES}"
            )
        for key in islice(obj.attrs, MAX_ATTRIBUTES):
            # h5py gives a name that is no UTF-8 as bytes.
            name = key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else key
            if name in _SCALE_ATTRIBUTES or name.startswith(("_Netcdf4", "_NCProperties")):
                continue
            if why_unread(obj, key, room) is None:
                copied[name] = value = _writable(obj.attrs[key])
                # The size of text of varying length is known only after it was read.
                room -= len(value) if isinstance(value, str | bytes) else getattr(value, "nbytes", 0)
            elif left_out is not None:
                left_out.append(f"{printable(obj.name or '')}@{printable(name)}")
    return copied


def _writable(value: Any) -> Any:
    """`value`, with text that is no UTF-8 as bytes: h5py reads such text, but refuses to write it."""
    try:
        for text in np.ravel(value) if getattr(getattr(value, "dtype", None), "kind", "") == "O" else [value]:
            if isinstance(text, str):
                text.encode()
    except UnicodeEncodeError:
        escaped = np.vectorize(lambda text: str(text).encode("utf-8", "surrogateescape"), otypes="S")
        return np.bytes_(escaped(value)[()]) if isinstance(value, str) else np.array(escaped(value).tolist())
    return value


def why_unread(obj: h5py.HLObject, name: str | bytes, limit: int = MAX_ATTRIBUTE_BYTES) -> str | None:
    """Return why an attribute is not read, None if it may be; `limit` is how many bytes it may have."""
    attribute = obj.attrs.get_id(name)
    kind = attribute.get_type()
    if kind.detect_class(h5py.h5t.REFERENCE):
        return "holds references"
    if kind.detect_class(h5py.h5t.VLEN):
        # HDF5 has another class for text of varying length. It crashes where damage made text into this one.
        return "holds arrays of varying length"
    space = attribute.get_space()
    count = 0 if space.get_simple_extent_type() == h5py.h5s.NULL else space.get_simple_extent_npoints()
    if count * kind.get_size() > limit or limit < 0:
        return f"has {count * kind.get_size()} bytes, more than {limit}"
    if count and kind.get_class() == h5py.h5t.STRING and kind.is_variable_str():
        if count > MAX_VARYING_ELEMENTS and count * obj.file.id.get_filesize() > MAX_VARYING_BYTES:
            return f"has {count} elements of varying length"
        check_collections(obj)
    return None
