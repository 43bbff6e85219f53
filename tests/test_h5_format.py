"""HDF5 recordings: what an output takes over from its input, how it is stored, and what stays as it was."""

from __future__ import annotations

import io
import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import run, run_process, run_python, save
from recordings import X, Y, added, write_damaged

from dwconv_cli.storage.hdf5.output_file import OutputFile

Array = np.ndarray[Any, Any]


def recording(
    data: Any = X, name: str = "a.h5", attributes: dict[str, Any] | None = None, **options: Any
) -> None:
    """Write a file of one dataset into the working directory."""
    with h5py.File(name, "w") as file:
        dataset = file.create_dataset("imu/acc", data=data, **options)
        dataset.attrs.update(attributes or {})


def stored(path: str, name: str = "/imu/acc") -> dict[str, Any]:
    """The values of a dataset, and how it is stored."""
    with h5py.File(path) as file:
        dataset = file[name]
        keys = ("chunks", "compression", "compression_opts", "shuffle", "fletcher32")
        return {"values": dataset[...], **{key: getattr(dataset, key) for key in keys}}


def own(attributes: Any) -> set[str]:
    """Names of attributes, without those that tell how an output was made."""
    return {name for name in attributes if not name.startswith("dwconv_")}


# What is read


@pytest.mark.parametrize(
    "dtype", ["<i2", ">i2", "<i4", ">u4", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c16", "?", "u1"]
)
@pytest.mark.parametrize(
    "options", [{}, {"chunks": (7, 2), "compression": "gzip"}], ids=["contiguous", "chunked"]
)
def test_every_number(place: Path, dtype: str, options: dict[str, Any]) -> None:
    values = (X % 2 == 0) if dtype == "?" else (X % 100).astype(dtype)
    recording(values, **options)
    save(place / "a.npy", values.astype(values.dtype.newbyteorder("=")))
    ran = run("apply a.h5 -q -k k.npy -o -").done()
    np.testing.assert_array_equal(ran.array, values[1:].astype("c16") + values[:-1])
    assert ran.out == run("apply a.npy -q -k k.npy -o -").done().out


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".mat", ".H5"])
def test_suffixes(place: Path, suffix: str) -> None:
    recording(name=f"a{suffix}")
    run(f"apply a{suffix} -q -k k.npy -o out{suffix}").done()
    np.testing.assert_array_equal(stored(f"out{suffix}")["values"], Y)


@pytest.mark.parametrize("chunks", [(1, 1), (3, 2), (20, 1), (1, 3), (20, 3), (19, 3)])
@pytest.mark.parametrize("steps", ["0:", "3:17", "-5:"])
def test_any_chunks_give_the_same_bits(place: Path, chunks: tuple[int, int], steps: str) -> None:
    recording(chunks=chunks)
    options = f"-q -k k.npy --padding same --slice {steps} -o -"
    assert run(f"apply a.h5 {options}").done().out == run(f"apply x.npy {options}").done().out


@pytest.mark.parametrize("data", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)])
def test_what_is_no_hdf5(place: Path, data: bytes) -> None:
    (place / "a.h5").write_bytes(data)
    run("apply a.h5 -q -k k.npy -o o.h5").failed(3, "a.h5")
    assert added(place) == ["a.h5"]


# What is carried over


def test_attributes_are_carried_over(place: Path) -> None:
    attributes = {
        "units": ["g", "g", "g"],
        "subject": "s01",
        "bytes": np.bytes_(b"raw"),
        "offset": np.float32(2.5),
        "matrix": np.eye(3),
        "count": 7,
        "big": np.array([1, 2], ">i4"),
        "flag": True,
        "é": "ü",
        "empty": h5py.Empty("f4"),
        "sampling_rate": 50.0,
    }
    recording(attributes=attributes)
    run("apply a.h5 -q -k k.npy -o o.h5").done()
    with h5py.File(place / "a.h5") as old, h5py.File(place / "o.h5") as new:
        before, after = old["/imu/acc"].attrs, new["/imu/acc"].attrs
        assert own(after) == set(before)
        for key in set(attributes) - {"empty"}:
            np.testing.assert_array_equal(after[key], before[key])
            assert np.asarray(after[key]).dtype == np.asarray(before[key]).dtype or key == "big"
        assert isinstance(after["empty"], h5py.Empty)


