"""``dwconv init-weights``: fresh weights, designs, conversions, and the files they go into."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import oracle
import pytest
from helpers_cli import contents, names, npy_bytes, run, run_shell, save, sparse

from dwconv_cli.weights.keras_files import read_layers

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)
K = RNG.integers(-4, 5, (3, 4, 2)).astype("f4")
B = RNG.integers(-4, 5, 8).astype("f4")
X = RNG.integers(-8, 9, (2, 20, 4)).astype("f4")


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with a recording and weights of four channels."""
    save(place / "x.npy", X)
    save(place / "k.npy", K)
    save(place / "b.npy", B)
    np.savez("w.npz", kernel=K, bias=B)
    return place


def weights(path: str) -> dict[str, Array]:
    """Kernel and bias out of a file."""
    name, _, group = path.partition("::")
    if name.endswith((".keras", ".weights.h5")):
        (layer,) = read_layers(name)
        return {"kernel": layer.kernel} | ({} if layer.bias is None else {"bias": layer.bias})
    if name.endswith(".h5"):
        with h5py.File(name) as file:
            return {key: value[...] for key, value in file[group or "/"].items()}
    loaded = np.load(name)
    if name.endswith(".npy"):
        return {"kernel": loaded}
    with loaded:
        return dict(loaded)


def numpys_glorot(shape: tuple[int, int, int], seed: int) -> Array:
    """What Keras's NumPy backend draws: fan_in C*K, fan_out M*K."""
    taps, channels, multiplier = shape
    limit = np.sqrt(3 / ((channels * taps + multiplier * taps) / 2))
    return np.random.default_rng([seed, 0]).uniform(low=-limit, high=limit, size=shape).astype("f4")


SUFFIXES = ("npz", "h5", "keras", "weights.h5")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fresh_weights(place: Path, suffix: str) -> None:
    out = f"o.{suffix}"
    run(f"init-weights -q -o {out} --kernel-size 3 --channels 4 --depth-multiplier 2 --seed 5").done()
    arrays = weights(out)
    np.testing.assert_array_equal(arrays["kernel"], numpys_glorot((3, 4, 2), 5))
    np.testing.assert_array_equal(arrays["bias"], np.zeros(8))
    assert {array.dtype for array in arrays.values()} == {np.dtype("f4")}


