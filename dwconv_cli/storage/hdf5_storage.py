"""How a new HDF5 dataset is stored: as options say, else as its input was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypedDict

from dwconv_cli.errors import ShapeError

# Large enough to be compressed and read fast, and small enough that reading a few seconds reads little else.
CHUNK_BYTES = 256 << 10
# Compressions of an input that its output gets too.
_CARRIED = ("gzip", "lzf", "blosc", "zstd")


class StorageOptions(TypedDict, total=False):
    """What may be requested of the storage of a dataset, under h5py's names; a compression may be ``"none"``."""

    chunks: tuple[int, ...]
    compression: str
    compression_opts: int
    shuffle: bool
    fletcher32: bool


def storage_options(
    shape: tuple[int, ...],
    itemsize: int,
    channels_first: bool,
    source: Mapping[str, Any],
    requested: StorageOptions,
) -> dict[str, Any]:
    """h5py's options for a dataset of `shape`.

    Parameters
    ----------
    shape : tuple of int
    itemsize : int
        Bytes of a number.
    channels_first : bool
        Whether steps are the last axis.
    source : mapping
        How the input is stored. Its compression and checksums are carried over unless others are requested.
    requested : StorageOptions

    Raises
    ------
    ShapeError
        If the requested chunks do not fit `shape`.
    """
    options = {key: source[key] for key in ("shuffle", "fletcher32") if source.get(key)}
    if source.get("compression") in _CARRIED and "compression" not in requested:
        options |= {"compression": source["compression"], "compression_opts": source.get("compression_opts")}
    options |= {key: value for key, value in requested.items() if key != "chunks"}
    if options.get("compression") == "none":
        options = {key: options[key] for key in ("shuffle", "fletcher32") if key in requested}
    if options.get("compression_opts") is None or (
        options.get("compression") != "gzip" and "compression_opts" not in requested
    ):
        options.pop("compression_opts", None)
    chunks = requested.get("chunks")
    if chunks is not None and not isinstance(chunks, list | tuple):
        raise ShapeError(f"chunks must be a tuple with a size for each axis, got {chunks!r}")
    if chunks is not None and (len(chunks) != len(shape) or min(chunks) < 1):
        sides = ",".join(map(str, chunks))
        raise ShapeError(
            f"--chunks {sides} does not fit an output of shape {shape}; give a size for each axis"
        )
    if 0 in shape:
        return {}
    if chunks is not None:
        return {**options, "chunks": tuple(map(min, chunks, shape))}
    if not (options or source.get("chunks")):
        return options
    return {**options, "chunks": _chunks(shape, itemsize, channels_first)}


def _chunks(shape: tuple[int, ...], itemsize: int, channels_first: bool) -> tuple[int, ...]:
    """Chunks of whole channels over a stretch of steps, or of one channel where its steps lie together."""
    items = CHUNK_BYTES // itemsize
    if channels_first:
        return (*(1,) * (len(shape) - 1), min(shape[-1], items))
    if len(shape) == 1:
        return (min(shape[0], items),)
    steps, channels = shape[-2:]
    side = max(1, min(steps, items // min(channels, items)))
    together = max(1, min(math.prod(shape[:-2]), items // (side * channels) if side == steps else 1))
    return (*(together,) * (len(shape) - 2), side, min(channels, items))
