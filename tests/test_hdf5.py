"""The door to HDF5: what is let through, and every way in which a file may ask for more than its data."""

from __future__ import annotations

import importlib.util
import os
import struct
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import run_python

from dwconv_cli.errors import DwconvError, InputError, MissingExtraError, UnsafeFileError
from dwconv_cli.storage import hdf5
from dwconv_cli.storage.hdf5 import filters, listing, storage_check

SECRET = np.frombuffer(b"canary: nobody may read this file.", "u1")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside the recording, as raw bytes and beside it as HDF5."""
    path = tmp_path / "elsewhere" / "secret.bin"
    path.parent.mkdir()
    path.write_bytes(SECRET.tobytes())
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file["x"] = SECRET
    return path


def one_line(error: BaseException) -> str:
    text = str(error)
    assert text
    assert text.isprintable(), text  # a line break is not
    return text


# What is let through

KINDS = [
    np.array([True, False]),
    np.arange(3, dtype="<i2"),
    np.arange(3, dtype=">i4"),
    np.arange(3, dtype="u1"),
    np.arange(3, dtype="f2"),
    np.arange(3, dtype=">f4"),
    np.arange(3, dtype="f8"),
    np.arange(3) + 1j,
    np.float32(2.5).reshape(()),
    np.zeros((0, 3), "f4"),
]


@pytest.mark.parametrize("values", KINDS, ids=lambda v: f"{v.dtype.str}{v.shape}")
def test_numbers_of_every_kind_are_read(tmp_path: Path, values: np.ndarray) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = values
    with hdf5.open_file(tmp_path / "a.h5") as file:
        assert hdf5.datasets(file) == ["/x"]
        found = hdf5.read(hdf5.dataset(file, "x"))
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype


@pytest.mark.parametrize("userblock", [512, 4096])
def test_user_blocks_and_matlab_headers_are_fine(tmp_path: Path, userblock: int) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        file["acc"] = np.arange(4.0)
        file["#refs#/a"] = np.arange(4.0)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    with hdf5.open_file(path) as file:
        assert hdf5.datasets(file) == ["/acc"]


def test_blocks_are_read_into_a_given_array(tmp_path: Path) -> None:
    values = np.arange(60, dtype=">i2").reshape(20, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(
            "x", data=values, chunks=(7, 2), compression="gzip", shuffle=True, fletcher32=True
        )
    with hdf5.open_file(tmp_path / "a.h5") as file:
        data = hdf5.dataset(file, "/x")
        out = np.empty((6, 3), "f8")
        assert hdf5.read(data, (slice(5, 11),), out) is out
        np.testing.assert_array_equal(out, values[5:11])
        said = hdf5.describe(data)
    assert said["filters"] == ("shuffle", "gzip", "fletcher32")
    assert (said["layout"], said["chunks"], said["compression"]) == ("chunked", (7, 2), "gzip")
    assert said["shuffle"]
    assert said["fletcher32"]
    assert said["nbytes"] == 120


def test_attributes_worth_copying(tmp_path: Path) -> None:
    kept = {"fs": 50.0, "unit": "m/s²", "axes": np.array(["x", "y"], dtype=object), "offset": np.arange(3)}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=np.zeros(4))
        scale = file.create_dataset("t", data=np.zeros(4))
        scale.make_scale("time")
        data.dims[0].attach_scale(scale)
        data.attrs.update(kept)
        data.attrs["_Netcdf4Dimid"] = 1
        data.attrs["origin"] = data.ref
        data.attrs["huge"] = np.full((40_000,), "a" * 3, dtype=h5py.string_dtype(length=3))[:1000]
    with hdf5.open_file(tmp_path / "a.h5") as file:
        found = hdf5.attributes(hdf5.dataset(file, "x"))
        assert found.pop("huge").shape == (1000,)
        assert found.keys() == kept.keys()
        for name, value in kept.items():
            np.testing.assert_array_equal(found[name], value)
        assert "NAME" not in hdf5.attributes(hdf5.dataset(file, "t"))


def test_what_keras_calls_bfloat16_is_read_exactly(tmp_path: Path) -> None:
    exact = np.array([1.0, -2.5, 3.140625, 0.0, np.inf], "f4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("keras3", "tf_keras", "other"):
            file[name] = (exact.view("u4") >> 16).astype("u2").view("V2")
        file["keras3"].attrs["dtype"] = "bfloat16"
        file["other"].attrs["dtype"] = "float8"
    with hdf5.open_file(tmp_path / "a.h5") as file:
        for name in ("keras3", "tf_keras"):
            found = hdf5.read_array(hdf5.dataset(file, name, bfloat16=True))
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, exact)
        for name, accept in (("keras3", False), ("other", True)):
            with pytest.raises(InputError, match="not numbers"):
                hdf5.dataset(file, name, bfloat16=accept)


def test_small_arrays_only(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(100)
    with hdf5.open_file(tmp_path / "a.h5") as file, pytest.raises(UnsafeFileError, match="800 bytes"):
        hdf5.read_array(hdf5.dataset(file, "x"), limit=799)


def test_a_file_inside_a_stream(tmp_path: Path) -> None:
    with open(tmp_path / "in", "w+b") as stream:
        stream.write(hdf5.pack({"a/x": np.arange(3.0)}, {"a": {"name": "é"}}))
        with hdf5.open_stream(stream, "m.keras::wöights") as file:
            assert hdf5.attributes(hdf5.find(file, "a")) == {"name": "é"}
            assert hdf5.read(hdf5.dataset(file, "a/x")).tolist() == [0, 1, 2]
            with pytest.raises(InputError, match=r"m\.keras::w.*ights::y: no such object"):
                hdf5.dataset(file, "y")


# What is not a readable file


def not_hdf5(path: Path) -> None:
    path.write_bytes(b"\x89HDX\r\n\x1a\n" * 300)


def cut(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(1000.0)
    path.write_bytes(path.read_bytes()[:3000])


def signature_only(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n")


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (Path.mkdir, "not a regular file"),
        (Path.touch, "not an HDF5 file"),
        (not_hdf5, "not an HDF5 file"),
        (signature_only, "not a readable HDF5 file"),
        (cut, "cut short"),
        (fifo, "not a regular file"),
    ],
    ids=["missing", "folder", "empty", "not_hdf5", "signature_only", "cut", "fifo"],
)
def test_files_that_cannot_be_opened(tmp_path: Path, make, says: str) -> None:
    path = tmp_path / "a.h5"
    make(path)
    with pytest.raises(InputError, match=says) as caught:
        hdf5.open_file(path)
    assert one_line(caught.value).startswith(str(path))


OPEN = """
import sys
from dwconv_cli.storage import hdf5
from dwconv_cli.errors import InputError
try:
    with hdf5.open_file(sys.argv[1]) as file:
        print(*hdf5.datasets(file))
