"""``dwconv apply`` as a process of its own: pipes, terminals and signals."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest
from helpers_cli import command, environment, names, npy_bytes, run, run_process, run_shell, save
from recordings import B, K, X, Y, fill

RNG = np.random.default_rng(7)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings and weights."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)
    return tmp_path


# Processes, pipes and terminals


def test_python_m(place: Path) -> None:
    ran = run_process("--version")
    assert ran.code == 0
    assert ran.out.startswith(b"dwconv")
    assert run_process("apply", "x.npy", "-q", "-k", "k.npy", "-o", "-", cwd=place).done().out == npy_bytes(Y)


def test_a_chain_of_pipes(place: Path) -> None:
    big = save(place / "big.npy", RNG.integers(-8, 9, (400_000, 3)).astype("f4"))
    line = "set -o pipefail; cat big.npy | $D apply - -q -k k.npy -o - | $D apply - -q -w w.npz --padding same -o - > out.npy"
    run_shell(line, place).done()
    once = np.load(big)
    wanted = oracle.depthwise_conv1d(once[1:200] + once[:199], K, B, padding="same")
    found = np.load(place / "out.npy")
    assert found.shape == (399_999, 6)
    np.testing.assert_array_equal(found[:198], wanted[:198])


def test_a_chain_that_breaks_at_its_head_makes_nothing(place: Path) -> None:
    save(place / "big.npy", np.ones((400_000, 3), "f4"))
    ran = run_shell(
        "head -c 3000000 big.npy | $D apply - -q -k k.npy -o - | $D apply - -q -k k.npy -o out.npy; echo ${PIPESTATUS[@]}",
        place,
    )
    assert ran.out.split() == [b"0", b"3", b"3"]
    assert len(ran.err.splitlines()) == 2
    assert not (place / "out.npy").exists()
    assert not any(name.endswith(".tmp") for name in names(place))


@pytest.mark.parametrize(
    "line",
    ["$D apply big.npy -q -k k.npy -o - | head -c 100", "$D apply big.npy -q -k k.npy -o /dev/stdout --output-format npy | head -c 100",
     "yes x.npy | head -100 | $D apply --files-from - -k k.npy --dry-run --json | true", "$D apply --help | true",
     "cat big.npy | $D apply - -q -k k.npy -o - | true"],
)  # fmt: skip
def test_a_closed_pipe_ends_the_command_silently(place: Path, line: str) -> None:
    save(place / "big.npy", np.ones((400_000, 3), "f4"))
    # The reader must be gone for sure.
    line = (
        line.replace("| true", "| sleep 0")
        .replace("$D", "(sleep 0.2; $D", 1)
        .replace(" | head -c", ") | head -c")
        .replace(" | sleep", ") | sleep")
    )
    ran = run_shell(f"{line}; echo ${{PIPESTATUS[@]}} >&2", place)
    assert ran.err.split()[-2:] == ["141", "0"], ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "line, code",
    [("$D apply x.npy -q -k k.npy -o - >&-", 4), ("$D apply - -q -k k.npy -o o.npy <&-", 3), ("$D apply x.npy -q -k k.npy -o o.npy 2>&-", 0),
     ("$D apply x.npy -k k.npy -o o.h5 <&- >&- 2>&-", 0), ("$D apply no.npy -q -k k.npy -o o.npy 2>&-", 3), ("$D apply x.npy --json -k k.npy -o o.npy >&-", 4),
     ("$D apply x.npy -q -k k.npy -o - >/dev/full", 4), ("$D apply x.npy --json -k k.npy -o o.npy >/dev/full", 4), ("$D --version >/dev/full", 4),
     ("$D apply x.npy -q -k k.npy -o o.npy --report /dev/full", 4), ("$D apply no.npy -k k.npy -o o.npy 2>/dev/full", 3)],
)  # fmt: skip
def test_standard_streams_that_are_closed_or_full(place: Path, line: str, code: int) -> None:
    ran = run_shell(line, place)
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == int(code != 0 and "2>" not in line), ran.err
    assert "Traceback" not in ran.err
    for path in place.glob("o.*"):
        # A stream's number must not have been taken by the output.
        if path.suffix == ".npy":
            np.testing.assert_array_equal(np.load(path), Y)


def test_data_never_goes_to_a_terminal(place: Path) -> None:
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            command("apply", "x.npy", "-q", "-k", "k.npy", "-o", "-"),
            stdout=follower, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment(), cwd=place, timeout=30, check=False,
        )  # fmt: skip
    finally:
        os.close(follower)
    with contextlib.suppress(OSError):
        os.set_blocking(leader, False)
        assert os.read(leader, 1000) == b""
    os.close(leader)
    assert done.returncode == 2
    assert b"terminal" in done.stderr


# Signals


def waiting(place: Path, *args: object, ready: int = 1 << 20, **options: Any) -> subprocess.Popen[bytes]:
    """A run in the middle of its work: it has read some data and waits for more."""
    process = subprocess.Popen(
        command("apply", "-", "-q", "-k", "k.npy", *args),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=place, **options,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(npy_bytes(np.ones((1_000_000, 3), "f4"))[: ready + 128])
    process.stdin.flush()
    return process


def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def temporary(place: Path) -> list[str]:
    return [name for name in names(place) if name.endswith(".tmp")]


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("suffix, times", [("npy", 3), ("npz", 1), ("h5", 3)])
def test_signals_leave_nothing_behind(place: Path, number: int, code: int, suffix: str, times: int) -> None:
    process = waiting(place, "-o", f"out.{suffix}", ready=9 << 20)
    until(lambda: temporary(place))
    for _ in range(times):
        process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code, err.decode()
    assert err == b""
    assert temporary(place) == []
    assert not (place / f"out.{suffix}").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_disturbs_the_clearing_up_after_a_signal(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dwconv_cli.interrupts import end_by_signal

    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        end_by_signal(number)
        assert [signal.getsignal(known) for known in before] == [signal.SIG_IGN] * 3
    finally:
        for known, old in before.items():
            signal.signal(known, old)
    assert left == [code]


def test_an_existing_output_survives_a_signal(place: Path) -> None:
    old = save(place / "out.npy", X).read_bytes()
    process = waiting(place, "-o", "out.npy", "--overwrite")
    until(lambda: temporary(place))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert (place / "out.npy").read_bytes() == old
    assert temporary(place) == []


def test_a_stalled_reader_holds_no_signal_up(place: Path) -> None:
    save(place / "big.npy", np.ones((2_000_000, 3), "f4"))
    process = subprocess.Popen(
        command("apply", "big.npy", "-q", "-k", "k.npy", "-o", "-"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=place,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(1) == b"\x93"
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_sigint_is_ignored_where_the_shell_says_so(place: Path) -> None:
    process = waiting(place, "-o", "out.npy", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    until(lambda: temporary(place))
    process.send_signal(signal.SIGINT)
    assert process.stdin is not None
    rest = npy_bytes(np.ones((1_000_000, 3), "f4"))[(1 << 20) + 128 :]
    _, err = process.communicate(rest, timeout=20)
    assert (process.returncode, err) == (0, b"")
    assert np.load(place / "out.npy").shape == (999_999, 3)


def test_an_input_that_changes_while_it_is_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dwconv_cli.storage.source import FileSource

    real = FileSource.read_into

    def touched(self: FileSource, buffer: memoryview, offset: int) -> None:
        real(self, buffer, offset)
        if self.name == "x.npy" and offset:
            os.utime("x.npy", ns=(1, 1))

    monkeypatch.setattr(FileSource, "read_into", touched)
    run("apply", "x.npy", "-q", "-k", "k.npy", "-o", "o.npy").failed(3, "x.npy", "changed")
    assert not (place / "o.npy").exists()
