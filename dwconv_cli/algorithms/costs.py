"""What the work of the algorithms costs, in nanoseconds on one thread.

``benchmarks/fit_costs.py`` fits the constants to measurements and writes the table. Only their ratios matter, and
those differ little between machines; the choice of an algorithm must be the same on all of them, so they are constants.
"""

from __future__ import annotations

from typing import NamedTuple


class Costs(NamedTuple):
    """Nanoseconds, by what they are paid for."""

    #: A product and a sum inside a matrix product, and each number that it puts out.
    mac: float
    put: float
    #: A move of one or several samples that travel as one into scratch or back, each sample of it, and each one whose
    #: neighbours in time lie in other lines of the cache.
    move: float
    moved: float
    far: float
    #: A tap of the direct sum by rows, each of its outputs; a step sorted for it, and each sample of the step.
    tap: float
    row: float
    step: float
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
        move=0.52,
        moved=0.055,
        far=0.27,
        tap=0.14,
        row=0.23,
        step=2.1,
        sort=0.48,
        plain=0.11,
        spread=0.43,
        fft=3.8,
        fft_log=0.0,
        check=4.5,
    ),
    "float64": Costs(
        mac=0.043,
        put=0.38,
        move=0.56,
        moved=0.39,
        far=0.34,
        tap=0.29,
        row=0.34,
        step=1.5,
        sort=0.91,
        plain=0.21,
        spread=0.51,
        fft=9.2,
        fft_log=0.0,
        check=1.2,
    ),
}
