"""Layers saved by the Keras that is installed, applied through the command line, against Keras itself."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_cli import run, save
from helpers_keras import (
    HAS_FLOAT64,
    applied,
    assert_as_keras,
    built,
    filled,
    keras,
    layers_of,
    numbers,
    plain,
    recording,
    saved,
    shape_of,
)

pytestmark = pytest.mark.usefixtures("place")
layers, regularizers, constraints = keras.layers, keras.regularizers, keras.constraints

NAMES_OF_FUNCTIONS = (
    "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
    "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu swish soft_shrink softmax softplus softsign "
    "sparse_plus sparse_sigmoid sparsemax squareplus tanh tanh_shrink"
)
FUNCTIONS = NAMES_OF_FUNCTIONS.split()
OBJECTS: dict[str, Callable[[], Any]] = {
    "LeakyReLU": lambda: layers.LeakyReLU(negative_slope=0.07),
    "ReLU": lambda: layers.ReLU(max_value=2.5, negative_slope=0.2, threshold=0.4),
    "ELU": lambda: layers.ELU(alpha=0.6),
    "Softmax": layers.Softmax,
    "Activation": lambda: layers.Activation("gelu"),
    "Activation of a layer": lambda: layers.Activation(layers.LeakyReLU(negative_slope=0.2)),
    "function": lambda: keras.activations.silu,
}
LAYERS: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": 1, "depth_multiplier": 4, "use_bias": False},
    {"kernel_size": [5], "strides": 2, "padding": "same", "depth_multiplier": 3},
    {"kernel_size": 4, "strides": [3], "padding": "SAME", "activation": "tanh"},
    {"kernel_size": 2, "strides": 5, "padding": "valid"},
    {"kernel_size": 3, "dilation_rate": 4, "padding": "same", "depth_multiplier": 2},
    {"kernel_size": 7, "dilation_rate": [2], "padding": "valid", "activation": "softplus"},
    {"kernel_size": 30, "padding": "same"},
    {"kernel_size": 3, "data_format": "channels_first", "depth_multiplier": 2, "activation": "relu"},
    {"kernel_size": 4, "data_format": "channels_first", "strides": 2, "padding": "same"},
    {"kernel_size": 3, "data_format": "channels_first", "activation": "softmax"},
    {"kernel_size": 3, "name": "bøj, left (2)"},
    {"kernel_size": 3, "dtype": "float16"},
    {"kernel_size": 3, "dtype": "mixed_float16", "activation": "gelu"},
    {"kernel_size": 3, "dtype": "mixed_bfloat16", "padding": "same"},
    {"kernel_size": 3, "dtype": "bfloat16"},
    {
        "kernel_size": 5,
        "depthwise_initializer": keras.initializers.VarianceScaling(scale=2.0, seed=3),
        "bias_initializer": keras.initializers.Constant(0.3),
        "depthwise_regularizer": regularizers.L1L2(0.01, 0.02),
        "bias_regularizer": regularizers.L1(0.05),
        "activity_regularizer": regularizers.L2(0.5),
        "depthwise_constraint": constraints.MinMaxNorm(0.1, 0.8, rate=0.5),
        "bias_constraint": "non_neg",
    },
]
if HAS_FLOAT64:
    LAYERS += [
        {"kernel_size": 3, "dtype": "float64"},
        {"kernel_size": 3, "dtype": keras.DTypePolicy("float64"), "activation": "mish"},
    ]
SUFFIXES = (".keras", ".h5", ".weights.h5")
NAMES = [", ".join(f"{k}={v}" for k, v in row.items() if "object" not in str(v)) for row in LAYERS]
# Policies are typed as what they compute in.
TYPED = {"mixed_float16": "float16", "mixed_bfloat16": "float32", "bfloat16": "float32"}


def typed(config: dict[str, Any], policy: str) -> str:
    """What a file of weights alone does not say."""
    keys = ("padding", "data_format", "activation")
    options = {key: config[key] for key in keys} | {
        key: config[key][0] for key in ("strides", "dilation_rate")
    }
    options["dtype"] = TYPED.get(policy, policy)
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in options.items())


@pytest.mark.parametrize("options", LAYERS, ids=NAMES)
def test_one_layer(options: dict[str, Any]) -> None:
    model, layer = built(options)
    policy = layer.dtype_policy.name
    wide = "float32" if policy in ("float16", "mixed_float16") else "float64"
    for dtype in ("float32", wide):
        x = recording(layer, dtype=dtype)
        expected = layer(x)
        for suffix in SUFFIXES:
            path = saved(model, f"m{suffix}")
            more = typed(plain(layer.get_config()), policy) if suffix == ".weights.h5" else ""
            for name in ("", f"::{layer.name}"):
                y = applied(x, f"{shlex.quote(path + name)} {more}")
                assert_as_keras(y, expected, coarse="bfloat16" if "bfloat16" in policy else None)


# Whose axis is another in the other layout, and one that has none.
BY_AXIS = ("glu", "log_softmax", "softmax", "sparsemax", "Softmax", "gelu")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_every_activation(data_format: str) -> None:
    options = {"kernel_size": 3, "depth_multiplier": 2, "padding": "same", "data_format": data_format}
    inputs = keras.Input(shape_of(options, 4))
    chosen = dict(zip(FUNCTIONS, FUNCTIONS, strict=True)) | {key: make() for key, make in OBJECTS.items()}
    if data_format == "channels_first":
        chosen = {name: chosen[name] for name in BY_AXIS}
    convs = [
        layers.DepthwiseConv1D(**options, activation=activation, name=f"a{number}")
        for number, activation in enumerate(chosen.values())
    ]
    model = filled(keras.Model(inputs, [conv(inputs) for conv in convs]))
    x = recording(convs[0])
    for suffix in (".keras", ".h5"):
        path = saved(model, f"m{suffix}")
        for name, conv in zip(chosen, convs, strict=True):
            if suffix == ".keras" or name in OBJECTS:
                # The sums that the softmaxes' exponents take up differ in their last bits.
                assert_as_keras(applied(x, f"{path}::{conv.name}"), conv(x), units=16)
    run(f"apply x.npy -w {path} -o z.npy").failed(3, f"holds {len(convs)} layers", "a0, a1, ")


@pytest.mark.parametrize("key", OBJECTS)
@pytest.mark.parametrize("policy", ["float32", "float16", "mixed_float16", "float64"])
def test_an_activation_layer_has_the_last_word_on_the_dtype(key: str, policy: str) -> None:
    if policy == "float64" and not HAS_FLOAT64:
        pytest.skip("no float64 on this backend")
    model, layer = built({"kernel_size": 3, "activation": OBJECTS[key](), "dtype": policy})
    x = recording(layer)
    for suffix in (".keras", ".h5"):
        y = applied(x, saved(model, f"m{suffix}"))
        assert_as_keras(y, layer(x), coarse="float16" if "16" in policy else "float32")


@keras.saving.register_keras_serializable(package="tests")
class Twice(layers.Layer):  # type: ignore[misc]
    """A layer of somebody's own."""

    def call(self, x: Any) -> Any:
        return x * 2


