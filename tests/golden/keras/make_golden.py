"""Write the files of this folder with a real Keras, and what its layers hold and answer.

Run once per flavour, each in an environment of its own::

    KERAS_BACKEND=torch python make_golden.py keras3      # keras 3.15, torch
    python make_golden.py tf_keras                        # tf-keras 2.21, tensorflow-cpu
    python make_golden.py keras212                        # tensorflow-cpu 2.12, the first .keras files

Each run replaces its subfolder. ``expected.npz`` there has, for every file and every DepthwiseConv1D or
SeparableConv1D in it, under ``<file>|<path>|``: ``kernel``, ``bias`` (absent without one), and for a DepthwiseConv1D
an input ``x`` and what Keras makes of it, ``y``. ``<path>`` joins the names of the models around the layer and its
own with ``/``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

FLAVOUR = sys.argv[1]
if FLAVOUR == "keras3":
    import keras
elif FLAVOUR == "tf_keras":
    import tf_keras as keras
else:
    from tensorflow import keras

HERE = Path(__file__).resolve().parent / FLAVOUR
NEW = FLAVOUR == "keras3"
layers = keras.layers
rng = np.random.default_rng(20)
expected: dict[str, np.ndarray] = {}


def numbers(value) -> np.ndarray:
    if NEW:
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(value, "float64")))
    return np.asarray(keras.backend.get_value(value)).astype("float64")


def fill(model) -> None:
    # Every weight its own numbers, so that no two layers can be taken for each other.
    for weight in model.weights:
        weight.assign(rng.normal(size=tuple(weight.shape)).astype("float32"))


def depthwise_layers(model, prefix=""):
    inner = model.layers if hasattr(model, "layers") else [model.layer] if hasattr(model, "layer") else []
    for layer in inner:
        if type(layer).__name__ in ("DepthwiseConv1D", "SeparableConv1D"):
            yield prefix + layer.name, layer
        yield from depthwise_layers(layer, f"{prefix}{layer.name}/")


def record(file: str, model) -> None:
    for path, layer in depthwise_layers(model):
        key = f"{file}|{path}|"
        kernel = layer.depthwise_kernel if hasattr(layer, "depthwise_kernel") else layer.kernel
        expected[key + "kernel"] = numbers(kernel)
        if type(layer).__name__ != "DepthwiseConv1D":
            continue
        if layer.use_bias:
            expected[key + "bias"] = numbers(layer.bias)
        channels = kernel.shape[1]
        shape = (2, 12, channels) if layer.data_format == "channels_last" else (2, channels, 12)
        x = rng.normal(size=shape).astype("float32")
        y = layer(x)
        expected[key + "x"], expected[key + "y"] = x, numbers(y).astype("float32")


def save(name: str, model, formats=(".keras", ".weights.h5", ".h5")) -> None:
    fill(model)
    for suffix in formats:
        file = name + suffix
        target = HERE / file
        if suffix == ".weights.h5":
            model.save_weights(target)
        elif FLAVOUR == "keras212" and suffix == ".keras":
            model.save(target, save_format="keras_v3")
        else:
            model.save(target)
        record(file, model)


def functional():
    x = keras.Input((12, 3), name="signal")
    y = layers.DepthwiseConv1D(3, depth_multiplier=2, activation="relu", name="conv_a")(x)
    # Compiled from text, so that the file does not carry the place of this script.
    double = eval(compile("lambda t: t * 2.0", "aside", "eval"))
    y = layers.Lambda(double, output_shape=(10, 6), name="aside")(y)
    y = layers.DepthwiseConv1D(
        5, padding="same", dilation_rate=2, use_bias=False, activation=layers.LeakyReLU(0.1), name="conv_b"
    )(y)
    y = layers.Conv1D(4, 3, name="dense_conv")(y)
    return keras.Model(x, layers.Dense(2)(y), name="two_convs")


def sequential():
    return keras.Sequential(
        [
            keras.Input((12, 4)),
            layers.DepthwiseConv1D(4, strides=3, padding="same", depth_multiplier=3),
            layers.BatchNormalization(),
            layers.DepthwiseConv1D(
                2, activation="tanh", depthwise_regularizer="l2", bias_constraint="non_neg"
            ),
        ],
        name="stack",
    )


def channels_first():
    x = keras.Input((3, 12))
    y = layers.DepthwiseConv1D(3, depth_multiplier=2, data_format="channels_first", name="first")(x)
    return keras.Model(x, y)


def nested():
    inner_x = keras.Input((12, 2))
    inner = keras.Model(
        inner_x, layers.DepthwiseConv1D(3, padding="same", name="conv")(inner_x), name="inner"
    )
    stack = keras.Sequential(
        [keras.Input((12, 2)), layers.DepthwiseConv1D(5, padding="same", use_bias=False, name="conv2")],
        name="stack",
    )
    x = keras.Input((12, 2))
    y = layers.DepthwiseConv1D(2, padding="same", name="conv3")(stack(inner(x)))
    y = layers.SeparableConv1D(4, 3, depth_multiplier=2, activation="relu", name="separable")(y)
    y = layers.Reshape((2, 5, 4))(y)
    return keras.Model(
        x, layers.TimeDistributed(layers.DepthwiseConv1D(3, name="timed"), name="spread")(y), name="outer"
    )


def activations():
    x = keras.Input((12, 2))
    y = x
    for index, activation in enumerate(
        [
            keras.activations.gelu,
            layers.ReLU(max_value=6.0, threshold=0.5),
            "swish",
            layers.ELU(alpha=0.5),
            "softplus",
        ]
    ):
        y = layers.DepthwiseConv1D(
            2,
            padding="same",
            activation=activation,
            depthwise_initializer=keras.initializers.VarianceScaling(scale=2.0, seed=1),
            depthwise_constraint=keras.constraints.MaxNorm(3),
            bias_regularizer=keras.regularizers.L1L2(0.01, 0.02),
            name=f"act_{index}",
        )(y)
    return keras.Model(x, y)


def policy(name: str):
    x = keras.Input((12, 2), dtype="float32")
    kind = keras.DTypePolicy if NEW else keras.mixed_precision.Policy
    return keras.Model(x, layers.DepthwiseConv1D(3, depth_multiplier=2, dtype=kind(name), name="conv")(x))


def subclassed():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__(name="by_hand")
            self.first = layers.DepthwiseConv1D(3, depth_multiplier=2)
            self.more = [layers.DepthwiseConv1D(2, name="listed"), layers.Dense(2)]

        def call(self, x):
            return self.more[1](self.more[0](self.first(x)))

    model = Subclassed()
    model(np.zeros((1, 12, 3), "float32"))
    return model


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    save("functional", functional())
    if FLAVOUR == "keras212":
        save("nested", nested(), (".keras",))
        model = functional()
        model.save(HERE / "hdf5_inside.keras", save_format="keras")
        record("hdf5_inside.keras", model)
    else:
        save("sequential", sequential())
        save("channels_first", channels_first(), (".keras", ".h5"))
        save("nested", nested())
        save("activations", activations(), (".keras", ".h5"))
        for name in ("float16", "float64", "mixed_bfloat16", "bfloat16", "mixed_float16"):
            save(
                name,
                policy(name),
                (".keras", ".weights.h5", ".h5") if name == "mixed_bfloat16" else (".keras",),
            )
        save("subclassed", subclassed(), (".weights.h5",))
    if not NEW:
        model = functional()
        fill(model)
        model.save_weights(HERE / "old_weights.h5", save_format="h5")
        record("old_weights.h5", model)
    else:
        model = nested()
        fill(model)
        model.save_weights(HERE / "sharded.weights.json", max_shard_size=1e-7)
        record("sharded.weights.json", model)
    np.savez_compressed(HERE / "expected.npz", **expected)


main()