except InputError as error:
    print("refused:", error)
"""


def test_a_writer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"

    def other_process() -> str:
        return run_python(OPEN, path).out.decode()

    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("x", data=np.arange(3.0), maxshape=(None,))
        file.flush()
        assert "refused:" in (said := other_process())
        assert "a writer has the file open" in said
    assert other_process() == "/x\n"


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_is_an_input_error(tmp_path: Path, seed: int) -> None:
    path, rng = tmp_path / "a.h5", np.random.default_rng(seed)
    with h5py.File(path, "w", libver="latest" if seed % 2 else "earliest") as file:
        file.create_dataset("g/x", data=rng.normal(size=(500, 2)), chunks=(50, 2), compression="gzip")
        file["g"].attrs["fs"] = 50.0
    content = bytearray(path.read_bytes())
    header = 2000 if seed % 3 else len(content)
    for place in rng.integers(8, header, size=3):
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(content[: rng.integers(8, len(content))] if seed % 5 == 0 else content))
    try:
        with hdf5.open_file(path) as file:
            for name in hdf5.datasets(file):
                hdf5.read(hdf5.dataset(file, name))
            for entry in hdf5.walk(file):
                if entry.kind == "group":
                    hdf5.attributes(hdf5.find(file, entry.name))
    except (InputError, MissingExtraError) as error:
        one_line(error)


# Links


def test_names_are_resolved_link_by_link(tmp_path: Path, secret: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["imu/acc"] = np.arange(5.0)
        file["imu/soft"] = h5py.SoftLink("acc")
        file["alias"] = h5py.SoftLink("/imu/soft")
        file["group"] = h5py.SoftLink("imu")
        file["up"] = h5py.SoftLink("/imu/nothing")
        file["one"] = h5py.SoftLink("/two")
        file["two"] = h5py.SoftLink("/one")
        file["out"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/x")
        file["gone"] = h5py.ExternalLink("not-there.h5", "/x")
        file["type"] = np.dtype("f4")
    with hdf5.open_file(path) as file:
        for name in ("imu/acc", "/imu/acc", "//imu/./acc/", "imu/soft", "alias", "group/acc", "group/soft"):
            assert hdf5.read(hdf5.dataset(file, name)).tolist() == [0, 1, 2, 3, 4], name
        for name, kind, says in [
            ("imu/ac", InputError, "did you mean /imu/acc"),
            ("acc", InputError, "did you mean /imu/acc"),
            ("imu/acc/x", InputError, "no such object"),
            ("imu", InputError, "is a group"),
            ("type", InputError, "named type"),
            ("up", InputError, "no such object"),
            ("one", InputError, "circle"),
            ("out", UnsafeFileError, "external link"),
            ("gone", UnsafeFileError, "external link"),
        ]:
            with pytest.raises(kind, match=says) as caught:
                hdf5.dataset(file, name)
            assert one_line(caught.value).startswith(f"{path}::{name}")
        with pytest.raises(UnsafeFileError, match="soft link"):
            hdf5.dataset(file, "alias", soft_links=False)
        np.testing.assert_array_equal(hdf5.read(hdf5.dataset(file, "out", allow_external=True)), SECRET)
        with pytest.raises(InputError, match="gone"):
            hdf5.dataset(file, "gone", allow_external=True)
        assert hdf5.datasets(file) == ["/imu/acc"]
        kinds = {entry.name: (entry.kind, entry.target) for entry in hdf5.children(file)}
    assert kinds["/out"] == ("external link", f"{secret.with_suffix('.h5')}::/x")
    assert kinds["/alias"] == ("soft link", "/imu/soft")
    assert kinds["/type"] == ("type", None)


def test_cycles_of_hard_links_are_entered_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/b/x"] = np.zeros(3)
        file["a/b/root"], file["a/b/a"], file["again"] = file["/"], file["a"], file["a"]
    with hdf5.open_file(tmp_path / "a.h5") as file:
        assert hdf5.datasets(file) == ["/a/b/x"]
        assert {e.name for e in hdf5.walk(file) if e.kind == "repeat"} == {"/a/b/root", "/a/b/a", "/again"}
        assert hdf5.dataset(file, "a/b/root/a/b/a/b/x").shape == (3,)


def test_walks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "deep.h5", "w") as file:
        file.create_group("/".join("g" * (listing.MAX_DEPTH + 5)))
    with hdf5.open_file(tmp_path / "deep.h5") as file, pytest.raises(UnsafeFileError, match="deeper than"):
        hdf5.datasets(file)
    monkeypatch.setattr(listing, "MAX_OBJECTS", 10)
    for name, groups in (("flat.h5", ["a"] * 11), ("split.h5", ["a"] * 6 + ["b"] * 6)):
        with h5py.File(tmp_path / name, "w") as file:
            for index, group in enumerate(groups):
                file.create_group(f"{group}/{index}")
        with hdf5.open_file(tmp_path / name) as file, pytest.raises(UnsafeFileError, match="more than 10"):
            hdf5.datasets(file)


def test_names_that_would_break_a_line_are_escaped(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x\n\x1b[31m"] = ["text"]
    with hdf5.open_file(tmp_path / "a.h5") as file, pytest.raises(InputError) as caught:
        hdf5.dataset(file, "x\n\x1b[31m")
    assert r"x\n\x1b[31m: holds strings" in one_line(caught.value)


# Datasets that are refused


def no_numbers(file: h5py.File) -> dict[str, str]:
    file["text"] = ["a", "b"]
    file["fixed"] = np.array([b"a"])
    file["record"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
    file["null"] = h5py.Empty("f4")
    file.create_dataset("enum", (2,), h5py.enum_dtype({"a": 1, "b": 2}))
    file.create_dataset("reference", (2,), h5py.ref_dtype)
    file.create_dataset("ragged", (2,), h5py.vlen_dtype("f4"))
    file.create_dataset("array", (2,), np.dtype(("f4", (3,))))
    file.create_dataset("time", (2,), h5py.opaque_dtype("M8[s]"))
    return {
        "text": "strings",
        "fixed": "strings",
        "record": "records of a, b",
        "null": "empty dataset",
        "enum": "enumeration",
        "reference": "references",
        "ragged": "varying length",
        "array": "not numbers",
        "time": "not numbers",
    }


def test_what_holds_no_numbers_is_refused_with_a_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        expected = no_numbers(file)
    with hdf5.open_file(tmp_path / "a.h5") as file:
        assert hdf5.datasets(file) == []
        for name, says in expected.items():
            with pytest.raises(InputError, match=says) as caught:
                hdf5.dataset(file, name)
            one_line(caught.value)


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"shape": (1 << 40,), "chunks": (1 << 20,)}, "declares 8796093022208 bytes"),
        ({"shape": (1 << 40,)}, "declares 8796093022208 bytes"),
        ({"shape": (1 << 40,), "chunks": (1 << 20,), "compression": "gzip"}, "declares 8796093022208 bytes"),
        ({"shape": (1 << 26,), "chunks": (1 << 26,), "maxshape": (None,)}, "chunks of 536870912 bytes"),
        # Within what reading in blocks can bear: preallocated and never written, or resizable and empty.
        ({"shape": (1 << 20,), "chunks": (1 << 10,)}, None),
        ({"shape": (0, 8), "chunks": (1 << 10, 8), "maxshape": (None, 8)}, None),
    ],
)
def test_sizes_without_storage(tmp_path: Path, options: dict[str, Any], refused: str | None) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", dtype="f8", **options)
    assert (tmp_path / "a.h5").stat().st_size < 10_000
    with hdf5.open_file(tmp_path / "a.h5") as file:
        if refused is None:
            assert hdf5.dataset(file, "x").shape == options["shape"]
            return
        with pytest.raises(UnsafeFileError, match=refused) as caught:
            hdf5.dataset(file, "x")
        one_line(caught.value)


def test_zeros_that_gzip_shrank_a_thousandfold_are_no_bomb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_check, "FREE_BYTES", 1 << 16)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (1 << 22,), "u1", chunks=(1 << 20,), compression=9)
        data[:] = 0
        sparse = file.create_dataset("y", (1 << 32,), "u1", chunks=(1 << 20,), compression=9)
        sparse[:10] = 1
    with hdf5.open_file(tmp_path / "a.h5") as file:
        data = hdf5.dataset(file, "x")
        assert data.nbytes / data.id.get_storage_size() > 900
        with pytest.raises(UnsafeFileError, match="declares 4294967296"):
            hdf5.dataset(file, "y")


def test_external_storage(tmp_path: Path, secret: Path) -> None:
    size = len(SECRET)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (size,), "u1", external=[(str(secret), 0, size)])
        file.create_dataset("short", (size + 1,), "u1", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        file.create_dataset("gone", (4,), "u1", external=[("not-there.bin", 0, 4)])
    with hdf5.open_file(tmp_path / "a.h5") as file:
        with pytest.raises(UnsafeFileError, match="external storage") as caught:
            hdf5.dataset(file, "x")
        assert "canary" not in one_line(caught.value)
        np.testing.assert_array_equal(hdf5.read(hdf5.dataset(file, "x", allow_external=True)), SECRET)
        for name, says in (("short", "too short"), ("gone", "is missing")):
            with pytest.raises(InputError, match=says):
                hdf5.dataset(file, name, allow_external=True)


def virtual(file: h5py.File, name: str, source: str, inside: str = "x", length: int = len(SECRET)) -> None:
    layout = h5py.VirtualLayout((length,), "u1")
    layout[:] = h5py.VirtualSource(source, inside, (length,))
    file.create_virtual_dataset(name, layout)


def endless(file: h5py.File, name: str, source: str) -> None:
    # The n-th row comes from the file of that number, without end.
    rows = h5py.h5s.create_simple((1, 4), (h5py.h5s.UNLIMITED, 4))
    rows.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED, 1), (1, 1), (1, 4))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(rows, source.encode(), b"x", h5py.h5s.create_simple((1, 4)))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.STD_U8LE, rows, plist)


def test_virtual_datasets(tmp_path: Path, secret: Path) -> None:
    other = str(secret.with_suffix(".h5"))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["own"] = SECRET
        file.create_dataset("raw", (len(SECRET),), "u1", external=[(str(secret), 0, len(SECRET))])
        file["link"] = h5py.ExternalLink(other, "/x")
        virtual(file, "inside", ".", "own")
        virtual(file, "around", ".", "raw")
        virtual(file, "linked", ".", "link")
        virtual(file, "outside", other)
        virtual(file, "missing", "not-there.h5")
        virtual(file, "lost", other, "y")
        virtual(file, "short", other, "x", len(SECRET) + 1)
        endless(file, "pattern", "part-%b.h5")
        virtual(file, "itself", ".", "itself")
    with hdf5.open_file(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(hdf5.read(hdf5.dataset(file, "inside")), SECRET)
        for name in ("around", "linked", "outside", "missing", "lost", "short"):
            with pytest.raises(UnsafeFileError) as caught:
                hdf5.dataset(file, name)
            one_line(caught.value)
        for name in ("around", "linked", "outside"):
            np.testing.assert_array_equal(hdf5.read(hdf5.dataset(file, name, allow_external=True)), SECRET)
        for name, says in [
            ("missing", "source file not-there.h5 is missing and would read as zeros"),
            ("lost", "no such object"),
            ("short", "too small and would read as zeros"),
            ("pattern", "pattern of names"),
            ("itself", "more than 4 deep"),
        ]:
            with pytest.raises(InputError, match=says) as caught:
                hdf5.dataset(file, name, allow_external=True)
            one_line(caught.value)


def test_sources_are_not_opened_to_ask_for_a_shape(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "source.h5", "w") as file:
        file.create_dataset("x", data=np.ones((3, 4), "u1"), maxshape=(None, 4))
    no_end = h5py.h5s.UNLIMITED
    rows = h5py.h5s.create_simple((1, 4), (no_end, 4))
    rows.select_hyperslab((0, 0), (1, 1), (1, 1), (no_end, 4))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(rows, str(tmp_path / "source.h5").encode(), b"x", rows)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        h5py.h5d.create(file.id, b"x", h5py.h5t.STD_U8LE, rows, plist)
    with hdf5.open_file(tmp_path / "a.h5") as file:
        # Only the source could tell that there are three rows.
        assert [(entry.shape, entry.dtype) for entry in hdf5.children(file)] == [(None, "virtual")]
        assert hdf5.datasets(file) == []
        with pytest.raises(UnsafeFileError, match="over other files"):
            hdf5.dataset(file, "x")
        np.testing.assert_array_equal(
            hdf5.read(hdf5.dataset(file, "x", allow_external=True)), np.ones((3, 4))
        )


# Filters


def with_filter(path: Path, number: int) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(100), chunks=(10,), compression="gzip")
    # The filter message: number 1, length of the name, flags, count of options, name.
    old = b"\x01\x00\x08\x00\x01\x00\x01\x00deflate\x00"
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, number.to_bytes(2, "little") + old[2:]))


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (32015, MissingExtraError, r"filter 32015 \(zstd\); pip install hdf5plugin"),
        (32001, MissingExtraError, r"filter 32001 \(blosc\); pip install hdf5plugin"),
        (305, InputError, r"filter 305 \(deflate\), which is not installed"),
    ],
)
def test_a_missing_filter_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type, says: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(filters, "is_available", lambda code: code <= 6)
    with_filter(tmp_path / "a.h5", number)
    with hdf5.open_file(tmp_path / "a.h5") as file, pytest.raises(kind, match=says) as caught:
        hdf5.dataset(file, "x")
    one_line(caught.value)


def test_no_library_is_looked_for_on_the_plugin_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HDF5_PLUGIN_PATH", raising=False)
    asked: list[int] = []

    def unknown(code: int) -> bool:
        asked.append(h5py.h5pl.size())
        return False

    monkeypatch.setattr(h5py.h5z, "filter_avail", unknown)
    before = [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())]
    assert before
    assert not filters.is_available(32000 + 500)
    assert asked == [0]
    assert [h5py.h5pl.get(index) for index in range(h5py.h5pl.size())] == before
    monkeypatch.setenv("HDF5_PLUGIN_PATH", str(tmp_path))
    filters.is_available(32000 + 500)
    assert asked[1:] == [len(before)]


READ_ZSTD = """
import sys
from dwconv_cli.storage import hdf5
with hdf5.open_file(sys.argv[1]) as file:
    assert "hdf5plugin" not in sys.modules
    data = hdf5.dataset(file, "x")
    assert "hdf5plugin" in sys.modules
    print(hdf5.read(data).tolist())
