"""The names in the catalogues and their arguments, for shells to complete.

They stand here again because the catalogues import NumPy, which takes longer than the whole rest of a completion. The
tests hold this table against the catalogues.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_FANS = ("seed", "input_axes", "output_axes")
_BANDS = ("transition", "ripple", "window", "method", "fs")

ACTIVATIONS: Final = {
    "celu": ("alpha",),
    "elu": ("alpha",),
    "exponential": (),
    "gelu": ("approximate",),
    "glu": ("axis",),
    "hard_shrink": ("threshold",),
    "hard_sigmoid": ("slope",),
    "hard_silu": (),
    "hard_tanh": (),
    "leaky_relu": ("negative_slope",),
    "linear": (),
    "log_sigmoid": (),
    "log_softmax": ("axis",),
    "mish": (),
    "relu": ("negative_slope", "max_value", "threshold"),
    "relu6": (),
    "selu": (),
    "sigmoid": (),
    "silu": (),
    "soft_shrink": ("threshold",),
    "softmax": ("axis",),
    "softplus": (),
    "softsign": (),
    "sparse_plus": (),
    "sparse_sigmoid": (),
    "sparsemax": ("axis",),
    "squareplus": ("b",),
    "tanh": (),
    "tanh_shrink": (),
    "threshold": ("threshold", "default_value"),
}
DESIGNS: Final = {
    "bandpass": ("low", "high", *_BANDS),
    "bandstop": ("low", "high", *_BANDS),
    "delta": (),
    "differentiator": ("fs",),
    "firwin": ("cutoff", "fs", "window", "pass_zero"),
    "fractional_delay": ("delay",),
    "gaussian": ("std",),
    "highpass": ("cutoff", *_BANDS),
    "hilbert": ("low", "ripple", "window", "method", "fs"),
    "lowpass": ("cutoff", *_BANDS),
    "moving_average": ("steps",),
    "notch": ("frequency", "width", *_BANDS),
    "savgol": ("polyorder", "deriv", "fs"),
}
INITIALIZERS: Final = {
    **DESIGNS,
    "constant": ("value",),
    "glorot_normal": _FANS,
    "glorot_uniform": _FANS,
    "he_normal": _FANS,
    "he_uniform": _FANS,
    "identity": ("gain",),
    "lecun_normal": _FANS,
    "lecun_uniform": _FANS,
    "ones": (),
    "orthogonal": ("gain", "seed"),
    "random_normal": ("mean", "stddev", "seed"),
    "random_uniform": ("minval", "maxval", "seed"),
    "stft": ("side", "window", "scaling", "periodic"),
    "truncated_normal": ("mean", "stddev", "seed"),
    "variance_scaling": ("scale", "mode", "distribution", *_FANS),
    "zeros": (),
}
REGULARIZERS: Final = {
    "l1": ("l1",),
    "l1_l2": ("l1", "l2"),
    "l2": ("l2",),
    "orthogonal_regularizer": ("factor", "mode"),
}
CONSTRAINTS: Final = {
    "max_norm": ("max_value", "axis"),
    "min_max_norm": ("min_value", "max_value", "rate", "axis"),
    "non_neg": (),
    "unit_norm": ("axis",),
}
# The last word of a field's name -> the catalogue that its option takes a call from.
_CATALOGUES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "design": DESIGNS,
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "regularizer": REGULARIZERS,
    "constraint": CONSTRAINTS,
}


def catalogue_of(field: str) -> Mapping[str, tuple[str, ...]] | None:
    """The names and arguments that the option of a field takes, if it takes such."""
    return _CATALOGUES.get(field.rpartition("_")[2])


def calls(names: Mapping[str, tuple[str, ...]], typed: str) -> list[str]:
    """The calls that begin as `typed` does: names, and after a parenthesis or a comma the arguments left.

    Examples
    --------
    >>> calls(REGULARIZERS, "l1")
    ['l1', 'l1_l2']
    >>> calls(REGULARIZERS, "orth")
    ['orthogonal_regularizer', 'orthogonal_regularizer(']
    >>> calls(REGULARIZERS, "l1_l2(l1=0.1, ")
    ['l1_l2(l1=0.1, l2=']
    """
    name, parenthesis, inside = typed.partition("(")
    if not parenthesis:
        known = [name for name in names if name.startswith(typed)]
        return [*known, f"{known[0]}("] if len(known) == 1 and names[known[0]] else known
    *earlier, last = inside.split(",")
    used = {argument.partition("=")[0].strip() for argument in earlier}
    start = typed[: len(typed) - len(last.lstrip())]
    return [
        f"{start}{argument}="
        for argument in names.get(name.strip(), ())
        if argument not in used and argument.startswith(last.lstrip())
    ]
