"""Small HDF5 files made in memory: h5py never meets a full disk, after which it could not go on."""

from __future__ import annotations

import io
from collections.abc import Mapping

import h5py
import numpy as np


def pack(arrays: Mapping[str, np.ndarray], labels: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return an HDF5 file with some datasets and groups; the same arguments give the same bytes.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Datasets by absolute name.
    labels : mapping of str to mapping
        Groups by name, with their attributes; groups are made even if they hold nothing.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, attributes in labels.items():
            file.require_group(name).attrs.update(attributes)
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return buffer.getvalue()
