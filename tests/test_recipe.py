"""Options, configs, files and data, resolved into one layer with weights."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import examples, refused
from helpers_cli import run
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli import LayerSpec, Recipe, Weights
from dwconv_cli.errors import DwconvError, InputError, LayerError, ShapeError
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS, initialized
from dwconv_cli.layer.registry import Choice
from dwconv_cli.weights.load import checksum

Array = np.ndarray[Any, Any]

GOLDEN = Path(__file__).resolve().parent / "golden" / "keras" / "keras3"
KERNEL = np.arange(24, dtype=np.float32).reshape(4, 3, 2) - 11
BIAS = np.arange(6, dtype=np.float32) - 2


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory of every test: a kernel, a bias, and a file of both."""
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", KERNEL)
    np.save("b.npy", BIAS)
    np.savez("w.npz", kernel=KERNEL, bias=BIAS)


class TestKernels:
    def test_alone(self) -> None:
        resolved = Recipe(kernel="k.npy").resolve(3)
        assert resolved.layer == LayerSpec(kernel_size=4, depth_multiplier=2, use_bias=False)
        assert np.array_equal(resolved.weights.kernel, KERNEL)
        assert resolved.weights.bias is None
        assert resolved.notes == []
        assert resolved.entry == {
            "address": "k.npy",
            "kernel_shape": [4, 3, 2],
            "bias_shape": None,
            "sha256": checksum(KERNEL, None),
        }

    def test_with_a_bias(self) -> None:
        resolved = Recipe(kernel="k.npy", bias="b.npy", options={"padding": "SAME", "strides": 2}).resolve(3)
        assert resolved.layer == LayerSpec(kernel_size=4, depth_multiplier=2, padding="same", strides=2)
        assert resolved.weights.bias is not None
        assert np.array_equal(resolved.weights.bias, BIAS)
        assert resolved.entry["bias_shape"] == [6]

    def test_shared(self) -> None:
        np.save("k.npy", KERNEL[:, 0, 0])
        recipe = Recipe(kernel="k.npy")
        for channels in (1, 7, None):
            resolved = recipe.resolve(channels)
            assert resolved.weights.shared
            assert resolved.entry["kernel_shape"] == [4]
            assert resolved.layer.depth_multiplier == 1

    def test_torch(self) -> None:
        np.save("k.npy", KERNEL.transpose(1, 2, 0).reshape(6, 1, 4))
        recipe = Recipe(kernel="k.npy", layout="torch")
        assert np.array_equal(recipe.resolve(3).weights.kernel, KERNEL)
        # The same file serves data of 2 and of 6 channels.
        assert recipe.resolve(2).weights.kernel.shape == (4, 2, 3)
        assert recipe.resolve(6).layer.depth_multiplier == 1
        with pytest.raises(ShapeError, match="do not divide by 4 channels"):
            recipe.resolve(4)

    def test_the_file_is_read_once(self) -> None:
        recipe = Recipe(kernel="k.npy")
        recipe.load()
        Path("k.npy").unlink()
        assert np.array_equal(recipe.resolve(3).weights.kernel, KERNEL)
        assert np.array_equal(recipe.resolve(3).weights.kernel, KERNEL)

    @pytest.mark.parametrize(
        "options, error, message",
        [
            ({"kernel_size": 5}, LayerError, "kernel_size is 5, but the kernel in k.npy has 4"),
            ({"depth_multiplier": 3}, ShapeError, "depth multiplier 2, not 3"),
            ({"use_bias": True}, LayerError, "a bias is asked for, but k.npy has none; give one with bias"),
            ({"strides": 2, "dilation_rate": 2}, LayerError, "at most one"),
            ({"padding": "full"}, LayerError, "padding must be"),
            ({"activation": "no_such"}, LayerError, "no_such"),
        ],
    )
    def test_misfits(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        with refused(error, message):
            Recipe(kernel="k.npy", options=options).resolve(3)

    def test_other_channels(self) -> None:
        with refused(ShapeError, "for 3 channels, the data has 4"):
            Recipe(kernel="k.npy").resolve(4)

    def test_a_bias_given_and_refused(self) -> None:
        with refused(LayerError, "given and refused at once"):
            Recipe(kernel="k.npy", bias="b.npy", options={"use_bias": False}).resolve(3)

    def test_the_bias_of_a_file_is_left_out(self) -> None:
        resolved = Recipe(weights="w.npz", options={"use_bias": False}).resolve(3)
        assert resolved.weights.bias is None
        assert not resolved.layer.use_bias
        assert resolved.entry["bias_shape"] is None
        assert "the bias in w.npz is left out, as asked" in resolved.notes

    def test_missing(self) -> None:
        for recipe in (Recipe(kernel="none.npy"), Recipe(weights="none.npz")):
            with pytest.raises(InputError, match="no such file"):
                recipe.load()
            with pytest.raises(InputError, match="no such file"):
                recipe.resolve(3)


class TestLoad:
    def test_impossible_layers_are_told_before_any_data(self) -> None:
        for options in ({"strides": 2, "dilation_rate": 2}, {"padding": "full"}, {"activation": "x"}):
            with pytest.raises(LayerError):
                Recipe(kernel="k.npy", options=options).load()
            with pytest.raises(LayerError):
                Recipe(options={"kernel_size": 3, **options}).load()

    def test_possible_ones_pass(self) -> None:
        Recipe(kernel="k.npy").load()
        Recipe(weights="w.npz", options={"padding": "causal"}).load()
        Recipe(options={"kernel_size": 3}).load()
        Recipe(config={"kernel_size": 3}).load()
        Recipe(given=(LayerSpec(kernel_size=4), Weights(KERNEL))).load()

    def test_fresh_weights_without_a_size(self) -> None:
        with pytest.raises(LayerError, match="kernel_size"):
            Recipe(options={}).load()


class TestConfigs:
    def test_a_config_beside_a_kernel(self) -> None:
        config = {"padding": "same", "activation": "relu", "kernel_size": [4], "name": "conv"}
        resolved = Recipe(kernel="k.npy", config=config).resolve(3)
        assert (resolved.layer.padding, resolved.layer.activation, resolved.layer.name) == (
            "same",
            Choice("relu"),
            "conv",
        )
        assert resolved.notes == []

    def test_a_config_that_does_not_fit_the_kernel(self) -> None:
        with pytest.raises(LayerError, match="kernel_size is 9, but the kernel in"):
            Recipe(kernel="k.npy", config={"kernel_size": 9}).resolve(3)

    def test_options_win_over_the_config(self) -> None:
        config = {"class_name": "DepthwiseConv1D", "config": {"padding": "same", "strides": [3]}}
        resolved = Recipe(kernel="k.npy", config=config, options={"padding": "causal"}).resolve(3)
        assert (resolved.layer.padding, resolved.layer.strides) == ("causal", 3)

    def test_the_layer_of_a_keras_file(self) -> None:
        with zipfile.ZipFile(GOLDEN / "sequential.keras") as archive:
            config = json.loads(archive.read("config.json"))["config"]["layers"]
        theirs = next(entry["config"] for entry in config if entry["class_name"] == "DepthwiseConv1D")
        resolved = Recipe(weights=f"{GOLDEN / 'sequential.keras'}::depthwise_conv1d").resolve(4)
        assert resolved.layer.name == theirs["name"]
        assert resolved.layer.padding == theirs["padding"]
        assert resolved.layer.strides == theirs["strides"][0]
        assert resolved.layer.dtype == "float32"
        assert resolved.notes == []

    def test_overriding_a_keras_file_is_noted(self) -> None:
        address = f"{GOLDEN / 'sequential.keras'}::depthwise_conv1d"
        options = {"padding": "valid", "strides": 3, "activation": "relu", "dtype": "float64"}
        resolved = Recipe(weights=address, options=options).resolve(4)
        assert resolved.layer.padding == "valid"
        assert resolved.notes == [
            f"padding is same in {address}, valid as asked",
            f"activation is linear in {address}, relu as asked",
            f"dtype is float32 in {address}, float64 as asked",
        ]

    def test_a_config_given_overrides_a_keras_file_too(self) -> None:
        address = f"{GOLDEN / 'sequential.keras'}::depthwise_conv1d"
        resolved = Recipe(weights=address, config={"padding": "causal"}).resolve(4)
        assert resolved.layer.padding == "causal"
        assert resolved.notes == [f"padding is same in {address}, causal as asked"]

    def test_weights_alone_have_no_layer_to_override(self) -> None:
        address = f"{GOLDEN / 'functional.weights.h5'}::conv_a"
        (note,) = Recipe(weights=address, options={"padding": "same"}).resolve(3).notes
        assert " as asked" not in note

    @pytest.mark.parametrize("config", [{"class_name": "Conv1D", "config": {}}, {"no": 1}, {"dtype": ["x"]}])
    def test_bad_configs(self, config: dict[str, Any]) -> None:
        recipe = Recipe(kernel="k.npy", config=config)
        with pytest.raises(LayerError):
            recipe.load()
        with pytest.raises(LayerError):
            recipe.resolve(3)


class TestDataFormat:
    first = str(GOLDEN / "channels_first.keras")

    def test_in_order_of_precedence(self) -> None:
        defaults = {"data_format": "channels_first"}
        config = {"data_format": "channels_last"}
        options = {"data_format": "Channels_First"}
        notes = ("data_format is channels_first in keras.json",)
        assert Recipe(kernel="k.npy").data_format() == "channels_last"
        for recipe, expected, told in [
            (Recipe(kernel="k.npy", defaults=defaults, default_notes=notes), "channels_first", list(notes)),
            (
                Recipe(kernel="k.npy", defaults=defaults, config=config, default_notes=notes),
                "channels_last",
                [],
            ),
            (
                Recipe(kernel="k.npy", config=config, options=options, default_notes=notes),
                "channels_first",
                [],
            ),
        ]:
            assert recipe.data_format() == expected
            resolved = recipe.resolve(3)
            assert resolved.layer.data_format == expected
            assert resolved.notes == told

    def test_of_a_keras_file(self) -> None:
        recipe = Recipe(weights=f"{self.first}::first", defaults={"data_format": "channels_last"})
        assert recipe.data_format() == "channels_first"
        assert recipe.resolve(3).layer.data_format == "channels_first"
        changed = Recipe(weights=f"{self.first}::first", options={"data_format": "channels_last"})
        assert changed.data_format() == "channels_last"
        assert any("data_format is channels_first in" in note for note in changed.resolve(3).notes)

    def test_given(self) -> None:
        layer = LayerSpec(kernel_size=4, depth_multiplier=2, data_format="channels_first")
        assert Recipe(given=(layer, Weights(KERNEL))).data_format() == "channels_first"


class TestFresh:
    def test_as_a_new_keras_layer(self) -> None:
        resolved = Recipe(options={"kernel_size": 5, "depth_multiplier": 2}, seed=7).resolve(3)
        # Keras's NumPy backend: glorot_uniform with fans C*K and M*K, from default_rng([seed, 0]).
        limit = np.sqrt(6 / (3 * 5 + 2 * 5))
        expected = np.random.default_rng([7, 0]).uniform(-limit, limit, (5, 3, 2)).astype(np.float32)
        assert np.array_equal(resolved.weights.kernel, expected)
        assert resolved.weights.bias is not None
        assert resolved.weights.bias.tolist() == [0] * 6
        assert resolved.entry["address"] is None
        assert resolved.layer == LayerSpec(kernel_size=5, depth_multiplier=2)

    def test_the_same_seed_gives_the_same_weights_for_every_recording(self) -> None:
        options = {
            "kernel_size": 3,
            "depthwise_initializer": "random_uniform",
            "bias_initializer": "random_uniform",
        }
        one, other = (Recipe(options=options, seed=1).resolve(4) for _ in range(2))
        assert one.entry == other.entry
        assert Recipe(options=options, seed=2).resolve(4).entry != one.entry
        kernel, bias = one.weights.kernel, one.weights.bias
        assert bias is not None
        assert not set(kernel.ravel()) & set(bias)

    @pytest.mark.parametrize("seed", [0, 2**32 - 1])
    def test_seeds_at_the_edge(self, seed: int) -> None:
        options = {
            "kernel_size": 3,
            "bias_initializer": "random_uniform",
            "depthwise_initializer": "random_uniform",
        }
        assert Recipe(options=options, seed=seed).resolve(2).weights.kernel.shape == (3, 2, 1)

    @pytest.mark.parametrize("seed", [-1, 2**32, 2**70])
    def test_seeds_beyond(self, seed: int) -> None:
        with pytest.raises(LayerError, match=f"seed must be from 0 to 4294967295, got {seed}"):
            Recipe(options={"kernel_size": 3}, seed=seed).resolve(2)

    def test_a_drawn_seed_is_told(self) -> None:
        notes = Recipe(options={"kernel_size": 3}, seed=9, drawn=True).resolve(2).notes
        assert len(notes) == 1
        assert "--seed 9" in notes[0]
        fixed = {"kernel_size": 3, "depthwise_initializer": "ones"}
        assert Recipe(options=fixed, seed=9, drawn=True).resolve(2).notes == []

    def test_a_seed_of_the_initializers_own(self) -> None:
        options = {"kernel_size": 3, "depthwise_initializer": "random_normal(seed=5)"}
        one, other = (Recipe(options=options, seed=seed).resolve(2) for seed in (1, 2))
        assert one.entry["sha256"] == other.entry["sha256"]

    def test_without_channels(self) -> None:
        with pytest.raises(LayerError, match="fresh weights need the number of channels"):
            Recipe(options={"kernel_size": 3}).resolve(None)

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
    def test_dtypes(self, dtype: str) -> None:
        resolved = Recipe(options={"kernel_size": 3, "dtype": dtype}, seed=1).resolve(2)
        assert resolved.weights.kernel.dtype == dtype
        assert resolved.weights.bias is not None
        assert resolved.weights.bias.dtype == dtype

    def test_without_bias(self) -> None:
        resolved = Recipe(options={"kernel_size": 3, "use_bias": False}).resolve(2)
        assert resolved.weights.bias is None
        assert resolved.entry["bias_shape"] is None

    def test_from_a_config(self) -> None:
        config = {"kernel_size": [3], "depthwise_initializer": {"class_name": "Ones", "config": {}}}
        resolved = Recipe(config=config, options={"depth_multiplier": 2}).resolve(2)
        assert np.array_equal(resolved.weights.kernel, np.ones((3, 2, 2)))

    @examples(0.4)
    @given(st.sampled_from(INITIALIZERS.names()), st.integers(0, 2**32 - 1))
    def test_every_initializer_makes_what_was_asked_or_says_why(self, name: str, seed: int) -> None:
        arguments = {"firwin": {"cutoff": 0.5}, "gaussian": {"std": 1.0}}.get(name, {})
        try:
            choice = INITIALIZERS.choose(name, arguments)
            weights = initialized(choice, (5, 3, 2), "float32", seed)
        except DwconvError as error:
            assert "\n" not in str(error)  # noqa: PT017
            return
        assert weights.shape == (5, 3, 2)
        assert weights.dtype == np.float32
        assert np.isfinite(weights).all()


class TestConstraints:
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8", "int64", "bool"])
    def test_projected_once(self, dtype: str) -> None:
        """Along the taps, axis 0: here every filter of (3, 4) has the norm 5."""
        kernel = np.array([3, 4]).reshape(2, 1, 1).astype(dtype)
        np.save("k.npy", kernel)
        options = {"depthwise_constraint": "max_norm(2.5)"}
        resolved = Recipe(kernel="k.npy", options=options).resolve(1)
        norm = float(np.linalg.norm(kernel.astype(complex)))
        expected = kernel.astype(complex) * min(1, 2.5 / norm)
        np.testing.assert_allclose(
            resolved.weights.kernel, expected, rtol=1e-3 if dtype == "float16" else 1e-6
        )
        assert resolved.notes == ["kernel projected by max_norm(max_value=2.5)"]
        assert resolved.weights.kernel.dtype.kind in "fc"
        if kernel.dtype.kind in "fc":
            assert resolved.weights.kernel.dtype == dtype
        assert resolved.entry["sha256"] == checksum(resolved.weights.kernel, None)

    @pytest.mark.parametrize("dtype, value", [("int8", 100), ("float16", 60000), ("float32", 1e30)])
    def test_norms_that_do_not_fit_the_dtype(self, dtype: str, value: float) -> None:
        np.save("k.npy", np.full((2, 1), value, dtype))
        resolved = Recipe(kernel="k.npy", options={"depthwise_constraint": "unit_norm"}).resolve(1)
        if dtype != "float32":  # where Keras overflows as well
            np.testing.assert_allclose(resolved.weights.kernel, np.sqrt(0.5), rtol=1e-3)

    def test_of_the_bias(self) -> None:
        resolved = Recipe(weights="w.npz", options={"bias_constraint": "non_neg"}).resolve(3)
        assert resolved.weights.bias is not None
        assert resolved.weights.bias.tolist() == [0, 0, 0, 1, 2, 3]
        assert np.array_equal(resolved.weights.kernel, KERNEL)
        assert resolved.notes[0] == "bias projected by non_neg"

    def test_of_fresh_weights(self) -> None:
        options = {
            "kernel_size": 3,
            "depthwise_constraint": "non_neg",
            "depthwise_initializer": "constant(-1)",
        }
        assert not Recipe(options=options).resolve(2).weights.kernel.any()

    def test_those_of_a_config_were_met_in_training(self) -> None:
        config = {"depthwise_constraint": {"class_name": "NonNeg", "config": {}}}
        resolved = Recipe(kernel="k.npy", config=config).resolve(3)
        assert np.array_equal(resolved.weights.kernel, KERNEL)
        assert resolved.layer.depthwise_constraint == Choice("non_neg")

    def test_not_finite(self) -> None:
        np.save("k.npy", np.array([[np.inf], [np.nan], [1]]))
        options = {"depthwise_constraint": "max_norm"}
        resolved = Recipe(kernel="k.npy", options=options).resolve(1)
        assert np.isnan(resolved.weights.kernel).any()


def test_given_layers_are_taken_as_they_are() -> None:
    layer, weights = LayerSpec(kernel_size=4, depth_multiplier=2), Weights(KERNEL, BIAS)
    resolved = Recipe(given=(layer, weights), options={"padding": "same"}).resolve(3)
    assert resolved.layer is layer
    assert resolved.weights is weights
    assert resolved.entry["sha256"] == checksum(KERNEL, BIAS)
    assert resolved.entry["address"] is None


def test_recipes_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().seed = 3


@pytest.mark.parametrize("key, told", [("a.*", True), ("/[ab]$", True), ("b", False), ("a", False)])
def test_a_map_of_policies_with_regular_expressions(place: Path, key: str, told: bool) -> None:
    policies = {"default_policy": "float64", "policy_map": {key: "float16"}}
    policy = {"class_name": "DTypePolicyMap", "config": policies}
    (place / "c.json").write_text(json.dumps({"kernel_size": 2, "name": "a", "dtype": policy}))
    line = "apply x.npy -k k.npy --config c.json -o y.npy --overwrite --json"
    ran = run(line)
    assert (f"{key!r}), which are not evaluated: its default counts, float64" in ran.err) == told, ran.err
    assert np.load("y.npy").dtype == ("float16" if key == "a" else "float64")
    assert "not evaluated" not in run(f"{line} --dtype float32").err
