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
from helpers_cli import npy_bytes, run_process, run_shell, save, start, unfinished, until
from recordings import B, K, X, Y, added

# Larger than what a pipe holds, and than one block of the smallest size.
LONG = np.random.default_rng(7).integers(-8, 9, (400_000, 3)).astype("f4")

# Processes, pipes and terminals


def test_python_m(place: Path) -> None:
    assert run_process("--version").out.startswith(b"dwconv")
    assert run_process("apply x.npy -q -k k.npy -o -").done().out == npy_bytes(Y)


def test_a_chain_of_pipes(place: Path) -> None:
    save(place / "long.npy", LONG)
    first, second = "apply - -q -k k.npy -o -", "apply - -q -w w.npz --padding same -o -"
    run_shell(f"set -o pipefail; cat long.npy | dwconv {first} | dwconv {second} > out.npy").done()
    y = np.load("out.npy")
    assert y.shape == (399_999, 6)
    expected = oracle.depthwise_conv1d(LONG[1:200] + LONG[:199], K, B, padding="same")
    np.testing.assert_array_equal(y[:198], expected[:198])


def test_a_chain_that_breaks_at_its_head_makes_nothing(place: Path) -> None:
    save(place / "long.npy", LONG)
    first, second = "apply - -q -k k.npy -o -", "apply - -q -k k.npy -o out.npy"
    ran = run_shell(f"head -c 3000000 long.npy | dwconv {first} | dwconv {second}; echo ${{PIPESTATUS[@]}}")
    assert ran.out.split() == [b"0", b"3", b"3"]
    assert len(ran.err.splitlines()) == 2
    assert added(place) == ["long.npy"]


@pytest.mark.parametrize(
    "source, line, reader",
    [
        ("true", "apply long.npy -q -k k.npy -o -", "head -c 100"),
        ("true", "apply long.npy -q -k k.npy -o /dev/stdout --output-format npy", "head -c 100"),
        ("yes x.npy | head -100", "apply --files-from - -k k.npy --dry-run --json", "true"),
        ("true", "apply --help", "true"),
        ("cat long.npy", "apply - -q -k k.npy -o -", "true"),
    ],
)
def test_a_closed_pipe_ends_the_command_silently(place: Path, source: str, line: str, reader: str) -> None:
    save(place / "long.npy", LONG)
    # A reader that takes nothing is gone before the command begins.
    ran = run_shell(f"{source} | (sleep 0.2; dwconv {line}) | {reader}; echo ${{PIPESTATUS[@]}} >&2")
    assert ran.err.split()[-2:] == ["141", "0"], ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "line, code",
    [("dwconv apply x.npy -q -k k.npy -o - >&-", 4), ("dwconv apply - -q -k k.npy -o o.npy <&-", 3), ("dwconv apply x.npy -q -k k.npy -o o.npy 2>&-", 0),
     ("dwconv apply x.npy -k k.npy -o o.h5 <&- >&- 2>&-", 0), ("dwconv apply no.npy -q -k k.npy -o o.npy 2>&-", 3), ("dwconv apply x.npy --json -k k.npy -o o.npy >&-", 4),
     ("dwconv apply x.npy -q -k k.npy -o - >/dev/full", 4), ("dwconv apply x.npy --json -k k.npy -o o.npy >/dev/full", 4), ("dwconv --version >/dev/full", 4),
     ("dwconv apply x.npy -q -k k.npy -o o.npy --report /dev/full", 4), ("dwconv apply no.npy -k k.npy -o o.npy 2>/dev/full", 3)],
)  # fmt: skip
def test_standard_streams_that_are_closed_or_full(place: Path, line: str, code: int) -> None:
    ran = run_shell(line)
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == int(code != 0 and "2>" not in line), ran.err
    assert "Traceback" not in ran.err
    for path in place.glob("o.*"):
        # A stream's number must not have been taken by the output.
        if path.suffix == ".npy":
            np.testing.assert_array_equal(np.load(path), Y)


def test_data_never_goes_to_a_terminal(place: Path) -> None:
    leader, follower = pty.openpty()
    process = start("apply x.npy -q -k k.npy -o -", stdout=follower)
    _, err = process.communicate(timeout=30)
    os.close(follower)
    with contextlib.suppress(OSError):
        os.set_blocking(leader, False)
        assert os.read(leader, 1000) == b""
    os.close(leader)
    assert process.returncode == 2
    assert b"terminal" in err


# Signals


STREAM = npy_bytes(np.ones((1_000_000, 3), "f4"))


def waiting(output: str, ready: int = 1 << 20, **options: Any) -> subprocess.Popen[bytes]:
    """A run in the middle of its work: it has read so many bytes of `STREAM` and waits for more."""
    process = start(f"apply - -q -k k.npy {output}", stdin=subprocess.PIPE, **options)
    assert process.stdin is not None
    process.stdin.write(STREAM[:ready])
    process.stdin.flush()
    until(lambda: unfinished(Path.cwd()))
    return process


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("suffix, times", [("npy", 3), ("npz", 1), ("h5", 3)])
def test_signals_leave_nothing_behind(place: Path, number: int, code: int, suffix: str, times: int) -> None:
    process = waiting(f"-o out.{suffix}", ready=9 << 20)
    for _ in range(times):
        process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code, err.decode()
    assert err == b""
    assert added(place) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_disturbs_the_clearing_up_after_a_signal(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dwconv_cli.interrupts import end_by_signal, file_creation

    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        end_by_signal(number)
        assert [signal.getsignal(known) for known in before] == [signal.SIG_IGN] * 3
    finally:
        file_creation.release()
        for known, old in before.items():
            signal.signal(known, old)
    assert left == [code]


def test_an_existing_output_survives_a_signal(place: Path) -> None:
    old = save(place / "out.npy", X).read_bytes()
    process = waiting("-o out.npy --overwrite")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert (place / "out.npy").read_bytes() == old
    assert added(place) == ["out.npy"]


def test_a_stalled_reader_holds_no_signal_up(place: Path) -> None:
    save(place / "long.npy", LONG)
    process = start("apply long.npy -q -k k.npy -o -", stdout=subprocess.PIPE)
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
    process = waiting("-o out.npy", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    assert process.stdin is not None
    _, err = process.communicate(STREAM[1 << 20 :], timeout=20)
    assert (process.returncode, err) == (0, b"")
    assert np.load(place / "out.npy").shape == (999_999, 3)