@pytest.mark.parametrize(
    "name, value, after",
    [
        ("sampling_rate", 50.0, 25.0),
        ("sampling_rate", 50, 25),
        ("Sampling-Rate", np.float32(50), 25.0),
        ("sampling_rate_hz", 50.0, 25.0),
        ("fs", 25, 12.5),
        ("dt", 0.02, 0.04),
        ("SamplingInterval", 0.02, 0.04),
        ("sampling_rate_unit", "Hz", "Hz"),
        ("sampling_rate", "50", "50"),
        ("rating", 50.0, 50.0),
        ("count", 50, 50),
    ],
)
def test_strides_change_the_sampling_rate(place: Path, name: str, value: Any, after: Any) -> None:
    recording(attributes={name: value})
    run("apply a.h5 -q -k k.npy --strides 2 -o o.h5").done()
    run("apply a.h5 -q -k k.npy -o same.h5").done()
    with h5py.File(place / "o.h5") as file, h5py.File(place / "same.h5") as same:
        assert file["/imu/acc"].attrs[name] == after
        assert same["/imu/acc"].attrs[name] == value


def test_attributes_that_are_too_large_are_named(place: Path) -> None:
    with h5py.File(place / "a.h5", "w", libver="latest") as file:
        file["run/x"] = np.ones((20, 3), "f4")
        file["run/x"].attrs["fs"] = 50
        file["run/x"].attrs["spectrum"] = np.zeros(40 << 20, "u1")
        file["run"].attrs["raw"] = np.zeros(33 << 20, "u1")
    ran = run("apply a.h5::/run/x --json -k k.npy -o b.h5").noted("/run/x@spectrum, /run@raw", "32 MiB")
    assert ran.err.count("note") == 1
    with h5py.File(place / "b.h5") as file:
        assert file["run/x"].attrs["fs"] == 50
        assert "spectrum" not in file["run/x"].attrs
        assert "raw" not in file["run"].attrs
    run("apply a.h5::/run/x --json -k k.npy -o b.npy").done()


def test_no_attributes_where_the_input_has_none(place: Path) -> None:
    run("apply x.npy -q -k k.npy -o o.h5").done()
    with h5py.File(place / "o.h5") as file:
        assert not own(file["/x"].attrs)
        assert file["/x"].chunks is None


def test_an_attribute_too_large_for_an_object_header(place: Path) -> None:
    large = np.arange(20_000.0)
    with h5py.File(place / "a.h5", "w", libver="latest") as file:
        file["acc"] = X
        file["acc"].attrs["calibration"] = large
    run("apply a.h5 -q -k k.npy -o o.h5").done()
    with h5py.File(place / "o.h5") as file:
        np.testing.assert_array_equal(file["acc"].attrs["calibration"], large)


# How it is stored

CHUNKED = {
    "chunks": (5, 3),
    "compression": "gzip",
    "compression_opts": 7,
    "shuffle": True,
    "fletcher32": True,
}


