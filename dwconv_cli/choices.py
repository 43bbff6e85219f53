"""The fixed choices of the command line, in a module light enough for ``--help``."""

from __future__ import annotations

from typing import Final

PADDINGS: Final = ("valid", "same", "causal")
DATA_FORMATS: Final = ("channels_last", "channels_first")
DTYPES: Final = ("float16", "float32", "float64", "complex64", "complex128")
KERNEL_LAYOUTS: Final = ("keras", "torch")
AUTO: Final = "auto"
ALGORITHM_NAMES: Final = (AUTO, "direct", "overlap-save")
# An algorithm of earlier versions, and what is to be said of it.
GONE: Final = "toeplitz"
GONE_ADVICE: Final = "toeplitz is gone, and direct is faster than it was"
FORMAT_NAMES: Final = ("npy", "npz", "hdf5")
# No layer or recording has more of anything that is counted one by one.
LARGEST: Final = 2**31 - 1
NAN_MODES: Final = ("propagate", "error", "zero")


def counted(number: int, noun: str) -> str:
    """A number and its noun, which is in the singular for 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


# What a file of weights calls the config of their layer.
LAYER_CONFIG: Final = "layer_config"
