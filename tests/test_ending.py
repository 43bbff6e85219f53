"""A signal ends a live recording, which is filtered and published; the next one aborts."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import command, environment, names

X = np.random.default_rng(0).integers(-1000, 1000, (5000, 3)).astype("<i2")
KERNEL = np.array([1, -2, 4, 3], np.float32)
Y = np.lib.stride_tricks.sliding_window_view(X.astype("i8"), 4, axis=0) @ KERNEL.astype("i8")
RAW = ("apply", "-", "--raw", "i2", "--channels", 3, "-k", "k.npy")
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    np.save(tmp_path / "k.npy", KERNEL)
    return tmp_path


class Recorder:
    """A command that reads from a pipe, which stays open."""

    def __init__(
        self, place: Path, *args: object, stdout: int = subprocess.DEVNULL, before: tuple[str, ...] = ()
    ) -> None:
        reading, self.pipe = os.pipe()
        self.process = subprocess.Popen(
            [*before, *command(*RAW, *args)], cwd=place, env=environment(), stdin=reading, stdout=stdout,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        os.close(reading)

    def feed(self, data: bytes) -> None:
        """Write samples, and wait until they are read."""
        os.write(self.pipe, data)
        time.sleep(0.2)

    def end(self) -> tuple[int, str]:
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said


@pytest.fixture
def recorders() -> Iterator[list[Recorder]]:
    """Those begun, to be cleared away."""
    begun: list[Recorder] = []
    yield begun
    for recorder in begun:
        if recorder.process.poll() is None:
            recorder.process.kill()
            recorder.process.communicate()
        os.close(recorder.pipe)


def wait_for_temporary(place: Path) -> None:
    """Wait until the command has begun its output."""
    until = time.monotonic() + 20
    while not any(name.endswith(".tmp") for name in names(place)):
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("rest", [0, 4])
def test_the_first_signal_ends_the_recording(
    place: Path, recorders: list[Recorder], number: signal.Signals, rest: int
) -> None:
    recorder = Recorder(place, "-o", "rec.npy", "-q", "--report", "r.json")
    recorders.append(recorder)
    data = X.tobytes()
    recorder.feed(data[:12_000])
    wait_for_temporary(place)
    recorder.feed(data[12_000:] + bytes(rest))
    recorder.process.send_signal(number)
    code, said = recorder.end()
    assert code == 0, said
    assert len(said.splitlines()) == 1
    for words in ("dwconv: note: ", number.name, "5000 steps", *([f"{rest} bytes"] if rest else [])):
        assert words in said
    assert np.array_equal(np.load(place / "rec.npy"), Y)
    assert names(place) == ["k.npy", "r.json", "rec.npy"]
    report = json.loads((place / "r.json").read_text())
    assert (report["status"], report["input"]["shape"]) == ("ok", [5000, 3])
    assert any(number.name in note for note in report["notes"])


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_aborts(place: Path, recorders: list[Recorder], number: signal.Signals) -> None:
    # Nobody reads the outputs, so that the command cannot finish.
    reading, writing = os.pipe()
    recorder = Recorder(place, "-q", "-o", "-", "--report", "r.json", stdout=writing)
    recorders.append(recorder)
    os.close(writing)
    wait_for_temporary(place)
    time.sleep(0.3)
    for _ in range(24):
        os.write(recorder.pipe, X.tobytes())
    time.sleep(0.5)
    recorder.process.send_signal(number)
    time.sleep(0.3)
    assert recorder.process.poll() is None
    recorder.process.send_signal(number)
    code, _ = recorder.end()
    os.close(reading)
    assert code == SIGNALS[number]
    assert names(place) == ["k.npy"]


def test_a_signal_while_the_command_gets_ready(place: Path, recorders: list[Recorder]) -> None:
    """What has come by then is the recording, however early it is; before that, nothing is written."""
    for delay in np.linspace(0.1, 0.5, 4):
        recorder = Recorder(place, "-o", "rec.npy", "-q")
        recorders.append(recorder)
        recorder.feed(X.tobytes())
        time.sleep(delay)
        recorder.process.send_signal(signal.SIGTERM)
        code, said = recorder.end()
        left = [name for name in names(place) if name != "k.npy"]
        if code == 0:
            assert np.array_equal(np.load(place / "rec.npy"), Y), said
            assert left == ["rec.npy"]
            (place / "rec.npy").unlink()
        else:
            assert code in (143, -signal.SIGTERM), said
            assert left == []


def test_control_c_at_a_terminal_reaches_the_source_too(place: Path) -> None:
    """As a user types it: the whole pipeline gets the interrupt."""
    (place / "x.raw").write_bytes(X.tobytes())
    words = " ".join(map(str, command(*RAW, "-o", "rec.npy")))
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        line = f"(cat x.raw; sleep 30) | {words}; echo exit $? > code"
        os.execvpe("bash", ["bash", "-ic", line], environment())
    wait_for_temporary(place)
    time.sleep(0.5)
    os.write(terminal, b"\x03")
    said = b""
    try:
        while part := os.read(terminal, 4096):
            said += part
    except OSError:
        # So ends a terminal without processes.
        pass
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"SIGINT ended the recording after 5000 steps" in said
    assert np.array_equal(np.load(place / "rec.npy"), Y)


def test_timeout_ends_a_recording_though_it_signals_twice(place: Path, recorders: list[Recorder]) -> None:
    # timeout(1) passes a signal on to the command, and to its group, to which the command belongs.
    recorder = Recorder(place, "-o", "rec.npy", "-q", before=("timeout", "60"))
    recorders.append(recorder)
    wait_for_temporary(place)
    recorder.feed(X.tobytes())
    recorder.process.terminate()
    code, said = recorder.end()
    assert (code, "SIGTERM" in said) == (0, True), said
    assert np.array_equal(np.load(place / "rec.npy"), Y)


def test_an_endless_device(place: Path) -> None:
    with (
        open("/dev/zero", "rb") as zeros,
        subprocess.Popen(
            command(*RAW, "-q", "-o", "-"), cwd=place, env=environment(), stdin=zeros, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        process.stdout.read(1)
        process.terminate()
        said = process.communicate(timeout=20)[1]
    assert (process.returncode, b"SIGTERM" in said) == (0, True), said


@pytest.mark.parametrize("number", SIGNALS)
def test_the_length_of_a_file_is_known(place: Path, number: signal.Signals) -> None:
    with (place / "x.raw").open("wb") as file:
        file.truncate(6 << 30)
    with (place / "x.raw").open("rb") as file:
        process = subprocess.Popen(
            command(*RAW, "-q", "-o", "rec.npy"), cwd=place, env=environment(), stdin=file
        )
    wait_for_temporary(place)
    process.send_signal(number)
    assert process.wait(20) == SIGNALS[number]
    assert names(place) == ["k.npy", "x.raw"]
