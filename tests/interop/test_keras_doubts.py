"""Layers that Keras files leave in doubt, files without configs or names, and configs beside them, with real Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import Ran, run
from helpers_keras import built, filled, keras, numbers, saved


@keras.saving.register_keras_serializable("mine")
class MyDW(keras.layers.DepthwiseConv1D):
    """A subclass with a name and an argument of its own."""

    def __init__(self, extra: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.extra = extra

    def get_config(self) -> Any:
        return {**super().get_config(), "extra": self.extra}


@keras.saving.register_keras_serializable("mine")
class Block(keras.layers.Layer):
    """A layer with a layer inside."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inner = keras.layers.DepthwiseConv1D(3, name="conv")

    def build(self, shape: Any) -> None:
        self.inner.build(shape)
        self.built = True

    def call(self, x: Any) -> Any:
        return self.inner(x)


@keras.saving.register_keras_serializable("mine")
class Sub(keras.Model):
    """A subclassed model."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first = keras.layers.DepthwiseConv1D(3, name="sub_first")
        self.block = Block(name="blk1")
        self.dn = keras.layers.DepthwiseConv1D(2, name="dense")

    def call(self, x: Any) -> Any:
        return self.dn(self.block(self.first(x)))


pytestmark = pytest.mark.usefixtures("place")

X = np.random.default_rng(7).normal(size=(2, 20, 3)).astype("f4")


def apply(weights: str) -> Ran:
    """Filter X; `weights` is an address, and options."""
    np.save("x.npy", X)
    return run(f"apply x.npy -o y.npy --overwrite --json -w {weights}")


def assert_output(expected: Any, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(np.load("y.npy"), np.asarray(expected), atol=atol)


def functional() -> Any:
    inputs = keras.Input((20, 3))
    return filled(
        keras.Model(
            inputs,
            [
                MyDW(2, kernel_size=3, padding="same", activation="relu", name="my")(inputs),
                keras.layers.DepthwiseConv1D(3, padding="same", activation="tanh", name="dense")(inputs),
                keras.layers.Conv1D(3, 2, name="depthwise_conv1d")(inputs),
                Block(name="blk")(inputs),
            ],
        )
    )


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_a_class_of_somebodys_own_is_offered(suffix: str) -> None:
    model = functional()
    path = saved(model, f"m{suffix}")
    offer = "my is a MyDW" if suffix != ".weights.h5" else "my is a my_dw"
    apply(f"{path}::my").failed(3, offer, "take it with --assume-depthwise")
    apply(f"{path}::none").failed(3, "dense", "blk/conv", offer)
    typed = "--padding same --activation relu" if suffix == ".weights.h5" else ""
    noted = apply(f"{path}::my --assume-depthwise {typed}").noted("somebody's own")
    assert ("extra" in noted.err) is (suffix != ".weights.h5")
    assert_output(model.get_layer("my")(X))
    # What is Keras's own is read, whatever it is called, and so is a layer inside of somebody's own.
    apply(f"{path}::dense {typed.replace('relu', 'tanh')}").noted()
    assert_output(model.get_layer("dense")(X))
    apply(f"{path}::blk/conv").noted("does not hold")
    assert_output(model.get_layer("blk").inner(X))
    apply(f"{path}::depthwise_conv1d").failed(3, "no layer of this name")
    # Nothing that is there is hidden.
    shown = run(f"inspect {path}").done().out.decode()
    assert "my (" in shown
    assert "blk/conv" in shown


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_subclassed_models_have_the_names_that_users_know(suffix: str) -> None:
    model = Sub(name="sub")
    model(X)
    filled(model)
    path = saved(model, f"m{suffix}")
    layers = {"sub_first": model.first, "blk1/conv": model.block.inner, "dense": model.dn}
    for name, layer in layers.items():
        apply(f"{path}::{name}").noted("does not hold")
        assert_output(layer(X))
    apply(path).failed(3, "holds 3 layers", *layers)


def without_names(path: str) -> None:
    """Take the names of layers out of a weights file, as Keras 3.0 to 3.5 left them out."""
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)


def test_files_without_names(place: Path) -> None:
    inputs = keras.Input((20, 3))
    one = keras.layers.DepthwiseConv1D(3, name="x")
    two = keras.layers.DepthwiseConv1D(3, name="depthwise_conv1d")
    model = filled(keras.Model(inputs, [one(inputs), two(inputs)]))
    path = saved(model, "m.weights.h5")
    without_names(path)
    # The group depthwise_conv1d is that of the layer x.
    apply(f"{path}::depthwise_conv1d").noted("no names of layers", "may call another layer")
    assert_output(one(X))
    apply(f"{path}::x").failed(3, "no names of layers", "layers/depthwise_conv1d_1")
    # The model's config brings the names.
    (place / "m.json").write_text(model.to_json())
    for name, layer in (("x", one), ("depthwise_conv1d", two)):
        apply(f"{path}::{name} --config m.json").done()
        assert_output(layer(X))


def test_the_config_of_a_model(place: Path) -> None:
    model = functional()
    (place / "m.json").write_text(model.to_json())
    path = saved(model, "m.weights.h5")
    dense = model.get_layer("dense")
    apply(f"{path}::dense --config m.json").done()
    assert_output(dense(X))
    np.savez("w.npz", kernel=numbers(dense.kernel), bias=numbers(dense.bias))
    for config in ("m.json", "m.json::dense"):
        apply(f"w.npz --config {config}").done()
        assert_output(dense(X))
    apply("w.npz --config m.json::no").failed(3, "name one", "dense")
    whole = saved(model, "m.keras")
    apply(f"{whole}::dense --config m.json").failed(3, "leave out")


def test_folders(place: Path) -> None:
    model, layer = built({"kernel_size": 3, "padding": "same", "name": "a"})
    (place / "shards").mkdir()
    model.save_weights("shards/m.weights.json", max_shard_size=1e-7)
    keras.saving.save_model(model, "unzipped", zipped=False)
    apply("unzipped").done()
    assert_output(layer(X))
    apply("shards --padding same").noted()
    assert_output(layer(X))


def test_strides_with_dilation_are_computed_as_keras_does(place: Path) -> None:
    options = {"kernel_size": 3, "strides": 2, "dilation_rate": 3, "padding": "same"}
    model, layer = built(options)
    (place / "c.json").write_text(json.dumps(layer.get_config()))
    path = saved(model, "m.keras")
    bare = saved(model, "m.weights.h5")
    run(f"init-weights --from {path} -o w2.npz -q").done()
    for weights in (path, f"{bare} --config c.json", "w2.npz"):
        apply(weights).noted("strides 2 with dilation_rate 3", "ValueError")
        assert_output(layer(X))
    apply(f"{bare} --strides 2 --dilation-rate 3").failed(2, "strides=2 with dilation_rate=3")
    apply(f"{path} --strides 3").failed(2, "strides=3 with dilation_rate=3")


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_config_that_differs_about_the_bias(place: Path, use_bias: bool) -> None:
    model, layer = built({"kernel_size": 3, "use_bias": not use_bias})
    (place / "c.json").write_text(json.dumps({**layer.get_config(), "use_bias": use_bias}))
    ran = apply(f"{saved(model, 'm.weights.h5')} --config c.json")
    if use_bias:
        ran.failed(2, "a bias is asked for")
    else:
        ran.noted("left out, as asked")
        assert_output(np.asarray(layer(X)) - numbers(layer.bias))


def test_two_files_of_weights_are_refused() -> None:
    apply("a.keras -w b.keras").failed(2, "--weights stands 2 times")


def test_a_map_of_policies() -> None:
    chosen = keras.dtype_policies.DTypePolicyMap("float16", {"other": keras.DTypePolicy("float32")})
    model, layer = built({"kernel_size": 3, "dtype": chosen, "name": "a"})
    apply(saved(model, "m.keras")).done()
    assert np.load("y.npy").dtype == "float16"
    assert_output(numbers(layer(X)), atol=1e-2)


def test_a_map_of_policies_with_a_regular_expression() -> None:
    chosen = keras.dtype_policies.DTypePolicyMap("float16", {"o.*r": keras.DTypePolicy("float32")})
    model, layer = built({"kernel_size": 3, "dtype": chosen, "name": "a"})
    path = saved(model, "m.keras")
    apply(path).noted("'o.*r'", "not evaluated", "its default counts, float16")
    assert_output(numbers(layer(X)), atol=1e-2)
    noted = b"a: regular expressions in the map of dtype policies are not evaluated"
    assert noted in run(f"inspect {path}").out


def test_what_keras_needs_is_kept() -> None:
    model, layer = built({"kernel_size": 3, "trainable": False, "padding": "same"})
    path = saved(model, "m.keras")
    for name in ("n.keras", "n.npz", "o.keras"):
        run(f"init-weights --from {path} -o {name} -q").done()
        path = name
    (again,) = keras.saving.load_model(path).layers
    assert again.trainable is False
    np.testing.assert_array_equal(numbers(again.kernel), numbers(layer.kernel))


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_a_name_that_keras_refuses(place: Path, name: str) -> None:
    config = {"kernel_size": [3], "name": "block/conv"}
    (place / "c.json").write_text(json.dumps(config))
    ran = run(f"init-weights --config c.json --channels 3 -o {name}")
    assert ran.code == 0
    assert "called block_conv" in ran.err
    if name == "m.keras":
        (layer,) = keras.saving.load_model(name).layers
        assert layer.name == "block_conv"


def test_numbers_that_old_versions_wrote_as_strings(place: Path) -> None:
    model, layer = built({"kernel_size": 3, "activation": keras.layers.ReLU(max_value=1.5, threshold=0.5)})
    config = json.loads(json.dumps(layer.get_config()))
    inner = config["activation"]["config"]
    inner.update({key: str(inner[key]) for key in ("max_value", "threshold", "negative_slope")})
    (place / "c.json").write_text(json.dumps(config))
    apply(f"{saved(model, 'm.weights.h5')} --config c.json").done()
    assert_output(layer(X))
