"""Layers out of files that Keras wrote, applied through the command line, against what Keras recorded of them.

The files come from Keras 3.15, tf-keras 2.21 and Keras 2.12; see golden/keras/make_golden.py.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_cli import Array, run, save

from dwconv_cli.errors import LayerError
from dwconv_cli.layer.config import field_of, from_config, keras_3_config, serialized, to_config
from dwconv_cli.layer.dtype_policy import weights_dtype
from dwconv_cli.layer.registry import Choice
from dwconv_cli.layer.spec import LayerSpec
from dwconv_cli.weights.keras_files import read_layers

GOLDEN = Path(__file__).resolve().parent / "golden/keras"
ROUNDING = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-23}


def recorded() -> dict[str, dict[str, Array]]:
    """What each flavour's Keras said, by ``flavour/file::path``."""
    records: dict[str, dict[str, Array]] = {}
    for flavour in ("keras3", "tf_keras", "keras212"):
        with np.load(GOLDEN / flavour / "expected.npz") as expected:
            for key in expected:
                file, path, what = key.split("|")
                records.setdefault(f"{flavour}/{file}::{path}", {})[what] = expected[key]
    return {key: entry for key, entry in records.items() if "y" in entry}


RECORDED = recorded()
layers_of = functools.cache(read_layers)
WITH_CONFIG = [
    key for key in RECORDED if not key.split("::")[0].endswith((".weights.h5", ".json", "old_weights.h5"))
]
WITHOUT = [key for key in RECORDED if key not in WITH_CONFIG and "subclassed" not in key]


def policy_of(flavour: str, path: str, stem: str) -> tuple[dict[str, Any], str]:
    """A layer's config and policy from the whole model beside its weights."""
    whole = next(GOLDEN.glob(f"{flavour}/{stem}.keras"))
    (layer,) = (layer for layer in layers_of(whole) if layer.path == path)
    assert layer.config is not None
    return layer.config, layer.dtype_policy or "float32"


def assert_as_recorded(y: Array, expected: Array, policy: str) -> None:
    kind = policy.removeprefix("mixed_")
    assert y.dtype == ("float32" if kind == "bfloat16" else kind)
    assert y.shape == expected.shape
    size, off = np.abs(expected).max(), np.abs(y.astype("float64") - expected).max()
    assert off <= 8 * ROUNDING[kind] * size


def test_every_flavour_is_there() -> None:
    assert len(WITH_CONFIG) > 50
    assert len(WITHOUT) > 10


@pytest.mark.parametrize("key", WITH_CONFIG)
def test_nothing_has_to_be_typed(place: Path, key: str) -> None:
    file, path = key.split("::")
    entry = RECORDED[key]
    (layer,) = (layer for layer in layers_of(GOLDEN / file) if layer.path == path)
    save(place / "x.npy", entry["x"])
    run(f"apply x.npy -w {GOLDEN}/{key} -o y.npy -q").done()
    assert_as_recorded(np.load("y.npy"), entry["y"], layer.dtype_policy or "float32")


@pytest.mark.parametrize("key", WITHOUT)
def test_a_config_beside_weights(place: Path, key: str) -> None:
    file, path = key.split("::")
    flavour, name = file.split("/")
    entry = RECORDED[key]
    stem = {"old_weights": "functional", "sharded": "nested"}.get(name.split(".")[0], name.split(".")[0])
    config, policy = policy_of(flavour, path, stem)
    (place / "layer.json").write_text(json.dumps(config))
    # Not every such file has the layers' names, but no two kernels are the same.
    (layer,) = (
        layer
        for layer in layers_of(GOLDEN / file)
        if layer.kernel.shape == entry["kernel"].shape
        and np.allclose(layer.kernel, entry["kernel"], rtol=1e-2)
    )
    save(place / "x.npy", entry["x"])
    weights = f"{GOLDEN / file}::{layer.path}"
    run(f"apply x.npy -w {weights} --config layer.json -o y.npy -q").done()
    assert_as_recorded(np.load("y.npy"), entry["y"], policy)


@pytest.mark.parametrize("flavour", ["keras3", "tf_keras"])
def test_a_subclassed_model(place: Path, flavour: str) -> None:
    file = GOLDEN / flavour / "subclassed.weights.h5"
    keys = [key for key in RECORDED if key.startswith(f"{flavour}/subclassed")]
    assert len(keys) == 2
    for key in keys:
        entry = RECORDED[key]
        (layer,) = (layer for layer in layers_of(file) if np.array_equal(layer.kernel, entry["kernel"]))
        save(place / "x.npy", entry["x"])
        run(f"apply x.npy -w {file}::{layer.path} -o y.npy -q --overwrite").done()
        assert_as_recorded(np.load("y.npy"), entry["y"], "float32")


def layer_of_keras_2(activation: Any) -> dict[str, Any]:
    return {"kernel_size": [3], "groups": 1, "dtype": "float32", "activation": activation}


