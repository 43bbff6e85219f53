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
WEIGHTS = Weights(K, B)
LAYER = LayerSpec(
    kernel_size=3, depth_multiplier=2, padding="same", strides=2, activation="leaky_relu(negative_slope=0.5)"
)
# What no file of weights alone holds, and what it is then.
DEFAULTS = {
    "strides": "1",
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": "1",
    "activation": "linear",
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, and weights without a layer."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "x.npy", X)
    save(tmp_path / "k.npy", K)
    np.savez("w.npz", kernel=K, bias=B)
    with h5py.File("w.h5", "w") as file:
        file["g/kernel"], file["g/bias"] = K, B
    (tmp_path / "c.json").write_text('{"padding": "same", "kernel_size": [3]}')
    return tmp_path


def source_of(line: str) -> dict[str, str]:
    """Where each setting comes from, as the report of a dry run says."""
    ran = run(f"apply x.npy {line} --dry-run --json")
    assert ran.code == 0, ran.err
    return ran.reports[0]["layer_source"]


@pytest.mark.parametrize(
    "weights",
    [
        "w.npz",
        "w.h5::g",
        f"{KERAS}/keras3/functional.weights.h5::conv_b",
        f"{KERAS}/keras3/subclassed.weights.h5::listed",
        f"{KERAS}/keras212/old_weights.h5::conv_a",
    ],
    ids=lambda weights: weights.rpartition("/")[2],
)
@pytest.mark.parametrize(
    "typed, more",
    [
        ("", ""),
        ("--padding same", "--json"),
        ("--strides 2 --padding same --data-format channels_last --activation relu", ""),
        (
            "--strides 2 --padding same --data-format channels_last --activation relu --dilation-rate 1",
            "--json",
        ),
    ],
)
def test_defaults_are_told_in_one_line(place: Path, weights: str, typed: str, more: str) -> None:
    save(place / "x.npy", np.ones((20, load_weights(weights).kernel.shape[1]), "f4"))
    line = f"apply x.npy -w {weights} {typed} --dry-run --report r.json --overwrite"
    ran = run(line, *more.split())
    assert ran.code == 0, ran.err
    options = {word[2:].replace("-", "_") for word in typed.split() if word.startswith("--")}
    notes = [note for note in ran.err.splitlines() if "does not hold" in note]
    assert len(notes) == (options != set(DEFAULTS))
    for key, value in DEFAULTS.items():
        assert all((f"{key} {value}" in note) is (key not in options) for note in notes)
    source = json.loads((place / "r.json").read_text())["layer_source"]
    assert {key: source[key] for key in DEFAULTS} == {
        key: "typed" if key in options else "default" for key in DEFAULTS
    }
    assert {source[key] for key in ("kernel_size", "depth_multiplier", "use_bias")} == {"file"}
    run(line, "-q").done()


def test_inspect_tells_them_too() -> None:
    for targets in ("w.npz", "-w w.npz", "x.npy -w w.npz", "--input-shape 9,4 -w w.npz"):
        ran = run(f"inspect {targets}").done()
        (line,) = [line for line in ran.out.decode().splitlines() if "does not hold" in line]
        assert "padding valid" in line
        (entry,) = run(f"inspect {targets} --json").done().reports
        assert entry["layer_source"]["padding"] == "default"
    ran = run("inspect x.npy -w w.npz --shape").noted("padding valid")
    assert ran.out == b"18,8\n"


@pytest.mark.parametrize(
    "line, expected",
    [
        # A bare kernel is no layer.
        ("-k k.npy --padding same", {"padding": "typed", "strides": "default", "kernel_size": "file"}),
        ("-w w.npz --config c.json", {"padding": "file", "strides": "default"}),
        ("--kernel-size 3 --seed 1", {"kernel_size": "typed", "padding": "default"}),
    ],
)
def test_where_settings_come_from(line: str, expected: dict[str, str]) -> None:
    assert expected.items() <= source_of(line).items()


def test_a_config_beside_weights_leaves_the_other_defaults() -> None:
    (report,) = run("apply x.npy -w w.npz --config c.json --dry-run --json").reports
    (note,) = report["notes"]
    assert "strides 1" in note
    assert "padding" not in note


def test_a_keras_file_holds_them_all(place: Path) -> None:
    save(place / "x.npy", np.ones((20, 3), "f4"))
    model = f"-w {KERAS}/keras3/functional.keras::conv_a"
    assert set(source_of(model).values()) == {"file"}
    assert source_of(f"{model} --activation tanh")["activation"] == "typed"


@pytest.mark.parametrize("name", ["w2.npz", "w2.npz::a/b", "w2.h5", "w2.h5::a/b"])
def test_files_of_weights_keep_the_layer(name: str) -> None:
    save_weights(name, WEIGHTS, LAYER)
    ran = run(f"apply x.npy -w {name} -o y.npy --json").done()
    assert set(ran.reports[0]["layer_source"].values()) == {"file"}
    sums = oracle.depthwise_conv1d(X, K, B, strides=2, padding="same")
    np.testing.assert_array_equal(np.load("y.npy"), np.where(sums < 0, sums / 2, sums))
    # Readers of arrays see what they always saw.
    if name == "w2.npz":
        with np.load("w2.npz") as arrays:
            assert set(arrays) == {"kernel", "bias"}


def test_what_is_not_known_is_not_kept() -> None:
    """Converting weights makes no settings of defaults."""
    run("init-weights --from w.npz -o a.npz -q").done()
    assert load_weights("a.npz").config is None
    run("init-weights --from w.npz -o b.npz --config c.json -q").done()
    run("init-weights --from b.npz -o c.h5 -q").done()
    for name in ("b.npz", "c.h5"):
        source = source_of(f"-w {name}")
        assert (source["padding"], source["strides"]) == ("file", "default")
    # An option overrides what is there, and only that is told.
    ran = run("apply x.npy -w b.npz --padding valid --strides 2 --dry-run --json")
    notes = [note for note in ran.reports[0]["notes"] if " as asked" in note]
    assert notes == ["padding is same in b.npz, valid as asked"]


def test_what_a_file_cannot_keep_is_told() -> None:
    save_weights("w2.npz", Weights(K), LAYER)
    for name in ("k2.npy", "w.weights.h5"):
        ran = run(f"init-weights --from w2.npz -o {name}")
        assert ran.code == 0
        assert f"{name} cannot hold" in ran.err
        assert "strides 2, padding same, activation leaky_relu(negative_slope=0.5)" in ran.err
    # Settings that were never known become part of a model, but not of a file of weights.
    for name, told in (("o.npz", False), ("o.keras", True)):
        ran = run(f"init-weights --from w.npz -o {name}")
        assert ran.code == 0
        assert ("padding valid" in ran.err) is told


def test_members_added_later_leave_it_alone() -> None:
    save_weights("w2.npz::a", WEIGHTS, LAYER)
    save_weights("w2.npz::b", WEIGHTS)
    assert (load_weights("w2.npz::a").config or {})["padding"] == "same"
    assert load_weights("w2.npz::b").config is None
    save_weights("w2.npz::a", WEIGHTS, overwrite=True)
    assert load_weights("w2.npz::a").config is None


@pytest.mark.parametrize("name", ["w2.npz::a", "w2.h5::a"])
def test_a_bias_of_other_weights_does_not_stay_behind(name: str) -> None:
    save_weights(name, WEIGHTS, LAYER)
    ran = run(f"init-weights --from {name} --no-bias -o {name} --overwrite")
    ran.failed(4, "there is a bias", "another name")
    np.testing.assert_array_equal(load_weights(name).bias, B)


@pytest.mark.parametrize("text", ["[1]", '{"padding": ', '{"a": 1, "a": 2}'])
def test_a_damaged_config(text: str) -> None:
    with h5py.File("w.h5", "r+") as file:
        file["g/kernel"].attrs["layer_config"] = text
    with pytest.raises(InputError, match=r"w\.h5::g: layer_config"):
        load_weights("w.h5::g")


def test_a_config_too_long_for_a_zip(place: Path) -> None:
    layer = {"padding": "same", "name": "n" * 70_000}
    with pytest.raises(Exception, match="write an HDF5 file"):
        save_weights("w2.npz", WEIGHTS, config=layer)
    assert not (place / "w2.npz").exists()
    save_weights("w2.h5", WEIGHTS, config=layer)
    assert load_weights("w2.h5").config == layer


def test_a_float64_layer_is_summed_in_float64(place: Path) -> None:
    x, kernel = RNG.normal(size=(20, 4)), RNG.normal(size=(3, 4, 2))
    save(place / "x.npy", x)
    save_weights("d.npz", Weights(kernel), LayerSpec(kernel_size=3, depth_multiplier=2, dtype="float64"))
    run("apply x.npy -w d.npz -o y.npy -q").done()
    np.testing.assert_allclose(np.load("y.npy"), oracle.depthwise_conv1d(x, kernel), rtol=0, atol=1e-14)
