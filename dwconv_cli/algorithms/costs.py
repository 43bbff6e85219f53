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
        mac=0.0205,
        put=0.1,
        move=0.53,
        moved=0.07,
        sort=0.15,
        tap=0.13,
        plain=0.3,
        fft=0.8,
        fft_log=0.22,
        check=0.6,
    ),
    "float64": Costs(
        mac=0.041,
        put=0.2,
        move=0.65,
        moved=0.15,
        sort=0.3,
        tap=0.26,
        plain=0.6,
        fft=0.4,
        fft_log=0.45,
        check=1.0,
    ),
}