@pytest.mark.parametrize(
    "written, options, expected",
    [
        ({}, "", {"compression": None, "chunks": None}),
        ({}, "--compression gzip", {"compression": "gzip", "compression_opts": 4, "shuffle": False}),
        ({}, "--compression gzip:9", {"compression": "gzip", "compression_opts": 9}),
        ({}, "--compression gzip:0", {"compression": "gzip", "compression_opts": 0}),
        ({}, "--compression lzf --shuffle", {"compression": "lzf", "shuffle": True}),
        ({}, "--fletcher32", {"compression": None, "fletcher32": True}),
        ({}, "--chunks 4,2", {"compression": None, "chunks": (4, 2)}),
        ({}, "--chunks 1000,1000", {"chunks": (19, 3)}),
        (
            {},
            "--chunks 4,2 --compression gzip:1 --shuffle --fletcher32",
            {
                "chunks": (4, 2),
                "compression": "gzip",
                "compression_opts": 1,
                "shuffle": True,
                "fletcher32": True,
            },
        ),
        (CHUNKED, "", {"compression": "gzip", "compression_opts": 7, "shuffle": True, "fletcher32": True}),
        (CHUNKED, "--compression none", {"compression": None, "shuffle": False, "fletcher32": False}),
        (CHUNKED, "--compression gzip:2", {"compression": "gzip", "compression_opts": 2}),
        (CHUNKED, "--compression lzf", {"compression": "lzf"}),
        (CHUNKED, "--chunks 3,3", {"chunks": (3, 3), "compression": "gzip", "compression_opts": 7}),
        ({"chunks": (5, 3), "compression": "lzf"}, "", {"compression": "lzf"}),
        ({"chunks": (5, 3)}, "", {"compression": None}),
    ],
    ids=str,
)
def test_storage(place: Path, written: dict[str, Any], options: str, expected: dict[str, Any]) -> None:
    recording(**written)
    run(f"apply a.h5 -q -k k.npy -o o.h5 {options}").done()
    dataset = stored("o.h5")
    np.testing.assert_array_equal(dataset["values"], Y)
    assert {key: dataset[key] for key in expected} == expected


@pytest.mark.parametrize(
    "shape, layout",
    [((20,), "last"), ((20, 3), "last"), ((20, 3), "first"), ((4, 20, 3), "last"), ((4, 3, 20), "first")],
)
def test_ranks_and_layouts_chunked(place: Path, shape: tuple[int, ...], layout: str) -> None:
    data = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    recording(data, chunks=True, compression="gzip")
    save(place / "one.npy", np.ones(1, "f4"))
    run(f"apply a.h5 -q -k one.npy --data-format channels_{layout} -o o.h5").done()
    dataset = stored("o.h5")
    np.testing.assert_array_equal(dataset["values"], data)
    assert dataset["compression"] == "gzip"


@pytest.mark.parametrize("chunks", ["0,3", "-1,3", "5", "5,3,1"])
def test_chunks_that_cannot_be(place: Path, chunks: str) -> None:
    run(f"apply x.npy -q -k k.npy -o o.h5 --chunks {chunks}").failed(2, "--chunks")
    assert added(place) == []


@pytest.mark.parametrize(
    "option, value",
    [("chunks", "a"), ("compression", "zip"), ("compression", "gzip:10"), ("compression", "lzf:1"), ("compression", "gzip:")],
)  # fmt: skip
def test_storage_options_that_are_misspelt(place: Path, option: str, value: str) -> None:
    run(f"apply x.npy -q -k k.npy -o o.h5 --{option} {value}").failed(2, f"--{option}")


@pytest.mark.parametrize("option", ["--chunks 5,3", "--compression gzip", "--shuffle", "--fletcher32"])
@pytest.mark.parametrize("output", ["o.npy", "o.npz", "-"])
def test_storage_is_for_hdf5_alone(place: Path, option: str, output: str) -> None:
    run(f"apply x.npy -q -k k.npy -o {output} {option}").failed(2, "HDF5")


def test_empty_batches_take_any_storage(place: Path) -> None:
    save(place / "a.npy", np.zeros((0, 20, 3), "f4"))
    run("apply a.npy -q -k k.npy -o o.h5 --compression gzip --chunks 1,5,3").done()
    assert stored("o.h5", "/a")["values"].shape == (0, 19, 3)


def test_equal_content_makes_equal_files(place: Path) -> None:
    recording(attributes={"units": "g"}, **CHUNKED)
    outputs = []
    for _ in range(2):
        run("apply a.h5 -q -k k.npy -o o.h5").done()
        outputs.append((place / "o.h5").read_bytes())
        (place / "o.h5").unlink()
    assert outputs[0] == outputs[1]


# What stays as it was


def everything(path: Path) -> dict[str, Any]:
    """Groups and datasets with their values and attributes."""
    items: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        value = item[()] if isinstance(item, h5py.Dataset) else "group"
        plain = value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else str(value)
        items[name] = (plain, sorted((key, str(item.attrs[key])) for key in own(item.attrs)))

    with h5py.File(path) as file:
        file.visititems(visit)
        items["/"] = sorted((key, str(file.attrs[key])) for key in file.attrs)
    return items


