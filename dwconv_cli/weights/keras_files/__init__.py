"""Layers out of Keras's own files, and into them, without Keras.

    archive  .keras: a zip (or a folder) of config.json, metadata.json and model.weights.h5
    store    .weights.h5, alone, in an archive, or in shards
    legacy   .h5 of Keras 2 and 3: model_config and named weights
    layers   one layer, whose config and weights are checked against each other
    write    .weights.h5 and .keras of one layer

Nothing here knows what a config means: configs are plain dicts, kernels plain arrays. The modules are imported when
they are needed, since most of them load h5py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dwconv_cli.errors import InputError

if TYPE_CHECKING:
    from dwconv_cli.weights.keras_files.layers import KerasLayer

_HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")


def is_keras_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of Keras's.

    The suffixes ``.keras``, ``.weights.h5`` and ``.weights.json`` tell it; of other HDF5 files the content does. A
    folder is one if it is an unzipped ``.keras`` file or holds the shards of one model.
    """
    name = os.fspath(path).lower()
    if name.endswith((".keras", ".weights.h5", ".weights.json")):
        return True
    if os.path.isdir(path):
        from dwconv_cli.weights.keras_files.archive import is_folder

        return is_folder(Path(path))
    if not name.endswith(_HDF5_SUFFIXES) or not os.path.isfile(path):
        return False
    from dwconv_cli.storage import hdf5

    try:
        hdf5.rehearse(_is_keras_inside, path)
        return _is_keras_inside(path)
    except InputError:
        return False


def _is_keras_inside(path: str | os.PathLike[str]) -> bool:
    from dwconv_cli.storage import hdf5
    from dwconv_cli.weights.keras_files import legacy, store

    with hdf5.open_file(path) as file:
        return legacy.is_legacy(file) or store.is_store(file)


def read_layers(
    path: str | os.PathLike[str], possible: bool = False, model: object = None
) -> list[KerasLayer]:
    """Read every DepthwiseConv1D, and the depthwise half of every SeparableConv1D, of a Keras file.

    Parameters
    ----------
    path : path
        ``.keras`` (also unzipped, as a folder), ``.weights.h5``, ``.weights.json`` with its shards, or a legacy
        ``.h5``, whether a whole model or weights only.
    possible : bool
        Add what may be a DepthwiseConv1D or a Conv1D, and layers of somebody's own class that look like one, for
        those who know.
    model : object
        The model's config as parsed JSON, for a file that has none.

    Returns
    -------
    list of KerasLayer
        In the order of the model where there is a config, then of the file.

    Raises
    ------
    InputError
        The file is missing, malformed, no Keras file, or weights and config do not fit each other.
    UnsafeFileError
        It reaches outside itself or is far larger than it should be.
    """
    from dwconv_cli.storage import hdf5

    text = None if model is None else json.dumps(model)
    hdf5.rehearse(_read_layers, path, possible, text)
    return _read_layers(path, possible, text)


def _read_layers(path: str | os.PathLike[str], possible: bool, model: str | None) -> list[KerasLayer]:
    import zipfile

    from dwconv_cli.layer.keras_models import find_layers
    from dwconv_cli.storage import hdf5
    from dwconv_cli.weights.keras_files import archive, legacy, store
    from dwconv_cli.weights.keras_files.layers import CLASSES

    path = os.fspath(path)
    listed = None if model is None else list(find_layers(json.loads(model), CLASSES))
    if path.lower().endswith(".weights.json"):
        return store.read_shards(Path(path), listed, possible)
    if os.path.isdir(path) or zipfile.is_zipfile(path):
        if listed is not None:
            raise InputError(f"{path}: the file holds its model's config; leave out the other one")
        return archive.read_archive(Path(path), possible)
    # Keras 2 up to 2.12 wrote the legacy format under .keras too.
    with hdf5.open_file(path) as file:
        if legacy.is_legacy(file):
            return legacy.read_legacy(file, path, listed, possible)
        if not store.is_store(file):
            raise InputError(f"{path}: an HDF5 file, but not one of Keras's")
        return store.Store([file], path).layers(listed, possible)
