"""Layers to and from Keras's configs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import strategies
from checks import examples, recorded, refused
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.choices import DTYPES
from dwconv_cli.errors import LayerError
from dwconv_cli.layer.config import from_config, inner_config, to_config
from dwconv_cli.layer.dtype_policy import policy_dtype
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec

GOLDEN = [entry["config"] for entry in recorded("layers")[0]["layers"]]

# As tf.keras 2.12 wrote it.
KERAS_2 = {
    "name": "conv_a",
    "trainable": True,
    "batch_input_shape": [None, 20, 4],
    "dtype": "float32",
    "kernel_size": [5],
    "strides": [1],
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": [2],
    "groups": 1,
    "activation": "relu",
    "use_bias": True,
    "bias_initializer": {"class_name": "Zeros", "config": {}},
    "bias_regularizer": None,
    "activity_regularizer": None,
    "bias_constraint": None,
    "depth_multiplier": 3,
    "depthwise_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
    "depthwise_regularizer": {"class_name": "L2", "config": {"l2": 0.01}},
    "depthwise_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
}


@pytest.mark.parametrize("config", GOLDEN, ids=lambda config: str(config["name"]))
def test_golden_configs(config: dict[str, Any]) -> None:
    spec = from_config(config)
    for key in ("kernel_size", "strides", "dilation_rate"):
        assert getattr(spec, key) == config[key][0]
    for key in ("name", "padding", "data_format", "use_bias", "depth_multiplier"):
        assert getattr(spec, key) == config[key]
    assert spec.dtype == config["dtype"]["config"]["name"]
    assert from_config(json.loads(json.dumps(to_config(spec)))) == spec


def test_keras_2() -> None:
    assert from_config(KERAS_2) == LayerSpec(
        kernel_size=5,
        padding="same",
        dilation_rate=2,
        depth_multiplier=3,
        activation=Choice("relu"),
        depthwise_regularizer=Choice("l2"),
        depthwise_constraint=Choice("max_norm"),
        dtype="float32",
        name="conv_a",
    )


def test_serialized_layer_and_overrides() -> None:
    whole = {"module": "keras.layers", "class_name": "DepthwiseConv1D", "config": KERAS_2, "build_config": {}}
    assert from_config(whole) == from_config(KERAS_2)
    changed = from_config(whole, padding="causal", kernel_size=[7], activation="tanh")
    assert (changed.padding, changed.kernel_size, changed.activation) == ("causal", 7, Choice("tanh"))
    assert from_config({}, kernel_size=2) == LayerSpec(kernel_size=2)


CHOICES: dict[str, tuple[Any, ...]] = {
    "activation": ("linear", "relu(max_value=6)", "leaky_relu(negative_slope=0.1)", "glu", "softmax"),
    "depthwise_initializer": ("glorot_uniform", "random_normal(stddev=0.1, seed=7)", "he_normal", "ones"),
    "bias_initializer": ("zeros", "constant(0.5)"),
    "depthwise_regularizer": (None, "l1(0.3)", "l2", "l1_l2(l1=0.1, l2=0.2)"),
    "bias_regularizer": (None, "l1"),
    "activity_regularizer": (None, "l2(0.5)"),
    "depthwise_constraint": (None, "max_norm(2)", "unit_norm(axis=1)", "min_max_norm(0.1, 0.9, 0.5)"),
    "bias_constraint": (None, "non_neg"),
    "dtype": (None, *DTYPES),
    "name": (None, "a", "ünï/\u202e"),
}


@given(strategies.layers(), st.fixed_dictionaries({k: st.sampled_from(v) for k, v in CHOICES.items()}))
def test_round_trip(layer: strategies.Layer, more: dict[str, Any]) -> None:
    spec = layer.spec(**more)
    assert from_config(json.loads(json.dumps(to_config(spec), allow_nan=False))) == spec


@pytest.mark.parametrize(
    "config, message",
    [
        ({}, "no kernel_size"),
        ({"class_name": "DepthwiseConv1D"}, "no kernel_size"),
        ({"kernel_size": 3, "kernel_sizes": 4}, "unknown key 'kernel_sizes'"),
        ({"kernel_size": 3, 5: 4}, "unknown key '5'"),
        ({"kernel_size": 3, "x" * 500: 4}, "unknown key 'x{55} "),
        ({"kernel_size": None}, "kernel_size must be"),
        ({"kernel_size": 3.0}, "kernel_size must be"),
        ({"kernel_size": 3, "padding": "reflect"}, "padding must be one of valid, same, causal"),
        ({"kernel_size": 3, "dtype": "int8"}, "dtype policy 'int8'"),
        ({"kernel_size": 3, "dtype": ["float32"]}, "dtype policy"),
        ({"kernel_size": 3, "dtype": {"config": {"name": ["float32"]}}}, "dtype policy"),
        (
            {
                "kernel_size": 3,
                "dtype": {"class_name": "QuantizedDTypePolicy", "config": {"name": "int8_from_f"}},
            },
            "dtype policy",
        ),
        ({"kernel_size": 3, "activation": {"class_name": "Lambda", "config": {"function": "x"}}}, "Lambda"),
        (
            {"kernel_size": 3, "activation": {"module": "os", "class_name": "system", "config": "ls"}},
            "system",
        ),
        ({"class_name": "Conv1D", "config": {"kernel_size": 3}}, "of a 'Conv1D', not of a DepthwiseConv1D"),
        ({"class_name": ["DepthwiseConv1D"], "config": {"kernel_size": 3}}, "not of a DepthwiseConv1D"),
        ({"class_name": "DepthwiseConv1D", "config": [3]}, "not an object"),
        ({"class_name": "DepthwiseConv1D", "config": None}, "not an object"),
        ([{"kernel_size": 3}], "not an object"),
        ("DepthwiseConv1D", "not an object"),
    ],
)
def test_refused(config: Any, message: str) -> None:
    with refused(LayerError, message):
        from_config(config)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@examples(0.5)
@given(st.dictionaries(st.sampled_from(sorted(to_config(LayerSpec(kernel_size=1)))), JSON, max_size=3))
def test_any_json_makes_a_layer_or_a_layer_error(config: dict[str, Any]) -> None:
    try:
        spec = from_config({"kernel_size": 3, **config})
    except LayerError:
        return
    assert from_config(to_config(spec)) == spec


@pytest.mark.parametrize(
    "policy, expected",
    [
        (None, None),
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float16"),
        ("mixed_float16", "float16"),
        ("mixed_bfloat16", "float32"),
        ("bfloat16", "float32"),
        ({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}, "float32"),
        ({"class_name": "Policy", "config": {"name": "float64"}}, "float64"),
        ({}, None),
    ],
)
def test_policies(policy: Any, expected: str | None) -> None:
    assert policy_dtype(policy) == expected


def test_inner_config() -> None:
    assert inner_config({"kernel_size": 3}) == {"kernel_size": 3}
    assert inner_config({"class_name": "DepthwiseConv1D", "config": {"kernel_size": 3}}) == {"kernel_size": 3}