@pytest.fixture
def shelf(place: Path) -> Path:
    """A file with a bit of everything."""
    path = place / "shelf.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["imu/acc"] = X
        file["imu/note"] = "text"
        file["scalar"] = 3.0
        file["pair"] = np.zeros(2, [("a", "f4"), ("b", "f4")])
        file["link"] = h5py.SoftLink("/imu/acc")
        file["words"] = ["a", "b"]
        file["z"] = file["imu/acc"]
        file.attrs["title"] = "shelf"
        file["imu"].attrs["made"] = "by hand"
        file.create_dataset("packed", data=X, chunks=(5, 3), compression="gzip")
    with path.open("r+b") as raw:
        raw.write(b"a user block")
    return path


@pytest.mark.parametrize("name", ["new", "/imu/new", "/a/b/c", "/imu/näme"])
def test_a_dataset_is_added_and_the_rest_stays(place: Path, shelf: Path, name: str) -> None:
    before = everything(shelf)
    run(f"apply x.npy -q -k k.npy -o shelf.h5::{name}").done()
    after = everything(shelf)
    assert after.pop(name.strip("/")) == (Y.tobytes(), [])
    for parent in ("a", "a/b"):
        after.pop(parent, None)
    assert after == before
    assert shelf.read_bytes().startswith(b"a user block")


def test_only_a_dataset_that_was_named_is_replaced(place: Path, shelf: Path) -> None:
    before, raw = everything(shelf), shelf.read_bytes()
    run("apply x.npy -q -k k.npy -o shelf.h5::/packed").failed(4, "shelf.h5::/packed", "--overwrite")
    assert shelf.read_bytes() == raw
    run("apply x.npy -q -k k.npy -o shelf.h5::/packed --overwrite").done()
    assert everything(shelf) == {**before, "packed": (Y.tobytes(), [])}


@pytest.mark.parametrize("name", ["/scalar", "/pair", "/words", "/imu/note"])
def test_datasets_that_are_no_recordings_count_as_existing_too(place: Path, shelf: Path, name: str) -> None:
    raw = shelf.read_bytes()
    run(f"apply x.npy -q -k k.npy -o shelf.h5::{name}").failed(4, "--overwrite")
    assert shelf.read_bytes() == raw


@pytest.mark.parametrize("name", ["/imu", "/link", "/", "/scalar/x", "/link/x", "."])
@pytest.mark.parametrize("more", ["", "--overwrite"], ids=str)
def test_groups_and_links_are_never_replaced(place: Path, shelf: Path, name: str, more: str) -> None:
    raw = shelf.read_bytes()
    run(f"apply x.npy -q -k k.npy -o shelf.h5::{name} {more}").failed(4, "shelf.h5")
    assert shelf.read_bytes() == raw
    assert added(place) == ["shelf.h5"]


def test_a_file_named_without_a_dataset_is_replaced_whole(place: Path, shelf: Path) -> None:
    run("apply x.npy -q -k k.npy -o shelf.h5").failed(4, "--overwrite")
    run("apply x.npy -q -k k.npy -o shelf.h5 --overwrite").done()
    assert everything(shelf) == {"x": (Y.tobytes(), []), "/": []}


def test_what_should_be_added_to_but_is_no_hdf5_stays(place: Path) -> None:
    (place / "notes.h5").write_bytes(b"my notes")
    run("apply x.npy -q -k k.npy -o notes.h5::/x --overwrite").failed(4, "notes.h5")
    assert (place / "notes.h5").read_bytes() == b"my notes"


def test_from_one_dataset_to_another_of_the_same_file(place: Path, shelf: Path) -> None:
    before = everything(shelf)
    run("apply shelf.h5::/imu/acc -q -k k.npy -o shelf.h5::/smooth").done()
    assert everything(shelf) == {**before, "smooth": (Y.tobytes(), [])}