def nested() -> Any:
    """A Functional model with a Sequential, a model of a Sequential, layers of others and one name twice."""
    one = keras.Sequential([keras.Input((24, 3)), layers.DepthwiseConv1D(3, name="conv")], name="one")
    middle = keras.Sequential(
        [keras.Input((24, 3)), Twice(), layers.DepthwiseConv1D(5, name="conv")], name="middle"
    )
    inside = keras.Input((24, 3))
    two = keras.Model(inside, middle(inside), name="two")
    shared = layers.DepthwiseConv1D(2, padding="same", name="shared")
    inputs = keras.Input((24, 3))
    left = one(Twice()(shared(inputs)))
    right = two(layers.BatchNormalization()(shared(inputs)))
    last = layers.TimeDistributed(layers.DepthwiseConv1D(2, name="timed"), name="spread")
    steps = last(layers.Reshape((4, 6, 3))(inputs))
    return filled(keras.Model(inputs, [left, right, steps], name="outer"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_models_in_models(suffix: str) -> None:
    model = nested()
    path = saved(model, f"m{suffix}")
    by_path = dict(layers_of(model))
    assert sorted(by_path) == ["one/conv", "shared", "spread/timed", "two/middle/conv"]
    for name, layer in by_path.items():
        x = recording(layer)
        more = f"--padding {layer.padding}" if suffix == ".weights.h5" else ""
        assert_as_keras(applied(x, f"{path}::{name} {more}"), layer(x))
    run(f"apply x.npy -w {path}::conv -o z.npy").failed(3, "holds 2 layers", "one/conv", "two/middle/conv")
    run(f"apply x.npy -w {path}::convv -o z.npy").failed(3, "no layer of this name", "shared")
    assert not Path("z.npy").exists()


@pytest.mark.parametrize("bias", [True, False])
def test_a_subclassed_model(bias: bool) -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.DepthwiseConv1D(3, depth_multiplier=2, use_bias=bias, name="left")
            self.second = layers.Conv1D(4, 3, use_bias=False)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    model = Own()
    model(np.zeros((1, 24, 3), "float32"))
    filled(model)
    path = saved(model, "m.weights.h5")
    x = recording(model.first)
    for name in ("", "::left"):
        assert_as_keras(applied(x, f"{path}{name}"), model.first(x))
    (report,) = run(f"apply x.npy -w {path} -o z.npy --json").reports
    assert [note for note in report["notes"] if "taken for a DepthwiseConv1D" in note] == (
        [] if bias else ["left is taken for a DepthwiseConv1D; nothing in the file tells it from a Conv1D"]
    )


@pytest.mark.parametrize("form", ["serialized", "config"])
@pytest.mark.parametrize("options", LAYERS, ids=NAMES)
def test_a_config_beside_weights(form: str, options: dict[str, Any]) -> None:
    model, layer = built(options)
    config = keras.layers.serialize(layer) if form == "serialized" else layer.get_config()
    Path("layer.json").write_text(json.dumps(config))
    x = recording(layer)
    y = applied(x, f"{saved(model, 'm.weights.h5')} --config layer.json")
    assert_as_keras(y, layer(x), coarse="bfloat16" if "bfloat16" in layer.dtype_policy.name else None)


def test_options_override_and_say_so() -> None:
    model, _ = built({"kernel_size": 3, "activation": "tanh", "padding": "same", "name": "a"})
    path = saved(model, "m.keras")
    save(Path("x.npy"), recording(model.layers[0]))
    options = "--padding valid --activation tanh --dtype float64 --no-bias"
    ran = run(f"apply x.npy -w {path} {options} -o y.npy --report r.json")
    report = json.loads(Path("r.json").read_text())
    assert (ran.code, report["layer"]["padding"], report["output"]["dtype"]) == (0, "valid", "float64")
    assert sorted(report["notes"]) == sorted(
        [
            f"padding is same in {path}::a, valid as asked",
            f"dtype is float32 in {path}::a, float64 as asked",
            f"the bias in {path}::a is left out, as asked",
        ]
    )
    for note in report["notes"]:
        assert note.split(" in ")[0] in ran.err.replace("\n", " ")


def test_an_activation_of_somebodys_own_can_be_overridden() -> None:
    @keras.saving.register_keras_serializable(package="tests")
    def cube(x: Any) -> Any:
        return x**3

    model, layer = built({"kernel_size": 3, "activation": cube})
    path = saved(model, "m.keras")
    x = recording(layer)
    y = applied(x, f"{path} --activation linear")
    assert_as_keras(y**3, layer(x))
    run(f"apply x.npy -w {path} -o z.npy").failed(2, "cube", "custom object")


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", ["l1", "l2", "l1_l2"])
def test_penalties(batch: int, kind: str) -> None:
    make = {"l1": regularizers.L1(0.3), "l2": regularizers.L2(0.2), "l1_l2": regularizers.L1L2(0.1, 0.4)}[
        kind
    ]
    for key in ("depthwise", "bias", "activity"):
        model, layer = built({"kernel_size": 4, "depth_multiplier": 2, f"{key}_regularizer": make})
        path = saved(model, "m.keras")
        x = recording(layer, batch)
        layer(x)
        (expected,) = (float(numbers(loss)) for loss in layer.losses)
        save(Path("x.npy"), x)
        ran = run(f"apply x.npy -w {path} -o y.npy --overwrite --json")
        losses = ran.reports[0]["losses"]
        none = dict.fromkeys(("depthwise", "bias", "activity"), 0.0)
        assert losses == {**none, key: losses[key], "total": losses[key]}
        assert losses[key] == pytest.approx(expected, rel=2e-6)


CONSTRAINTS = {
    "max_norm": constraints.MaxNorm,
    "max_norm(max_value=0.5, axis=1)": lambda: constraints.MaxNorm(0.5, axis=1),
    "max_norm(0.7, axis=(0, 1))": lambda: constraints.MaxNorm(0.7, axis=[0, 1]),
    "min_max_norm(0.5, 0.8, rate=0.7)": lambda: constraints.MinMaxNorm(0.5, 0.8, rate=0.7),
    "non_neg": constraints.NonNeg,
    "unit_norm": constraints.UnitNorm,
}


@pytest.mark.parametrize("text", CONSTRAINTS)
def test_projections(text: str) -> None:
    theirs = CONSTRAINTS[text]()
    model, layer = built({"kernel_size": 4, "depth_multiplier": 2, "depthwise_constraint": theirs})
    path = saved(model, "m.keras")
    kernel = keras.ops.convert_to_tensor(layer.kernel)

    def projected(*more: str) -> Any:
        run(f"init-weights --from {path} -o w.npz --overwrite -q", *more).done()
        return np.load("w.npz")["kernel"]

    # Training met the constraint that the file has; nothing is projected again unless it is asked for.
    np.testing.assert_array_equal(projected(), numbers(kernel))
    assert_as_keras(projected("--depthwise-constraint", text), theirs(kernel), units=4)
    Path("layer.json").write_text(json.dumps(keras.layers.serialize(layer)))
    assert_as_keras(projected("--config", "layer.json"), theirs(kernel), units=4)
    x = recording(layer)
    assert_as_keras(applied(x, path), layer(x))
    y = applied(x, f"{path} --depthwise-constraint {shlex.quote(text)}")
    layer.kernel.assign(theirs(kernel))
    assert_as_keras(y, layer(x))
