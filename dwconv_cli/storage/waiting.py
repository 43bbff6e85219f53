"""Standard streams that wait: whoever else has a stream open may have told it not to, at any time."""

from __future__ import annotations

import io
import select
import sys
from typing import Any


class WaitingFile(io.FileIO):
    """An open descriptor, read and written as if it blocked. It is not told to, since others may rely on that.

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


def waiting(stream: Any) -> Any:
    """The unbuffered stream below a binary one, made to wait where it is a descriptor."""
    raw = getattr(stream, "raw", stream)
    return WaitingFile(raw.fileno(), raw.mode) if type(raw) is io.FileIO else raw


def wait_for_standard_streams() -> None:
    """Have all text that goes through the interpreter's standard streams wait too."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue
        raw = waiting(stream.buffer)
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
