"""HDF5 recordings: what an output takes over from its input, how it is stored, and what stays as it was."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import environment, names, npy_bytes, run, run_process, save

from dwconv_cli.storage.hdf5.output_file import OutputFile

Array = np.ndarray[Any, Any]
X = np.arange(60, dtype="f4").reshape(20, 3)
Y = X[1:] + X[:-1]


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    return save(tmp_path / "k.npy", np.ones(2, "f4"))


def recording(path: Path, data: Any = X, attributes: dict[str, Any] | None = None, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("imu/acc", data=data, **options)
        dataset.attrs.update(attributes or {})
    return path


def stored(path: Path, name: str = "/imu/acc") -> dict[str, Any]:
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
def test_every_number(tmp_path: Path, kernel: Path, dtype: str, options: dict[str, Any]) -> None:
    values = (X % 2 == 0) if dtype == "?" else (X % 100).astype(dtype)
    path = recording(tmp_path / "a.h5", values, **options)
    found = run("apply", path, "-q", "-k", kernel, "-o", "-").done().array
    same = run(
        "apply",
        save(tmp_path / "a.npy", values.astype(values.dtype.newbyteorder("="))),
        "-q",
        "-k",
        kernel,
        "-o",
        "-",
    )
    np.testing.assert_array_equal(found, values[1:].astype("c16") + values[:-1])
    assert npy_bytes(found) == same.done().out


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".mat", ".H5"])
def test_suffixes(tmp_path: Path, kernel: Path, suffix: str) -> None:
    path = recording(tmp_path / f"a{suffix}")
    out = tmp_path / f"out{suffix}"
    run("apply", path, "-q", "-k", kernel, "-o", out).done()
    np.testing.assert_array_equal(stored(out)["values"], Y)


@pytest.mark.parametrize("chunks", [(1, 1), (3, 2), (20, 1), (1, 3), (20, 3), (19, 3)])
@pytest.mark.parametrize("steps", ["0:", "3:17", "-5:"])
def test_any_chunks_give_the_same_bits(
    tmp_path: Path, kernel: Path, chunks: tuple[int, int], steps: str
) -> None:
    path = recording(tmp_path / "a.h5", chunks=chunks)
    rec = save(tmp_path / "a.npy", X)
    common = ("-q", "-k", kernel, "--padding", "same", "--slice", steps, "-o", "-")
    assert run("apply", path, *common).done().out == run("apply", rec, *common).done().out


@pytest.mark.parametrize("data", [b"", b"text", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(5000)])
def test_what_is_no_hdf5(tmp_path: Path, kernel: Path, data: bytes) -> None:
    (tmp_path / "a.h5").write_bytes(data)
    run("apply", tmp_path / "a.h5", "-q", "-k", kernel, "-o", tmp_path / "o.h5").failed(3, "a.h5")
    assert names(tmp_path) == ["a.h5", "k.npy"]


# What is carried over


def test_attributes_are_carried_over(tmp_path: Path, kernel: Path) -> None:
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
    path = recording(tmp_path / "a.h5", attributes=attributes)
    run("apply", path, "-q", "-k", kernel, "-o", tmp_path / "o.h5").done()
    with h5py.File(path) as old, h5py.File(tmp_path / "o.h5") as new:
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
def test_strides_change_the_sampling_rate(
    tmp_path: Path, kernel: Path, name: str, value: Any, after: Any
) -> None:
    path = recording(tmp_path / "a.h5", attributes={name: value})
    run("apply", path, "-q", "-k", kernel, "--strides", 2, "-o", tmp_path / "o.h5").done()
    run("apply", path, "-q", "-k", kernel, "-o", tmp_path / "same.h5").done()
    with h5py.File(tmp_path / "o.h5") as file, h5py.File(tmp_path / "same.h5") as same:
        assert file["/imu/acc"].attrs[name] == after
        assert same["/imu/acc"].attrs[name] == value


def test_attributes_that_are_too_large_are_named(tmp_path: Path, kernel: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["run/x"] = np.ones((20, 3), "f4")
        file["run/x"].attrs["fs"] = 50
        file["run/x"].attrs["spectrum"] = np.zeros(40 << 20, "u1")
        file["run"].attrs["raw"] = np.zeros(33 << 20, "u1")
    source, words = tmp_path / "a.h5::/run/x", ("--json", "-k", kernel)
    ran = run("apply", source, *words, "-o", tmp_path / "b.h5").noted("/run/x@spectrum, /run@raw", "32 MiB")
    assert ran.err.count("note") == 1
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["run/x"].attrs["fs"] == 50
        assert "spectrum" not in file["run/x"].attrs
        assert "raw" not in file["run"].attrs
    assert run("apply", source, *words, "-o", tmp_path / "b.npy").err == ""


def test_no_attributes_where_the_input_has_none(tmp_path: Path, kernel: Path) -> None:
    run("apply", save(tmp_path / "a.npy", X), "-q", "-k", kernel, "-o", tmp_path / "o.h5").done()
    with h5py.File(tmp_path / "o.h5") as file:
        assert not own(file["/a"].attrs)
        assert file["/a"].chunks is None


def test_an_attribute_too_large_for_an_object_header(tmp_path: Path, kernel: Path) -> None:
    path, large = tmp_path / "a.h5", np.arange(20_000.0)
    with h5py.File(path, "w", libver="latest") as file:
        file["acc"] = X
        file["acc"].attrs["calibration"] = large
    run("apply", path, "-q", "-k", kernel, "-o", tmp_path / "o.h5").done()
    with h5py.File(tmp_path / "o.h5") as file:
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
    "options, asked, wanted",
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
def test_storage(
    tmp_path: Path, kernel: Path, options: dict[str, Any], asked: str, wanted: dict[str, Any]
) -> None:
    path = recording(tmp_path / "a.h5", **options)
    run("apply", path, "-q", "-k", kernel, "-o", tmp_path / "o.h5", *asked.split()).done()
    found = stored(tmp_path / "o.h5")
    np.testing.assert_array_equal(found.pop("values"), Y)
    assert {key: found[key] for key in wanted} == wanted


def test_ranks_and_layouts_chunked(tmp_path: Path) -> None:
    for shape, first in [
        ((20,), False),
        ((20, 3), False),
        ((20, 3), True),
        ((4, 20, 3), False),
        ((4, 3, 20), True),
    ]:
        data = np.arange(np.prod(shape), dtype="f4").reshape(shape)
        path, out = recording(tmp_path / "a.h5", data, chunks=True, compression="gzip"), tmp_path / "o.h5"
        layout = "channels_first" if first else "channels_last"
        kernel = save(tmp_path / "k.npy", np.ones(1, "f4"))
        run("apply", path, "-q", "-k", kernel, "--data-format", layout, "-o", out, "--overwrite").done()
        found = stored(out)
        np.testing.assert_array_equal(found["values"], data)
        assert found["compression"] == "gzip"


@pytest.mark.parametrize("asked", ["0,3", "-1,3", "5", "5,3,1"])
def test_chunks_that_cannot_be(tmp_path: Path, kernel: Path, asked: str) -> None:
    rec = save(tmp_path / "a.npy", X)
    run("apply", rec, "-q", "-k", kernel, "-o", tmp_path / "o.h5", "--chunks", asked).failed(2, "--chunks")
    assert names(tmp_path) == ["a.npy", "k.npy"]


@pytest.mark.parametrize(
    "asked",
    [
        "--chunks a",
        "--compression zip",
        "--compression gzip:10",
        "--compression lzf:1",
        "--compression gzip:",
    ],
)
def test_storage_options_that_are_misspelt(tmp_path: Path, kernel: Path, asked: str) -> None:
    rec = save(tmp_path / "a.npy", X)
    run("apply", rec, "-q", "-k", kernel, "-o", tmp_path / "o.h5", *asked.split()).failed(
        2, asked.split(maxsplit=1)[0]
    )


@pytest.mark.parametrize("asked", ["--chunks 5,3", "--compression gzip", "--shuffle", "--fletcher32"])
@pytest.mark.parametrize("output", ["o.npy", "o.npz", "-"])
def test_storage_is_for_hdf5_alone(tmp_path: Path, kernel: Path, asked: str, output: str) -> None:
    rec = save(tmp_path / "a.npy", X)
    where = output if output == "-" else tmp_path / output
    run("apply", rec, "-q", "-k", kernel, "-o", where, *asked.split()).failed(2, "HDF5")


def test_empty_batches_take_any_storage(tmp_path: Path, kernel: Path) -> None:
    rec = save(tmp_path / "a.npy", np.zeros((0, 20, 3), "f4"))
    out = tmp_path / "o.h5"
    run("apply", rec, "-q", "-k", kernel, "-o", out, "--compression", "gzip", "--chunks", "1,5,3").done()
    assert stored(out, "/a")["values"].shape == (0, 19, 3)


def test_equal_content_makes_equal_files(tmp_path: Path, kernel: Path) -> None:
    path = recording(tmp_path / "a.h5", attributes={"units": "g"}, **CHUNKED)
    made = []
    for _ in range(2):
        run("apply", path, "-q", "-k", kernel, "-o", tmp_path / "o.h5").done()
        made.append((tmp_path / "o.h5").read_bytes())
        (tmp_path / "o.h5").unlink()
    assert made[0] == made[1]


# What stays as it was


def everything(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        value = item[()] if isinstance(item, h5py.Dataset) else "group"
        plain = value.tobytes() if isinstance(value, np.ndarray) and value.dtype != object else str(value)
        found[name] = (plain, sorted((key, str(item.attrs[key])) for key in own(item.attrs)))

    with h5py.File(path) as file:
        file.visititems(visit)
        found["/"] = sorted((key, str(file.attrs[key])) for key in file.attrs)
    return found


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A file with a bit of everything."""
    path = tmp_path / "shelf.h5"
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
def test_a_dataset_is_added_and_the_rest_stays(tmp_path: Path, kernel: Path, shelf: Path, name: str) -> None:
    rec, before = save(tmp_path / "rec.npy", X), everything(shelf)
    run("apply", rec, "-q", "-k", kernel, "-o", f"{shelf}::{name}").done()
    after = everything(shelf)
    assert after.pop(name.strip("/")) == (Y.tobytes(), [])
    for parent in ("a", "a/b"):
        after.pop(parent, None)
    assert after == before
    assert shelf.read_bytes().startswith(b"a user block")