def test_the_seed_decides(place: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(f"init-weights -q -o {name}.npz --kernel-size 3 --channels 4 --seed {seed}").done()
    files = {name: (place / f"{name}.npz").read_bytes() for name in "abc"}
    assert files["a"] == files["b"] != files["c"]
    for name in "de":
        run(f"init-weights -q -o {name}.npz --kernel-size 3 --channels 4").done()
    assert (place / "d.npz").read_bytes() != (place / "e.npz").read_bytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtypes(place: Path, dtype: str) -> None:
    run(f"init-weights -q -o o.npz --kernel-size 3 --channels 4 --dtype {dtype}").done()
    assert {array.dtype for array in weights("o.npz").values()} == {np.dtype(dtype)}


@pytest.mark.parametrize(
    "name, taps",
    [("ones", np.ones(5)), ("zeros", np.zeros(5)), ("constant(0.5)", np.full(5, 0.5)), ("delta", [0, 0, 1, 0, 0]),
     ("moving_average", np.full(5, 0.2)), ("Ones", np.ones(5)), ("constant(value=-2)", np.full(5, -2))],
)  # fmt: skip
def test_initializers_and_designs(place: Path, name: str, taps: Any) -> None:
    run(
        f"init-weights -q -o o.npy --kernel-size 5 --channels 3 --no-bias --depthwise-initializer {name}"
    ).done()
    kernel = np.load("o.npy")
    assert kernel.shape == (5, 3, 1)
    for channel in range(3):
        np.testing.assert_array_equal(kernel[:, channel, 0], np.float32(taps))


def test_a_design_filters_as_designed(place: Path) -> None:
    time = np.arange(500) / 50
    save(place / "sines.npy", np.stack([np.sin(2 * np.pi * f * time) for f in (1, 20)], 1).astype("f4"))
    lowpass = "--kernel-size 51 --no-bias --depthwise-initializer 'firwin(cutoff=5, fs=50)'"
    run(f"init-weights -q -o low.npy {lowpass} --like sines.npy").done()
    slow, fast = np.abs(run("apply sines.npy -q -k low.npy -o -").done().array).max(0)
    assert slow > 0.99
    assert fast < 0.01


@pytest.mark.parametrize(
    "shape, layout, channels",
    [((20,), "last", 1), ((20, 6), "last", 6), ((6, 20), "first", 6), ((2, 20, 6), "last", 6), ((2, 6, 20), "first", 6)],
)  # fmt: skip
def test_like(place: Path, shape: tuple[int, ...], layout: str, channels: int) -> None:
    save(place / "like.npy", np.zeros(shape, "f4"))
    run(
        f"init-weights -q -o o.npy --kernel-size 3 --like like.npy --data-format channels_{layout} --no-bias"
    ).done()
    assert np.load("o.npy").shape == (3, channels, 1)


def test_like_reads_the_header_alone_and_keras_json(place: Path) -> None:
    sparse(place / "huge.npy", (1_000_000_000, 7))
    run("init-weights -q -o o.npy --kernel-size 3 --like huge.npy --no-bias").done()
    assert np.load("o.npy").shape == (3, 7, 1)
    home = place / "home"
    home.mkdir()
    (home / "keras.json").write_text('{"image_data_format": "channels_first"}')
    run("init-weights -q -o p.npy --kernel-size 3 --like x.npy --no-bias", keras_home=home).done()
    assert np.load("p.npy").shape == (3, 20, 1)


# Conversions


@pytest.mark.parametrize("source", ["w.npz", "k.npy", "group.h5::/a", "w.keras", "w.weights.h5"])
@pytest.mark.parametrize("target", ["o.npz", "o.h5", "o.h5::/net/one", "o.keras", "o.weights.h5"])
def test_from_any_file_to_any_other(place: Path, source: str, target: str) -> None:
    for address in ("group.h5::/a", "w.keras", "w.weights.h5"):
        run(f"init-weights -q --from w.npz -o {address}").done()
    bias = "-b b.npy" if source == "k.npy" else ""
    run(f"init-weights -q --from {source} {bias} -o {target}").done()
    arrays = weights(target)
    np.testing.assert_array_equal(arrays["kernel"], K)
    np.testing.assert_array_equal(arrays["bias"], B)
    y = run(f"apply x.npy -q -w {target} -o -").done().array
    np.testing.assert_array_equal(y, oracle.depthwise_conv1d(X, K, B))


def test_torch_kernels_are_laid_out_anew(place: Path) -> None:
    save(place / "t.npy", np.ascontiguousarray(K.transpose(1, 2, 0).reshape(8, 1, 3)))
    common = "init-weights -q --from t.npy --kernel-layout torch"
    run(f"{common} --channels 4 -o o.npy").done()
    np.testing.assert_array_equal(np.load("o.npy"), K)
    run(f"{common} --depth-multiplier 2 -o p.npy").done()
    np.testing.assert_array_equal(np.load("p.npy"), K)
    run(f"{common} --channels 3 -o q.npy").failed(2, "3 channels")


def test_a_shared_kernel_is_spread_where_channels_are_given(place: Path) -> None:
    save(place / "s.npy", np.array([1, 2, 3], "f4"))
    run("init-weights -q --from s.npy -o same.npy").done()
    np.testing.assert_array_equal(np.load("same.npy"), [1, 2, 3])
    for target in ("o.npz", "o.keras"):
        run(f"init-weights -q --from s.npy --channels 4 -o {target}").done()
        np.testing.assert_array_equal(
            weights(target)["kernel"], np.broadcast_to(np.reshape([1, 2, 3], (3, 1, 1)), (3, 4, 1))
        )
    run("init-weights -q --from s.npy -o p.keras").failed(2, "--channels")


def test_constraints_project_once_and_penalties_are_told(place: Path) -> None:
    constraints = "--depthwise-constraint non_neg --bias-constraint non_neg"
    penalties = "--depthwise-regularizer l1(0.5) --bias-regularizer l2(0.25)"
    ran = run(f"init-weights --json --from w.npz -o o.npz {constraints} {penalties}").done()
    arrays = weights("o.npz")
    np.testing.assert_array_equal(arrays["kernel"], np.maximum(K, 0))
    np.testing.assert_array_equal(arrays["bias"], np.maximum(B, 0))
    (report,) = ran.reports
    assert report["losses"]["depthwise"] == pytest.approx(0.5 * np.maximum(K, 0).sum())
    assert report["losses"]["bias"] == pytest.approx(0.25 * (np.maximum(B, 0) ** 2).sum())
    assert len([note for note in report["notes"] if "projected" in note]) == 2


def test_configs(place: Path) -> None:
    config = {"kernel_size": 3, "depth_multiplier": 2, "activation": "relu", "strides": [2], "padding": "same",
              "depthwise_initializer": {"class_name": "Ones", "config": {}}, "name": "conv_a"}  # fmt: skip
    (place / "c.json").write_text(json.dumps(config))
    run("init-weights -q --config c.json --channels 4 -o o.keras").done()
    (layer,) = read_layers("o.keras")
    assert layer.name == "conv_a"
    np.testing.assert_array_equal(layer.kernel, np.ones((3, 4, 2)))
    y = run("apply x.npy -q -w o.keras -o -").done().array
    sums = oracle.depthwise_conv1d(X, np.ones((3, 4, 2)), strides=2, padding="same")
    np.testing.assert_array_equal(y, np.maximum(sums, 0))
    ran = run("init-weights -q --config - --channels 4 -o p.npz", stdin=json.dumps(config).encode())
    ran.done()
    assert weights("p.npz")["kernel"].shape == (3, 4, 2)


def test_equal_weights_make_equal_files(place: Path) -> None:
    for suffix in SUFFIXES:
        for name in "ab":
            run(f"init-weights -q --from w.npz -o {name}.{suffix}").done()
        assert (place / f"a.{suffix}").read_bytes() == (place / f"b.{suffix}").read_bytes()


# Files that exist


@pytest.mark.parametrize("suffix", [*SUFFIXES, "npy"])
def test_an_existing_file_is_kept(place: Path, suffix: str) -> None:
    output = f"o.{suffix}"
    (place / output).write_bytes(b"old")
    line = f"init-weights -q --kernel-size 3 --channels 4 -o {output}"
    run(line).failed(4, output, "exists", "--overwrite")
    assert (place / output).read_bytes() == b"old"
    run(f"{line} --overwrite").done()
    assert weights(output)["kernel"].shape == (3, 4, 1)
    assert names(place) == sorted(["b.npy", "k.npy", "w.npz", "x.npy", output])


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_groups_are_added_to_a_file(place: Path, suffix: str) -> None:
    for group in ("one", "two"):
        run(f"init-weights -q --from w.npz -o o.{suffix}::{group}").done()
    before = (place / f"o.{suffix}").read_bytes()
    run(f"init-weights -q --kernel-size 5 --channels 4 -o o.{suffix}::two").failed(4, "exists")
    assert (place / f"o.{suffix}").read_bytes() == before
    run(f"init-weights -q --kernel-size 5 --channels 4 -o o.{suffix}::two --overwrite").done()
    for group, taps in (("one", 3), ("two", 5)):
        out = run(f"apply x.npy -q -w o.{suffix}::{group} -o -").done().array
        assert out.shape[1] == 20 - taps + 1


def test_weights_may_replace_themselves(place: Path) -> None:
    run("init-weights -q --from w.npz -o w.npz --no-bias --overwrite").done()
    assert list(weights("w.npz")) == ["kernel"]
    np.testing.assert_array_equal(weights("w.npz")["kernel"], K)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "npy"])