def test_a_dataset_that_fails_leaves_no_trace_among_the_others(place: Path) -> None:
    write_damaged(place / "in.h5")
    ran = run("apply in.h5::* -q -k k.npy --keep-going -o out.h5").failed(1, "in.h5::/b")
    assert "chunk" in ran.err
    assert sorted(everything(place / "out.h5")) == ["/", "a", "c"]


def test_a_dataset_that_fails_does_not_take_what_it_should_have_replaced(place: Path, shelf: Path) -> None:
    write_damaged(place / "in.h5")
    before = everything(shelf)
    with h5py.File(shelf, "r+") as file:
        file["b"] = X
    run("apply in.h5::* -q -k k.npy --keep-going --overwrite -o shelf.h5::{dataset}").failed(1)
    after = everything(shelf)
    assert {name: after[name][0] for name in "abc"} == {"a": Y.tobytes(), "b": X.tobytes(), "c": Y.tobytes()}
    assert set(after) == {*before, *"abc"}


def test_fail_fast_leaves_the_file_as_it_was(place: Path, shelf: Path) -> None:
    write_damaged(place / "in.h5")
    raw = shelf.read_bytes()
    ran = run("apply in.h5::* -k k.npy --json -o shelf.h5::{dataset}").failed(3, "/b")
    assert [report["status"] for report in ran.reports] == ["failed", "failed"]
    assert shelf.read_bytes() == raw
    assert added(place) == ["in.h5", "shelf.h5"]


# The disk's errors

FAIL_AT = """
import errno, os, sys
from dwconv_cli.storage.hdf5 import output_file
from dwconv_cli.cli import main
count, number = int(sys.argv[1]), int(sys.argv[2])
real = os.pwrite
def pwrite(fd, data, offset):
    global count
    count -= 1
    if count == 0 and number:
        os.kill(os.getpid(), number)
    if count < 0 and not number:
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(fd, data, offset)
output_file.os.pwrite = pwrite
main(sys.argv[3:])
"""
LZF, GZIP = "--compression lzf --chunks 5000,3", "--compression gzip:1 --chunks 5000,3"


@pytest.mark.parametrize(
    "number, count, storage, code",
    [
        (0, 1, LZF, 4),
        (0, 20, LZF, 4),
        (0, 20, GZIP, 4),
        (0, 3, "", 4),
        (signal.SIGINT, 1, LZF, 130),
        (signal.SIGINT, 3, "", 130),
        (signal.SIGTERM, 20, LZF, 143),
    ],
)
def test_an_error_at_the_kth_write_leaves_nothing_and_kills_nobody(
    place: Path, number: int, count: int, storage: str, code: int
) -> None:
    save(place / "long.npy", np.random.default_rng(0).random((300_000, 3), "f4"))
    line = f"apply long.npy -q -k k.npy -o o.h5 {storage}"
    ran = run_python(FAIL_AT, count, int(number), *line.split())
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == (code == 4), ran.err
    assert added(place) == ["long.npy"]


def test_the_trap_keeps_errors_to_itself_and_reads_holes_as_zeros(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+b") as file, open("/dev/full", "r+b", buffering=0) as full:
        trap = OutputFile(file.fileno(), "x")
        assert trap.write(b"abc") == 3
        trap.seek(1)
        buffer = bytearray(b"....")
        assert trap.readinto(buffer) == 4
        assert buffer == b"bc\0\0"
        assert trap.seek(0, io.SEEK_END) == 3
        assert trap.error is None
        stuck = OutputFile(full.fileno(), "full")
        assert stuck.write(b"abc") == 3
        assert isinstance(stuck.error, OSError)


def test_devices_and_pipes_are_refused(place: Path) -> None:
    for device in ("/dev/null", "/dev/full"):
        run(f"apply x.npy -q -k k.npy -o {device} --output-format hdf5").failed(4, device)
    ran = run_process("apply x.npy -q -k k.npy -o /dev/stdout --output-format hdf5")
    ran.failed(4, "/dev/stdout")
    run("apply x.npy -q -k k.npy -o - --output-format hdf5").failed(4, "standard output")
    run("apply - -q -k k.npy -o o.npy --input-format hdf5", stdin=b"x").failed(2, "leave out --input-format")
