"""The settings of a layer by Keras's names, and the groups of them that code needs; light enough for ``--help``."""

from __future__ import annotations

from typing import Final

# What the kernel and the bias themselves decide.
OF_WEIGHTS: Final = ("kernel_size", "depth_multiplier", "use_bias")
# What changes the output and cannot be seen from the weights.
NOT_IN_WEIGHTS: Final = ("strides", "padding", "data_format", "dilation_rate", "activation")
# What only fresh weights need.
INITIALIZER_KEYS: Final = ("depthwise_initializer", "bias_initializer")
# What projects the kernel and the bias.
CONSTRAINT_KEYS: Final = ("depthwise_constraint", "bias_constraint")
# What Keras also takes, and writes, as a tuple of one number.
STEP_KEYS: Final = ("kernel_size", "strides", "dilation_rate")
# What acts on the sum of a SeparableConv1D only after its pointwise half.
AFTER_SUM: Final = (
    "activation",
    "use_bias",
    "bias_initializer",
    "bias_regularizer",
    "activity_regularizer",
    "bias_constraint",
)
# All that options set.
OPTION_KEYS: Final = (
    "kernel_size",
    "strides",
    "padding",
    "depth_multiplier",
    "data_format",
    "dilation_rate",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "bias_initializer",
    "depthwise_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "depthwise_constraint",
    "bias_constraint",
    "dtype",
)
# All that a Keras config has and a LayerSpec keeps. Whether strides and dilation may be above 1 together is not in it.
SETTINGS: Final = (*OPTION_KEYS, "name")