def test_a_full_device(place: Path, suffix: str) -> None:
    (place / f"full.{suffix}").symlink_to("/dev/full")
    ran = run(f"init-weights -q --kernel-size 3 --channels 4 -o full.{suffix}")
    ran.failed(4, f"full.{suffix}")
    run(f"init-weights -q --kernel-size 3 --channels 4 -o missing/o.{suffix}").failed(4, "directory")


# Streams


def test_a_kernel_through_a_pipe(place: Path) -> None:
    ones = "init-weights -q -o - --kernel-size 2 --channels 4 --no-bias --depthwise-initializer ones"
    run_shell(f"set -o pipefail; dwconv {ones} | dwconv apply x.npy -q -k - -o o.npy").done()
    np.testing.assert_array_equal(np.load("o.npy"), X[:, 1:] + X[:, :-1])
    assert run("init-weights -q -o - --from k.npy").done().out == npy_bytes(K)


def test_what_was_made_is_told(place: Path) -> None:
    ran = run("init-weights -o o.npz --kernel-size 3 --channels 4")
    assert (ran.code, ran.out) == (0, b"")
    assert "o.npz" in ran.err
    assert "(3, 4, 1)" in ran.err
    (report,) = run("init-weights --json -o p.npz --kernel-size 3 --channels 4").done().reports
    assert report["weights"]["kernel_shape"] == [3, 4, 1]
    assert report["weights"]["address"] == "p.npz"
    assert report["layer"]["kernel_size"] == 3
    full = run_shell("dwconv init-weights --json -o q.npz --kernel-size 3 --channels 4 > /dev/full")
    full.failed(4, "standard output")


