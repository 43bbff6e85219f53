"""The catalogue of initializers.

An entry takes ``shape`` and ``dtype`` and returns a new array. With a seed the numbers are those of Keras's NumPy
backend, bit for bit in float32; in float64 that backend rounds orthogonal and stft to float32, and these entries do
not. Without a seed each call draws other numbers. An entry raises LayerError for a shape or for arguments that give no
such array.
"""

from __future__ import annotations

from collections.abc import Callable

from dwconv_cli.layer.axes import Array
from dwconv_cli.layer.registry import Registry

Shape = tuple[int, ...]

INITIALIZERS: Registry[Callable[..., Array]] = Registry(
    "initializer",
    "keras.initializers",
    ignored=("dtype",),
    optional=("input_axes", "output_axes"),
)