def test_only_a_dataset_that_was_named_is_replaced(tmp_path: Path, kernel: Path, shelf: Path) -> None:
    rec, before, raw = save(tmp_path / "rec.npy", X), everything(shelf), shelf.read_bytes()
    run("apply", rec, "-q", "-k", kernel, "-o", f"{shelf}::/packed").failed(
        4, "shelf.h5::/packed", "--overwrite"
    )
    assert shelf.read_bytes() == raw
    run("apply", rec, "-q", "-k", kernel, "-o", f"{shelf}::/packed", "--overwrite").done()
    assert everything(shelf) == {**before, "packed": (Y.tobytes(), [])}


@pytest.mark.parametrize("name", ["/scalar", "/pair", "/words", "/imu/note"])
def test_datasets_that_are_no_recordings_count_as_existing_too(
    tmp_path: Path, kernel: Path, shelf: Path, name: str
) -> None:
    rec, raw = save(tmp_path / "rec.npy", X), shelf.read_bytes()
    run("apply", rec, "-q", "-k", kernel, "-o", f"{shelf}::{name}").failed(4, "--overwrite")
    assert shelf.read_bytes() == raw


@pytest.mark.parametrize("name", ["/imu", "/link", "/", "/scalar/x", "/link/x", "."])
@pytest.mark.parametrize("more", [(), ("--overwrite",)], ids=str)
def test_groups_and_links_are_never_replaced(
    tmp_path: Path, kernel: Path, shelf: Path, name: str, more: tuple[str, ...]
) -> None:
    rec, raw = save(tmp_path / "rec.npy", X), shelf.read_bytes()
    run("apply", rec, "-q", "-k", kernel, "-o", f"{shelf}::{name}", *more).failed(4, "shelf.h5")
    assert shelf.read_bytes() == raw
    assert names(tmp_path) == ["k.npy", "rec.npy", "shelf.h5"]


