"""Too little memory to start is exit 5 and one line, not what a library says of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import Ran, run_shell, save
from recordings import added

from dwconv_cli import threads
from dwconv_cli.errors import OutOfMemoryError


def starved(mebibytes: int, line: str) -> Ran:
    """The command line in an address space of so many MiB."""
    return run_shell(f"ulimit -v {mebibytes << 10}; dwconv {line}")


@pytest.mark.parametrize("mebibytes", [60, 90, 120])
def test_address_space(place: Path, mebibytes: int) -> None:
    ran = starved(mebibytes, "apply x.npy -k k.npy -q -o y.npy")
    # What fits into 120 MiB is for libraries to say.
    if mebibytes == 120 and ran.code == 0:
        return
    ran.failed(5, "out of memory")
    assert added(place) == []


# SciPy's BLAS never gives up asking for a buffer of 32 MiB, and hears no signal meanwhile.
@pytest.mark.parametrize(
    "mebibytes, line",
    [
        (156, "init-weights --depthwise-initializer 'firwin(cutoff=5,fs=50)' --kernel-size 5 --channels 2"),
        (176, "init-weights --depthwise-initializer 'firwin(cutoff=5,fs=50)' --kernel-size 5 --channels 2"),
        (166, "apply x.npy -k k.npy --activation gelu"),
        (166, "apply x.npy -k k.npy --algorithm overlap-save"),
    ],
)
def test_scipy(place: Path, line: str, mebibytes: int) -> None:
    ran = starved(mebibytes, f"{line} -q -o out.npz")
    ran.failed(5, "out of memory while loading SciPy", "ulimit -v 400000")
    assert added(place) == []


@pytest.mark.parametrize(
    "mebibytes, line",
    [
        # Buffers of BLAS
        (205, "apply long.npy -k taps.npy --algorithm overlap-save"),
        (288, "apply long.npy -k taps.npy --algorithm overlap-save"),
        # Linear algebra
        (118, "init-weights --depthwise-initializer savgol --kernel-size 51 --channels 200"),
        (130, "init-weights --depthwise-initializer orthogonal --kernel-size 51 --channels 200"),
        (136, "init-weights --depthwise-initializer savgol --kernel-size 51 --channels 200"),
    ],
)
def test_a_run_ends_well_or_with_one_line(place: Path, mebibytes: int, line: str) -> None:
    save(place / "long.npy", np.ones((400_000, 8), "f4"))
    save(place / "taps.npy", np.ones(300, "f4"))
    ran = starved(mebibytes, f"{line} -q -o out.npz")
    if ran.code:
        ran.failed(5, "out of memory")
    assert added(place) == ["long.npy"] + ["out.npz"] * (ran.code == 0) + ["taps.npy"]


def test_threads_take_turns_where_blas_has_no_room_for_another_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = iter([True])
    monkeypatch.setattr(threads, "has_room", lambda size: next(room, False))
    blas, inside, most = threads.OneBlasThread(), 0, 0

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
    with pytest.raises(OutOfMemoryError, match="BLAS"), threads.OneBlasThread():
        pass
