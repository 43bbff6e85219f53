"""The filters that the chunks of a dataset went through, such as compression, and how it is stored otherwise."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
from h5py._objects import phil

from dwconv_cli.errors import InputError, MissingExtraError
from dwconv_cli.storage.hdf5.messages import errors
from dwconv_cli.text import printable

_SHUFFLE, _FLETCHER32 = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32
_BUILT_IN = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    _SHUFFLE: "shuffle",
    _FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_SZIP: "szip",
    h5py.h5z.FILTER_NBIT: "nbit",
    h5py.h5z.FILTER_SCALEOFFSET: "scaleoffset",
    h5py.h5z.FILTER_LZF: "lzf",
}
# Filters that hdf5plugin brings, by their number in the HDF Group's registry.
_PLUGINS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}
_LAYOUTS = {
    h5py.h5d.COMPACT: "compact",
    h5py.h5d.CONTIGUOUS: "contiguous",
    h5py.h5d.CHUNKED: "chunked",
    h5py.h5d.VIRTUAL: "virtual",
}


def filters_of(plist: Any) -> list[tuple[int, str, tuple[int, ...]]]:
    """List a dataset's filters as (number, name, options), in the order they were applied."""
    filters = []
    for index in range(plist.get_nfilters()):
        number, _, options, label = plist.get_filter(index)
        name = (_BUILT_IN | _PLUGINS).get(number) or printable(label.decode("utf-8", "replace")) or "unnamed"
        filters.append((number, name, tuple(options)))
    return filters


def check_filters(plist: Any, where: str) -> None:
    """Refuse a dataset whose filters are not installed; hdf5plugin is imported if it brings one of them."""
    for number, name, _ in filters_of(plist):
        if is_available(number):
            continue
        compressed = f"{where}: is compressed with the HDF5 filter {number} ({name})"
        if number not in _PLUGINS:
            raise InputError(f"{compressed}, which is not installed")
        if importlib.util.find_spec("hdf5plugin") is not None:
            importlib.import_module("hdf5plugin")
        if not is_available(number):
            raise MissingExtraError(f"{compressed}; pip install hdf5plugin")


def is_available(number: int) -> bool:
    """Whether HDF5 has a filter, without loading a library that a file alone asks for."""
    with _no_plugin_search():
        return bool(h5py.h5z.filter_avail(number))


@contextmanager
def _no_plugin_search() -> Iterator[None]:
    # Asked for a filter that it does not know, HDF5 loads libraries from its default folders. A user asks for that
    # only by setting HDF5_PLUGIN_PATH. A filter that is available here is loaded, so that reading searches no more.
    if os.environ.get("HDF5_PLUGIN_PATH"):
        yield
        return
    # HDF5 has one list of plugin folders for all threads.
    with phil:
        paths = [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())]
        for _ in paths:
            h5py.h5pl.remove(0)
        try:
            yield
        finally:
            for path in paths:
                h5py.h5pl.append(path)


def describe(data: h5py.Dataset) -> dict[str, Any]:
    """Say how a dataset is stored.

    Returns
    -------
    dict
        ``layout``, ``chunks``, ``compression`` and ``compression_opts``, ``shuffle``, ``fletcher32``, ``filters``
        (names in order), ``nbytes``, ``stored`` bytes and ``maxshape``.
    """
    with errors(data):
        plist = data.id.get_create_plist()
        layout = "external" if plist.get_external_count() else _LAYOUTS.get(plist.get_layout(), "unknown")
        filters = filters_of(plist)
        numbers = [number for number, _, _ in filters]
        compressions = [entry for entry in filters if entry[0] not in (_SHUFFLE, _FLETCHER32)]
        number, name, options = compressions[-1] if compressions else (0, None, ())
        return {
            "layout": layout,
            "chunks": data.chunks,
            "compression": name,
            "compression_opts": options[0] if number == h5py.h5z.FILTER_DEFLATE else (options or None),
            "shuffle": _SHUFFLE in numbers,
            "fletcher32": _FLETCHER32 in numbers,
            "filters": tuple(name for _, name, _ in filters),
            "nbytes": data.size * data.id.get_type().get_size(),
            "stored": data.id.get_storage_size(),
            "maxshape": data.maxshape,
        }
