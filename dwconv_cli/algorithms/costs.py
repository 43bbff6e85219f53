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
        put=0.27,
        move=0.4,
        moved=0.31,
        sort=0.27,
        tap=0.12,
        plain=0.19,
        fft=3.5,
        fft_log=0.046,
        check=1.1,
    ),
    "float64": Costs(
        mac=0.036,
        put=0.39,
        move=0.59,
        moved=0.43,
        sort=0.81,
        tap=0.23,
        plain=0.37,
        fft=2.9,
        fft_log=0.33,
        check=1.0,
    ),
}
