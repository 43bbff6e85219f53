"""Outputs: complete and right, or absent; and what was there before is untouched."""

from __future__ import annotations

import contextlib
import errno
import os
import pkgutil
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any
from unittest import mock

import h5py
import numpy as np
import pytest
from helpers_cli import contents, names, npy_bytes, run, run_process, run_shell, save, start
from recordings import X, Y, added

from dwconv_cli.errors import OutputError
from dwconv_cli.storage.sink import WORTH_RESERVING, FileSink

Array = np.ndarray[Any, Any]
SUFFIXES = (".npy", ".npz", ".h5")


def values(path: Path) -> Array:
    """The only array in a file."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            (dataset,) = file.values()
            array: Array = dataset[...]
            return array
    array = np.load(path)
    if path.suffix == ".npz":
        with array as members:
            (array,) = members.values()
    return array


def write(sink: FileSink, data: bytes = b"new") -> None:
    sink.write_at(memoryview(data), 0)


# One file


def test_nothing_shows_before_the_commit(tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "a"))
    write(sink)
    (hidden,) = names(tmp_path)
    assert hidden.startswith(".a.")
    sink.commit()
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_abort_leaves_no_trace(tmp_path: Path, overwrite: bool) -> None:
    if overwrite:
        (tmp_path / "a").write_bytes(b"old")
    sink = FileSink(str(tmp_path / "a"), overwrite)
    write(sink)
    sink.abort()
    sink.abort()
    assert contents(tmp_path.iterdir()) == ({tmp_path / "a": b"old"} if overwrite else {})


def test_of_two_that_write_the_same_file_the_first_wins(tmp_path: Path) -> None:
    first, second = FileSink(str(tmp_path / "a")), FileSink(str(tmp_path / "a"))
    write(first, b"first")
    write(second, b"second")
    second.commit()
    with pytest.raises(OutputError, match="exists already"):
        first.commit()
    first.abort()
    assert contents(tmp_path.iterdir()) == {tmp_path / "a": b"second"}


def test_what_comes_between_is_not_replaced(tmp_path: Path) -> None:
    sink = FileSink(str(tmp_path / "a"))
    write(sink)
    (tmp_path / "a").write_bytes(b"somebody else's")
    with pytest.raises(OutputError):
        sink.commit()
    sink.abort()
    assert contents(tmp_path.iterdir()) == {tmp_path / "a": b"somebody else's"}


def test_short_writes_are_continued(tmp_path: Path) -> None:
    real = os.pwrite
    sink = FileSink(str(tmp_path / "a"))
    with mock.patch("os.pwrite", lambda fd, data, at: real(fd, bytes(data[:3]), at)):
        write(sink, b"0123456789")
    sink.commit()
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_room_that_is_not_there_shows_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    sizes: list[int] = []

    def refuse(fd: int, offset: int, size: int) -> None:
        sizes.append(size)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    opened = FileSink(str(tmp_path / "out"))
    with pytest.raises(OutputError, match=f"out: .*; it needs {WORTH_RESERVING} bytes"):
        opened.reserve(WORTH_RESERVING)
    opened.reserve(WORTH_RESERVING - 1)
    opened.abort()
    assert sizes == [WORTH_RESERVING]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_file_systems_without_reservations_are_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(fd: int, offset: int, size: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    opened = FileSink(str(tmp_path / "out"))
    opened.reserve(WORTH_RESERVING)
    opened.write_at(memoryview(b"abc"), 0)
    opened.commit()
    assert (tmp_path / "out").read_bytes() == b"abc"


@pytest.mark.parametrize("call", ["os.pwrite", "os.fsync", "dwconv_cli.storage.draft.rename_no_replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_an_error_of_the_system_leaves_nothing(place: Path, call: str, number: int) -> None:
    failing = mock.Mock(side_effect=OSError(number, os.strerror(number)))
    with mock.patch(call, failing):
        run("apply x.npy -q -k k.npy -o out.npy").failed(4, "out.npy", os.strerror(number).lower())
    assert failing.called
    assert added(place) == []


# What a file system has that gives a file a name which must be free.
NAMING = {
    "renameat2": (),
    "links": ("renameat2",),
    "neither": ("renameat2", "link"),
}


@contextlib.contextmanager
def file_system(lacks: tuple[str, ...], number: int) -> Iterator[None]:
    """One whose calls `lacks` fail with an error `number`."""
    failing = mock.Mock(side_effect=OSError(number, os.strerror(number)))
    functions = {"renameat2": "dwconv_cli.storage.draft.rename_no_replace", "link": "os.link"}
    with contextlib.ExitStack() as stack:
        for call in lacks:
            stack.enter_context(mock.patch(functions[call], failing))
        yield
    assert failing.call_count >= len(lacks)


@pytest.mark.parametrize("has", NAMING)
@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])
def test_a_new_name_on_every_file_system(tmp_path: Path, has: str, number: int) -> None:
    with file_system(NAMING[has], number):
        for name in "ab":
            sink = FileSink(str(tmp_path / name))
            write(sink)
            if name == "b":
                (tmp_path / "b").write_bytes(b"somebody else's")
                with pytest.raises(OutputError, match="exists already"):
                    sink.commit()
                sink.abort()
            else:
                sink.commit()
    assert contents(tmp_path.iterdir()) == {tmp_path / "a": b"new", tmp_path / "b": b"somebody else's"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("has, suffix", list(zip(NAMING, SUFFIXES, strict=True)))
def test_killed_as_it_gets_its_name(place: Path, has: str, suffix: str) -> None:
    lacks = {"renameat2": "renameat2:error=EINVAL", "link": "linkat:error=EPERM"}
    last = {"renameat2": "renameat2", "links": "linkat", "neither": "renameat"}[has]
    tamper = [f"--inject={lacks[call]}" for call in NAMING[has]] + [f"--inject={last}:signal=KILL"]
    process = start(f"apply x.npy -q -k k.npy -o out{suffix}", ["strace", "-f", "-o", "trace", *tamper])
    process.communicate(timeout=60)
    assert last in (place / "trace").read_text()
    assert process.returncode == -signal.SIGKILL
    assert not (place / f"out{suffix}").exists()


def test_data_and_directory_are_synced_before_and_after_the_name(tmp_path: Path) -> None:
    calls: list[str] = []

    def noting(name: str, real: Any) -> Any:
        return lambda *args, **options: (calls.append(name.rpartition(".")[2]), real(*args, **options))[1]

    with contextlib.ExitStack() as stack:
        for name in ("os.fsync", "dwconv_cli.storage.draft.rename_no_replace", "os.replace"):
            stack.enter_context(mock.patch(name, noting(name, pkgutil.resolve_name(name))))
        for overwrite in (False, True):
            sink = FileSink(str(tmp_path / "a"), overwrite)
            write(sink)
            sink.commit()
    assert calls == ["fsync", "rename_no_replace", "fsync", "fsync", "replace", "fsync"]


# Where the temporary file is, and who may read it


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o666])
def test_the_temporary_file_has_the_mode_of_what_it_replaces(tmp_path: Path, mode: int) -> None:
    (tmp_path / "a").write_bytes(b"private")
    (tmp_path / "a").chmod(mode)
    created: list[int] = []
    real = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        fd = real(path, flags, mode, **options)
        if flags & os.O_CREAT:
            created.append(stat.S_IMODE(os.fstat(fd).st_mode))
        return fd

    with mock.patch("os.open", watched):
        sink = FileSink(str(tmp_path / "a"), overwrite=True)
    # Not for a moment is it open to more people.
    assert created == [0o600]
    (hidden,) = set(tmp_path.iterdir()) - {tmp_path / "a"}
    assert stat.S_IMODE(hidden.stat().st_mode) == mode
    write(sink)
    (tmp_path / "a").chmod(0o600)
    sink.commit()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("commit", [False, True])
def test_a_folder_that_is_renamed_meanwhile(tmp_path: Path, overwrite: bool, commit: bool) -> None:
    folder, moved = tmp_path / "folder", tmp_path / "moved"
    folder.mkdir()
    if overwrite:
        (folder / "a").write_bytes(b"old")
    sink = FileSink(str(folder / "a"), overwrite)
    write(sink)
    folder.rename(moved)
    folder.mkdir()
    if commit:
        sink.commit()
    else:
        sink.abort()
    expected = {moved / "a": b"new"} if commit else {moved / "a": b"old"} if overwrite else {}
    assert contents(moved.iterdir()) == expected
    assert names(folder) == []


def test_a_folder_that_is_removed_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    sink = FileSink(str(folder / "a"))
    write(sink)
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match="its directory was removed meanwhile"):
        sink.commit()
    sink.abort()
    assert names(tmp_path) == []


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for end in (FileSink.commit, FileSink.abort):
        for adding in (False, True):
            sink = FileSink(str(tmp_path / "a"), True, adding=adding and (tmp_path / "a").exists())
            write(sink)
            end(sink)
    with pytest.raises(OutputError):
        FileSink(str(tmp_path / "b"), True, adding=True)
    assert len(os.listdir("/proc/self/fd")) == before


# Targets of every kind


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_output_is_refused_and_untouched(place: Path, suffix: str) -> None:
    out = place / f"out{suffix}"
    out.write_bytes(b"old")
    before = out.stat()
    run(f"apply x.npy -q -k k.npy -o {out}").failed(4, f"out{suffix}", "exists", "--overwrite")
    after = out.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o440])
def test_overwriting_keeps_the_mode(place: Path, suffix: str, mode: int) -> None:
    out = place / f"out{suffix}"
    out.write_bytes(b"old")
    out.chmod(mode)
    run(f"apply x.npy -q -k k.npy -o {out} --overwrite").done()
    assert stat.S_IMODE(out.stat().st_mode) == mode
    np.testing.assert_array_equal(values(out), Y)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_files_follow_the_umask(place: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run("apply x.npy -q -k k.npy -o out.npy").done()
    finally:
        os.umask(before)
    assert stat.S_IMODE((place / "out.npy").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_symlink_is_written_through(place: Path, suffix: str) -> None:
    (place / "far").mkdir()
    real, link = place / "far" / f"real{suffix}", place / f"link{suffix}"
    real.write_bytes(b"old")
    link.symlink_to(f"far/real{suffix}")
    run(f"apply x.npy -q -k k.npy -o {link}").failed(4, "exists")
    assert real.read_bytes() == b"old"
    run(f"apply x.npy -q -k k.npy -o {link} --overwrite").done()
    assert os.readlink(link) == f"far/real{suffix}"
    np.testing.assert_array_equal(values(real), Y)
    assert names(place / "far") == [f"real{suffix}"]


def test_a_dangling_symlink(place: Path) -> None:
    link = place / "link.npy"
    link.symlink_to("real.npy")
    run("apply x.npy -q -k k.npy -o link.npy").failed(4, "exists")
    assert not (place / "real.npy").exists()
    run("apply x.npy -q -k k.npy -o link.npy --overwrite").done()
    assert link.is_symlink()
    np.testing.assert_array_equal(np.load(place / "real.npy"), Y)


def test_a_symlink_to_itself(place: Path) -> None:
    link = place / "loop.npy"
    link.symlink_to("loop.npy")
    run("apply x.npy -q -k k.npy -o loop.npy").failed(4, "loop.npy")
    run("apply loop.npy -q -k k.npy -o o.npy").failed(3, "loop.npy")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("letter", ["x", "ü", "語"])
def test_names_of_up_to_255_bytes(place: Path, suffix: str, letter: str) -> None:
    room = 255 - len(suffix)
    stem = letter * (room // len(letter.encode()))
    stem += "x" * (room - len(stem.encode()))
    out = place / (stem + suffix)
    run(f"apply x.npy -q -k k.npy -o {out}").done()
    np.testing.assert_array_equal(values(out), Y)
    run(f"apply x.npy -q -k k.npy -o {'x' + stem + suffix}").failed(4)
    assert added(place) == [out.name]


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.npy", "naïve.npy".encode(), b"a b.npy", b"-a.npy", b"a\x1b[31m.npy", b"{x}.npy"]
)
def test_names_of_any_bytes(place: Path, name: bytes) -> None:
    (place / "in").mkdir()
    source = "in/" + os.fsdecode(name)
    save(place / source, X)
    run(f"apply {quote(source)} -q -k k.npy --output-dir out").done()
    assert os.listdir(b"out") == [name]
    run(f"apply {quote(source)} -q -k k.npy --output-dir out").failed(4, "exists")
    ran = run(f"apply {quote(source)} --json -k k.npy --output-dir again")
    assert ran.reports[0]["input"]["address"] == source


@pytest.mark.parametrize("where", ["missing/out.npy", "missing/deep/out.h5", "k.npy/out.npy"])
def test_a_directory_that_is_not_there(place: Path, where: str) -> None:
    run(f"apply x.npy -q -k k.npy -o {where}").failed(4, "directory")
    assert added(place) == []


@pytest.mark.parametrize("where", ["", "/", "/."])
def test_a_directory_is_no_file(place: Path, where: str) -> None:
    run(f"apply x.npy -q -k k.npy -o {place}{where}").failed(4, "directory", "--output-dir")
    (place / "d.npy").mkdir()
    run("apply x.npy -q -k k.npy -o d.npy --overwrite").failed(4, "directory")


def test_an_output_directory_is_made_but_not_in_the_place_of_a_file(place: Path) -> None:
    run("apply x.npy -q -k k.npy --output-dir a/b").done()
    np.testing.assert_array_equal(np.load(place / "a" / "b" / "x.npy"), Y)
    run("apply x.npy -q -k k.npy --output-dir k.npy").failed(4, "k.npy")


# Devices and pipes


@pytest.mark.parametrize("output_format", ["npy", "npz", "hdf5"])
def test_a_full_device(place: Path, output_format: str) -> None:
    run(f"apply x.npy -q -k k.npy -o /dev/full --output-format {output_format}").failed(4, "/dev/full")
    assert added(place) == []


def test_the_null_device_takes_everything(place: Path) -> None:
    for output_format in ("npy", "npz"):
        run(f"apply x.npy -q -k k.npy -o /dev/null --output-format {output_format}").done()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_fifo_is_streamed_into_and_stays(place: Path) -> None:
    fifo = place / "pipe.npy"
    os.mkfifo(fifo)
    streams: list[bytes] = []
    reader = threading.Thread(target=lambda: streams.append(fifo.read_bytes()))
    reader.start()
    ran = run("apply x.npy -q -k k.npy -o pipe.npy")
    reader.join(10)
    ran.done()
    assert streams == [npy_bytes(Y)]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_is_read(place: Path) -> None:
    fifo = place / "pipe.npy"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(npy_bytes(X)))
    writer.start()
    ran = run("apply pipe.npy -q -k k.npy -o out.npy")
    writer.join(10)
    ran.done()
    np.testing.assert_array_equal(np.load(place / "out.npy"), Y)


@pytest.mark.parametrize(
    "redirection, name",
    [("| cat > out", "/dev/stdout"), ("| cat > out", "/dev/fd/1"), (">> out", "/dev/stdout")],
)
def test_standard_output_by_its_name(place: Path, redirection: str, name: str) -> None:
    line = f"set -o pipefail; dwconv apply x.npy -q -k k.npy -o {name} --output-format npy {redirection}"
    ran = run_shell(line)
    if redirection.startswith("|"):
        ran.done()
        assert (place / "out").read_bytes() == npy_bytes(Y)
    else:
        # The shell has made the file already.
        ran.failed(4, "exists", "--overwrite")
        assert (place / "out").read_bytes() == b""


# Small and read-only disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


BIG = np.arange(900_000, dtype="f4").reshape(-1, 3)
NOISE = np.random.default_rng(0).random((300_000, 3), "f4")


@pytest.mark.parametrize(
    "name, more",
    [
        ("out.npy", ""),
        ("out.npz", ""),
        ("out.h5", ""),
        ("out.h5", "--chunks 1000,3"),
        ("out.h5", "--compression gzip:1 --chunks 100,3 --fletcher32"),
        ("old.npz::new", ""),
        ("old.h5::/new", ""),
        ("old.npy", "--overwrite"),
        ("old.h5", "--overwrite"),
        ("old.h5::/x", "--overwrite"),
    ],
)
def test_a_disk_that_fills_up(place: Path, disk: Path, name: str, more: str) -> None:
    np.savez(disk / "old.npz", x=X)
    save(disk / "old.npy", X)
    with h5py.File(disk / "old.h5", "w") as file:
        file["x"] = X
    before = contents(disk.iterdir())
    save(place / "big.npy", NOISE)
    ran = run(f"apply big.npy -q -k k.npy -o {disk}/{name} {more}")
    ran.failed(4, name.partition("::")[0], "no space left on device")
    assert contents(disk.iterdir()) == before


def test_a_full_disk_fails_every_member_of_an_archive(place: Path, disk: Path) -> None:
    np.savez(place / "a.npz", big=NOISE, small=X)
    for name in ("out.npz", "out.h5"):
        ran = run(f"apply a.npz::* --json -k k.npy --keep-going -o {disk}/{name}")
        assert ran.code == 1, ran.err
        assert [report["status"] for report in ran.reports] == ["failed", "failed"]
        assert {report["error"]["code"] for report in ran.reports} == {4}
        assert names(disk) == []


def test_a_full_disk_for_spooled_data(place: Path, disk: Path) -> None:
    data = npy_bytes(np.asfortranarray(NOISE))
    ran = run_process("apply - -q -k k.npy -o o.npy", stdin=data, env={"TMPDIR": str(disk)})
    ran.failed(4, "no space left", "spooled")
    assert names(disk) == []
    assert added(place) == ["disk"]


def test_a_report_on_a_full_disk(place: Path, disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    ran = run(f"apply x.npy -q -k k.npy -o o.npy --report {disk}/r.json")
    ran.failed(4, "r.json", "no space left")


def test_a_read_only_disk(place: Path, disk: Path) -> None:
    save(disk / "old.npy", X)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for name in ("new.npy", "new.npz", "new.h5"):
        run(f"apply x.npy -q -k k.npy -o {disk}/{name}").failed(4, name, "read-only file system")
    run(f"apply x.npy -q -k k.npy -o {disk}/old.npy --overwrite").failed(4, "read-only")
    run(f"apply x.npy -q -k k.npy --output-dir {disk}/d").failed(4, "read-only")
    run(f"apply {disk}/old.npy -q -k k.npy -o -").done()


@pytest.mark.parametrize("name", ["out.npy", "out.npz", "out.h5"])
def test_a_limit_on_file_sizes(place: Path, name: str) -> None:
    save(place / "big.npy", BIG)
    # In units of 1024 bytes.
    run_shell(f"ulimit -f 1024; dwconv apply big.npy -q -k k.npy -o {name}").failed(4, name, "file too large")
    assert added(place) == ["big.npy"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
def test_a_directory_where_nobody_may_write(place: Path) -> None:
    for suffix in SUFFIXES:
        run(f"apply x.npy -q -k k.npy -o /proc/self/out{suffix}").failed(4, f"/proc/self/out{suffix}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_without_permission(place: Path) -> None:
    locked = place / "locked"
    locked.mkdir(0o755)
    secret = save(locked / "secret.npy", X)
    secret.chmod(0o600)
    parents = [path for path in (place, *place.parents) if not path.stat().st_mode & 0o001]
    modes = {path: path.stat().st_mode for path in parents}
    for path in parents:
        path.chmod(modes[path] | 0o111)
    try:
        os.seteuid(65534)
        for suffix in SUFFIXES:
            run(f"apply x.npy -q -k k.npy -o locked/out{suffix}").failed(4, "permission denied")
        run(f"apply {secret} -q -k k.npy -o -").failed(3, "permission denied")
        run(f"apply x.npy -q -k {secret} -o -").failed(3, "permission denied")
    finally:
        os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(stat.S_IMODE(mode))
    assert names(locked) == ["secret.npy"]


@pytest.mark.parametrize("name", ["bad.npz", "bad.h5"])
def test_what_is_wrong_with_a_file_to_add_to_is_an_error_of_the_output(place: Path, name: str) -> None:
    Path(name).write_bytes(b"damaged")
    run(f"apply x.npy -q --kernel-size 2 -o {name}::/y").failed(4, name, "write to another file")
    assert Path(name).read_bytes() == b"damaged"
