"""What a dataset must satisfy before a byte of it is read: that the way to it is safe, its storage and its type."""

from __future__ import annotations

from typing import Any

import h5py

from dwconv_cli.errors import InputError
from dwconv_cli.storage.hdf5.listing import is_numeric
from dwconv_cli.storage.hdf5.messages import errors, where
from dwconv_cli.storage.hdf5.names import find
from dwconv_cli.storage.hdf5.read_attributes import as_text
from dwconv_cli.storage.hdf5.storage_check import check_storage
from dwconv_cli.storage.hdf5.variable_text import check_collections
from dwconv_cli.text import printable


def dataset(
    file: h5py.File,
    name: str,
    *,
    allow_external: bool = False,
    soft_links: bool = True,
    bfloat16: bool = False,
) -> h5py.Dataset:
    """Open one numeric dataset after looking at everything its header asks for.

    Parameters
    ----------
    file : h5py.File
    name : str
        Absolute; a leading ``/`` may be left out.
    allow_external : bool
        Accept external storage, external links and virtual datasets over other files, if all of those exist.
    soft_links : bool
        Follow soft links inside the file.
    bfloat16 : bool
        Accept the opaque pairs of bytes Keras writes for bfloat16; see :func:`~dwconv_cli.storage.hdf5.read_array`.

    Raises
    ------
    InputError
        No such dataset, no numbers in it, sources that are missing.
    UnsafeFileError
        It reaches into other files, or declares far more than is stored.
    MissingExtraError
        It is compressed with a filter that is not installed.
    """
    data = find(file, name, allow_external=allow_external, soft_links=soft_links)
    subject = where(file, name)
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{subject}: is a group, not a dataset; name what is in it, e.g. '{subject}/*'")
    with errors(file, name):
        # Storage first: the shape of a virtual dataset may lie in other files, which HDF5 opens when asked for it.
        check_storage(data, subject, allow_external)
        _check_type(data, subject, bfloat16)
    return data


def is_bfloat16(data: h5py.Dataset) -> bool:
    """Whether a weight is bfloat16: two opaque bytes, with Keras 3's label, or without one, as tf-keras writes them."""
    if data.id.get_type().get_class() != h5py.h5t.OPAQUE or data.id.get_type().get_size() != 2:
        return False
    if not h5py.h5a.exists(data.id, b"dtype"):
        return True
    check_collections(data)
    size = h5py.h5a.open(data.id, b"dtype").get_storage_size()
    return size <= 64 and as_text(data.attrs["dtype"]) == "bfloat16"


def _check_type(data: h5py.Dataset, subject: str, bfloat16: bool) -> None:
    if bfloat16 and is_bfloat16(data):
        return
    try:
        dtype = data.id.dtype
    except TypeError as error:
        raise InputError(f"{subject}: holds no numbers NumPy knows ({error})") from error
    if not is_numeric(dtype):
        raise InputError(f"{subject}: holds {_words_for(dtype)}, not numbers")
    if data.id.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise InputError(f"{subject}: is an empty dataset (null dataspace) without any shape")


def _words_for(dtype: Any) -> str:
    if h5py.check_string_dtype(dtype) or dtype.kind in "SU":
        return "strings"
    if h5py.check_ref_dtype(dtype):
        return "references"
    if h5py.check_vlen_dtype(dtype):
        return "arrays of varying length"
    if h5py.check_enum_dtype(dtype):
        return "an enumeration"
    if dtype.names:
        return f"records of {printable(', '.join(dtype.names[:8]))}"
    return f"elements of type {dtype}"
