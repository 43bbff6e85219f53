"""Standard input and output without buffers, read and written as if they blocked.

Whoever else has a stream open may have made it non-blocking, at any time. Reads and writes then fail for the moment
that nothing is there, so here they wait. The stream itself stays as it is, since others may rely on that.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import select
import sys
from typing import Any

# Linux's default limit for pipes of unprivileged users; its pipes hold 64 KiB unless told otherwise.
PIPE_BYTES = 1 << 20


class WaitingFile(io.FileIO):
    """An open descriptor that is read and written as if it blocked.

    Parameters
    ----------
    fd : int
        It stays open.
    mode : str
    """

    def __init__(self, fd: int, mode: str) -> None:
        super().__init__(fd, mode, closefd=False)

    def readinto(self, buffer: Any) -> int:
        """Read what is there, and wait for it if nothing is; 0 at the end."""
        while (count := super().readinto(buffer)) is None:
            self._wait(select.POLLIN)
        return count

    def read(self, size: int | None = -1) -> bytes:
        """Read what is there, up to `size` bytes, or everything up to the end."""
        if size is None or size < 0:
            return self.readall()
        while (data := super().read(size)) is None:
            self._wait(select.POLLIN)
        return data

    def readall(self) -> bytes:
        """Read everything up to the end."""
        pieces = []
        while piece := self.read(1 << 16):
            pieces.append(piece)
        return b"".join(pieces)

    def write(self, data: Any) -> int:
        """Write as much as there is room for, and wait for room if there is none."""
        while (count := super().write(data)) is None:
            self._wait(select.POLLOUT)
        return count

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self.fileno(), event)
        poll.poll()


def unbuffered(stream: Any) -> Any:
    """The unbuffered stream below a binary one; it waits where it is a descriptor."""
    raw = getattr(stream, "raw", stream)
    return WaitingFile(raw.fileno(), raw.mode) if type(raw) is io.FileIO else raw


def standard_input() -> Any:
    """Standard input, unbuffered: a read gives what is there."""
    return _with_wide_pipe(unbuffered(sys.stdin.buffer))


def standard_output() -> Any:
    """Standard output, unbuffered: what is written leaves at once."""
    return _with_wide_pipe(unbuffered(sys.stdout.buffer))


def _with_wide_pipe(raw: Any) -> Any:
    """`raw`; if it is a pipe, the system holds as much in it as it may."""
    wider = getattr(fcntl, "F_SETPIPE_SZ", None)
    if wider is not None:
        # It fails for what is no pipe, and where it is not allowed; the stream works all the same.
        with contextlib.suppress(OSError, io.UnsupportedOperation, ValueError):
            fcntl.fcntl(raw.fileno(), wider, PIPE_BYTES)
    return raw


def wait_for_standard_streams() -> None:
    """Have all text that goes through the interpreter's standard streams wait too."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue
        raw = unbuffered(stream.buffer)
        if isinstance(raw, WaitingFile):
            stream.flush()
            buffered = io.BufferedReader(raw) if name == "stdin" else io.BufferedWriter(raw)
            text = io.TextIOWrapper(
                buffered,
                stream.encoding,
                stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, text)
