"""Layers out of files that Keras wrote, applied through the command line, against what Keras recorded of them.

The files come from Keras 3.15, tf-keras 2.21 and Keras 2.12; see golden/keras/make_golden.py.
"""

from __future__ import annotations

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
    found: dict[str, dict[str, Array]] = {}
    for flavour in ("keras3", "tf_keras", "keras212"):
        with np.load(GOLDEN / flavour / "expected.npz") as expected:
            for key in expected:
                file, path, what = key.split("|")
                found.setdefault(f"{flavour}/{file}::{path}", {})[what] = expected[key]
    return {key: entry for key, entry in found.items() if "y" in entry}


RECORDED = recorded()
WITH_CONFIG = [
    key for key in RECORDED if not key.split("::")[0].endswith((".weights.h5", ".json", "old_weights.h5"))
]
WITHOUT = [key for key in RECORDED if key not in WITH_CONFIG and "subclassed" not in key]


def policy_of(flavour: str, path: str, stem: str) -> tuple[dict[str, Any], str]:
    """A layer's config and policy from the whole model beside its weights."""
    whole = next(GOLDEN.glob(f"{flavour}/{stem}.keras"))
    (layer,) = (layer for layer in read_layers(whole) if layer.path == path)
    assert layer.config is not None
    return layer.config, layer.dtype_policy or "float32"


def assert_as_recorded(found: Array, wanted: Array, policy: str) -> None:
    kind = policy.removeprefix("mixed_")
    assert found.dtype == ("float32" if kind == "bfloat16" else kind)
    assert found.shape == wanted.shape
    size, off = np.abs(wanted).max(), np.abs(found.astype("float64") - wanted).max()
    assert off <= 8 * ROUNDING[kind] * size


def test_every_flavour_is_there() -> None:
    assert len(WITH_CONFIG) > 50
    assert len(WITHOUT) > 10


@pytest.mark.parametrize("key", WITH_CONFIG)
def test_nothing_has_to_be_typed(tmp_path: Path, key: str) -> None:
    file, path = key.split("::")
    entry = RECORDED[key]
    (layer,) = (layer for layer in read_layers(GOLDEN / file) if layer.path == path)
    source = save(tmp_path / "x.npy", entry["x"])
    run("apply", source, "-w", f"{GOLDEN}/{key}", "-o", tmp_path / "y.npy", "-q").done()
    assert_as_recorded(np.load(tmp_path / "y.npy"), entry["y"], layer.dtype_policy or "float32")


@pytest.mark.parametrize("key", WITHOUT)
def test_a_config_beside_weights(tmp_path: Path, key: str) -> None:
    file, path = key.split("::")
    flavour, name = file.split("/")
    entry = RECORDED[key]
    stem = {"old_weights": "functional", "sharded": "nested"}.get(name.split(".")[0], name.split(".")[0])
    config, policy = policy_of(flavour, path, stem)
    (tmp_path / "layer.json").write_text(json.dumps(config))
    # Not every such file has the layers' names, but no two kernels are the same.
    (layer,) = (
        layer
        for layer in read_layers(GOLDEN / file)
        if layer.kernel.shape == entry["kernel"].shape
        and np.allclose(layer.kernel, entry["kernel"], rtol=1e-2)
    )
    source = save(tmp_path / "x.npy", entry["x"])
    weights = f"{GOLDEN / file}::{layer.path}"
    run(
        "apply", source, "-w", weights, "--config", tmp_path / "layer.json", "-o", tmp_path / "y.npy", "-q"
    ).done()
    assert_as_recorded(np.load(tmp_path / "y.npy"), entry["y"], policy)


@pytest.mark.parametrize("flavour", ["keras3", "tf_keras"])
def test_a_subclassed_model(tmp_path: Path, flavour: str) -> None:
    file = GOLDEN / flavour / "subclassed.weights.h5"
    keys = [key for key in RECORDED if key.startswith(f"{flavour}/subclassed")]
    assert len(keys) == 2
    for key in keys:
        entry = RECORDED[key]
        (layer,) = (layer for layer in read_layers(file) if np.array_equal(layer.kernel, entry["kernel"]))
        source = save(tmp_path / "x.npy", entry["x"])
        run(
            "apply", source, "-w", f"{file}::{layer.path}", "-o", tmp_path / "y.npy", "-q", "--overwrite"
        ).done()
        assert_as_recorded(np.load(tmp_path / "y.npy"), entry["y"], "float32")


def layer_of_keras_2(activation: Any) -> dict[str, Any]:
    return {"kernel_size": [3], "groups": 1, "dtype": "float32", "activation": activation}


def test_hard_sigmoid_was_steeper_in_keras_2(tmp_path: Path) -> None:
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
    taps = save(tmp_path / "k.npy", np.ones(1, "float32"))
    (tmp_path / "layer.json").write_text(json.dumps({**layer_of_keras_2("hard_sigmoid"), "kernel_size": 1}))
    config = ("-k", taps, "--config", tmp_path / "layer.json")
    for more, slope in (((), 0.2), (("--activation", "hard_sigmoid"), 1 / 6)):
        run(
            "apply",
            save(tmp_path / "x.npy", x),
            *config,
            *more,
            "-o",
            tmp_path / "y.npy",
            "--overwrite",
            "-q",
        ).done()
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), np.clip(slope * x + 0.5, 0, 1), atol=1e-7)


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
    found = json.loads(json.dumps(serialized(spec)))
    assert {key: found[key] for key in ("module", "class_name", "registered_name")} == {
        "module": "keras.layers",
        "class_name": "DepthwiseConv1D",
        "registered_name": None,
    }
    config = found["config"]
    assert (config["kernel_size"], config["strides"], config["dilation_rate"]) == ([3], [2], [1])
    # Or Keras would cast the output to float32.
    assert config["activation"]["config"] == {"negative_slope": 0.1, "dtype": "float64"}
    assert from_config(found) == spec
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


