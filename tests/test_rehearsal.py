"""Files that make HDF5 crash, loop or take all memory are refused; what a process does beforehand changes nothing."""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from faults import mutants
from h5py._objects import phil
from helpers_cli import run_python

from dwconv_cli.errors import InputError, OutOfMemoryError
from dwconv_cli.storage import hdf5
from dwconv_cli.storage.formats import hdf5 as h5
from dwconv_cli.storage.hdf5 import blocks, read_attributes, rehearsal


def _die(path: str, number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(10)


def _spin(path: str) -> None:
    while True:
        pass


def _note(path: str, where: str) -> None:
    with open(where, "a") as file:
        file.write(f"{os.getpid()}\n")


def _tell(path: str, where: str) -> None:
    """What is left of the process's surroundings."""
    print("a second line", flush=True)
    print("another one", file=sys.stderr, flush=True)
    with open(where, "w") as file:
        file.write(str(resource.getrlimit(resource.RLIMIT_CORE)))


@pytest.fixture
def path(tmp_path: Path) -> str:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.ones((40, 4), "f4"), chunks=(16, 3), compression="gzip")
        file["x"].attrs["unit"] = "m/s"
    return str(tmp_path / "a.h5")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_is_an_error_of_the_file(path: str, number: int) -> None:
    with pytest.raises(InputError, match=f"a.h5: damaged; .*{signal.Signals(number).name}"):
        hdf5.rehearse(_die, path, number)
    # Another process takes the place of the one that died.
    assert h5.members(path)[0].name == "/x"


def test_work_without_end_is_an_error_of_the_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "PATIENCE", 0.1)
    rehearsal.child.end()
    with pytest.raises(InputError, match=r"a\.h5: damaged; .*without end"):
        hdf5.rehearse(_spin, path)
    rehearsal.child.end()


def test_who_is_killed_had_no_memory(path: str) -> None:
    with pytest.raises(OutOfMemoryError, match="memory"):
        hdf5.rehearse(_die, path, signal.SIGKILL)