def test_hard_sigmoid_was_steeper_in_keras_2(place: Path) -> None:
    nested = {"class_name": "Activation", "config": {"activation": "hard_sigmoid", "dtype": "float32"}}
    for activation in ("hard_sigmoid", nested):
        old = from_config(layer_of_keras_2(activation))
        assert old.activation == Choice("hard_sigmoid", (("slope", 0.2),))
        assert from_config({**layer_of_keras_2(activation), "groups": None}) == old
    assert from_config({"kernel_size": 3, "activation": "hard_sigmoid"}).activation == Choice("hard_sigmoid")
    # An option is this catalogue's, as Keras 3 has it, and so is a config beside the file.
    assert from_config(layer_of_keras_2("relu"), activation="hard_sigmoid").activation == Choice(
        "hard_sigmoid"
    )
    x = np.linspace(-4, 4, 33, dtype="float32")
    save(place / "k.npy", np.ones(1, "float32"))
    (place / "layer.json").write_text(json.dumps({**layer_of_keras_2("hard_sigmoid"), "kernel_size": 1}))
    save(place / "x.npy", x)
    for more, slope in (("", 0.2), ("--activation hard_sigmoid", 1 / 6)):
        run(f"apply x.npy -k k.npy --config layer.json {more} -o y.npy --overwrite -q").done()
        np.testing.assert_allclose(np.load("y.npy"), np.clip(slope * x + 0.5, 0, 1), atol=1e-7)


def with_layer(policy: Any, **own: Any) -> dict[str, Any]:
    activation = {"module": "keras.layers", "class_name": "LeakyReLU", "config": {"dtype": policy}}
    return {"kernel_size": [3], "activation": activation, **own}


@pytest.mark.parametrize(
    "config, dtype",
    [
        (with_layer("float32", dtype="mixed_float16"), "float32"),
        (
            with_layer({"class_name": "DTypePolicy", "config": {"name": "float64"}}, dtype="float32"),
            "float64",
        ),
        (with_layer("mixed_float16"), "float16"),
        (with_layer(None, dtype="float16"), "float16"),
        (with_layer(None), None),
    ],
)
def test_an_activation_layer_casts_the_output(config: dict[str, Any], dtype: str | None) -> None:
    assert from_config(config).dtype == dtype
    assert from_config(config, dtype="float64").dtype == "float64"
    assert (
        from_config(config, activation="linear").dtype
        == from_config({**config, "activation": "linear"}).dtype
    )
    assert field_of(config, "dtype") == dtype


def test_what_options_replace_need_not_be_readable() -> None:
    config = {"kernel_size": 3, "padding": "reflect", "activation": "mine>cube"}
    assert from_config(config, padding="same", activation="relu").padding == "same"
    assert [field_of(config, key) for key in ("padding", "strides", "dtype")] == ["reflect", 1, None]
    custom = {"class_name": "function", "config": "cube", "registered_name": "mine>cube"}
    for activation in ("mine>cube", custom):
        assert field_of({**config, "activation": activation}, "activation") == "mine>cube"
    with pytest.raises(LayerError, match="activation 'mine>cube': a custom object"):
        from_config(config, padding="same")


def test_serialized() -> None:
    spec = LayerSpec(
        kernel_size=3, strides=2, activation="leaky_relu(negative_slope=0.1)", dtype="float64", name="a"
    )
    whole = json.loads(json.dumps(serialized(spec)))
    assert {key: whole[key] for key in ("module", "class_name", "registered_name")} == {
        "module": "keras.layers",
        "class_name": "DepthwiseConv1D",
        "registered_name": None,
    }
    config = whole["config"]
    assert (config["kernel_size"], config["strides"], config["dilation_rate"]) == ([3], [2], [1])
    # Or Keras would cast the output to float32.
    assert config["activation"]["config"] == {"negative_slope": 0.1, "dtype": "float64"}
    assert from_config(whole) == spec
    assert not {"name", "dtype"} & set(serialized(LayerSpec(kernel_size=3))["config"])
    assert to_config(LayerSpec(kernel_size=3), "float16")["dtype"] == "float16"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"padding": "causal"}, "padding causal is no option of Keras's"),
        ({"dtype": "complex64"}, "dtype complex64"),
        ({"depthwise_initializer": "firwin(cutoff=5, fs=50)"}, "depthwise_initializer firwin"),
        ({"activation": "hard_sigmoid(slope=0.2)"}, "activation hard_sigmoid"),
        ({"activation": "gelu(approximate=True)"}, "activation gelu"),
    ],
)
def test_what_keras_has_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(LayerError, match=message):
        serialized(LayerSpec(kernel_size=3, **options))


def test_configs_of_tf_keras_for_keras_3(place: Path) -> None:
    file = GOLDEN / "tf_keras/functional.keras"
    raw = {layer.path: layer.config or {} for layer in read_layers(file)}
    shown = {layer["name"]: layer["config"] for layer in run(f"inspect {file} --json").reports[0]["layers"]}
    assert set(raw) == set(shown)
    for path, config in shown.items():
        assert set(raw[path]) - set(config) == {"groups"}
        assert config == keras_3_config(raw[path])


