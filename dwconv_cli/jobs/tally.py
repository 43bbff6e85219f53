"""What is counted while the blocks of a recording pass: NaN and Inf, and the penalty of the activity regularizer."""

from __future__ import annotations

import numpy as np

from dwconv_cli.choices import NanMode
from dwconv_cli.errors import InputError, LayerError
from dwconv_cli.jobs.nonfinite import count_nonfinite
from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS
from dwconv_cli.layer.registry import Choice

# Regularizers that are sums over the elements, so that the penalties of blocks add up to that of the whole output.
_ADDITIVE = frozenset({"l1", "l2", "l1_l2"})


class Tally:
    """Counts of one recording's input and output.

    Parameters
    ----------
    regularizer : Choice, optional
        Of the output.
    batch : int
        Recordings; Keras divides the activity's penalty by it.
    nan : str
        What becomes of NaN in the data: ``propagate``, ``zero`` or ``error``.
    name : str
        Of the data, for messages.

    Raises
    ------
    LayerError
        If the regularizer is not a sum over elements.
    """

    def __init__(
        self, regularizer: Choice | None, batch: int, nan: NanMode = "propagate", name: str = "data"
    ) -> None:
        if regularizer is not None and regularizer.name not in _ADDITIVE:
            raise LayerError(f"activity_regularizer {regularizer} needs a matrix; use l1, l2 or l1_l2")
        self._penalty_of = None if regularizer is None else REGULARIZERS.function(regularizer)
        self._batch = max(1, batch)
        self._nan = nan
        self._name = name
        #: Numbers of NaN and Inf in the data and in the output.
        self.input = self.output = 0
        self.penalty = 0.0

    def count_input(self, block: Array) -> None:
        """Count a block of the data; then replace its NaN by zero, if that was asked for.

        Raises
        ------
        InputError
            If there is NaN and it is to be an error.
        """
        nonfinite = count_nonfinite(block)
        self.input += nonfinite
        if not nonfinite or self._nan == "propagate":
            return
        is_nan = np.isnan(block)
        if self._nan == "zero":
            block[is_nan] = 0
        elif is_nan.any():
            raise InputError(f"{self._name}: holds NaN; use --nan zero to replace them, or --nan propagate")

    def count_output(self, block: Array) -> None:
        """Count a block of the output."""
        self.output += count_nonfinite(block)
        if self._penalty_of is not None:
            self.penalty += float(self._penalty_of(block)) / self._batch
