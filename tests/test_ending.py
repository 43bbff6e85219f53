"""A signal ends a live recording, which is filtered and published; the next one aborts."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import command, environment, read_terminal, start, unfinished, until
from recordings import added

X = np.random.default_rng(0).integers(-1000, 1000, (5000, 3)).astype("<i2")
KERNEL = np.array([1, -2, 4, 3], np.float32)
Y = np.lib.stride_tricks.sliding_window_view(X.astype("i8"), 4, axis=0) @ KERNEL.astype("i8")
RAW = "apply - --raw i2 --channels 3 -k k.npy"
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with another kernel."""
    np.save("k.npy", KERNEL)
    return place


class Recorder:
    """A command that reads from a pipe, which stays open."""

    def __init__(self, output: str, before: Iterable[str] = (), stdout: int = subprocess.DEVNULL) -> None:
        reading, self.pipe = os.pipe()
        self.process = start(f"{RAW} {output}", before, stdin=reading, stdout=stdout, text=True)
        os.close(reading)

    def feed(self, data: bytes) -> None:
        """Write samples, and wait until they are read."""
        os.write(self.pipe, data)
        time.sleep(0.2)

    def end(self) -> tuple[int, str]:
        """Exit code and standard error."""
        _, err = self.process.communicate(timeout=20)
        return self.process.returncode, err

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        os.close(self.pipe)


def wait_for_temporary(place: Path) -> None:
    """Wait until the command has begun its output."""
    until(lambda: unfinished(place))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("rest", [0, 4])
def test_the_first_signal_ends_the_recording(place: Path, number: signal.Signals, rest: int) -> None:
    data = X.tobytes()
    with Recorder("-o rec.npy -q --report r.json") as recorder:
        recorder.feed(data[:12_000])
        wait_for_temporary(place)
        recorder.feed(data[12_000:] + bytes(rest))
        recorder.process.send_signal(number)
        code, err = recorder.end()
    assert code == 0, err
    assert len(err.splitlines()) == 1
    for words in ("dwconv: note: ", number.name, "5000 steps", *([f"{rest} bytes"] if rest else [])):
        assert words in err
    assert np.array_equal(np.load("rec.npy"), Y)
    assert added(place) == ["k.npy", "r.json", "rec.npy"]
    report = json.loads((place / "r.json").read_text())
    assert (report["status"], report["input"]["shape"]) == ("ok", [5000, 3])
    assert any(number.name in note for note in report["notes"])


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_aborts(place: Path, number: signal.Signals) -> None:
    # Nobody reads the outputs, so that the command cannot finish.
    reading, writing = os.pipe()
    with Recorder("-q -o - --report r.json", stdout=writing) as recorder:
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
    assert added(place) == ["k.npy"]


@pytest.mark.parametrize("delay", [0.1, 0.25, 0.4, 0.6])
def test_a_signal_while_the_command_gets_ready(place: Path, delay: float) -> None:
    """What has come by then is the recording, however early it is; before that, nothing is written."""
    with Recorder("-o rec.npy -q") as recorder:
        recorder.feed(X.tobytes())
        time.sleep(delay)
        recorder.process.send_signal(signal.SIGTERM)
        code, err = recorder.end()
    if code == 0:
        assert np.array_equal(np.load("rec.npy"), Y), err
        assert added(place) == ["k.npy", "rec.npy"]
    else:
        assert code in (143, -signal.SIGTERM), err
        assert added(place) == ["k.npy"]


def test_control_c_at_a_terminal_reaches_the_source_too(place: Path) -> None:
    """As a user types it: the whole pipeline gets the interrupt."""
    (place / "x.raw").write_bytes(X.tobytes())
    line = f"(cat x.raw; sleep 30) | {shlex.join(command(RAW))} -o rec.npy"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("bash", ["bash", "-ic", line], environment())
    wait_for_temporary(place)
    time.sleep(0.5)
    os.write(terminal, b"\x03")
    text = read_terminal(terminal)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"SIGINT ended the recording after 5000 steps" in text
    assert np.array_equal(np.load("rec.npy"), Y)


def test_timeout_ends_a_recording_though_it_signals_twice(place: Path) -> None:
    # timeout(1) passes a signal on to the command, and to its group, to which the command belongs.
    with Recorder("-o rec.npy -q", before=("timeout", "60")) as recorder:
        wait_for_temporary(place)
        recorder.feed(X.tobytes())
        recorder.process.terminate()
        code, err = recorder.end()
    assert (code, "SIGTERM" in err) == (0, True), err
    assert np.array_equal(np.load("rec.npy"), Y)


def test_an_endless_device(place: Path) -> None:
    with (
        open("/dev/zero", "rb") as zeros,
        start(f"{RAW} -q -o -", stdin=zeros, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        process.stdout.read(1)
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert (process.returncode, b"SIGTERM" in err) == (0, True), err


@pytest.mark.parametrize("number", SIGNALS)
def test_the_length_of_a_file_is_known(place: Path, number: signal.Signals) -> None:
    (place / "x.raw").touch()
    os.truncate("x.raw", 6 << 30)
    with open("x.raw", "rb") as file, start(f"{RAW} -q -o rec.npy", stdin=file) as process:
        wait_for_temporary(place)
        process.send_signal(number)
        assert process.wait(20) == SIGNALS[number]
    (place / "x.raw").unlink()
    assert added(place) == ["k.npy"]