def test_a_file_named_without_a_dataset_is_replaced_whole(tmp_path: Path, kernel: Path, shelf: Path) -> None:
    rec = save(tmp_path / "rec.npy", X)
    run("apply", rec, "-q", "-k", kernel, "-o", shelf).failed(4, "--overwrite")
    run("apply", rec, "-q", "-k", kernel, "-o", shelf, "--overwrite").done()
    assert everything(shelf) == {"rec": (Y.tobytes(), []), "/": []}


def test_what_should_be_added_to_but_is_no_hdf5_stays(tmp_path: Path, kernel: Path) -> None:
    rec = save(tmp_path / "rec.npy", X)
    (tmp_path / "notes.h5").write_bytes(b"my notes")
    ran = run("apply", rec, "-q", "-k", kernel, "-o", f"{tmp_path}/notes.h5::/x", "--overwrite")
    ran.failed(ran.code, "notes.h5")
    assert ran.code in (3, 4)
    assert (tmp_path / "notes.h5").read_bytes() == b"my notes"


def test_from_one_dataset_to_another_of_the_same_file(tmp_path: Path, kernel: Path, shelf: Path) -> None:
    before = everything(shelf)
    run("apply", f"{shelf}::/imu/acc", "-q", "-k", kernel, "-o", f"{shelf}::/smooth").done()
    assert everything(shelf) == {**before, "smooth": (Y.tobytes(), [])}


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Datasets a, b and c, of which b fails when it is read."""
    path, odd = tmp_path / "in.h5", X * 1000 + 0.5
    with h5py.File(path, "w") as file:
        for name in "abc":
            file.create_dataset(name, data=odd if name == "b" else X, chunks=(20, 3), fletcher32=True)
    data = bytearray(path.read_bytes())
    data[data.index(odd[10:].tobytes())] ^= 1
    path.write_bytes(data)
    return path


def test_a_dataset_that_fails_leaves_no_trace_among_the_others(
    tmp_path: Path, kernel: Path, damaged: Path
) -> None:
    out = tmp_path / "out.h5"
    ran = run("apply", f"{damaged}::*", "-q", "-k", kernel, "--keep-going", "-o", out).failed(1, "in.h5::/b")
    assert "chunk" in ran.err
    assert sorted(everything(out)) == ["/", "a", "c"]


def test_a_dataset_that_fails_does_not_take_what_it_should_have_replaced(
    tmp_path: Path, kernel: Path, damaged: Path, shelf: Path
) -> None:
    before = everything(shelf)
    with h5py.File(shelf, "r+") as file:
        file["b"] = X
    run(
        "apply",
        f"{damaged}::*",
        "-q",
        "-k",
        kernel,
        "--keep-going",
        "--overwrite",
        "-o",
        f"{shelf}::{{dataset}}",
    ).failed(1)
    wanted = {**before, "b": (X.tobytes(), []), "a": (Y.tobytes(), []), "c": (Y.tobytes(), [])}
    after = everything(shelf)
    assert {name: after[name][0] for name in "abc"} == {name: wanted[name][0] for name in "abc"}
    assert set(after) == set(wanted)


def test_fail_fast_leaves_the_file_as_it_was(
    tmp_path: Path, kernel: Path, damaged: Path, shelf: Path
) -> None:
    raw = shelf.read_bytes()
    ran = run("apply", f"{damaged}::*", "-k", kernel, "--json", "-o", f"{shelf}::{{dataset}}").failed(3, "/b")
    assert [report["status"] for report in ran.reports] == ["failed", "failed"]
    assert shelf.read_bytes() == raw
    assert names(tmp_path) == ["in.h5", "k.npy", "shelf.h5"]


# The disk's errors

FAIL_AT = """
import errno, os, sys
from dwconv_cli.storage.hdf5 import output_file
from dwconv_cli.cli import main
count, kind = int(sys.argv[1]), sys.argv[2]
real = os.pwrite
def pwrite(fd, data, offset):
    global count
    count -= 1
    if count == 0 and kind == "INT":
        import signal
        os.kill(os.getpid(), signal.SIGINT)
    if count == 0 and kind == "TERM":
        import signal
        os.kill(os.getpid(), signal.SIGTERM)
    if count < 0 and kind == "ENOSPC":
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(fd, data, offset)
output_file.os.pwrite = pwrite
main(sys.argv[3:])
"""


@pytest.mark.parametrize("kind, code", [("ENOSPC", 4), ("INT", 130), ("TERM", 143)])
@pytest.mark.parametrize(
    "count, storage",
    [(1, "--compression lzf --chunks 5000,3"), (20, "--compression lzf --chunks 5000,3"), (3, ""),
     (20, "--compression gzip:1 --chunks 5000,3")],
)  # fmt: skip
def test_an_error_at_the_kth_write_leaves_nothing_and_kills_nobody(
    tmp_path: Path, kernel: Path, kind: str, code: int, count: int, storage: str
) -> None:
    rec = save(tmp_path / "rec.npy", np.random.default_rng(0).random((300_000, 3), "f4"))
    arguments = ["apply", rec, "-q", "-k", kernel, "-o", tmp_path / "o.h5", *storage.split()]
    done = subprocess.run(
        [sys.executable, "-c", FAIL_AT, str(count), kind, *map(str, arguments)],
        capture_output=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr.decode()
    assert len(done.stderr.decode().splitlines()) == (1 if code == 4 else 0), done.stderr.decode()
    assert names(tmp_path) == ["k.npy", "rec.npy"]


def test_the_trap_keeps_errors_to_itself_and_reads_holes_as_zeros(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+b") as file, open("/dev/full", "r+b", buffering=0) as full:
        trap = OutputFile(file.fileno(), "x")
        assert trap.write(b"abc") == 3
        trap.seek(1)
        taken = bytearray(b"....")
        assert trap.readinto(taken) == 4
        assert taken == b"bc\0\0"
        assert trap.seek(0, io.SEEK_END) == 3
        assert trap.error is None
        stuck = OutputFile(full.fileno(), "full")
        assert stuck.write(b"abc") == 3
        assert isinstance(stuck.error, OSError)


def test_devices_and_pipes_are_refused(tmp_path: Path, kernel: Path) -> None:
    rec = save(tmp_path / "rec.npy", X)
    for device in ("/dev/null", "/dev/full"):
        run("apply", rec, "-q", "-k", kernel, "-o", device, "--output-format", "hdf5").failed(4, device)
    ran = run_process("apply", rec, "-q", "-k", kernel, "-o", "/dev/stdout", "--output-format", "hdf5")
    ran.failed(4, "/dev/stdout")
    run("apply", rec, "-q", "-k", kernel, "-o", "-", "--output-format", "hdf5").failed(4, "standard output")
    run(
        "apply", "-", "-q", "-k", kernel, "-o", tmp_path / "o.npy", "--input-format", "hdf5", stdin=b"x"
    ).failed(2, "leave out --input-format")