def test_the_same_is_done_once(path: str, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    for _ in range(3):
        hdf5.rehearse(_note, path, str(notes))
    assert len(notes.read_text().split()) == 1
    with h5py.File(path, "a") as file:
        file["y"] = 1.0
    hdf5.rehearse(_note, path, str(notes))
    pids = notes.read_text().split()
    # By the same process, which is not this one.
    assert len(pids) == 2
    assert len({*pids, str(os.getpid())}) == 2


def test_it_is_silent_and_leaves_no_core(
    path: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hdf5.rehearse(_tell, path, str(tmp_path / "told"))
    assert (tmp_path / "told").read_text() == "(0, 0)"
    assert capfd.readouterr() == ("", "")


def test_where_no_process_can_be_started_files_are_read_unless_distrusted(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    rehearsal.child.end()
    monkeypatch.setattr(os, "fork", refused)
    assert h5.members(path)[0].name == "/x"
    hdf5.distrust()
    try:
        with pytest.raises(InputError, match=r"a\.h5: no process to try it in"):
            h5.members(path)
    finally:
        hdf5.distrust(False)


def test_a_distrusted_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = str(tmp_path / "a.h5")
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros((1 << 18, 4))
    # The size of reads tells, since the numbers are not kept anywhere.
    read = []
    with h5py.File(path) as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "read", lambda data, part: read.append(data[part]) or read[-1])
        rehearsal.read_through(file["x"])
        assert not read
        hdf5.distrust()
        try:
            rehearsal.read_through(file["x"])
        finally:
            hdf5.distrust(False)
    assert sum(len(part) for part in read) == 1 << 18


@pytest.mark.parametrize("shape", [(), (7,), (0, 4), (3, 0), (100, 4), (3, 50, 2)])
@pytest.mark.parametrize("chunked", [False, True])
def test_blocks_cover_a_dataset(
    tmp_path: Path, shape: tuple[int, ...], chunked: bool, monkeypatch: Any
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    if chunked and not all(shape):
        pytest.skip("HDF5 has no chunks without a side")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        chunks = tuple(min(side, 3) for side in shape) if chunked and shape else None
        data = file.create_dataset("x", shape, "f4", chunks=chunks)
        count = np.zeros(shape, int)
        for part in blocks.selections(data):
            count[part] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_chunks_of_another_rank_are_refused_before_hdf5_looks_for_one(
    tmp_path: Path, rank: int, compression: str | None
) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.ones((40, 4), "f4"), chunks=(16, 3), compression=compression)
        # Room behind the layout, in which the third side is written.
        file["x"].attrs["unit"] = "m/s"
    data = bytearray(path.read_bytes())
    # Version 3 of the layout message: chunked, its rank and one more, an address, the sides, an element's size.
    place = data.index(b"\3\2\3")
    sides = {1: (16, 4), 3: (16, 3, 1, 4)}[rank]
    data[place + 2] = len(sides)
    data[place + 11 : place + 11 + 4 * len(sides)] = struct.pack(f"<{len(sides)}I", *sides)
    path.write_bytes(data)
    with pytest.raises(InputError) as caught, hdf5.open_file(path) as file:
        hdf5.dataset(file, "/x")
    if rank == 1:
        assert "its chunks are (16,) in a dataset of 2 dimensions" in str(caught.value)


@pytest.mark.parametrize("kind", sorted(mutants.KINDS))
def test_damaged_bytes_end_no_process(tmp_path: Path, kind: str) -> None:
    sound = mutants.sound(tmp_path, kind)
    path = tmp_path / "bad.h5"
    for number in range(10):
        path.write_bytes(mutants.mutant(sound, f"suite {kind} {number}"))
        begun = time.process_time()
        try:
            name = h5.members(str(path))[0].name
            reader = h5.H5Reader(str(path), name)
            reader.read((slice(0, 5),) * len(reader.shape), np.empty((5,) * len(reader.shape), reader.dtype))
            reader.close()
        except (InputError, IndexError, ValueError):
            pass
        assert time.process_time() - begun < 2


def test_threads_read_attributes_with_h5pys_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free: list[bool] = []

    def other() -> None:
        free.append(phil.acquire(blocking=False))

    def looked(*args: Any) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros(3)
        file["x"].attrs["unit"] = "m/s"
        monkeypatch.setattr(read_attributes, "why_unread", looked)
        assert hdf5.attributes(file["x"]) == {"unit": "m/s"}
        assert hdf5.attribute(file["x"], "unit") == "m/s"
    assert free == [False, False]


RACE = """
import sys, threading
from dwconv_cli.storage.formats.hdf5 import H5Reader, members
def go(path):
    for _ in range(40):
        assert [member.name for member in members(path)] == ["/x", "/y"]
        reader = H5Reader(path, "/x")
        assert reader.attributes["names"].tolist() == ["a", "b", "c"] * 20, reader.attributes
        reader.close()
threads = [threading.Thread(target=go, args=(sys.argv[1 + n % 2],)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("done")
"""


def test_a_race_for_attributes(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.h5", "b.h5")]
    for path in paths:
        with h5py.File(path, "w") as file:
            for name in "xy":
                data = file.create_dataset(name, data=np.zeros((50, 2)), chunks=(10, 2), compression="gzip")
                data.attrs["names"] = ["a", "b", "c"] * 20
                data.attrs["unit"] = "m/s"
    ran = run_python(RACE, *paths)
    assert (ran.code, ran.out) == (0, b"done\n"), ran.err[-2000:]


def test_an_error_while_closing_names_the_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: h5py.File) -> None:
        raise RuntimeError("Can't decrement id ref count (unable to close file, errno = 5)")

    file = hdf5.open_file(path)
    with monkeypatch.context() as patch:
        patch.setattr(h5py.File, "close", fails)
        with pytest.raises(InputError, match=r"a\.h5: HDF5 cannot read it: .*errno = 5"):
            file.close()
    file.close()


def test_a_virtual_dataset_that_is_read_without_end_is_refused(tmp_path: Path) -> None:
    # Found among 2600 mutants: HDF5 runs through the damaged heap of its mappings, and hears no signal.
    data = mutants.mutant(mutants.sound(tmp_path, "virtual latest"), "fz virtual latest 931")
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(InputError):
        h5.H5Reader(str(tmp_path / "a.h5"), "/x")


def test_attributes_of_too_many_bytes_are_refused_before_hdf5_loads_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["x"] = np.zeros(3)
        for number in range(2):
            file["x"].attrs[f"a{number}"] = np.zeros(5 << 20)
    with hdf5.open_file(tmp_path / "a.h5") as file, pytest.raises(InputError, match="bytes of attributes"):
        hdf5.attributes(file["x"])


def test_attributes_that_are_no_utf8_are_carried_over(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", data=np.zeros(3))
        data.attrs.create("one", b"caf\xe9", dtype=h5py.string_dtype("utf-8"))
        data.attrs.create("two", [b"caf\xe9", b"b"], dtype=h5py.string_dtype("utf-8"))
        data.attrs["plain"] = ["a", "b"]
        scalar = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(data.id, b"na\xefve", h5py.h5t.NATIVE_INT32, scalar).write(np.array(3, "i4"))
        found = hdf5.attributes(data)
        assert set(found) == {"na\\xefve", "one", "plain", "two"}
        for name, value in found.items():
            file.attrs[name] = value
        assert bytes(file.attrs["one"]) == b"caf\xe9"
        assert file.attrs["two"].tolist() == [b"caf\xe9", b"b"]
        assert list(file.attrs["plain"]) == ["a", "b"]
        assert file.attrs["na\\xefve"] == 3