def test_configs_of_tf_keras_for_keras_3(tmp_path: Path) -> None:
    file = GOLDEN / "tf_keras/functional.keras"
    raw = {layer.path: layer.config or {} for layer in read_layers(file)}
    shown = {layer["name"]: layer["config"] for layer in run("inspect", file, "--json").reports[0]["layers"]}
    assert set(raw) == set(shown)
    for path, config in shown.items():
        assert set(raw[path]) - set(config) == {"groups"}
        assert config == keras_3_config(raw[path])


@pytest.mark.parametrize(
    "policy, dtype",
    [(None, "float32"), ("mixed_float16", "float32"), ("float16", "float16"), ("mixed_bfloat16", "float32")],
)
def test_fresh_weights_are_kept_as_keras_keeps_them(tmp_path: Path, policy: str | None, dtype: str) -> None:
    config = {"kernel_size": 3, "dtype": policy}
    assert weights_dtype(config) == dtype
    assert weights_dtype({"dtype": {"class_name": "DTypePolicy", "config": {"name": policy}}}) == dtype
    (tmp_path / "layer.json").write_text(json.dumps(config))
    options = ("--config", tmp_path / "layer.json", "--channels", 2, "--seed", 1, "-q")
    run("init-weights", "-o", tmp_path / "w.npz", *options).done()
    run("init-weights", "-o", tmp_path / "v.npz", *options, "--dtype", "float64").done()
    assert [np.load(tmp_path / name)["kernel"].dtype for name in ("w.npz", "v.npz")] == [dtype, "float64"]


def test_a_given_config_constrains_new_weights(tmp_path: Path) -> None:
    config = {"kernel_size": 3, "depthwise_constraint": {"class_name": "NonNeg", "config": {}}}
    (tmp_path / "layer.json").write_text(json.dumps(config))
    given = ("--config", tmp_path / "layer.json", "--seed", 1)
    ran = run("init-weights", "-o", tmp_path / "w.npz", *given, "--channels", 8)
    assert "kernel projected by non_neg" in ran.err
    kernel = np.load(tmp_path / "w.npz")["kernel"]
    assert (kernel == 0).any()
    assert (kernel >= 0).all()
    # To apply a layer is not to train it.
    source = save(tmp_path / "x.npy", np.ones((4, 8), "float32"))
    report = run("apply", source, *given, "-o", tmp_path / "y.npy", "--json").reports[0]
    assert report["notes"] == []
    assert (np.load(tmp_path / "y.npy") < 0).any()


def store(path: Path, groups: dict[str, dict[str, Array]], names: dict[str, str]) -> Path:
    """A weights file, as a subclassed model has it."""
    from dwconv_cli.storage import hdf5

    arrays = {f"{group}/vars/{key}": array for group, entry in groups.items() for key, array in entry.items()}
    path.write_bytes(hdf5.pack(arrays, {f"{group}/vars": {"name": name} for group, name in names.items()}))
    return path


def test_layers_that_may_be_depthwise(tmp_path: Path) -> None:
    kernel = np.arange(24, dtype="float32").reshape(3, 4, 2)
    conv = {"0": kernel + 1}
    file = store(
        tmp_path / "m.weights.h5",
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
    source = save(tmp_path / "x.npy", np.ones((5, 4), "float32"))
    target = ("-o", tmp_path / "y.npy")
    run("apply", source, "-w", file, *target).failed(3, "surely", "name it after '::': l, r")
    report = run("apply", source, "-w", f"{file}::r", *target, "--json").reports[0]
    assert "r is taken for a DepthwiseConv1D; nothing in the file tells it from a Conv1D" in report["notes"]
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.tile(2 * kernel.sum(0).reshape(-1), (3, 1)))
    none = store(tmp_path / "n.weights.h5", {"layers/conv1d": conv}, {})
    run("apply", source, "-w", none, *target, "--overwrite").failed(3, "it holds no DepthwiseConv1D")


def test_one_layer_that_two_models_share(tmp_path: Path) -> None:
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
        tmp_path / "w.h5",
        {"layers/sequential/layers/depthwise_conv1d": {"0": kernel, "1": np.ones(2, "float32")}},
        {"layers/sequential/layers/depthwise_conv1d": "conv"},
    )
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(model("all", model("a", layer), model("b", layer))))
        archive.write(weights, "model.weights.h5")
    source = save(tmp_path / "x.npy", np.ones((5, 2), "float32"))
    for name in ("", "::conv", "::a/conv", "::b/conv"):
        address = f"{tmp_path}/m.keras{name}"
        run("apply", source, "-w", address, "-o", tmp_path / "y.npy", "-q", "--overwrite").done()
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.full((3, 2), 4))


def test_policies_under_which_no_weight_is_rounded(tmp_path: Path) -> None:
    # A float16 layer over float32 weights is Keras's mixed_float16.
    file = GOLDEN / "keras3/mixed_float16.keras"
    run("init-weights", "--from", file, "-o", tmp_path / "n.keras", "-q").done()
    (before,), (after,) = read_layers(file), read_layers(tmp_path / "n.keras")
    assert (before.dtype_policy, after.dtype_policy) == ("mixed_float16", "mixed_float16")
    np.testing.assert_array_equal(before.kernel, after.kernel)
