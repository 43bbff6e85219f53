"""Layers that Keras files leave in doubt, files without configs or names, and configs beside them, with real Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import run

keras = pytest.importorskip("keras", reason="Keras is not installed")
if not keras.__version__.startswith("3."):
    pytest.skip("these files are Keras 3's", allow_module_level=True)

from helpers_keras import built, filled, numbers, saved  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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


X = np.random.default_rng(7).normal(size=(2, 20, 3)).astype("f4")


def listing(place: Path, address: object, *options: object) -> Any:
    np.save(place / "x.npy", X)
    return run(
        "apply", place / "x.npy", "-w", address, "-o", place / "y.npy", "--overwrite", "--json", *options
    )


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
def test_a_class_of_somebodys_own_is_offered(tmp_path: Path, suffix: str) -> None:
    model = functional()
    path = saved(model, tmp_path / f"m{suffix}")
    offer = "my is a MyDW" if suffix != ".weights.h5" else "my is a my_dw"
    listing(tmp_path, f"{path}::my").failed(3, offer, "take it with --assume-depthwise")
    listing(tmp_path, f"{path}::none").failed(3, "dense", "blk/conv", offer)
    typed = ("--padding", "same", "--activation", "relu") if suffix == ".weights.h5" else ()
    told = listing(tmp_path, f"{path}::my", "--assume-depthwise", *typed).noted("somebody's own")
    assert ("extra" in told.err) is (suffix != ".weights.h5")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.get_layer("my")(X), atol=1e-5)
    # What is Keras's own is read, whatever it is called, and so is a layer inside of somebody's own.
    typed = ("--padding", "same", "--activation", "tanh") if suffix == ".weights.h5" else ()
    listing(tmp_path, f"{path}::dense", *typed).noted()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.get_layer("dense")(X), atol=1e-5)
    listing(tmp_path, f"{path}::blk/conv").noted("does not hold")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.get_layer("blk").inner(X), atol=1e-5)
    listing(tmp_path, f"{path}::depthwise_conv1d").failed(3, "no layer of this name")
    # Nothing that is there is hidden.
    shown = run("inspect", path).done().out.decode()
    assert "my (" in shown
    assert "blk/conv" in shown


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_subclassed_models_have_the_names_that_users_know(tmp_path: Path, suffix: str) -> None:
    model = Sub(name="sub")
    model(X)
    filled(model)
    path = saved(model, tmp_path / f"m{suffix}")
    layers = {"sub_first": model.first, "blk1/conv": model.block.inner, "dense": model.dn}
    for name, layer in layers.items():
        listing(tmp_path, f"{path}::{name}").noted("does not hold")
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), layer(X), atol=1e-5)
    listing(tmp_path, path).failed(3, "holds 3 layers", *layers)


def without_names(path: Path) -> None:
    """Take the names of layers out of a weights file, as Keras 3.0 to 3.5 left them out."""
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)


def test_files_without_names(tmp_path: Path) -> None:
    inputs = keras.Input((20, 3))
    one = keras.layers.DepthwiseConv1D(3, name="x")
    two = keras.layers.DepthwiseConv1D(3, name="depthwise_conv1d")
    model = filled(keras.Model(inputs, [one(inputs), two(inputs)]))
    path = saved(model, tmp_path / "m.weights.h5")
    without_names(path)
    # The group depthwise_conv1d is that of the layer x.
    listing(tmp_path, f"{path}::depthwise_conv1d").noted("no names of layers", "may call another layer")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), one(X), atol=1e-5)
    listing(tmp_path, f"{path}::x").failed(3, "no names of layers", "layers/depthwise_conv1d_1")
    # The model's config brings the names.
    (tmp_path / "m.json").write_text(model.to_json())
    for name, layer in (("x", one), ("depthwise_conv1d", two)):
        listing(tmp_path, f"{path}::{name}", "--config", tmp_path / "m.json").done()
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), layer(X), atol=1e-5)


def test_the_config_of_a_model(tmp_path: Path) -> None:
    model = functional()
    (tmp_path / "m.json").write_text(model.to_json())
    path = saved(model, tmp_path / "m.weights.h5")
    dense = model.get_layer("dense")
    listing(tmp_path, f"{path}::dense", "--config", tmp_path / "m.json").done()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), dense(X), atol=1e-5)
    np.savez(tmp_path / "w.npz", kernel=numbers(dense.kernel), bias=numbers(dense.bias))
    for config in ("m.json", "m.json::dense"):
        listing(tmp_path, tmp_path / "w.npz", "--config", tmp_path / config).done()
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), dense(X), atol=1e-5)
    listing(tmp_path, tmp_path / "w.npz", "--config", f"{tmp_path}/m.json::no").failed(3, "name one", "dense")
    whole = saved(model, tmp_path / "m.keras")
    listing(tmp_path, f"{whole}::dense", "--config", tmp_path / "m.json").failed(3, "leave out")


def test_folders(tmp_path: Path) -> None:
    model, layer = built({"kernel_size": 3, "padding": "same", "name": "a"})
    (tmp_path / "shards").mkdir()
    model.save_weights(tmp_path / "shards" / "m.weights.json", max_shard_size=1e-7)
    keras.saving.save_model(model, tmp_path / "unzipped", zipped=False)
    listing(tmp_path, tmp_path / "unzipped").done()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), layer(X), atol=1e-5)
    listing(tmp_path, tmp_path / "shards", "--padding", "same").noted()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), layer(X), atol=1e-5)


def test_strides_with_dilation_are_computed_as_keras_does(tmp_path: Path) -> None:
    options = {"kernel_size": 3, "strides": 2, "dilation_rate": 3, "padding": "same"}
    model, layer = built(options)
    (tmp_path / "c.json").write_text(json.dumps(layer.get_config()))
    path = saved(model, tmp_path / "m.keras")
    bare = saved(model, tmp_path / "m.weights.h5")
    converted = tmp_path / "w.npz"
    run("init-weights", "--from", path, "-o", converted, "-q").done()
    for weights, config in ((path, ()), (bare, ("--config", tmp_path / "c.json")), (converted, ())):
        listing(tmp_path, weights, *config).noted("strides 2 with dilation_rate 3", "ValueError")
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), layer(X), atol=1e-5)
    listing(tmp_path, bare, "--strides", 2, "--dilation-rate", 3).failed(2, "strides=2 with dilation_rate=3")
    listing(tmp_path, path, "--strides", 3).failed(2, "strides=3 with dilation_rate=3")


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_config_that_differs_about_the_bias(tmp_path: Path, use_bias: bool) -> None:
    model, layer = built({"kernel_size": 3, "use_bias": not use_bias})
    (tmp_path / "c.json").write_text(json.dumps({**layer.get_config(), "use_bias": use_bias}))
    ran = listing(tmp_path, saved(model, tmp_path / "m.weights.h5"), "--config", tmp_path / "c.json")
    if use_bias:
        ran.failed(2, "a bias is asked for")
    else:
        ran.noted("left out, as asked")
        wanted = np.asarray(layer(X)) - numbers(layer.bias)
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, atol=1e-5)


def test_two_files_of_weights_are_refused(tmp_path: Path) -> None:
    listing(tmp_path, "a.keras", "-w", "b.keras").failed(2, "--weights stands 2 times")


def test_a_map_of_policies(tmp_path: Path) -> None:
    chosen = keras.dtype_policies.DTypePolicyMap("float16", {"other": keras.DTypePolicy("float32")})
    model, layer = built({"kernel_size": 3, "dtype": chosen, "name": "a"})
    listing(tmp_path, saved(model, tmp_path / "m.keras")).done()
    found = np.load(tmp_path / "y.npy")
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, numbers(layer(X)), atol=1e-2)


def test_a_map_of_policies_with_a_regular_expression(tmp_path: Path) -> None:
    chosen = keras.dtype_policies.DTypePolicyMap("float16", {"o.*r": keras.DTypePolicy("float32")})
    model, layer = built({"kernel_size": 3, "dtype": chosen, "name": "a"})
    path = saved(model, tmp_path / "m.keras")
    listing(tmp_path, path).noted("'o.*r'", "not evaluated", "its default counts, float16")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), numbers(layer(X)), atol=1e-2)
    assert (
        b"a: regular expressions in the map of dtype policies are not evaluated" in run("inspect", path).out
    )


def test_what_keras_needs_is_kept(tmp_path: Path) -> None:
    model, layer = built({"kernel_size": 3, "trainable": False, "padding": "same"})
    path = saved(model, tmp_path / "m.keras")
    for name in ("n.keras", "w.npz", "o.keras"):
        run("init-weights", "--from", path, "-o", tmp_path / name, "-q").done()
        path = tmp_path / name
    (again,) = keras.saving.load_model(path).layers
    assert again.trainable is False
    np.testing.assert_array_equal(numbers(again.kernel), numbers(layer.kernel))


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_a_name_that_keras_refuses(tmp_path: Path, name: str) -> None:
    config = {"kernel_size": [3], "name": "block/conv"}
    (tmp_path / "c.json").write_text(json.dumps(config))
    made = run("init-weights", "--config", tmp_path / "c.json", "--channels", 3, "-o", tmp_path / name)
    assert made.code == 0
    assert "called block_conv" in made.err
    if name == "m.keras":
        (layer,) = keras.saving.load_model(tmp_path / name).layers
        assert layer.name == "block_conv"


def test_numbers_that_old_versions_wrote_as_strings(tmp_path: Path) -> None:
    model, layer = built({"kernel_size": 3, "activation": keras.layers.ReLU(max_value=1.5, threshold=0.5)})
    config = json.loads(json.dumps(layer.get_config()))
    inner = config["activation"]["config"]
    inner.update({key: str(inner[key]) for key in ("max_value", "threshold", "negative_slope")})
    (tmp_path / "c.json").write_text(json.dumps(config))
    listing(tmp_path, saved(model, tmp_path / "m.weights.h5"), "--config", tmp_path / "c.json").done()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), layer(X), atol=1e-5)
