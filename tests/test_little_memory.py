"""Too little memory to start is exit 5 and one line, not what a library says of it."""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import run_process, save

from dwconv_cli import threads
from dwconv_cli.errors import OutOfMemoryError


@pytest.mark.parametrize("mebibytes", [60, 75, 90, 105, 120])
def test_address_space_of(tmp_path: Path, mebibytes: int) -> None:
    save(tmp_path / "x.npy", np.ones((30, 2), "f4"))
    save(tmp_path / "k.npy", np.ones(3, "f4"))
    limit = mebibytes << 20
    ran = run_process(
        "apply", tmp_path / "x.npy", "-k", tmp_path / "k.npy", "-q", "-o", tmp_path / "y.npy",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    # What fits into 105 MiB is for libraries to say.
    if mebibytes >= 105 and ran.code == 0:
        return
    ran.failed(5, "out of memory")
    assert not (tmp_path / "y.npy").exists()


# SciPy's BLAS never gives up asking for a buffer of 32 MiB, and hears no signal meanwhile.
@pytest.mark.parametrize("mebibytes", [156, 166, 176])
@pytest.mark.parametrize(
    "words",
    [
        ("init-weights", "--depthwise-initializer", "firwin(cutoff=5,fs=50)", "--kernel-size", "5", "--channels", "2"),
        ("apply", "x.npy", "-k", "k.npy", "--activation", "gelu"),
        ("apply", "x.npy", "-k", "k.npy", "--algorithm", "overlap-save"),
    ],
    ids=lambda words: words[-1],
)  # fmt: skip
def test_scipy_in_an_address_space_of(tmp_path: Path, words: tuple[str, ...], mebibytes: int) -> None:
    save(tmp_path / "x.npy", np.ones((30, 2), "f4"))
    save(tmp_path / "k.npy", np.ones(3, "f4"))
    limit = mebibytes << 20
    ran = run_process(
        *words, "-q", "-o", "out.npz", cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    ran.failed(5, "out of memory while loading SciPy", "ulimit -v 400000")
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("mebibytes", [205, 215, 288])
def test_buffers_of_blas_in_an_address_space_of(tmp_path: Path, mebibytes: int) -> None:
    save(tmp_path / "x.npy", np.ones((400_000, 8), "f4"))
    save(tmp_path / "k.npy", np.ones(300, "f4"))
    limit = mebibytes << 20
    ran = run_process(
        "apply", "x.npy", "-k", "k.npy", "-q", "-o", "y.npy", "--algorithm", "overlap-save", cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    if ran.code:
        ran.failed(5, "out of memory")
    assert (tmp_path / "y.npy").exists() is (ran.code == 0)


@pytest.mark.parametrize("mebibytes", [118, 130, 136])
@pytest.mark.parametrize("initializer", ["savgol", "orthogonal"])
def test_linear_algebra_in_an_address_space_of(tmp_path: Path, initializer: str, mebibytes: int) -> None:
    limit = mebibytes << 20
    ran = run_process(
        "init-weights", "--depthwise-initializer", initializer, "--kernel-size", "51", "--channels", "200", "-q",
        "-o", "k.npz", cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    if ran.code:
        ran.failed(5, "out of memory")
    assert (tmp_path / "k.npz").exists() is (ran.code == 0)


def test_threads_take_turns_where_blas_has_no_room_for_another_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = iter([True])
    monkeypatch.setattr(threads, "has_room", lambda size: next(room, False))
    blas, inside, most = threads._OneBlasThread(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with blas:
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert not any(worker.is_alive() for worker in workers)
    assert most == 1


def test_no_room_for_the_first_buffer_of_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "has_room", lambda size: False)
    with pytest.raises(OutOfMemoryError, match="BLAS"), threads._OneBlasThread():
        pass
