"""What the work of the algorithms costs, in nanoseconds on one thread.

``benchmarks/fit_costs.py`` fits the constants to measurements and writes the table. Only their ratios matter, and those differ
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
    #: A tap of the direct sum by rows, each of its outputs, and a sample sorted for it with all channels of its step.
    tap: float
    row: float
    sort: float
    #: One multiplication or addition of the direct sum by two ufuncs a tap, and one of samples that lie apart.
    plain: float
    spread: float
    #: A sample transformed there and back, and that for each doubling of the length; its check.
    fft: float
    fft_log: float
    check: float


#: By the real dtype of the numbers.
COSTS = {
    "float32": Costs(
        mac=0.021,
        put=0.19,
        move=0.37,
        moved=0.26,
        tap=0.14,
        row=0.18,
        sort=0.54,
        plain=0.1,
        spread=0.42,
        fft=3.7,
        fft_log=0.0,
        check=4.4,
    ),
    "float64": Costs(
        mac=0.044,
        put=0.33,
        move=0.54,
        moved=0.57,
        tap=0.31,
        row=0.25,
        sort=0.94,
        plain=0.2,
        spread=0.52,
        fft=9.5,
        fft_log=0.0,
        check=1.0,
    ),
}
