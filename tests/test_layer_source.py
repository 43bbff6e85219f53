"""Which settings a file of weights does not hold: told on standard error, in the report and by ``inspect``."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import oracle
import pytest
from helpers_cli import run, save

from dwconv_cli import LayerSpec, Weights, load_weights, save_weights
from dwconv_cli.errors import InputError

KERAS = Path(__file__).resolve().parent / "golden/keras"
RNG = np.random.default_rng(3)
K = RNG.integers(-4, 5, (3, 4, 2)).astype("f4")
B = RNG.integers(-4, 5, 8).astype("f4")
X = RNG.integers(-8, 9, (20, 4)).astype("f4")
UNTOLD = {
    "strides": "1",
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": "1",
    "activation": "linear",
}
TYPED = {"strides": 2, "padding": "same", "data_format": "channels_last", "activation": "relu"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, and weights without a layer."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "x.npy", X)
    save(tmp_path / "k.npy", K)
    np.savez("w.npz", kernel=K, bias=B)
    with h5py.File("w.h5", "w") as file:
        file["g/kernel"], file["g/bias"] = K, B
    return tmp_path


WITHOUT = [
    "w.npz",
    "w.h5::g",
    f"{KERAS}/keras3/functional.weights.h5::conv_b",
    f"{KERAS}/keras3/subclassed.weights.h5::listed",
    f"{KERAS}/keras212/old_weights.h5::conv_a",
]


def channels_of(weights: str) -> int:
    return int(load_weights(weights).kernel.shape[1])


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("weights", WITHOUT)
def test_defaults_are_told_in_one_line(place: Path, weights: str, as_json: bool) -> None:
    save(place / "x.npy", np.ones((20, channels_of(weights)), "f4"))
    for typed in ({}, {"padding": "same"}, TYPED, {**TYPED, "dilation_rate": 1}):
        options = [word for key, value in typed.items() for word in (f"--{key.replace('_', '-')}", value)]
        asked = ["apply", "x.npy", "-w", weights, *options, "--dry-run", "--report", "r.json", "--overwrite"]
        ran = run(*asked, *(["--json"] if as_json else []))
        assert ran.code == 0, ran.err
        lines = [line for line in ran.err.splitlines() if "does not hold" in line]
        assert len(lines) == (len(typed) < len(UNTOLD))
        for key, value in UNTOLD.items():
            assert all((f"{key} {value}" in line) is (key not in typed) for line in lines)
        source = json.loads((place / "r.json").read_text())["layer_source"]
        assert {key: source[key] for key in UNTOLD} == {
            key: "typed" if key in typed else "default" for key in UNTOLD
        }
        assert {source[key] for key in ("kernel_size", "depth_multiplier", "use_bias")} == {"file"}
        assert run(*asked, "-q").done()


def test_inspect_tells_them_too(place: Path) -> None:
    for targets in (
        ["w.npz"],
        ["-w", "w.npz"],
        ["x.npy", "-w", "w.npz"],
        ["--input-shape", "9,4", "-w", "w.npz"],
    ):
        ran = run("inspect", *targets).done()
        (line,) = [line for line in ran.out.decode().splitlines() if "does not hold" in line]
        assert "padding valid" in line
        (found,) = run("inspect", *targets, "--json").done().reports
        assert found["layer_source"]["padding"] == "default"
    ran = run("inspect", "x.npy", "-w", "w.npz", "--shape")
    assert (ran.code, ran.out) == (0, b"18,8\n")
    assert "padding valid" in ran.err


def test_a_bare_kernel_is_no_layer(place: Path) -> None:
    ran = run("apply", "x.npy", "-k", "k.npy", "--padding", "same", "--dry-run", "--json").done()
    source = ran.reports[0]["layer_source"]
    assert (source["padding"], source["strides"], source["kernel_size"]) == ("typed", "default", "file")


def test_a_keras_file_holds_them_all(place: Path) -> None:
    save(place / "x.npy", np.ones((20, 3), "f4"))
    model = f"{KERAS}/keras3/functional.keras::conv_a"
    ran = run("apply", "x.npy", "-w", model, "--dry-run", "--json").done()
    assert set(ran.reports[0]["layer_source"].values()) == {"file"}
    ran = run("apply", "x.npy", "-w", model, "--activation", "tanh", "--dry-run", "--json")
    assert ran.reports[0]["layer_source"]["activation"] == "typed"


def test_a_config_beside_weights_is_a_file(place: Path) -> None:
    (place / "c.json").write_text('{"padding": "same", "kernel_size": [3]}')
    ran = run("apply", "x.npy", "-w", "w.npz", "--config", "c.json", "--dry-run", "--json")
    source = ran.reports[0]["layer_source"]
    assert (source["padding"], source["strides"]) == ("file", "default")
    assert "padding" not in ran.err
    assert "strides 1" in ran.err


def test_fresh_weights_and_layers_of_programs(place: Path) -> None:
    ran = run("apply", "x.npy", "--kernel-size", 3, "--seed", 1, "--dry-run", "--json").done()
    source = ran.reports[0]["layer_source"]
    assert (source["kernel_size"], source["padding"]) == ("typed", "default")


# The config beside the weights


LAYER = LayerSpec(
    kernel_size=3, depth_multiplier=2, padding="same", strides=2, activation="leaky_relu(negative_slope=0.5)"
)


@pytest.mark.parametrize("name", ["w2.npz", "w2.npz::a/b", "w2.h5", "w2.h5::a/b"])
def test_files_of_weights_keep_the_layer(place: Path, name: str) -> None:
    save_weights(name, Weights(K, B), LAYER)
    ran = run("apply", "x.npy", "-w", name, "-o", "y.npy", "--json").done()
    report = ran.reports[0]
    assert set(report["layer_source"].values()) == {"file"}
    wanted = oracle.depthwise_conv1d(X, K, B, strides=2, padding="same")
    np.testing.assert_array_equal(np.load("y.npy"), np.where(wanted < 0, wanted / 2, wanted))
    # Readers of arrays see what they always saw.
    if name == "w2.npz":
        with np.load("w2.npz") as arrays:
            assert set(arrays) == {"kernel", "bias"}


def test_what_is_not_known_is_not_kept(place: Path) -> None:
    """Converting weights makes no settings of defaults."""
    run("init-weights", "--from", "w.npz", "-o", "a.npz", "-q").done()
    assert load_weights("a.npz").config is None
    (place / "c.json").write_text('{"padding": "same", "kernel_size": [3]}')
    run("init-weights", "--from", "w.npz", "-o", "b.npz", "--config", "c.json", "-q").done()
    run("init-weights", "--from", "b.npz", "-o", "c.h5", "-q").done()
    for name in ("b.npz", "c.h5"):
        ran = run("apply", "x.npy", "-w", name, "--dry-run", "--json")
        source = ran.reports[0]["layer_source"]
        assert (source["padding"], source["strides"]) == ("file", "default")
    # An option overrides what is there, and only that is told.
    ran = run("apply", "x.npy", "-w", "b.npz", "--padding", "valid", "--strides", 2, "--dry-run", "--json")
    assert [note for note in ran.reports[0]["notes"] if " as asked" in note] == [
        "padding is same in b.npz, valid as asked"
    ]


def test_what_a_file_cannot_keep_is_told(place: Path) -> None:
    save_weights("w2.npz", Weights(K), LAYER)
    for name in ("k2.npy", "w.weights.h5"):
        ran = run("init-weights", "--from", "w2.npz", "-o", name)
        assert ran.code == 0
        assert f"{name} cannot hold" in ran.err
        assert "strides 2, padding same, activation leaky_relu(negative_slope=0.5)" in ran.err
    # Settings that were never known become part of a model, but not of a file of weights.
    for name, told in (("o.npz", False), ("o.keras", True)):
        ran = run("init-weights", "--from", "w.npz", "-o", name)
        assert ran.code == 0
        assert ("padding valid" in ran.err) is told


def test_members_added_later_leave_it_alone(place: Path) -> None:
    save_weights("w2.npz::a", Weights(K, B), LAYER)
    save_weights("w2.npz::b", Weights(K, B))
    assert (load_weights("w2.npz::a").config or {})["padding"] == "same"
    assert load_weights("w2.npz::b").config is None
    save_weights("w2.npz::a", Weights(K, B), overwrite=True)
    assert load_weights("w2.npz::a").config is None


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_a_bias_of_other_weights_does_not_stay_behind(place: Path, suffix: str) -> None:
    save_weights(f"w2.{suffix}::a", Weights(K, B), LAYER)
    run(
        "init-weights", "--from", f"w2.{suffix}::a", "--no-bias", "-o", f"w2.{suffix}::a", "--overwrite"
    ).failed(4, "there is a bias", "another name")
    np.testing.assert_array_equal(load_weights(f"w2.{suffix}::a").bias, B)


@pytest.mark.parametrize("text", ["[1]", '{"padding": ', '{"a": 1, "a": 2}'])
def test_a_damaged_config(place: Path, text: str) -> None:
    with h5py.File("w.h5", "r+") as file:
        file["g/kernel"].attrs["layer_config"] = text
    with pytest.raises(InputError, match=r"w\.h5::g: layer_config"):
        load_weights("w.h5::g")


def test_a_config_too_long_for_a_zip(place: Path) -> None:
    layer = {"padding": "same", "name": "n" * 70_000}
    with pytest.raises(Exception, match="write an HDF5 file"):
        save_weights("w2.npz", Weights(K, B), config=layer)
    assert not (place / "w2.npz").exists()
    save_weights("w2.h5", Weights(K, B), config=layer)
    assert load_weights("w2.h5").config == layer


def test_a_float64_layer_is_summed_in_float64(place: Path) -> None:
    x, kernel = RNG.normal(size=(20, 4)), RNG.normal(size=(3, 4, 2))
    save(place / "x.npy", x)
    save_weights("d.npz", Weights(kernel), LayerSpec(kernel_size=3, depth_multiplier=2, dtype="float64"))
    run("apply", "x.npy", "-w", "d.npz", "-o", "y.npy", "-q").done()
    np.testing.assert_allclose(np.load("y.npy"), oracle.depthwise_conv1d(x, kernel), rtol=0, atol=1e-14)
