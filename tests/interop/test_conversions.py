"""Weights and layers from file to file without a rounding, and what Keras makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import assert_same_bits
from helpers_cli import run
from helpers_keras import (
    HAS_FLOAT64,
    assert_as_keras,
    built,
    keras,
    numbers,
    plain,
    recording,
    saved,
    without,
)

from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.config import from_config, serialized
from dwconv_cli.layer.spec import LayerSpec

pytestmark = pytest.mark.usefixtures("place")

DTYPES = ["float16", "float32", *(["float64"] if HAS_FLOAT64 else [])]
# Each file is made from the one before it.
CHAIN = ("b.h5", "c.keras", "d.weights.h5", "e.npz", "f.keras", "g.hdf5", "h.weights.h5", "i.npz")


def converted(source: str, target: str, more: str = "") -> str:
    """Run the command, which must have nothing to say."""
    run(f"init-weights --from {source} -o {target} -q {more}").done()
    return target


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_bit_is_lost(dtype: str, bias: bool) -> None:
    rng = np.random.default_rng(5)
    arrays = {"kernel": rng.normal(size=(5, 4, 3)).astype(dtype)}
    if bias:
        arrays["bias"] = rng.normal(size=12).astype(dtype)
    np.savez("a.npz", **arrays)
    path = "a.npz"
    for name in (*CHAIN, *(() if bias else ("j.npy", "k.keras", "l.npz"))):
        path = converted(path, name)
        if path.endswith(".keras"):
            (layer,) = keras.saving.load_model(path).layers
        elif path.endswith(".weights.h5"):
            model, layer = built(
                {"kernel_size": 5, "depth_multiplier": 3, "use_bias": bias, "dtype": dtype}, 4
            )
            model.load_weights(path)
        else:
            continue
        for key, array in arrays.items():
            assert_same_bits(numbers(getattr(layer, key)), array)
    with np.load(path) as last:
        assert set(last) == set(arrays)
        for key, array in arrays.items():
            assert_same_bits(last[key], array)


def test_the_layout_of_torch_and_back() -> None:
    model, layer = built({"kernel_size": 5, "depth_multiplier": 3}, 4)
    path = saved(model, "m.keras")
    kernel = numbers(layer.kernel)
    there = converted(path, "t.npz", "--output-layout torch")
    with np.load(there) as arrays:
        np.testing.assert_array_equal(arrays["kernel"], kernel.transpose(1, 2, 0).reshape(12, 1, 5))
    back = converted(there, "b.keras", "--kernel-layout torch --channels 4")
    (again,) = keras.saving.load_model(back).layers
    np.testing.assert_array_equal(numbers(again.kernel), kernel)
    np.testing.assert_array_equal(numbers(again.bias), numbers(layer.bias))


POLICIES = [
    "float16",
    "mixed_float16",
    "mixed_bfloat16",
    "bfloat16",
    "float32",
    *(["float64"] if HAS_FLOAT64 else []),
]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_layer_out_of_a_model(policy: str, suffix: str) -> None:
    options = {
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "activation": "softplus",
        "dtype": policy,
        "depthwise_regularizer": "l2",
        "bias_constraint": "non_neg",
        "depth_multiplier": 2,
    }
    model, layer = built(options)
    opened = keras.saving.load_model(converted(saved(model, f"m{suffix}"), "n.keras"))
    (again,) = opened.layers
    for key in ("kernel", "bias"):
        np.testing.assert_array_equal(numbers(getattr(again, key)), numbers(getattr(layer, key)))
    assert without(again.get_config(), "dtype") == without(layer.get_config(), "dtype")
    x = recording(layer)
    if "bfloat16" in policy:  # computed in float32, which takes no rounding away
        assert_as_keras(numbers(again(x)), keras.ops.cast(layer(x), "float32"), coarse="bfloat16")
    else:
        assert (again.dtype_policy.name, again.compute_dtype) == (
            layer.dtype_policy.name,
            layer.compute_dtype,
        )
        np.testing.assert_array_equal(numbers(again(x)), numbers(layer(x)))


@pytest.mark.parametrize("design", ["firwin(cutoff=5, fs=50)", "savgol(polyorder=2)", "moving_average"])
@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_designs_that_keras_does_not_know(name: str, design: str) -> None:
    line = f"init-weights -o {name} --kernel-size 9 --channels 3 -q"
    run(line, "--depthwise-initializer", design).done()
    if name.endswith(".keras"):
        (layer,) = keras.saving.load_model(name).layers
    else:
        model, layer = built({"kernel_size": 9})
        model.load_weights(name)
    taps = INITIALIZERS.function(INITIALIZERS.parse(design))((9, 3, 1), "float32")
    np.testing.assert_array_equal(numbers(layer.kernel), taps)


SPECS = [
    LayerSpec(kernel_size=3),
    LayerSpec(kernel_size=5, strides=2, padding="same", depth_multiplier=3, use_bias=False, name="left"),
    LayerSpec(
        kernel_size=2, dilation_rate=3, data_format="channels_first", dtype="float16", activation="gelu"
    ),
    LayerSpec(kernel_size=2, activation="relu(max_value=6, negative_slope=0.1)"),
    LayerSpec(kernel_size=2, activation="leaky_relu(negative_slope=0.25)", dtype="float64"),
    LayerSpec(kernel_size=2, activation="elu(alpha=0.5)"),
    LayerSpec(
        kernel_size=4,
        depthwise_initializer="variance_scaling(scale=2.0, mode='fan_out', seed=3)",
        bias_initializer="constant(value=0.5)",
        depthwise_regularizer="l2(0.25)",
        bias_regularizer="l1(0.5)",
        activity_regularizer="l1_l2(l1=0.5, l2=0.25)",
        depthwise_constraint="min_max_norm(min_value=0.5, max_value=2.0)",
        bias_constraint="non_neg",
    ),
]


@pytest.mark.parametrize("spec", SPECS)
def test_keras_makes_the_layer_of_our_config(spec: LayerSpec) -> None:
    config = plain(serialized(spec))
    layer = keras.layers.deserialize(config)
    for back in (layer.get_config(), keras.layers.serialize(layer)):
        again = from_config(plain(back), **({"name": None} if spec.name is None else {}))
        assert again == from_config({**config["config"], "dtype": spec.dtype or "float32"})
    # And so it does of the config in a report.
    bare = keras.layers.DepthwiseConv1D.from_config(config["config"])
    assert from_config(plain(bare.get_config()), name=None) == from_config(
        plain(layer.get_config()), name=None
    )


def test_configs_in_answers() -> None:
    model, layer = built({"kernel_size": 3, "activation": "tanh", "dtype": "mixed_bfloat16", "name": "a"})
    path = saved(model, "m.keras")
    np.save("x.npy", recording(layer))
    shown = run(f"inspect {path} --json").reports[0]["layers"][0]["config"]
    assert keras.layers.DepthwiseConv1D.from_config(shown).get_config() == layer.get_config()
    Path("shown.json").write_text(json.dumps(shown))
    for line in (
        f"apply x.npy -w {path} -o y.npy",
        f"inspect x.npy -w {path}",
        f"inspect {path}::a",
        f"init-weights --from {path} -o v.npz",
        "init-weights --config shown.json --channels 3 -o u.npz",
    ):
        config: dict[str, Any] = run(f"{line} --json").reports[0]["layer"]
        again = keras.layers.DepthwiseConv1D.from_config(config).get_config()
        assert again == {**layer.get_config(), "dtype": again["dtype"]}
        assert config["dtype"] == "float32"
