"""Models of the Keras 3 that is installed, and what its layers make of data. Without it, tests that import this are skipped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_cli import run, save

keras = pytest.importorskip("keras", reason="Keras is not installed")
if not keras.__version__.startswith("3."):
    pytest.skip("these tests are Keras 3's", allow_module_level=True)

Array = np.ndarray[Any, Any]

STEPS = 24
BACKEND = keras.backend.backend()
HAS_FLOAT64 = BACKEND != "jax" or os.environ.get("JAX_ENABLE_X64") == "1"
ROUNDING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


def shape_of(options: dict[str, Any], channels: int) -> tuple[int, int]:
    """The shape of one recording."""
    first = options.get("data_format") == "channels_first"
    return (channels, STEPS) if first else (STEPS, channels)


def filled(model: Any, seed: int = 0) -> Any:
    """The model with numbers of its own in every weight."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign((rng.normal(size=tuple(weight.shape)) / 2).astype("float32"))
    return model


def built(options: dict[str, Any], channels: int = 3) -> tuple[Any, Any]:
    """A Sequential of one layer, and that layer."""
    layer = keras.layers.DepthwiseConv1D(**options)
    return filled(keras.Sequential([keras.Input(shape_of(options, channels)), layer])), layer


def saved(model: Any, name: str) -> str:
    """The name, under which the model was saved as the suffix says."""
    (model.save_weights if name.endswith(".weights.h5") else model.save)(name)
    return name


def numbers(tensor: Any) -> Array:
    """A tensor as an array of its own dtype, bfloat16 as float32."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def applied(x: Array, weights: str) -> Array:
    """`x` filtered by the command line, which must have nothing to say; `weights` is an address, and options."""
    save(Path("x.npy"), x)
    run(f"apply x.npy -o y.npy --overwrite -q -w {weights}").done()
    y: Array = np.load("y.npy")
    return y


def recording(layer: Any, batch: int = 2, seed: int = 1, dtype: str = "float32") -> Array:
    """Data for a built layer."""
    channels = int(layer.kernel.shape[1])
    shape = shape_of({"data_format": layer.data_format}, channels)
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype(dtype)


def layers_of(model: Any, around: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and layers, models within models included."""
    for layer in model.layers if hasattr(model, "layers") else getattr(model, "layer", ()) and [model.layer]:
        if isinstance(layer, keras.layers.DepthwiseConv1D):
            yield around + layer.name, layer
        yield from layers_of(layer, f"{around}{layer.name}/")


def without(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A config without some of its keys."""
    return {key: value for key, value in config.items() if key not in keys}


def plain(config: Any) -> Any:
    """A config as JSON has it."""
    return json.loads(json.dumps(config))


def assert_as_keras(array: Array, tensor: Any, units: float = 8, coarse: str | None = None) -> None:
    """Hold values, shape and dtype against a tensor, within some units of rounding of the largest value."""
    expected = numbers(tensor)
    assert array.shape == expected.shape
    assert array.dtype == expected.dtype
    size = float(np.abs(expected.astype("float64")).max())
    off = float(np.abs(array.astype("float64") - expected.astype("float64")).max())
    assert off <= units * ROUNDING[coarse or expected.dtype.name] * size, off / size
