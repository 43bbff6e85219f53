"""Standard input and output as unbuffered binary streams, their pipes as wide as the system lets them be."""

from __future__ import annotations

import contextlib
import fcntl
import io
import sys
from typing import Any

from dwconv_cli.storage.sink import StreamSink
from dwconv_cli.storage.waiting import waiting

# Linux's default limit for pipes of unprivileged users; its pipes hold 64 KiB unless told otherwise.
PIPE_BYTES = 1 << 20


def standard_input() -> Any:
    """Standard input, unbuffered: a read gives what is there."""
    return _unbuffered(sys.stdin.buffer)


def standard_output() -> StreamSink:
    """Standard output as a sink; what is written leaves at once."""
    return StreamSink(_unbuffered(sys.stdout.buffer), "standard output")


def _unbuffered(stream: Any) -> Any:
    raw = waiting(stream)
    wider = getattr(fcntl, "F_SETPIPE_SZ", None)
    if wider is not None:
        # Not a pipe, or not allowed: as it was, then.
        with contextlib.suppress(OSError, io.UnsupportedOperation, ValueError):
            fcntl.fcntl(raw.fileno(), wider, PIPE_BYTES)
    return raw
