"""Files in both directions between the command line and tf-keras, which is Keras 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_cli import run, save

tf_keras = pytest.importorskip("tf_keras", reason="tf-keras is not installed")

# TensorFlow meets NumPy 2 and Python with warnings of its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
layers = tf_keras.layers
ROUNDING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}

LAYERS: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": 5, "strides": 2, "padding": "same", "depth_multiplier": 3, "use_bias": False},
    {"kernel_size": 2, "dilation_rate": 3, "padding": "SAME", "activation": "tanh", "name": "left"},
    *(
        {"kernel_size": 3, "activation": name}
        for name in ("hard_sigmoid", "gelu", "leaky_relu", "swish", "softmax")
    ),
    *({"kernel_size": 3, "activation": name} for name in ("elu", "selu", "mish", "log_softmax", "relu6")),
    {"kernel_size": 3, "activation": layers.LeakyReLU(alpha=0.1)},
    {"kernel_size": 3, "activation": layers.ReLU(max_value=2.0, negative_slope=0.25, threshold=0.5)},
    {"kernel_size": 3, "activation": layers.ThresholdedReLU(theta=0.5)},
    {"kernel_size": 3, "activation": layers.LeakyReLU(alpha=0.1), "dtype": "float64"},
    {"kernel_size": 3, "activation": layers.Softmax(), "dtype": "mixed_float16"},
    {"kernel_size": 4, "dtype": "float64", "depthwise_regularizer": "l2", "bias_constraint": "non_neg"},
    {"kernel_size": 3, "dtype": "mixed_float16"},
    {"kernel_size": 3, "dtype": "mixed_bfloat16"},
    {
        "kernel_size": 4,
        "depthwise_initializer": tf_keras.initializers.VarianceScaling(2.0, seed=3),
        "depthwise_regularizer": tf_keras.regularizers.L1L2(0.01, 0.02),
        "depthwise_constraint": tf_keras.constraints.MaxNorm(3),
    },
]
NAMES = [
    ", ".join(f"{k}={getattr(v, 'name', v)}" for k, v in row.items() if " at 0x" not in str(v))
    for row in LAYERS
]


def built(options: dict[str, Any]) -> tuple[Any, Any]:
    policy = options.get("dtype", "float32")
    layer = layers.DepthwiseConv1D(**{**options, "dtype": tf_keras.mixed_precision.Policy(policy)})
    model = tf_keras.Sequential([tf_keras.Input((20, 4), dtype="float32"), layer])
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=tuple(weight.shape)) / 2)
    return model, layer


def numbers(tensor: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(tensor)
    return array if array.dtype.kind == "f" else array.astype("float32")  # bfloat16


@pytest.mark.parametrize("options", LAYERS, ids=NAMES)
def test_what_tf_keras_saves(tmp_path: Path, options: dict[str, Any]) -> None:
    model, layer = built(options)
    x = np.random.default_rng(1).normal(size=(2, 20, 4)).astype("float32")
    wanted = numbers(layer(x))
    kind = options.get("dtype", "float32").removeprefix("mixed_")
    source = save(tmp_path / "x.npy", x)
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    model.save_weights(tmp_path / "m.weights.h5")
    model.save_weights(tmp_path / "old.h5", save_format="h5")
    (tmp_path / "layer.json").write_text(json.dumps(layers.serialize(layer)))
    (tmp_path / "config.json").write_text(json.dumps(layer.get_config()))
    for name, *more in (
        (f"m.keras::{layer.name}",),
        (f"m.h5::{layer.name}",),
        ("m.keras",),
        ("m.weights.h5", "--config", tmp_path / "layer.json"),
        ("old.h5", "--config", tmp_path / "config.json"),
    ):
        target = ("-o", tmp_path / "y.npy", "-q", "--overwrite")
        run("apply", source, "-w", f"{tmp_path}/{name}", *more, *target).done()
        found = np.load(tmp_path / "y.npy")
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        coarse = max(ROUNDING[kind], ROUNDING[wanted.dtype.name])
        assert np.abs(found.astype("f8") - wanted.astype("f8")).max() <= 8 * coarse * np.abs(wanted).max()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tf_keras_loads_written_weights(tmp_path: Path, dtype: str, bias: bool) -> None:
    options = {"kernel_size": 3, "depth_multiplier": 2, "use_bias": bias, "dtype": dtype}
    model, layer = built(options)
    model.save(tmp_path / "m.keras")
    wanted = layer.get_weights()
    run("init-weights", "--from", tmp_path / "m.keras", "-o", tmp_path / "n.weights.h5", "-q").done()
    inputs = tf_keras.Input((20, 4))
    again = layers.DepthwiseConv1D(**options)
    for other in (tf_keras.Model(inputs, again(inputs)), tf_keras.Sequential([inputs, again])):
        again.set_weights([np.zeros_like(array) for array in wanted])
        other.load_weights(tmp_path / "n.weights.h5")
        for found, array in zip(again.get_weights(), wanted, strict=True):
            assert found.dtype == array.dtype == dtype
            np.testing.assert_array_equal(found, array)
