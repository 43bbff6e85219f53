"""Catalogue of activations: Keras's functions, in place on an array whose last axis is channels.

What an entry may do is described in `catalogue`; functions enter it where they are defined, and Keras's layers of
activation here.
"""

from __future__ import annotations

from dwconv_cli.layer.argument_limits import at_least
from dwconv_cli.layer.catalogues.activations.catalogue import ACTIVATIONS
from dwconv_cli.layer.catalogues.activations.piecewise import (
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    linear,
    relu,
    relu6,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
    threshold,
)
from dwconv_cli.layer.catalogues.activations.smooth import (
    celu,
    elu,
    exponential,
    gelu,
    log_sigmoid,
    mish,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    squareplus,
    tanh,
    tanh_shrink,
)
from dwconv_cli.layer.catalogues.activations.whole_axis import (
    NEEDS_WHOLE_AXIS,
    glu,
    log_softmax,
    output_channels,
    softmax,
    sparsemax,
)

__all__ = [
    "ACTIVATIONS",
    "NEEDS_WHOLE_AXIS",
    "Array",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "output_channels",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
]

_SLOPE = {"negative_slope": at_least(0)}
_WEIGHTS = "it has weights of its own, one for each step; only functions without weights can be used"

ACTIVATIONS.add_layer("ReLU", "relu", limits={**_SLOPE, "threshold": at_least(0)})
ACTIVATIONS.add_layer("LeakyReLU", "leaky_relu", {"negative_slope": 0.3}, {"alpha": "negative_slope"}, _SLOPE)
ACTIVATIONS.add_layer("ELU", "elu")
ACTIVATIONS.add_layer("Softmax", "softmax")
ACTIVATIONS.add_layer(
    "ThresholdedReLU",
    "threshold",
    {"threshold": 1.0, "default_value": 0.0},
    {"theta": "threshold"},
    current=False,
)
ACTIVATIONS.refuse(_WEIGHTS, "PReLU", "prelu")
