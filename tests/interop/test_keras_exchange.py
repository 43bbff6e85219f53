"""Files in both directions between this package and the Keras that is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_keras import built, keras, numbers, recording, saved, without

from dwconv_cli.weights.keras_files import read_layers
from dwconv_cli.weights.keras_files.write import write_keras, write_weights_h5

LAYERS: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": 5, "strides": 2, "padding": "same", "depth_multiplier": 3, "use_bias": False},
    {"kernel_size": 2, "dilation_rate": 3, "activation": "tanh", "data_format": "channels_first"},
    {"kernel_size": 4, "activation": keras.layers.LeakyReLU(negative_slope=0.3), "dtype": "float64"},
    {
        "kernel_size": 3,
        "dtype": "mixed_bfloat16",
        "bias_regularizer": "l2",
        "depthwise_constraint": "max_norm",
    },
    {"kernel_size": 3, "dtype": "float16", "activation": "gelu"},
]
SUFFIXES = (".keras", ".weights.h5", ".h5")
pytestmark = pytest.mark.usefixtures("place")


@pytest.mark.parametrize("options", LAYERS, ids=str)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_keras_saves_is_read(options: dict[str, Any], suffix: str) -> None:
    model, layer = built(options, 4)
    (stored,) = read_layers(Path(saved(model, f"m{suffix}")))
    np.testing.assert_array_equal(stored.kernel, numbers(layer.kernel))
    if layer.use_bias:
        assert stored.bias is not None
        np.testing.assert_array_equal(stored.bias, numbers(layer.bias))
    assert stored.name == layer.name
    if suffix != ".weights.h5":
        assert stored.dtype_policy == layer.dtype_policy.name
        assert stored.config is not None
        # Keras makes the same layer of it again.
        again = keras.layers.DepthwiseConv1D.from_config(stored.config).get_config()
        assert without(again, "activation") == without(layer.get_config(), "activation")


@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_keras_opens_what_is_written(options: dict[str, Any]) -> None:
    model, layer = built(options, 4)
    stored = "float64" if options.get("dtype") == "float64" else "float32"
    kernel = numbers(layer.kernel).astype(stored)
    bias = numbers(layer.bias).astype(stored) if layer.use_bias else None
    config = keras.layers.serialize(layer)["config"]
    with open("m.keras", "wb") as target:
        write_keras(target, config, kernel, bias)
    opened = keras.saving.load_model("m.keras")
    x = recording(layer)
    np.testing.assert_array_equal(numbers(opened(x)), numbers(model(x)))
    assert opened.layers[0].name == layer.name


def functional(inputs: Any, layer: Any) -> Any:
    return keras.Model(inputs, layer(inputs))


def sequential(inputs: Any, layer: Any) -> Any:
    return keras.Sequential([inputs, layer])


@pytest.mark.parametrize("make", [functional, sequential])
@pytest.mark.parametrize("bias", [True, False])
def test_keras_loads_written_weights(make: Callable[..., Any], bias: bool) -> None:
    rng = np.random.default_rng(4)
    kernel, offsets = rng.normal(size=(3, 4, 2)).astype("f4"), rng.normal(size=8).astype("f4")
    with open("m.weights.h5", "wb") as target:
        write_weights_h5(target, {"name": "any"}, kernel, offsets if bias else None)
    layer = keras.layers.DepthwiseConv1D(3, depth_multiplier=2, use_bias=bias)
    make(keras.Input((16, 4)), layer).load_weights("m.weights.h5")
    np.testing.assert_array_equal(numbers(layer.kernel), kernel)
    if bias:
        np.testing.assert_array_equal(numbers(layer.bias), offsets)


def test_sharded_weights(place: Path) -> None:
    model = keras.Sequential(
        [keras.Input((16, 4)), *(keras.layers.DepthwiseConv1D(3, name=f"conv_{i}") for i in range(4))]
    )
    model.save_weights("m.weights.json", max_shard_size=1e-7)
    assert len(list(place.glob("*.h5"))) > 1
    by_path = {layer.path: layer for layer in read_layers(Path("m.weights.json"))}
    assert list(by_path) == [layer.name for layer in model.layers]
    for layer in model.layers:
        np.testing.assert_array_equal(by_path[layer.name].kernel, numbers(layer.kernel))
