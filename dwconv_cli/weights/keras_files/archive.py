"""The ``.keras`` format: a zip, or the same members in a folder, read whole and never extracted by name."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

from dwconv_cli.errors import DwconvError, InputError, UnsafeFileError
from dwconv_cli.errors.system import reason
from dwconv_cli.layer.keras_json import MAX_BYTES, load_json
from dwconv_cli.layer.keras_models import find_layers
from dwconv_cli.storage import hdf5
from dwconv_cli.storage.zips import DAMAGE, open_archive, open_member
from dwconv_cli.text import printable
from dwconv_cli.weights.keras_files.layers import CLASSES, KerasLayer
from dwconv_cli.weights.keras_files.store import Store, read_member, read_shards

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MAX_MEMBERS = 10_000
MAX_WEIGHTS_BYTES = 8 << 30
# Keras stores members as they are; weights and JSON packed by others seldom shrink tenfold.
MAX_EXPANSION = 200
FREE_BYTES = 16 << 20
IN_MEMORY_BYTES = 64 << 20

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_archive(path: Path, possible: bool = False) -> list[KerasLayer]:
    """Read the layers of a ``.keras`` file or folder; see :meth:`Store.layers`."""
    if path.is_dir():
        return _read_folder(path, possible)
    try:
        with open_archive(str(path), MAX_MEMBERS) as archive:
            members = _members(archive, path)
            with _spool(archive, members[CONFIG], MAX_BYTES, path) as stream:
                config = stream.read()
            with (
                _spool(archive, members[WEIGHTS], MAX_WEIGHTS_BYTES, path) as stream,
                hdf5.open_stream(stream, f"{path}::{WEIGHTS}") as file,
            ):
                return _layers(config, file, str(path), possible)
    except DwconvError:
        raise
    except DAMAGE as error:
        words = printable(reason(error)) if str(error) else "cut short"
        raise InputError(f"{path}: the archive cannot be read: {words}") from error


def _layers(config: bytes, weights: Any, label: str, possible: bool) -> list[KerasLayer]:
    # The config of a subclassed model may list no layers; then the weights alone show them.
    listed = list(find_layers(load_json(config, f"{label}::{CONFIG}"), CLASSES))
    return Store([weights], label).layers(listed, possible)


def is_folder(path: Path) -> bool:
    """Whether a folder is an unzipped ``.keras`` file, or holds the shards of one model's weights."""
    if (path / CONFIG).is_file() and (path / WEIGHTS).is_file():
        return True
    # A folder that also holds other files is not a model but a folder of recordings.
    return len(_maps(path)) == 1 and all(
        name.endswith((".weights.h5", ".weights.json")) or name in (CONFIG, "metadata.json", "assets")
        for name in os.listdir(path)
    )


def _maps(path: Path) -> list[Path]:
    try:
        return sorted(path.glob("*.weights.json"))[:2] if path.is_dir() else []
    except OSError:
        return []


def _read_folder(path: Path, possible: bool) -> list[KerasLayer]:
    maps = _maps(path)
    text = read_member(path / CONFIG, MAX_BYTES) if (path / CONFIG).is_file() else None
    if text is not None and (path / WEIGHTS).is_file():
        with hdf5.open_file(path / WEIGHTS) as file:
            return _layers(text, file, str(path), possible)
    if len(maps) != 1:
        raise InputError(
            f"{path}: a folder without {CONFIG} and {WEIGHTS}, and without one *.weights.json, so not a Keras model"
        )
    listed = [] if text is None else list(find_layers(load_json(text, str(path / CONFIG)), CLASSES))
    return read_shards(maps[0], listed, possible)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in members:
            raise UnsafeFileError(f"{path}: the member {printable(info.filename)} is there twice")
        members[info.filename] = info
    for name in (CONFIG, WEIGHTS):
        if name not in members:
            raise InputError(f"{path}: the archive has no {name}, so it is no Keras model this program reads")
    return members


def _spool(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int, path: Path) -> IO[bytes]:
    """Copy a member into memory or a temporary file; it is read to its end, where zipfile tests its checksum."""
    where = f"{path}::{info.filename}"
    if info.compress_type not in _METHODS:
        raise InputError(
            f"{where}: packed with zip method {info.compress_type}; only stored and deflated are read"
        )
    limit = min(limit, max(FREE_BYTES, MAX_EXPANSION * info.compress_size))
    if info.file_size > limit:
        raise UnsafeFileError(
            f"{where}: expands {info.compress_size} bytes to {info.file_size}, more than {limit}"
        )
    spool: Any = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
    try:
        # zipfile expands no more bytes than the member declares, whose number was checked above.
        with open_member(archive, info) as member:
            shutil.copyfileobj(member, spool, 1 << 20)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool  # type: ignore[no-any-return]
