"""``.npz``: members read to their end, written whole, and carried over untouched."""

from __future__ import annotations

import io
import os
import struct
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_cli import npy_bytes, run
from recordings import X, Y, added, write_damaged

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.formats.npz import members, open_zip
from dwconv_cli.storage.zips import open_member

Array = np.ndarray[Any, Any]


def archive(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("order", "CF")
def test_members_of_every_compression(place: Path, method: int, order: Any) -> None:
    archive(place / "a.npz", {"acc.npy": npy_bytes(np.asarray(X, order=order))}, method)
    for address in ("a.npz", "a.npz::acc", "a.npz::a*"):
        np.testing.assert_array_equal(run(f"apply {address} -q -k k.npy -o -").done().array, Y)
    part = run("apply a.npz -q -k k.npy --slice 5:9 -o -").done().array
    np.testing.assert_array_equal(part, Y[5:8])


def test_names_and_order(tmp_path: Path) -> None:
    entries = {
        "b.npy": npy_bytes(X),
        "a/c.npy": npy_bytes(X),
        "readme.txt": b"x",
        "ü.npy": npy_bytes(X),
        "d/": b"",
    }
    assert [member.name for member in members(str(archive(tmp_path / "a.npz", entries)))] == ["b", "a/c", "ü"]


def test_a_missing_member_lists_what_is_there(place: Path) -> None:
    np.savez(place / "a.npz", acc=X, gyro=X)
    run("apply a.npz::mag -q -k k.npy -o -").failed(3, "mag", "acc, gyro")


def test_names_that_would_paint_the_terminal_are_escaped(place: Path) -> None:
    archive(place / "a.npz", {"\x1b[31mred\x07.npy": npy_bytes(X), "b.npy": npy_bytes(X)})
    run("apply a.npz -q -k k.npy -o -").failed(3, "\\x1b[31mred\\x07")


# Damage


def patched(path: Path, at: int, value: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


def test_a_flipped_byte_is_found_even_outside_the_slice(place: Path) -> None:
    big = np.arange(600_000, dtype="f4").reshape(-1, 3)
    np.savez(place / "a.npz", acc=big)
    data = (place / "a.npz").read_bytes()
    at = data.index(big[-1].tobytes())
    patched(place / "a.npz", at, b"\xff")
    for part in ("0:", "0:10"):
        run(f"apply a.npz -q -k k.npy --slice {part} -o out.npy").failed(3, "a.npz::acc", "CRC")
    assert added(place) == ["a.npz"]


def test_cut_at_many_places(place: Path) -> None:
    np.savez_compressed(place / "whole.npz", acc=X)
    data = (place / "whole.npz").read_bytes()
    for end in range(0, len(data), 7):
        (place / "a.npz").write_bytes(data[:end])
        run("apply a.npz -q -k k.npy -o out.npy").failed(3, "a.npz")
    assert added(place) == ["a.npz", "whole.npz"]


def test_a_byte_flipped_anywhere_is_an_error_or_harmless(place: Path) -> None:
    np.savez(place / "whole.npz", acc=X)
    data = (place / "whole.npz").read_bytes()
    for at in range(0, len(data), 7):
        (place / "a.npz").write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        ran = run("apply a.npz -q -k k.npy -o -")
        if ran.code:
            ran.failed(3)
        else:
            np.testing.assert_array_equal(ran.array, Y)


def test_duplicates_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("a.npy", npy_bytes(X))
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", npy_bytes(X + 1))
    with pytest.raises(UnsafeFileError, match="duplicate"):
        open_zip(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("more", [b"\0", b"x" * 1000])
def test_a_member_longer_than_its_header_says(place: Path, more: bytes) -> None:
    archive(place / "a.npz", {"a.npy": npy_bytes(X) + more})
    run("apply a.npz -q -k k.npy -o -").failed(3, "a.npz::a", "bytes")


def test_a_bomb_is_refused_by_its_header(place: Path) -> None:
    small = npy_bytes(X)[:-8]
    path = archive(place / "a.npz", {"a.npy": small + bytes(50 << 20)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    run("apply a.npz -q -k k.npy -o -").failed(3, "a.npz::a")


@pytest.mark.parametrize("field, value", [(6, 1), (8, 99), (8, 9)])
def test_encrypted_and_unknown_methods(place: Path, field: int, value: int) -> None:
    path = archive(place / "a.npz", {"a.npy": npy_bytes(X)})
    data = path.read_bytes()
    directory = data.rindex(b"PK\x01\x02")
    patched(path, field, struct.pack("<H", value))
    patched(path, directory + field + 2, struct.pack("<H", value))
    run("apply a.npz -q -k k.npy -o -").failed(3, "a.npz::a")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"text" * 100, npy_bytes(X)])
def test_what_is_no_zip(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match="zip"):
        members(str(tmp_path / "a.npz"))


def test_a_zip_called_npy_is_told_apart(place: Path) -> None:
    archive(place / "a.npy", {"a.npy": npy_bytes(X)})
    run("apply a.npy -q -k k.npy -o -").failed(3, ".npz")


# Writing


def test_outputs_are_what_numpy_reads(place: Path) -> None:
    np.savez(place / "a.npz", acc=X, gyro=2 * X)
    run("apply a.npz::* -q -k k.npy -o out.npz").done()
    with np.load("out.npz") as file:
        assert sorted(file) == ["acc", "gyro"]
        np.testing.assert_array_equal(file["acc"], Y)
        np.testing.assert_array_equal(file["gyro"], 2 * Y)


def test_equal_content_makes_equal_files(place: Path) -> None:
    np.savez(place / "a.npz", acc=X)
    for name in ("b.npz", "c.npz"):
        run(f"apply a.npz -q -k k.npy -o {name}").done()
    assert (place / "b.npz").read_bytes() == (place / "c.npz").read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_added_and_the_rest_stays(place: Path, method: int) -> None:
    before = {"a.npy": npy_bytes(X), "note.txt": b"by hand", "z.npy": npy_bytes(np.array(["text"]))}
    path = archive(place / "a.npz", before, method)
    run("apply x.npy -q -k k.npy -o a.npz::new").done()
    assert contents(path) == {**before, "new.npy": npy_bytes(Y)}
    with zipfile.ZipFile(path) as file:
        assert file.getinfo("note.txt").compress_type == method
    run("apply x.npy -q -k k.npy -o a.npz::a").failed(4, "a.npz::a", "--overwrite")
    assert contents(path) == {**before, "new.npy": npy_bytes(Y)}
    run("apply x.npy -q -k k.npy -o a.npz::a --overwrite").done()
    assert contents(path) == {**before, "new.npy": npy_bytes(Y), "a.npy": npy_bytes(Y)}


def test_a_file_named_without_a_member_is_replaced_whole(place: Path) -> None:
    path = archive(place / "a.npz", {"a.npy": npy_bytes(X), "b.npy": npy_bytes(X)})
    run("apply x.npy -q -k k.npy -o a.npz").failed(4, "--overwrite")
    run("apply x.npy -q -k k.npy -o a.npz --overwrite").done()
    assert contents(path) == {"x.npy": npy_bytes(Y)}


def test_from_one_member_to_another_of_the_same_file(place: Path) -> None:
    np.savez(place / "a.npz", a=X)
    run("apply a.npz::a -q -k k.npy -o a.npz::b").done()
    with np.load(place / "a.npz") as file:
        np.testing.assert_array_equal(file["b"], Y)
    run("apply a.npz::a -q -k k.npy -o a.npz::a --overwrite").failed(4, "same")


def test_a_member_that_fails_leaves_no_trace_among_the_others(place: Path) -> None:
    write_damaged(place / "in.h5")
    ran = run("apply in.h5::* -k k.npy --keep-going --json -o out.npz")
    assert (ran.code, [report["status"] for report in ran.reports]) == (1, ["ok", "failed", "ok"])
    assert contents(place / "out.npz") == {"a.npy": npy_bytes(Y), "c.npy": npy_bytes(Y)}


def test_a_member_that_fails_does_not_take_what_it_should_have_replaced(place: Path) -> None:
    write_damaged(place / "in.h5")
    old = npy_bytes(np.arange(5.0))
    out = archive(place / "out.npz", {"b.npy": old, "z.npy": old})
    run("apply in.h5::* -q -k k.npy --keep-going --overwrite -o out.npz::{dataset}").failed(1)
    assert contents(out) == {"a.npy": npy_bytes(Y), "b.npy": old, "c.npy": npy_bytes(Y), "z.npy": old}


def test_fail_fast_leaves_the_file_as_it_was_and_says_so_of_every_member(place: Path) -> None:
    write_damaged(place / "in.h5")
    out = archive(place / "out.npz", {"z.npy": npy_bytes(X)})
    before = out.read_bytes()
    ran = run("apply in.h5::* -k k.npy --json -o out.npz::{dataset}").failed(3, "/b")
    assert [report["status"] for report in ran.reports] == ["failed", "failed"]
    assert "not written" in ran.reports[0]["error"]["message"]
    assert out.read_bytes() == before


def test_a_damaged_file_is_not_added_to(place: Path) -> None:
    path = archive(place / "a.npz", {"a.npy": npy_bytes(X)})
    patched(path, path.read_bytes().index(X[10:].tobytes()), b"\xff")
    before = path.read_bytes()
    run("apply x.npy -q -k k.npy -o a.npz::new").failed(4, "a.npy", "carried over")
    assert path.read_bytes() == before
    assert added(place) == ["a.npz"]


def test_standard_output_takes_no_npz(place: Path) -> None:
    run("apply x.npy -q -k k.npy -o - --output-format npz").failed(4, "standard output", ".npy")


def test_an_npz_streams_into_a_pipe(place: Path) -> None:
    fifo = place / "fifo"
    os.mkfifo(fifo)
    streams: list[bytes] = []
    reader = threading.Thread(target=lambda: streams.append(fifo.read_bytes()))
    reader.start()
    ran = run("apply x.npy -q -k k.npy -o fifo --output-format npz")
    reader.join(10)
    ran.done()
    with np.load(io.BytesIO(streams[0])) as file:
        np.testing.assert_array_equal(file["x"], Y)


@pytest.mark.parametrize(("method", "mebibytes"), [(zipfile.ZIP_BZIP2, 64), (zipfile.ZIP_LZMA, 32)])
def test_holes_are_expanded_piece_by_piece(tmp_path: Path, method: int, mebibytes: int) -> None:
    # Zeros under bzip2 or LZMA take next to nothing in the file, and all of the memory if expanded at once.
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", method) as file,
        file.open("x.npy", "w", force_zip64=True) as target,
    ):
        for _ in range(mebibytes):
            target.write(bytes(1 << 20))
    tracemalloc.start()
    with open_zip(str(tmp_path / "a.npz")) as file, open_member(file, file.getinfo("x.npy")) as member:
        size = sum(map(len, iter(lambda: member.read(1 << 16), b"")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == mebibytes << 20
    assert peak < 24 << 20


@pytest.mark.parametrize("size", [1 << 30, 1 << 40])
def test_a_directory_of_holes_is_not_read(place: Path, size: int) -> None:
    path = archive(place / "a.npz", {"x.npy": npy_bytes(X)})
    data = path.read_bytes()
    start = data.index(b"PK\1\2")
    with open(path, "wb") as file:
        file.write(data[:start])
        file.truncate(start + size)
        file.seek(start + size)
        # The long form of the end, of which the short one says that it is there (APPNOTE 4.3.14 to 4.3.16).
        file.write(b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, size, start))
        file.write(b"PK\6\7" + struct.pack("<IQI", 0, start + size, 1))
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    run("apply a.npz -k k.npy -o -").failed(3, "a directory of")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_member_that_claims_more_than_it_can_hold(place: Path, method: int) -> None:
    path = archive(place / "a.npz", {"x.npy": npy_bytes(X)}, method)
    patched(path, path.read_bytes().index(b"PK\1\2") + 24, struct.pack("<I", 0xF0000000))
    run("apply a.npz -k k.npy -o -").failed(3, "a.npz::x")
