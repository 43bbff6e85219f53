"""Make HDF5 files and datasets."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from dwconv_cli.errors import MissingExtraError, OutputError
from dwconv_cli.layer.axes import Array
from dwconv_cli.storage.hdf5.files import require_memory
from dwconv_cli.storage.hdf5.messages import where, writing
from dwconv_cli.storage.hdf5.output_file import OutputFile

# Compressions that come with the extra "hdf5plugin".
PLUGINS = ("blosc", "zstd")
# Whole chunks must fit into the cache, or HDF5 compresses one every time a part of it is written.
CHUNK_CACHE = 32 << 20
# Since HDF5 1.8 an attribute may be larger than 64 KiB.
LIBRARY = ("v108", "latest")


def open_writable(target: OutputFile, existing: bool) -> h5py.File:
    """Open an HDF5 file over `target`, a new one or with what is in it already."""
    require_memory()
    with writing(repr(target)):
        mode = "r+" if existing else "w"
        return h5py.File(target, mode, libver=LIBRARY, rdcc_nbytes=CHUNK_CACHE, rdcc_nslots=10_007)


def create_dataset(
    file: h5py.File,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    attributes: Mapping[str, Any],
    options: Mapping[str, Any],
) -> h5py.Dataset:
    """Make a new dataset with attributes.

    `options` are ``chunks``, ``compression``, ``compression_opts``, ``shuffle`` and ``fletcher32``, as h5py has them.
    """
    with writing(file, name):
        dataset = file.create_dataset(name, shape, dtype, track_times=False, **with_plugin(options))
        for key, value in attributes.items():
            dataset.attrs[key] = value
    return dataset


def with_plugin(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options` as h5py takes them: a compression that is a plugin of HDF5 is spelt out for it."""
    spelt_out = dict(options)
    name = spelt_out.get("compression")
    if name not in PLUGINS:
        return spelt_out
    try:
        import hdf5plugin
    except ImportError as error:
        raise MissingExtraError(
            f"compression {name} needs a plugin of HDF5: pip install hdf5plugin"
        ) from error
    level = spelt_out.pop("compression_opts", None)
    compression = {"blosc": hdf5plugin.Blosc, "zstd": hdf5plugin.Zstd}[name]
    return spelt_out | dict(compression() if level is None else compression(clevel=level))


def is_taken(file: h5py.File, name: str) -> bool:
    """Whether a dataset has this name; an OutputError if something else has it, which is not replaced."""
    with writing(file, name):
        kind = file.get(name, getclass=True, getlink=True)
        if kind is None:
            return False
        if kind is not h5py.HardLink or file.get(name, getclass=True) is not h5py.Dataset:
            raise OutputError(f"{where(file, name)}: is no dataset; write to another name")
        return True


def pack(arrays: Mapping[str, Array], groups: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return the bytes of a small HDF5 file; the same arguments give the same bytes.

    It has the datasets in `arrays`, and the `groups` with their attributes, even those that hold nothing. It is made
    in memory, since HDF5 cannot go on after it has met a full disk.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, attributes in groups.items():
            file.require_group(name).attrs.update(attributes)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return buffer.getvalue()