@pytest.mark.parametrize(
    "policy, dtype",
    [(None, "float32"), ("mixed_float16", "float32"), ("float16", "float16"), ("mixed_bfloat16", "float32")],
)
def test_fresh_weights_are_kept_as_keras_keeps_them(place: Path, policy: str | None, dtype: str) -> None:
    config = {"kernel_size": 3, "dtype": policy}
    assert weights_dtype(config) == dtype
    assert weights_dtype({"dtype": {"class_name": "DTypePolicy", "config": {"name": policy}}}) == dtype
    (place / "layer.json").write_text(json.dumps(config))
    options = "--config layer.json --channels 2 --seed 1 -q"
    run(f"init-weights -o new.npz {options}").done()
    run(f"init-weights -o v.npz {options} --dtype float64").done()
    assert [np.load(place / name)["kernel"].dtype for name in ("new.npz", "v.npz")] == [dtype, "float64"]


def test_a_given_config_constrains_new_weights(place: Path) -> None:
    config = {"kernel_size": 3, "depthwise_constraint": {"class_name": "NonNeg", "config": {}}}
    (place / "layer.json").write_text(json.dumps(config))
    ran = run("init-weights -o new.npz --config layer.json --seed 1 --channels 8")
    assert "kernel projected by non_neg" in ran.err
    kernel = np.load("new.npz")["kernel"]
    assert (kernel == 0).any()
    assert (kernel >= 0).all()
    # To apply a layer is not to train it.
    save(place / "x.npy", np.ones((4, 8), "float32"))
    report = run("apply x.npy --config layer.json --seed 1 -o y.npy --json").reports[0]
    assert report["notes"] == []
    assert (np.load("y.npy") < 0).any()


def store(path: Path, groups: dict[str, dict[str, Array]], names: dict[str, str]) -> Path:
    """A weights file, as a subclassed model has it."""
    from dwconv_cli.storage import hdf5

    arrays = {f"{group}/vars/{key}": array for group, entry in groups.items() for key, array in entry.items()}
    path.write_bytes(hdf5.pack(arrays, {f"{group}/vars": {"name": name} for group, name in names.items()}))
    return path


def test_layers_that_may_be_depthwise(place: Path) -> None:
    kernel = np.arange(24, dtype="float32").reshape(3, 4, 2)
    conv = {"0": kernel + 1}
    file = store(
        place / "m.weights.h5",
        {
            "": {},
            "left": {"0": kernel},
            "layers/conv1d": conv,
            "right": {"0": kernel * 2},
            "c": conv,
        },
        {"": "model", "left": "l", "layers/conv1d": "a", "right": "r", "c": "conv1d_1"},
    )
    assert read_layers(file) == []
    assert [layer.path for layer in read_layers(file, possible=True)] == ["l", "r"]
    save(place / "x.npy", np.ones((5, 4), "float32"))
    run(f"apply x.npy -w {file} -o y.npy").failed(3, "surely", "name it after '::': l, r")
    report = run(f"apply x.npy -w {file}::r -o y.npy --json").reports[0]
    assert "r is taken for a DepthwiseConv1D; nothing in the file tells it from a Conv1D" in report["notes"]
    np.testing.assert_array_equal(np.load("y.npy"), np.tile(2 * kernel.sum(0).reshape(-1), (3, 1)))
    none = store(place / "n.weights.h5", {"layers/conv1d": conv}, {})
    run(f"apply x.npy -w {none} -o y.npy --overwrite").failed(3, "it holds no DepthwiseConv1D")


def test_one_layer_that_two_models_share(place: Path) -> None:
    import zipfile

    config = {"name": "conv", "kernel_size": [3], "dtype": "float32"}
    layer = {
        "module": "keras.layers",
        "class_name": "DepthwiseConv1D",
        "config": config,
        "registered_name": None,
    }

    def model(name: str, *layers: Any) -> dict[str, Any]:
        return {
            "module": "keras",
            "class_name": "Sequential",
            "config": {"name": name, "layers": list(layers)},
        }

    kernel = np.ones((3, 2, 1), "float32")
    weights = store(
        place / "w.h5",
        {"layers/sequential/layers/depthwise_conv1d": {"0": kernel, "1": np.ones(2, "float32")}},
        {"layers/sequential/layers/depthwise_conv1d": "conv"},
    )
    with zipfile.ZipFile(place / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(model("all", model("a", layer), model("b", layer))))
        archive.write(weights, "model.weights.h5")
    save(place / "x.npy", np.ones((5, 2), "float32"))
    for name in ("", "::conv", "::a/conv", "::b/conv"):
        run(f"apply x.npy -w m.keras{name} -o y.npy -q --overwrite").done()
        np.testing.assert_array_equal(np.load("y.npy"), np.full((3, 2), 4))


def test_policies_under_which_no_weight_is_rounded(place: Path) -> None:
    # A float16 layer over float32 weights is Keras's mixed_float16.
    file = GOLDEN / "keras3/mixed_float16.keras"
    run(f"init-weights --from {file} -o n.keras -q").done()
    (before,), (after,) = read_layers(file), read_layers(place / "n.keras")
    assert (before.dtype_policy, after.dtype_policy) == ("mixed_float16", "mixed_float16")
    np.testing.assert_array_equal(before.kernel, after.kernel)
