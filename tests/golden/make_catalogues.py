"""Record Keras's activations, initializers, regularizers and constraints: ``python tests/golden/make_catalogues.py``.

Needs Keras 3 with JAX and SciPy, because its NumPy backend imports them. Writes ``catalogues.json`` (what was
called, how Keras serializes it, and scalar results) and ``catalogues.npz`` (arrays) beside this file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "numpy"

import keras
import numpy as np
from keras.src.backend.common import dtypes
from records import write

HERE = Path(__file__).parent
SHAPES = ((3, 4, 2), (5, 1, 3), (4, 3, 5))

ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("celu", {}),
    ("celu", {"alpha": 0.5}),
    ("elu", {}),
    ("elu", {"alpha": 2.0}),
    ("exponential", {}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("glu", {}),
    ("hard_shrink", {}),
    ("hard_shrink", {"threshold": 1.0}),
    ("hard_sigmoid", {}),
    ("hard_silu", {}),
    ("hard_tanh", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.1}),
    ("linear", {}),
    ("log_sigmoid", {}),
    ("log_softmax", {}),
    ("mish", {}),
    ("relu", {}),
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 2.0}),
    ("relu", {"max_value": 6, "negative_slope": 0.2}),
    ("relu", {"threshold": 0.5}),
    ("relu", {"threshold": -1.0}),
    ("relu", {"threshold": -1.0, "negative_slope": 0.25}),
    ("relu", {"negative_slope": 0.1, "max_value": 3.0, "threshold": 1.0}),
    ("relu6", {}),
    ("selu", {}),
    ("sigmoid", {}),
    ("silu", {}),
    ("soft_shrink", {}),
    ("soft_shrink", {"threshold": 0.1}),
    ("softmax", {}),
    ("softplus", {}),
    ("softsign", {}),
    ("sparse_plus", {}),
    ("sparse_sigmoid", {}),
    ("sparsemax", {}),
    ("squareplus", {}),
    ("squareplus", {"b": 1.0}),
    ("tanh", {}),
    ("tanh_shrink", {}),
    ("threshold", {"threshold": 0.3, "default_value": -2.0}),
]

LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}),
    ("ReLU", {"max_value": 3.0, "negative_slope": 0.5, "threshold": 0.25}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("ELU", {"alpha": 0.75}),
    ("Softmax", {}),
    ("Activation", {"activation": "mish"}),
]

INITIALIZERS: list[tuple[str, dict[str, Any]]] = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 2.5}),
    ("RandomNormal", {"seed": 5}),
    ("RandomNormal", {"mean": -1.0, "stddev": 2.0, "seed": 2**32 - 1}),
    ("RandomUniform", {"seed": 0}),
    ("RandomUniform", {"minval": -1.0, "maxval": 2.0, "seed": 1}),
    ("TruncatedNormal", {"seed": 2}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 0.5, "seed": 3}),
    ("VarianceScaling", {"seed": 4}),
    ("VarianceScaling", {"scale": 0.3, "mode": "fan_out", "distribution": "untruncated_normal", "seed": 4}),
    ("VarianceScaling", {"mode": "fan_avg", "distribution": "uniform", "seed": 4}),
    ("VarianceScaling", {"mode": "fan_avg", "seed": 4, "input_axes": [0, 1], "output_axes": [2]}),
    ("GlorotNormal", {"seed": 6}),
    ("GlorotUniform", {"seed": 6}),
    ("GlorotUniform", {"seed": 6, "input_axes": [0], "output_axes": [1, 2]}),
    ("HeNormal", {"seed": 6}),
    ("HeUniform", {"seed": 6}),
    ("LecunNormal", {"seed": 6}),
    ("LecunUniform", {"seed": 6}),
    ("Orthogonal", {"seed": 7}),
    ("Orthogonal", {"gain": 2.0, "seed": 7}),
    ("STFT", {}),
    ("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True}),
    ("STFT", {"window": None}),
    ("STFT", {"scaling": None}),
]

REGULARIZERS: list[tuple[str, dict[str, Any]]] = [
    ("L1", {}),
    ("L1", {"l1": 0.5}),
    ("L2", {}),
    ("L2", {"l2": 0.25}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.5, "l2": 0.25}),
    ("OrthogonalRegularizer", {"factor": 0.5}),
]

CONSTRAINTS: list[tuple[str, dict[str, Any]]] = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 1, "axis": [0, 1]}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 2.0, "max_value": 2.5, "rate": 0.75, "axis": 2}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": [0, 1, 2]}),
]


def main() -> None:
    generator = np.random.default_rng(20240601)
    x = (generator.normal(size=(24, 6)) * 3).astype("float32")
    x[0] = [-1.0, 0.0, 1.0, 6.0, -0.5, 0.5]
    weights = generator.normal(size=(5, 3, 2)).astype("float32")
    arrays: dict[str, Any] = {"x": x, "weights": weights}
    report: dict[str, Any] = {"keras": keras.__version__, "shapes": SHAPES}

    entries = report["activations"] = []
    for index, (name, arguments) in enumerate(ACTIVATIONS):
        function = getattr(keras.activations, name)
        # This backend rounds float64 to float32 unless told not to.
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float32"
        arrays[f"activations/{index}/float32"] = np.asarray(function(x, **arguments), "float32")
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
        arrays[f"activations/{index}/float64"] = np.asarray(function(x.astype("float64"), **arguments))
        config = keras.saving.serialize_keras_object(function)
        entries.append({"name": name, "arguments": arguments, "config": config})
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float32"

    report["layers"] = [
        {"name": name, "arguments": arguments, "config": serialized(keras.layers, name, arguments)}
        for name, arguments in LAYERS
    ]

    entries = report["initializers"] = []
    for index, (name, arguments) in enumerate(INITIALIZERS):
        entries.append(
            {"name": name, "arguments": arguments, "config": serialized(keras.initializers, name, arguments)}
        )
        for shape in SHAPES:
            one = (shape[0], 1, shape[2]) if name == "STFT" else shape
            value = getattr(keras.initializers, name)(**arguments)(one, dtype="float32")
            arrays[f"initializers/{index}/{'x'.join(map(str, shape))}"] = np.broadcast_to(value, shape)

    report["regularizers"] = [
        {
            "name": name,
            "arguments": arguments,
            "config": serialized(keras.regularizers, name, arguments),
            "penalty": float(getattr(keras.regularizers, name)(**arguments)(operand(name, weights))),
        }
        for name, arguments in REGULARIZERS
    ]

    entries = report["constraints"] = []
    for index, (name, arguments) in enumerate(CONSTRAINTS):
        entries.append(
            {"name": name, "arguments": arguments, "config": serialized(keras.constraints, name, arguments)}
        )
        arrays[f"constraints/{index}"] = getattr(keras.constraints, name)(**arguments)(weights)

    np.savez_compressed(HERE / "catalogues.npz", **arrays)
    write(HERE / "catalogues.json", report)


def operand(name: str, weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The weights, or the matrix of them that the orthogonal regularizer insists on."""
    return weights[:, :, 0] if name == "OrthogonalRegularizer" else weights


def serialized(module: Any, name: str, arguments: dict[str, Any]) -> Any:
    return keras.saving.serialize_keras_object(getattr(module, name)(**arguments))


if __name__ == "__main__":
    main()
