"""Reading through the guard: blocks, small arrays, attributes, and what is said about storage."""

from __future__ import annotations

from itertools import islice
from typing import Any

import h5py
import numpy as np

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.hdf5.door import errors, file_name
from dwconv_cli.storage.hdf5.guard import filters, is_bfloat16
from dwconv_cli.storage.hdf5.heaps import check_heaps
from dwconv_cli.text import printable

MAX_ARRAY_BYTES = 64 << 20
MAX_ATTRIBUTES = 10_000
MAX_ATTRIBUTE_BYTES = 64 << 20
# Of all that is copied from one object; a larger one is left out.
MAX_COPIED_BYTES = 32 << 20
# A variable-length array may name one large heap object many times over: few elements, or a file too small to matter.
MAX_VLEN_ELEMENTS = 256
MAX_VLEN_BYTES = 1 << 30

# Written for dimension scales and by netCDF-4; they hold references into the file they came from.
_SCALE_ATTRIBUTES = ("DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "CLASS", "NAME")
_LAYOUTS = {
    h5py.h5d.COMPACT: "compact",
    h5py.h5d.CONTIGUOUS: "contiguous",
    h5py.h5d.CHUNKED: "chunked",
    h5py.h5d.VIRTUAL: "virtual",
}


def read(data: h5py.Dataset, selection: tuple[slice, ...] = (), out: np.ndarray | None = None) -> np.ndarray:
    """Read a block of a dataset that :func:`~dwconv_cli.storage.hdf5.dataset` let through.

    Parameters
    ----------
    data : h5py.Dataset
    selection : tuple of slice, optional
        Steps of one; missing axes are read whole.
    out : ndarray, optional
        C-contiguous array of the selection's shape to read into; HDF5 converts to its dtype.

    Raises
    ------
    InputError
        Naming the dataset, and the first chunk of the block that cannot be read.
    """
    try:
        with errors(data, data.name or ""):
            if out is None:
                return np.asarray(data[selection])
            if out.size:
                data.read_direct(out, selection, None)
            return out
    except InputError as error:
        chunk = _bad_chunk(data, selection)
        if chunk is None:
            raise
        where = f"{file_name(data)}::{printable(data.name or '')}"
        cause = str(error.__cause__).replace("\n", " ")
        raise InputError(f"{where}: the chunk at {chunk} is corrupt: {printable(cause)}") from error


def _bad_chunk(data: h5py.Dataset, selection: tuple[slice, ...]) -> tuple[int, ...] | None:
    if data.chunks is None:
        return None
    wanted = tuple(islice((*selection, *[slice(None)] * data.ndim), data.ndim))
    for chunk in data.iter_chunks(wanted):
        try:
            data[chunk]
        except Exception:
            return tuple(
                part.start - part.start % side for part, side in zip(chunk, data.chunks, strict=True)
            )
    return None


def read_array(data: h5py.Dataset, limit: int = MAX_ARRAY_BYTES) -> np.ndarray:
    """Read a whole small array, such as weights; Keras's bfloat16 comes back as float32, which holds it exactly.

    Raises
    ------
    UnsafeFileError
        The array is larger than `limit` bytes.
    """
    size = data.size * data.id.get_type().get_size()
    if size > limit:
        raise UnsafeFileError(
            f"{file_name(data)}::{printable(data.name or '')}: {size} bytes, more than {limit}"
        )
    values = read(data)
    if not is_bfloat16(data):
        return values
    # bfloat16 is the upper half of a float32.
    return (values.view("<u2").astype("<u4") << 16).view("<f4").astype(np.float32, copy=False)


def attributes(obj: h5py.HLObject, left_out: list[str] | None = None) -> dict[str, Any]:
    """Return the attributes worth copying: no dimension scales, no references, nothing of unreasonable size.

    Parameters
    ----------
    obj : group or dataset
    left_out : list of str, optional
        Gets the names of those that are too large, or of a kind that is not copied.

    Raises
    ------
    InputError
        An attribute cannot be read.
    """
    found: dict[str, Any] = {}
    left = MAX_COPIED_BYTES
    with errors(obj, obj.name or ""):
        # HDF5 loads all of them to list their names.
        stored = h5py.h5o.get_info(obj.id).meta_size.attr.heap_size
        if stored > MAX_ATTRIBUTE_BYTES:
            where = f"{file_name(obj)}::{printable(obj.name or '')}"
            raise UnsafeFileError(f"{where}: {stored} bytes of attributes, more than {MAX_ATTRIBUTE_BYTES}")
        for key in islice(obj.attrs, MAX_ATTRIBUTES):
            # h5py leaves a name that is no UTF-8 as bytes.
            name = key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else key
            if name in _SCALE_ATTRIBUTES or name.startswith(("_Netcdf4", "_NCProperties")):
                continue
            if _attribute_trouble(obj, key, left) is None:
                found[name] = value = _writable(obj.attrs[key])
                # Of text of varying length the size is known only now.
                left -= len(value) if isinstance(value, str | bytes) else getattr(value, "nbytes", 0)
            elif left_out is not None:
                left_out.append(f"{printable(obj.name or '')}@{printable(name)}")
    return found


def _writable(value: Any) -> Any:
    """Text that is no UTF-8 as the bytes that it is; h5py reads it, but does not write it."""
    try:
        for text in np.ravel(value) if getattr(getattr(value, "dtype", None), "kind", "") == "O" else [value]:
            if isinstance(text, str):
                text.encode()
    except UnicodeEncodeError:
        escaped = np.vectorize(lambda text: str(text).encode("utf-8", "surrogateescape"), otypes="S")
        return np.bytes_(escaped(value)[()]) if isinstance(value, str) else np.array(escaped(value).tolist())
    return value


def attribute(obj: h5py.HLObject, name: str) -> Any:
    """Return one attribute, None if there is no such one.

    Raises
    ------
    UnsafeFileError
        It is too large or of a kind that is not read.
    """
    with errors(obj, obj.name or ""):
        if name not in obj.attrs:
            return None
        trouble = _attribute_trouble(obj, name)
        if trouble:
            raise UnsafeFileError(
                f"{file_name(obj)}::{printable(obj.name or '')}: the attribute {printable(name)} {trouble}"
            )
        return obj.attrs[name]


def _attribute_trouble(obj: h5py.HLObject, name: str | bytes, limit: int = MAX_ATTRIBUTE_BYTES) -> str | None:
    info = obj.attrs.get_id(name)
    kind = info.get_type()
    if kind.detect_class(h5py.h5t.REFERENCE):
        return "holds references"
    if kind.detect_class(h5py.h5t.VLEN):
        # Strings are another class. HDF5 ends by SIGSEGV when damage has made them neither.
        return "holds arrays of varying length"
    space = info.get_space()
    count = 0 if space.get_simple_extent_type() == h5py.h5s.NULL else space.get_simple_extent_npoints()
    if count * kind.get_size() > limit or limit < 0:
        return f"has {count * kind.get_size()} bytes, more than {limit}"
    variable = kind.get_class() == h5py.h5t.STRING and kind.is_variable_str()
    if variable and count > MAX_VLEN_ELEMENTS and count * obj.file.id.get_filesize() > MAX_VLEN_BYTES:
        return f"has {count} elements of varying length"
    if variable and count:
        check_heaps(obj)
    return None


def describe(data: h5py.Dataset) -> dict[str, Any]:
    """Say how a dataset is stored.

    Returns
    -------
    dict
        ``layout``, ``chunks``, ``compression`` and ``compression_opts``, ``shuffle``, ``fletcher32``, ``filters``
        (names in order), ``nbytes``, ``stored`` bytes and ``maxshape``.
    """
    with errors(data, data.name or ""):
        plist = data.id.get_create_plist()
        layout = "external" if plist.get_external_count() else _LAYOUTS.get(plist.get_layout(), "unknown")
        chain = filters(plist)
        squeezing = [entry for entry in chain if entry[0] not in (2, 3)]
        code, name, options = squeezing[-1] if squeezing else (0, None, ())
        return {
            "layout": layout,
            "chunks": data.chunks,
            "compression": name,
            "compression_opts": options[0] if code == 1 else (options or None),
            "shuffle": any(code == 2 for code, _, _ in chain),
            "fletcher32": any(code == 3 for code, _, _ in chain),
            "filters": tuple(name for _, name, _ in chain),
            "nbytes": data.size * data.id.get_type().get_size(),
            "stored": data.id.get_storage_size(),
            "maxshape": data.maxshape,
        }