"""


def test_hdf5plugin_is_imported_when_a_filter_needs_it(tmp_path: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="the extra hdf5plugin is not installed")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(4), chunks=(2,), **hdf5plugin.Zstd())
    ran = run_python(READ_ZSTD, tmp_path / "a.h5")
    assert ran.out == b"[0, 1, 2, 3]\n"


# Damage under a checksum


@pytest.mark.parametrize(
    "filters", [{"compression": "gzip"}, {"fletcher32": True}, {"compression": "lzf", "fletcher32": True}]
)
def test_a_flipped_byte_is_an_error_naming_dataset_and_chunk(tmp_path: Path, filters: dict[str, Any]) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        noise = np.random.default_rng(1).normal(size=(1000, 4))
        data = file.create_dataset("imu/x", data=noise, chunks=(100, 4), **filters)
        chunk = data.id.get_chunk_info_by_coord((300, 0))
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        byte = raw.read(1)[0]
        raw.seek(-1, os.SEEK_CUR)
        raw.write(bytes([byte ^ 0x10]))
    failures: list[BaseException] = []

    def read_all() -> None:
        with hdf5.open_file(path) as file:
            data = hdf5.dataset(file, "imu/x")
            np.testing.assert_array_equal(hdf5.read(data, (slice(0, 300),)), noise[:300])
            for out in (None, np.empty((600, 4))):
                with pytest.raises(InputError, match=r"imu/x: the chunk at \(300, 0\) is corrupt") as caught:
                    hdf5.read(data, (slice(250, 850),), out)
                failures.append(caught.value)

    read_all()
    thread = threading.Thread(target=read_all)
    thread.start()
    thread.join()
    assert len(failures) == 4
    for error in failures:
        one_line(error)


def test_one_heap_object_named_many_times_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        text = "a" * (1 << 20)
        file.attrs.create("once", text)
        file.create_dataset("x", data=np.zeros(2))
        file.attrs.create("many", [""] * 4000, dtype=h5py.string_dtype())
    with hdf5.open_file(path) as file:
        assert len(hdf5.attributes(file)["once"]) == 1 << 20
        assert "many" not in hdf5.attributes(file)
        with pytest.raises(UnsafeFileError, match="4000 elements of varying length"):
            hdf5.attribute(file, "many")
        assert hdf5.attribute(file, "none") is None


READ_ATTRIBUTES = """
import sys
from dwconv_cli.storage import hdf5
from dwconv_cli.errors import InputError
with hdf5.open_file(sys.argv[1]) as file:
    try:
        print(hdf5.attributes(file))
    except InputError as error:
        print("refused:", error)
