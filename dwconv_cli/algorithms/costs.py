"""What the work of the algorithms costs, in nanoseconds on one thread.

Measured, and written by ``benchmarks/fit_costs.py``. Only their ratios matter, and they differ little between
machines; the choice of an algorithm must be the same on all of them, so they are constants.
"""

from __future__ import annotations

from typing import NamedTuple


class Costs(NamedTuple):
    """Nanoseconds, by what they are paid for."""

    #: A product and a sum inside a matrix product.
    mac: float
    #: An output number of a matrix product.
    put: float
    #: Moving a sample from the recording into scratch, or back.
    move: float
    #: A tap of the direct sum by rows, and of the one by a multiply and an add.
    tap: float
    plain: float
    #: A transform there and back of a sample: this, and this for each doubling of the length; and the check.
    fft: float
    fft_log: float
    check: float


#: By the real dtype of the numbers.
COSTS = {
    "float32": Costs(mac=0.0205, put=0.1, move=0.6, tap=0.13, plain=0.3, fft=0.8, fft_log=0.22, check=0.6),
    "float64": Costs(mac=0.041, put=0.2, move=0.8, tap=0.26, plain=0.6, fft=0.4, fft_log=0.45, check=1.0),
}
