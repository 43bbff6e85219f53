"""Whether a file is still the one that was looked at."""

from __future__ import annotations

import os


def state(status: os.stat_result) -> tuple[int, ...]:
    """What shows that a file is still the same one and was not changed by ordinary means.

    The time of its change of status cannot be put back, but other names and permissions change it too.
    """
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