"""


@pytest.mark.parametrize(
    ("index", "length"),
    [(0, 0), (0, 8), (5, 2**64 - 9), (5, 1 << 40)],
    ids=["no progress", "less than a header", "wraps around", "past the end"],
)
def test_a_heap_that_would_be_read_without_end_is_refused(tmp_path: Path, index: int, length: int) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["unit"] = "m/s"
    content = bytearray(path.read_bytes())
    first = content.index(b"GCOL\x01") + 16
    # The object after the first, which is three bytes of text padded to eight.
    struct.pack_into("<HHIQ", content, first + 24, index, 0, 0, length)
    path.write_bytes(content)
    # In a process of its own: HDF5 would not even let go for a signal.
    ran = run_python(READ_ATTRIBUTES, path, timeout=20)
    assert ran.out.decode().startswith(f"refused: {path}: its text is damaged"), ran.err


def test_chunks_that_claim_more_than_the_file_has(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", data=np.zeros(500), chunks=(500,), compression="gzip")
        size = data.id.get_chunk_info(0).size
    # The chunk's entry in the B-tree: bytes, filters left out, place.
    old, new = struct.pack("<IIQ", size, 0, 0), struct.pack("<IIQ", 1 << 30, 0, 0)
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with hdf5.open_file(path) as file, pytest.raises(InputError, match="claims 1073741824 bytes of storage"):
        hdf5.dataset(file, "x")


def test_every_error_is_one_of_ours(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(3)
    file = hdf5.open_file(tmp_path / "a.h5")
    data = hdf5.dataset(file, "x")
    with pytest.raises(DwconvError):
        hdf5.dataset(file, "x\0y")
    assert data.shape == (3,)
    file.close()
