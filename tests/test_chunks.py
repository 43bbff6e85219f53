"""Chunks made and taken apart here are those of HDF5, number for number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.errors import InputError
from dwconv_cli.storage.hdf5 import chunks

CASES = [
    ((1000, 6), (128, 6), "<f4", True),
    ((1000, 6), (128, 4), ">f8", True),
    ((1000,), (77,), "<i2", False),
    ((3, 5, 400), (1, 2, 64), "<f4", True),
    ((5, 4), (8, 8), "<u1", True),
]


def write(path: Path, data: np.ndarray, sides: tuple[int, ...], shuffle: bool) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", data=data, chunks=sides, compression="gzip", shuffle=shuffle, maxshape=data.shape
        )


def data_of(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


def ways(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Everything, and something out of the middle."""
    return [tuple(slice(0, n) for n in shape), tuple(slice(n // 4, n - n // 3) for n in shape)]


@pytest.mark.parametrize(("shape", "sides", "dtype", "shuffle"), CASES)
def test_reads_what_hdf5_wrote(shape: Any, sides: Any, dtype: str, shuffle: bool, tmp_path: Path) -> None:
    data = data_of(shape, dtype)
    sides = tuple(min(pair) for pair in zip(sides, shape, strict=True))
    write(tmp_path / "a.h5", data, sides, shuffle)
    with h5py.File(tmp_path / "a.h5") as file:
        codec = chunks.codec_of(file["x"])
        assert codec == (sides, np.dtype(dtype), 4, shuffle)
        for selection in ways(shape):
            out = np.empty(data[selection].shape)
            chunks.ChunkReader(file["x"], codec).read(selection, out)
            assert np.array_equal(out, data[selection])


@pytest.mark.parametrize(("shape", "sides", "dtype", "shuffle"), CASES)
@given(cut=st.integers(1, 997))
def test_hdf5_reads_what_is_written(
    shape: Any, sides: Any, dtype: str, shuffle: bool, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, path = data_of(shape, dtype), tmp_path_factory.mktemp("c") / "a.h5"
    sides = tuple(min(pair) for pair in zip(sides, shape, strict=True))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("x", shape, dtype, chunks=sides, compression="gzip", shuffle=shuffle)
        codec = chunks.codec_of(dataset)
        assert codec is not None
        writer = chunks.ChunkWriter(dataset, codec)
        for low in range(0, shape[-1], cut):
            place = (*(slice(0, n) for n in shape[:-1]), slice(low, min(shape[-1], low + cut)))
            block = data[place].astype(np.float64)
            writer.write(place, block)
            block[...] = -1
        writer.finish()
    with h5py.File(path) as file:
        assert np.array_equal(file["x"][()], data)


def test_what_was_never_written_is_the_fill_value(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        dataset = file.create_dataset("x", (100,), "f4", chunks=(10,), compression="gzip", fillvalue=7)
        dataset[:10] = 1
        codec = chunks.codec_of(dataset)
        assert codec is not None
        out = np.empty(100)
        chunks.ChunkReader(dataset, codec).read((slice(0, 100),), out)
    assert np.array_equal(out, np.r_[np.ones(10), np.full(90, 7)])


@pytest.mark.parametrize("damage", [b"\x00" * 40, b"x\x9c", b""])
def test_damage_names_the_chunk(damage: bytes, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", data_of((1000,), "f4"), (100,), True)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["x"].id.write_direct_chunk((300,), damage or b"\0")
    with h5py.File(tmp_path / "a.h5") as file:
        codec = chunks.codec_of(file["x"])
        assert codec is not None
        with pytest.raises(InputError, match=r"x: the chunk at \(300,\) is corrupt"):
            chunks.ChunkReader(file["x"], codec).read((slice(0, 1000),), np.empty(1000))


def test_a_bomb_is_not_expanded() -> None:
    import zlib

    codec = chunks.Codec((10,), np.dtype("f4"), 4, False)
    with pytest.raises(ValueError, match="does not hold 40 bytes"):
        codec.decode(zlib.compress(bytes(10**7)))


@pytest.mark.parametrize("options", [{}, {"compression": "lzf"}, {"compression": "gzip", "fletcher32": True}])
def test_other_storage_is_left_to_hdf5(options: dict[str, Any], tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        assert chunks.codec_of(file.create_dataset("x", (100,), "f4", chunks=(10,), **options)) is None
