"""What the work of the algorithms costs, in nanoseconds on one thread.

``benchmarks/fit_costs.py`` measures the constants and writes the table. Only their ratios matter, and those differ
little between machines; the choice of an algorithm must be the same on all of them, so they are constants.
"""

from __future__ import annotations

from typing import NamedTuple


class Costs(NamedTuple):
    """Nanoseconds, by what they are paid for."""

    #: A product and a sum inside a matrix product, and each number that it puts out.
    mac: float
    put: float
    #: A move of one or several samples that travel as one into scratch or back, and each sample of it.
    move: float
    moved: float
    #: A sample moved with all channels of its step.
    sort: float
    #: A tap of the direct sum by rows, and one of the sum by a multiply and an add.
    tap: float
    plain: float
    #: A sample transformed there and back, and that for each doubling of the length; its check.
    fft: float
    fft_log: float
    check: float


#: By the real dtype of the numbers.
COSTS = {
    "float32": Costs(
        mac=0.017,
        put=0.28,
        move=0.27,
        moved=0.18,
        sort=0.28,
        tap=0.12,
        plain=0.17,
        fft=3.7,
        fft_log=0.054,
        check=0.8,
    ),
    "float64": Costs(
        mac=0.036,
        put=0.41,
        move=0.49,
        moved=0.32,
        sort=0.83,
        tap=0.23,
        plain=0.35,
        fft=3.5,
        fft_log=0.33,
        check=1.1,
    ),
}