def test_keras_files_are_as_keras_lays_them_out(place: Path) -> None:
    run("init-weights -q --from w.npz -o o.keras").done()
    run("init-weights -q --from w.npz -o o.weights.h5").done()
    with zipfile.ZipFile("o.keras") as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
    with h5py.File("o.weights.h5") as file:
        np.testing.assert_array_equal(file["layers/depthwise_conv1d/vars/0"][...], K)
        np.testing.assert_array_equal(file["layers/depthwise_conv1d/vars/1"][...], B)


# What cannot be

WRONG: list[tuple[str, int, str]] = [
    ("-o o.npz --kernel-size 3", 2, "--channels"),
    ("-o o.npz --channels 4", 2, "no weights"),
    ("--kernel-size 3 --channels 4", 2, "-o"),
    ("-o o.npz --kernel-size 3 --channels 4 --like x.npy", 2, "exclude"),
    ("-o o.npz --kernel-size 3 --channels 0", 2, "--channels"),
    ("-o o.npz --kernel-size 3 --channels -1", 2, "--channels"),
    ("-o o.npz --kernel-size 0 --channels 4", 2, "kernel_size"),
    ("-o o.npz --kernel-size 3 --channels 4 --from w.npz", 2, "exclude"),
    ("-o o.npz --from w.npz --channels 5", 2, "5"),
    ("-o o.npz --kernel-size 3 --channels 4 -b b.npy", 2, "--bias"),
    ("-o o.npz --kernel-size 3 --channels 4 --depthwise-initializer nonsense", 2, "glorot_uniform"),
    ("-o o.npz --kernel-size 4 --channels 4 --depthwise-initializer savgol(polyorder=9)", 2, "savgol"),
    ("-o o.npz --kernel-size 3 --channels 4 --depthwise-initializer firwin(cutoff=500,fs=50)", 2, "firwin"),
    ("-o o.npz --kernel-size 3 --channels 4 --depthwise-initializer firwin", 2, "cutoff"),
    ("-o o.npz --kernel-size 3 --channels 4 --dtype int8", 2, "int8"),
    ("-o o.npz --kernel-size 3 --channels 4 --seed x", 2, "--seed"),
    ("-o o.npy --from w.npz", 2, "--no-bias"),
    ("-o o.npz --from missing.npz", 3, "missing.npz"),
    ("-o o.npz --from missing.keras", 3, "missing.keras"),
    ("-o o.npz --kernel-size 3 --like missing.npy", 3, "missing.npy"),
    ("-o o.npz --kernel-size 3 --channels 4 --config missing.json", 3, "missing.json"),
    ("-o o.txt --kernel-size 3 --channels 4", 4, "o.txt"),
    ("-o . --kernel-size 3 --channels 4", 4, "directory"),
    ("-o o.keras --from w.npz --dtype complex64", 2, "complex"),
    ("-o o.keras --kernel-size 3 --channels 4 --dtype complex64", 2, "Keras"),
]


@pytest.mark.parametrize("line, code, word", WRONG, ids=[line for line, _, _ in WRONG])
def test_exit_codes(place: Path, line: str, code: int, word: str) -> None:
    before = contents(place.iterdir())
    run(f"init-weights -q {line}").failed(code, word)
    assert contents(place.iterdir()) == before


def test_dtype_converts_what_is_there(place: Path) -> None:
    run("init-weights -q --from w.npz --dtype float64 -o o.npz").done()
    arrays = weights("o.npz")
    assert {array.dtype for array in arrays.values()} == {np.dtype("f8")}
    np.testing.assert_array_equal(arrays["kernel"], K)
    save(place / "c.npy", K.astype("c8"))
    run("init-weights -q --from c.npy --dtype float32 -o p.npz").failed(2, "imaginary")
    save(place / "large.npy", np.full((3, 4, 1), 1e6, "f4"))
    run("init-weights -q --from large.npy --dtype float16 -o p.npz").failed(2, "too large")
    run("init-weights -q --from large.npy -o p.npz").done()
    assert weights("p.npz")["kernel"].dtype == np.float32


def test_torch_kernels_are_written(place: Path) -> None:
    run("init-weights -q --from w.npz --output-layout torch -o t.npz").done()
    np.testing.assert_array_equal(weights("t.npz")["kernel"], K.transpose(1, 2, 0).reshape(8, 1, 3))
    run("init-weights -q --from t.npz --kernel-layout torch --channels 4 -o back.npz").done()
    np.testing.assert_array_equal(weights("back.npz")["kernel"], K)
    run("init-weights -q --from w.npz --output-layout torch -o t.keras").failed(2, "t.keras")
