"""The other files and datasets that a dataset takes its numbers from.

The numbers of a dataset with *external storage* lie in plain files. A *virtual* dataset is put together from parts of
other datasets, its sources, in the same file or in others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import h5py

from dwconv_cli.storage.hdf5.files import open_file
from dwconv_cli.storage.hdf5.messages import errors, file_name
from dwconv_cli.storage.hdf5.names import find

MAX_SOURCES = 10_000
MAX_NESTING = 4


def external_files(data: h5py.Dataset, plist: Any) -> Iterator[tuple[str, str | None, int, int]]:
    """Yield name, path, first byte and length of each plain file of external storage; no path if it is missing."""
    for index in range(plist.get_external_count()):
        raw, offset, size = plist.get_external(index)
        name = os.fsdecode(raw)
        yield name, _existing(name, file_name(data), "HDF5_EXTFILE_PREFIX"), offset, size


def source_of(plist: Any, index: int) -> tuple[str, str]:
    """Return the file and the dataset that a mapping of a virtual dataset names, as the file spells them."""
    return plist.get_virtual_filename(index), plist.get_virtual_dsetname(index)


def located(data: h5py.Dataset, source: tuple[str, str]) -> tuple[str | None, str]:
    """Return the path and the dataset's name of a source of `data`; no path if the file is missing."""
    # A percent sign is doubled, since %b stands for a running number (H5Pset_virtual).
    name, inside = (part.replace("%%", "%") for part in source)
    here = file_name(data)
    return here if name == "." else _existing(name, here, "HDF5_VDS_PREFIX"), inside


def other_files(path: str, name: str) -> list[str]:
    """Paths of the other files in which a dataset lies, by links, external storage or mappings."""
    paths: set[str] = set()
    with open_file(path) as file, errors(file, name):
        _collect(find(file, name, allow_external=True), paths, 0)
        return sorted(paths - {file_name(file)})


def _collect(data: Any, paths: set[str], depth: int) -> None:
    paths.add(file_name(data))
    if not isinstance(data, h5py.Dataset) or depth >= MAX_NESTING:
        return
    plist = data.id.get_create_plist()
    paths |= {path for _, path, _, _ in external_files(data, plist) if path}
    if plist.get_layout() != h5py.h5d.VIRTUAL:
        return
    for source in {source_of(plist, index) for index in range(min(plist.get_virtual_count(), MAX_SOURCES))}:
        path, inside = located(data, source)
        if path is not None:
            paths.add(path)
            with open_file(path) as other:
                _collect(find(other, inside, allow_external=True), paths, depth + 1)


def _existing(name: str, file: str, variable: str) -> str | None:
    """The first file of this name in the places that HDF5 looks in (H5Pset_virtual_prefix, H5Pset_efile_prefix)."""
    prefix = os.environ.get(variable, "").replace("${ORIGIN}", os.path.dirname(os.path.abspath(file)))
    folders = [prefix] if prefix else []
    if variable == "HDF5_VDS_PREFIX":
        folders += [os.path.dirname(os.path.abspath(file))]
    folders += ["", os.path.dirname(os.path.realpath(file))]
    return next((path for folder in folders if os.path.isfile(path := os.path.join(folder, name))), None)
