"""``dwconv apply`` as its users meet it: values, streams, exit codes, reports, signals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import jsonschema
import numpy as np
import oracle
import pytest
from helpers_cli import command, contents, environment, names, npy_bytes, run, run_process, run_shell, save

from dwconv_cli.report import schema

Array = np.ndarray[Any, Any]
GOLDEN = Path(__file__).parent / "golden" / "keras"
RNG = np.random.default_rng(7)
# Small whole numbers: every sum is exact in every dtype and order.
X = RNG.integers(-8, 9, (20, 3)).astype("f4")
K = RNG.integers(-4, 5, (3, 3, 2)).astype("f4")
B = RNG.integers(-4, 5, 6).astype("f4")
# By ones of two taps.
Y = X[1:] + X[:-1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with recordings and weights."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "x.npy", X)
    save(tmp_path / "k.npy", np.ones(2, "f4"))
    save(tmp_path / "layer_k.npy", K)
    save(tmp_path / "layer_b.npy", B)
    np.savez("w.npz", kernel=K, bias=B)
    with h5py.File("w.h5", "w") as file:
        file["net/one/kernel"] = K
        file["net/one/bias"] = B
        file["net/two/kernel"] = np.ones((2, 3, 1), "f4")
    return tmp_path


def applied(x: Array, *args: object, **options: Any) -> Array:
    """The output for data on standard input."""
    return run("apply", "-", "-q", *args, "-o", "-", stdin=npy_bytes(x), **options).done().array


# Values


def test_the_documentations_example(place: Path) -> None:
    x = np.random.default_rng(0).random((4, 10, 12)).astype("f4")
    layer = ("--strides", 3, "--padding", "same", "--depth-multiplier", 3, "--activation", "relu")
    fresh = applied(x, "--kernel-size", 3, "--seed", 5, *layer)
    assert (fresh.shape, fresh.dtype) == ((4, 4, 36), np.float32)
    run(
        "init-weights",
        "-q",
        "-o",
        "fresh.npz",
        "--kernel-size",
        3,
        "--channels",
        12,
        "--depth-multiplier",
        3,
        "--seed",
        5,
    )
    stored = applied(x, "-w", "fresh.npz", *layer[:4], "--activation", "relu")
    assert npy_bytes(stored) == npy_bytes(fresh)
    with np.load("fresh.npz") as weights:
        kernel = weights["kernel"]
    wanted = oracle.depthwise_conv1d(x.astype("f8"), kernel.astype("f8"), strides=3, padding="same")
    np.testing.assert_allclose(fresh, np.maximum(wanted, 0), rtol=0, atol=1e-5)
    planned = run("apply", save(place / "doc.npy", x), "--kernel-size", 3, *layer, "--dry-run", "--json")
    (report,) = planned.noted("--seed").reports
    assert report["output"]["shape"] == [4, 4, 36]


@pytest.mark.parametrize(
    "shape, channels_first",
    [
        ((20,), False),
        ((20, 3), False),
        ((3, 20), True),
        ((4, 20, 3), False),
        ((4, 3, 20), True),
        ((1, 20, 3), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(
    "layer",
    [
        {},
        {"padding": "same"},
        {"padding": "causal"},
        {"strides": 3, "padding": "SAME"},
        {"strides": 2},
        {"dilation_rate": 2, "padding": "causal"},
        {"dilation_rate": 4},
    ],
    ids=str,
)
def test_ranks_layouts_and_layers(
    place: Path, shape: tuple[int, ...], channels_first: bool, multiplier: int, layer: dict[str, Any]
) -> None:
    x = RNG.integers(-8, 9, shape).astype("f4")
    channels = 1 if len(shape) == 1 else shape[-2 if channels_first else -1]
    kernel = RNG.integers(-4, 5, (3, channels, multiplier)).astype("f4")
    bias = RNG.integers(-4, 5, channels * multiplier).astype("f4")
    save(place / "k.npy", kernel)
    save(place / "b.npy", bias)
    layout = "channels_first" if channels_first else "channels_last"
    options = [word for key, value in layer.items() for word in ("--" + key.replace("_", "-"), value)]
    found = applied(x, "-k", "k.npy", "-b", "b.npy", "--data-format", layout, *options)
    layer = {**layer, "padding": layer.get("padding", "valid").lower()}
    wanted = oracle.depthwise_conv1d(x, kernel, bias, data_format=layout, **layer)
    assert found.shape == wanted.shape
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "dtype, kernel, wanted",
    [("i1", "f4", "f4"), ("i2", "f4", "f4"), ("u2", "f4", "f4"), ("i4", "f4", "f8"), ("i8", "f4", "f8"), ("u4", "f4", "f8"),
     ("f2", "f2", "f2"), ("f2", "f4", "f2"), ("f4", "f4", "f4"), ("f4", "f8", "f8"), ("f8", "f4", "f8"), ("?", "f4", "f4"),
     ("f4", "c8", "c8"), ("c8", "f4", "c8"), ("c16", "f4", "c16"), ("f8", "c8", "c16"), ("i2", "i2", "f4")],
)  # fmt: skip
def test_the_outputs_dtype(place: Path, dtype: str, kernel: str, wanted: str) -> None:
    x = np.abs(X).astype(dtype)
    save(place / "k.npy", np.array([1, 2], kernel))
    found = applied(x, "-k", "k.npy")
    assert found.dtype == np.dtype(wanted)
    np.testing.assert_array_equal(found, x[:-1].astype("c16") + 2 * x[1:].astype("c16"))
    for asked in ("float32", "float64"):
        if np.dtype(wanted).kind != "c":
            assert applied(x, "-k", "k.npy", "--dtype", asked).dtype == np.dtype(asked)


def test_complex_data_is_not_made_real_by_the_way(place: Path) -> None:
    x = save(place / "c.npy", X.astype("c8"))
    run("apply", x, "-q", "-k", "k.npy", "--dtype", "float32", "-o", "-").failed(2, "complex")


@pytest.mark.parametrize(
    "kernel", [np.ones(2), np.ones((2, 3)), np.ones((2, 3, 1))], ids=lambda k: str(k.shape)
)
def test_kernels_of_every_rank(place: Path, kernel: Array) -> None:
    save(place / "k.npy", kernel.astype("f4"))
    np.testing.assert_array_equal(applied(X, "-k", "k.npy"), Y)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_kernels_inside_files(place: Path, suffix: str) -> None:
    wanted = oracle.depthwise_conv1d(X, K, B)
    name = "w.npz" if suffix == "npz" else "w.h5::/net/one"
    inner = "w.npz::" if suffix == "npz" else "w.h5::/net/one/"
    np.testing.assert_array_equal(applied(X, "-w", name), wanted)
    np.testing.assert_array_equal(applied(X, "-k", f"{inner}kernel", "-b", f"{inner}bias"), wanted)
    np.testing.assert_array_equal(applied(X, "-w", name, "--no-bias"), oracle.depthwise_conv1d(X, K))
    np.testing.assert_array_equal(applied(X, "-w", "w.h5::net/two"), Y)


def test_torch_kernels(place: Path) -> None:
    # torch has (C*M, 1, K), output channel c*M + m.
    torch = np.ascontiguousarray(K.transpose(1, 2, 0).reshape(6, 1, 3))
    save(place / "t.npy", torch)
    np.testing.assert_array_equal(
        applied(X, "-k", "t.npy", "--kernel-layout", "torch"), oracle.depthwise_conv1d(X, K)
    )
    run("apply", "x.npy", "-q", "-k", "t.npy", "-o", "-").failed(2, "--kernel-layout torch")


def test_the_kernel_from_standard_input(place: Path) -> None:
    ran = run("apply", "x.npy", "-q", "-k", "-", "-o", "-", stdin=npy_bytes(np.ones(2, "f4")))
    np.testing.assert_array_equal(ran.done().array, Y)


def test_a_column_of_options_does_what_it_says(place: Path) -> None:
    np.testing.assert_array_equal(applied(X, "-k", "k.npy", "--activation", "relu"), np.maximum(Y, 0))
    limited = applied(X, "-k", "k.npy", "--activation", "relu(max_value=2)")
    np.testing.assert_array_equal(limited, np.clip(Y, 0, 2))
    np.testing.assert_array_equal(applied(X, "-k", "k.npy", "--depthwise-constraint", "non_neg"), Y)
    save(place / "m.npy", np.array([1, -1], "f4"))
    np.testing.assert_array_equal(applied(X, "-k", "m.npy", "--depthwise-constraint", "non_neg"), X[:-1])


# Keras's files


def keras_cases() -> Iterator[Any]:
    for archive in sorted(GOLDEN.glob("*/expected.npz")):
        with np.load(archive) as expected:
            for key in expected.files:
                file, path, what = key.split("|")
                if what == "y" and file.endswith((".keras", ".h5")) and "weights" not in file:
                    yield pytest.param(archive, file, path, id=f"{archive.parent.name}-{file}-{path}")


@pytest.mark.parametrize("archive, file, path", list(keras_cases()))
def test_layers_of_keras_files_answer_as_in_keras(archive: Path, file: str, path: str) -> None:
    with np.load(archive) as expected:
        x, y = (expected[f"{file}|{path}|{what}"] for what in "xy")
    found = applied(x.astype("f4"), "-w", f"{archive.parent / file}::{path}")
    half = found.dtype == np.float16 or "bfloat16" in file
    np.testing.assert_allclose(found, y, rtol=2e-2 if half else 1e-4, atol=2e-2 if half else 1e-5)


def test_an_option_overrides_the_layers_config_and_says_so(place: Path) -> None:
    model = f"{GOLDEN}/keras3/sequential.keras::depthwise_conv1d"
    x = save(place / "x4.npy", RNG.random((2, 12, 4)).astype("f4"))
    base = run("apply", x, "-w", model, "--dry-run", "--json").done().reports[0]
    ran = (
        run("apply", x, "-w", model, "--activation", "tanh", "--dry-run", "--json")
        .noted("tanh as asked")
        .reports[0]
    )
    assert not any("activation" in note for note in base["notes"])
    assert base["layer"]["activation"] == "linear"
    assert ran["layer"]["activation"] == "tanh"
    (note,) = (note for note in ran["notes"] if "activation" in note)
    assert "linear" in note
    assert "tanh" in note
    told = run_process("apply", x, "-w", model, "--activation", "tanh", "-o", "o.npy", cwd=place)
    assert told.code == 0
    assert "tanh as asked" in " ".join(told.err.split())
    # The same value again is no override.
    same = run("apply", x, "-w", model, "--activation", "linear", "--dry-run", "--json").done().reports[0]
    assert same["notes"] == base["notes"]


def test_several_layers_are_listed(place: Path) -> None:
    run("apply", "x.npy", "-q", "-w", f"{GOLDEN}/keras3/sequential.keras", "-o", "-").failed(
        3, "depthwise_conv1d_1", "::"
    )


CONFIG = {"kernel_size": [2], "padding": "same", "activation": "relu", "use_bias": False}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("where", ["file", "stdin"])
def test_configs(place: Path, wrapped: bool, where: str) -> None:
    config: dict[str, Any] = {"class_name": "DepthwiseConv1D", "config": CONFIG} if wrapped else CONFIG
    text = json.dumps(config).encode()
    (place / "c.json").write_bytes(text)
    ran = run("apply", "x.npy", "-q", "-k", "k.npy", "--config", "-" if where == "stdin" else "c.json", "-o", "-",
              stdin=text if where == "stdin" else b"")  # fmt: skip
    wanted = np.maximum(oracle.depthwise_conv1d(X, np.ones(2, "f4"), padding="same"), 0)
    np.testing.assert_array_equal(ran.done().array, wanted)
    over = run(
        "apply", "x.npy", "-q", "-k", "k.npy", "--config", "c.json", "--padding", "valid", "-o", "-"
    ).done()
    np.testing.assert_array_equal(over.array, np.maximum(Y, 0))


def test_a_config_alone_makes_fresh_weights(place: Path) -> None:
    (place / "c.json").write_text(
        json.dumps({**CONFIG, "depthwise_initializer": "ones", "activation": "linear"})
    )
    np.testing.assert_array_equal(
        applied(X, "--config", "c.json"), oracle.depthwise_conv1d(X, np.ones(2, "f4"), padding="same")
    )


@pytest.mark.parametrize(
    "text, code",
    [(b"", 3), (b"{", 3), (b"[1]", 3), (b"\xff\xfe", 3), (b'{"kernel_size": 2, "kernel_size": 3}', 3), (b"[" * 10_000, 3),
     (b'{"a": ' * 10_000, 3), (b'{"kernel_size": [2], "padding": "full"}', 2), (b'{"kernel_size": "two"}', 2), (b'{"kernel_size": NaN}', 2),
     (b'{"class_name": "Lambda", "config": {"kernel_size": 2}}', 2),
     (b'{"kernel_size": 2, "activation": {"class_name": "function", "module": "os", "config": "system"}}', 2)],
)  # fmt: skip
def test_configs_that_are_wrong(place: Path, text: bytes, code: int) -> None:
    (place / "c.json").write_bytes(text)
    ran = run("apply", "x.npy", "-q", "-k", "k.npy", "--config", "c.json", "-o", "o.npy")
    ran.failed(ran.code)
    assert ran.code == code, ran.err
    assert not (place / "o.npy").exists()


# channels_first by Keras's own settings


def test_keras_json_decides_and_the_report_says_so(place: Path) -> None:
    home = place / "keras_home"
    home.mkdir()
    (home / "keras.json").write_text('{"image_data_format": "channels_first", "backend": "torch"}')
    ran = run("apply", "-", "-q", "-w", "w.npz", "-o", "-", stdin=npy_bytes(X.T), keras_home=home)
    np.testing.assert_array_equal(ran.done().array, oracle.depthwise_conv1d(X, K, B).T)
    save(place / "xt.npy", X.T)
    ran = run("apply", "xt.npy", "-w", "w.npz", "--dry-run", "--json", keras_home=home)
    report = ran.noted("keras.json").reports[0]
    assert report["layer"]["data_format"] == "channels_first"
    assert any("keras.json" in note for note in report["notes"])
    report = (
        run(
            "apply",
            "x.npy",
            "-w",
            "w.npz",
            "--dry-run",
            "--json",
            "--data-format",
            "channels_last",
            keras_home=home,
        )
        .noted()
        .reports[0]
    )
    assert report["layer"]["data_format"] == "channels_last"
    assert not any("keras.json" in note for note in report["notes"])
    for text in ("{", '{"image_data_format": "first"}', '{"image_data_format": 1}'):
        (home / "keras.json").write_text(text)
        run("apply", "x.npy", "-q", "-w", "w.npz", "-o", "-", keras_home=home).failed(3, "keras.json")
    for text in ("{}", '{"image_data_format": null}', "[]"):
        (home / "keras.json").write_text(text)
        run("apply", "x.npy", "-q", "-w", "w.npz", "-o", "-", keras_home=home).done()


# Slices


@pytest.mark.parametrize(
    "text", ["0:", ":", ":10", "5:15", "-5:", ":-5", "-12:-3", "0:1000", "-1000:1000", " 3 : 9 ", "17:"]
)
@pytest.mark.parametrize("where", ["x.npy", "-", "f.npy"])
def test_slices(place: Path, text: str, where: str) -> None:
    save(place / "f.npy", np.asfortranarray(X))
    start, stop = (int(part) if part.strip() else None for part in text.split(":"))
    wanted = oracle.depthwise_conv1d(X[start:stop], K, B, padding="same")
    ran = run(
        "apply",
        where,
        "-q",
        "-w",
        "w.npz",
        "--padding",
        "same",
        "--slice",
        text,
        "-o",
        "-",
        stdin=npy_bytes(X),
    )
    np.testing.assert_array_equal(ran.done().array, wanted)


@pytest.mark.parametrize("text", ["5:5", "9:3", "20:", "30:40", ":-20", ":0", "-1:-1"])
def test_slices_that_take_nothing(place: Path, text: str) -> None:
    run("apply", "x.npy", "-q", "-k", "k.npy", "--slice", text, "-o", "o.npy").failed(
        2, "x.npy", "--slice", "20 steps"
    )
    assert not (place / "o.npy").exists()


@pytest.mark.parametrize(
    "text", ["5", "", "a:b", "1:2:3", "1.5:3", "::", "__import__('os'):3", "9" * 5000 + ":", "1:2,"]
)
def test_slices_that_are_none(place: Path, text: str) -> None:
    run("apply", "x.npy", "-q", "-k", "k.npy", "--slice", text, "-o", "o.npy").failed(2, "--slice")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_chunks_that_do_not_fit_name_the_file(place: Path, dry: tuple[str, ...]) -> None:
    run("apply", "x.npy", "-k", "k.npy", "-o", "o.h5::/deep", "--chunks", "3", *dry).failed(
        2, "o.h5::/deep", "--chunks 3"
    )


def test_a_config_with_too_many_digits(place: Path) -> None:
    (place / "long.json").write_text('{"kernel_size": ' + "1" * 5000 + "}")
    ran = run("apply", "x.npy", "--config", "long.json", "-o", "o.npy").failed(3, "long.json", "4300 digits")
    assert "sys." not in ran.err


# Exit codes

CODES: list[tuple[str, int, str]] = [
    ("x.npy -k k.npy -o o.npy", 0, ""),
    # usage
    ("x.npy -k k.npy", 2, "no output"),
    ("-k k.npy -o o.npy", 2, "no inputs"),
    ("x.npy -o o.npy", 2, "no weights"),
    ("x.npy -k k.npy -w w.npz -o o.npy", 2, "exclude each other"),
    ("x.npy -k k.npy --kernel-size 3 -o o.npy", 2, "exclude each other"),
    ("x.npy -w w.npz -b layer_b.npy -o o.npy", 2, "--bias"),
    ("x.npy -b layer_b.npy -o o.npy", 2, "--bias"),
    ("x.npy -k k.npy -o o.npy --output-dir d", 2, "exclude each other"),
    ("x.npy -k k.npy -o o.npy --nonsense", 2, "--nonsense"),
    ("x.npy -k k.npy -o", 2, "-o"),
    ("x.npy -k k.npy -o o.npy --strides two", 2, "--strides"),
    ("x.npy -k k.npy -o o.npy --padding full", 2, "full"),
    ("x.npy -k k.npy -o o.npy --dtype int8", 2, "int8"),
    ("x.npy -k k.npy -o o.npy --data-format last", 2, "last"),
    ("x.npy -k k.npy -o o.npy -0", 2, "--files-from"),
    ("- -k - -o o.npy", 2, "standard input"),
    ("- --files-from - -k k.npy -o o.npy", 2, "standard input"),
    ("x.npy -k k.npy -o - --json", 2, "--report"),
    ("x.npy x.npy -k k.npy -o -", 2, "share standard output"),
    # a layer that cannot be
    ("x.npy -k k.npy -o o.npy --strides 0", 2, "strides"),
    ("x.npy -k k.npy -o o.npy --strides -1", 2, "strides"),
    ("x.npy -k k.npy -o o.npy --dilation-rate 0", 2, "dilation_rate"),
    ("x.npy -k k.npy -o o.npy --strides 2 --dilation-rate 2", 2, "at most one"),
    ("x.npy --kernel-size 0 -o o.npy", 2, "kernel_size"),
    ("x.npy --kernel-size 3 --depth-multiplier 0 -o o.npy", 2, "depth_multiplier"),
    ("x.npy -k k.npy -o o.npy --activation nonsense", 2, "relu"),
    ("x.npy -k k.npy -o o.npy --activation relu(", 2, "relu("),
    ("x.npy -k k.npy -o o.npy --activation relu(1/0)", 2, "relu"),
    ("x.npy -k k.npy -o o.npy --activation leaky_relu(slope=1)", 2, "slope"),
    ("x.npy -k k.npy -o o.npy --depthwise-constraint nonsense", 2, "max_norm"),
    ("x.npy -k k.npy -o o.npy --depthwise-regularizer nonsense", 2, "l1"),
    ("x.npy --kernel-size 3 -o o.npy --depthwise-initializer nonsense", 2, "glorot_uniform"),
    # weights that do not fit
    ("x5.npy -w w.npz -o o.npy", 2, "5"),
    ("x5.npy -k layer_k.npy -o o.npy", 2, "x5.npy"),
    ("x.npy -k layer_k.npy -b k.npy -o o.npy", 2, "bias"),
    ("x.npy -k layer_k.npy --depth-multiplier 3 -o o.npy", 2, "multiplier"),
    ("x.npy -k k.npy --use-bias -o o.npy", 2, "bias"),
    ("x.npy -k x4d.npy -o o.npy", 2, "x4d.npy"),
    ("x.npy -k k.npy -o o.npy --kernel-layout torch", 2, "torch"),
    ("x.npy -k empty.npy -o o.npy", 2, "empty.npy"),
    ("x.npy -k long.npy -o o.npy", 2, "x.npy"),
    ("x4d.npy -k k.npy -o o.npy", 2, "rank 4"),
    ("x0d.npy -k k.npy -o o.npy", 2, "rank 0"),
    ("x.npy -k x0d.npy -o o.npy", 2, "x0d.npy"),
    # input
    ("missing.npy -k k.npy -o o.npy", 3, "missing.npy"),
    ("x.npy -k missing.npy -o o.npy", 3, "missing.npy"),
    ("x.npy -w missing.npz -o o.npy", 3, "missing.npz"),
    ("x.npy -w missing.keras -o o.npy", 3, "missing.keras"),
    ("x.npy -w missing.h5 -o o.npy", 3, "missing.h5"),
    ("x.npy -w k.npy -o o.npy", 3, "-k"),
    ("x.npy -k w.npz -o o.npy", 3, "w.npz"),
    ("x.npy -w w.npz::nothing -o o.npy", 3, "nothing"),
    ("x.npy -w w.h5 -o o.npy", 3, "w.h5"),
    ("missing*.npy -k k.npy -o o.npy", 3, "missing*.npy"),
    ("w.npz::nothing -k k.npy -o o.npy", 3, "nothing"),
    ("w.npz -k k.npy -o o.npy", 3, "kernel, bias"),
    ("x.txt -k k.npy -o o.npy", 3, "text is not read"),
    ("text.npy -k k.npy -o o.npy", 3, "text.npy"),
    ("x.npy -k k.npy -o o.npy --config missing.json", 3, "missing.json"),
    ("--files-from missing.txt -k k.npy -o o.npy", 3, "missing.txt"),
    (". -k k.npy -o o.npy", 3, "directory"),
    ("a\0b.npy -k k.npy -o o.npy", 3, "null"),
    # output
    ("x.npy -k k.npy -o w.npz", 4, "--overwrite"),
    ("x.npy -k k.npy -o missing/o.npy", 4, "missing/o.npy"),
    ("x.npy -k k.npy -o o.txt", 4, "--output-format"),
    ("x.npy -k k.npy -o o.npy::x", 4, "::x"),
    ("x.npy -k k.npy -o x.npy --overwrite", 4, "same"),
    ("x.npy -k k.npy -o k.npy --overwrite", 4, "k.npy"),
    ("x.npy -k k.npy -o o.npy --report missing/r.json", 4, "missing/r.json"),
]


@pytest.mark.parametrize("line, code, word", CODES, ids=[line.replace("\0", "NUL") for line, _, _ in CODES])
def test_exit_codes(place: Path, line: str, code: int, word: str) -> None:
    save(place / "x5.npy", np.ones((20, 5), "f4"))
    save(place / "x4d.npy", np.ones((2, 20, 3, 1), "f4"))
    save(place / "x0d.npy", np.float32(1))
    save(place / "empty.npy", np.ones((0, 3), "f4"))
    save(place / "long.npy", np.ones(21, "f4"))
    (place / "text.npy").write_text("not an array")
    before = contents(path for path in place.iterdir() if path.is_file())
    ran = run("apply", "-q", *line.split(" "))
    if code == 0:
        ran.done()
        return
    ran.failed(code, word)
    assert len(ran.err) < 1000
    assert contents(path for path in place.iterdir() if path.is_file()) == before


@pytest.mark.parametrize(
    "args, code",
    [
        ((), 2),
        (("nonsense",), 2),
        (("--version",), 0),
        (("--help",), 0),
        (("apply", "--help"), 0),
        (("init-weights", "-h"), 0),
    ],
)
def test_the_group(args: tuple[str, ...], code: int) -> None:
    assert run(*args).code == code


def test_a_bug_of_ours_is_70_and_debug_shows_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dwconv_cli.pipeline

    monkeypatch.setattr(dwconv_cli.pipeline, "apply_many", lambda *args, **options: 1 / 0)
    run("apply", "x.npy", "-q", "-k", "k.npy", "-o", "o.npy").failed(70, "ZeroDivisionError", "--debug")
    ran = run("--debug", "apply", "x.npy", "-q", "-k", "k.npy", "-o", "o.npy")
    assert ran.code == 70
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("dwconv: error: ")


def test_debug_adds_the_traceback_to_any_error(place: Path) -> None:
    ran = run("apply", "missing.npy", "-q", "-k", "k.npy", "-o", "o.npy", "--debug")
    assert ran.code == 3
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("dwconv: error: missing.npy")


def test_out_of_memory_is_5(place: Path) -> None:
    steps = 400_000_000
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, {steps}), }}".ljust(117) + "\n"
    with (place / "sparse.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode())
        file.truncate(10 + len(text) + 12 * steps)
    # A softmax over all steps needs them all at once.
    arguments = (
        "apply",
        "sparse.npy",
        "-q",
        "-k",
        "k.npy",
        "--data-format",
        "channels_first",
        "--activation",
        "softmax",
        "-o",
        "o.npy",
    )
    run(*arguments).failed(5, "memory")
    limit = 1 << 30
    ran = run_process(*arguments, "--memory-limit", "100GiB", cwd=place,
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))  # fmt: skip
    ran.failed(5, "memory")
    assert not (place / "o.npy").exists()
    assert not any(name.endswith(".tmp") for name in names(place))


def test_nothing_is_said_about_overflow_and_nan(place: Path) -> None:
    wild = save(place / "wild.npy", np.array([[1e38, np.inf], [3e38, -np.inf], [np.nan, 1], [1, 2]], "f4"))
    for more in (
        (),
        ("--dtype", "float16"),
        ("--activation", "exponential"),
    ):
        done = run_process(
            "apply", "wild.npy", "-q", "-k", "k.npy", *more, "-o", "o.npy", "--overwrite", cwd=place
        )
        done.done()
    assert wild.exists()


# Batches


@pytest.fixture
def batch(place: Path) -> Path:
    for number in range(4):
        save(place / f"r{number}.npy", (number + 1) * X)
    (place / "r2.npy").write_bytes(b"broken")
    return place


def statuses(reports: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(report["input"]["address"], report["status"]) for report in reports]


def test_fail_fast_stops_at_the_first(batch: Path) -> None:
    ran = run("apply", "r*.npy", "--json", "-k", "k.npy", "--output-dir", "out").failed(3, "r2.npy")
    assert statuses(ran.reports) == [("r0.npy", "ok"), ("r1.npy", "ok"), ("r2.npy", "failed")]
    assert names(batch / "out") == ["r0.npy", "r1.npy"]
    assert ran.reports[-1]["error"]["code"] == 3
    assert ran.reports[-1]["error"]["message"] in ran.err


def test_keep_going_does_the_rest(batch: Path) -> None:
    ran = run("apply", "r*.npy", "--json", "-k", "k.npy", "--keep-going", "--output-dir", "out").failed(
        1, "r2.npy"
    )
    assert statuses(ran.reports) == [
        ("r0.npy", "ok"),
        ("r1.npy", "ok"),
        ("r2.npy", "failed"),
        ("r3.npy", "ok"),
    ]
    assert names(batch / "out") == ["r0.npy", "r1.npy", "r3.npy"]
    np.testing.assert_array_equal(np.load("out/r3.npy"), 4 * Y)


def test_keep_going_names_every_input_that_cannot_be_found(batch: Path) -> None:
    ran = run(
        "apply",
        "r0.npy",
        "no.npy",
        "no*.npz",
        "w.npz",
        "r1.npy",
        "--json",
        "-k",
        "k.npy",
        "--keep-going",
        "--output-dir",
        "out",
    )
    assert ran.code == 1
    assert sorted(statuses(ran.reports)) == sorted(
        [("r0.npy", "ok"), ("no.npy", "failed"), ("no*.npz", "failed"), ("w.npz", "failed"), ("r1.npy", "ok")]
    )
    assert len(ran.err.splitlines()) == 3
    assert names(batch / "out") == ["r0.npy", "r1.npy"]


def test_keep_going_with_weights_that_fit_some(batch: Path) -> None:
    save(batch / "r2.npy", np.ones((20, 5), "f4"))
    ran = run("apply", "r*.npy", "--json", "-w", "w.npz", "--keep-going", "--output-dir", "out")
    assert ran.code == 1
    assert "error: r2.npy" in ran.err
    assert ran.reports[2]["error"]["code"] == 2
    assert names(batch / "out") == ["r0.npy", "r1.npy", "r3.npy"]


def test_keep_going_with_faults_in_the_weights_says_so_once(batch: Path) -> None:
    run("apply", "r*.npy", "-q", "-w", "missing.npz", "--keep-going", "--output-dir", "out").failed(
        3, "missing.npz"
    )
    run(
        "apply", "r*.npy", "-q", "-k", "k.npy", "--strides", "0", "--keep-going", "--output-dir", "out"
    ).failed(2, "strides")


def test_skip_existing(batch: Path) -> None:
    save(batch / "r2.npy", X)
    (batch / "out").mkdir()
    (batch / "out" / "r1.npy").write_bytes(b"done before")
    ran = run("apply", "r*.npy", "--json", "-k", "k.npy", "--skip-existing", "--output-dir", "out").done()
    assert [status for _, status in statuses(ran.reports)] == ["ok", "skipped", "ok", "ok"]
    assert (batch / "out" / "r1.npy").read_bytes() == b"done before"
    again = run("apply", "r*.npy", "--json", "-k", "k.npy", "--skip-existing", "--output-dir", "out").done()
    assert {status for _, status in statuses(again.reports)} == {"skipped"}


def test_skip_existing_members(batch: Path) -> None:
    np.savez("out.npz", r0=X)
    ran = run(
        "apply", "r0.npy", "r1.npy", "--json", "-k", "k.npy", "--skip-existing", "-o", "out.npz::{stem}"
    ).done()
    assert [status for _, status in statuses(ran.reports)] == ["skipped", "ok"]
    with np.load("out.npz") as found:
        np.testing.assert_array_equal(found["r0"], X)
        np.testing.assert_array_equal(found["r1"], 2 * Y)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\0"])
@pytest.mark.parametrize("where", ["list.txt", "-"])
@pytest.mark.parametrize("last", [True, False])
def test_files_from(batch: Path, ending: bytes, where: str, last: bool) -> None:
    (batch / "dir with\nline").mkdir()
    odd = b"dir with\nline/x.npy" if ending == b"\0" else b"b c.npy"
    save(batch / os.fsdecode(odd), X)
    data = ending.join([b"r0.npy", odd, b"r[13].npy"]) + (ending if last else b"")
    (batch / "list.txt").write_bytes(data)
    more = ("-0",) if ending == b"\0" else ()
    ran = run(
        "apply", "--files-from", where, *more, "--json", "-k", "k.npy", "--output-dir", "out", stdin=data
    ).done()
    assert [name for name, _ in statuses(ran.reports)] == ["r0.npy", os.fsdecode(odd), "r1.npy", "r3.npy"]


def test_files_from_beside_arguments_and_empty_lists(batch: Path) -> None:
    (batch / "list.txt").write_text("r1.npy\n\n  \n")
    ran = run(
        "apply", "r0.npy", "--files-from", "list.txt", "--json", "-k", "k.npy", "--output-dir", "out"
    ).done()
    assert [name for name, _ in statuses(ran.reports)] == ["r0.npy", "r1.npy"]
    assert (
        run("apply", "--files-from", "/dev/null", "--json", "-k", "k.npy", "--output-dir", "none")
        .done()
        .reports
        == []
    )


def test_globs_on_both_sides(place: Path) -> None:
    for day in (1, 2):
        (place / f"day{day}").mkdir()
        with h5py.File(f"day{day}/rec.h5", "w") as file:
            file["imu/acc"], file["imu/gyro"], file["t"] = X, X, np.arange(20.0)
    ran = run("apply", "day*/rec.h5::/imu/*", "--json", "-k", "k.npy", "-o", "{parent}_{dataset}.npy").done()
    assert [name for name, _ in statuses(ran.reports)] == [
        f"day{day}/rec.h5::/imu/{name}" for day in (1, 2) for name in ("acc", "gyro")
    ]
    for report in ran.reports:
        np.testing.assert_array_equal(np.load(report["output"]["address"]), Y)


# Reports


def checked(report: dict[str, Any]) -> dict[str, Any]:
    jsonschema.validate(report, dict(schema()))
    return report


def test_the_report_of_a_run(place: Path) -> None:
    spoilt = np.max(X) == X
    save(place / "x.npy", np.where(spoilt, np.nan, X).astype("f4"))
    ran = run("apply", "x.npy", "--json", "-w", "w.npz", "--padding", "same", "--depthwise-regularizer", "l2(0.5)",
              "--activity-regularizer", "l1(0.01)", "-o", "o.npy").noted("strides 1")  # fmt: skip
    report = checked(ran.reports[0])
    assert report["schema_version"] == 1
    assert report["status"] == "ok"
    assert report["input"] == {"address": "x.npy", "shape": [20, 3], "dtype": "float32"}
    assert report["output"] == {"address": "o.npy", "shape": [20, 6], "dtype": "float32", "nbytes": 480}
    assert report["padding"] == {"left": 1, "right": 1}
    assert report["effective_kernel_size"] == 3
    assert report["weights"]["kernel_shape"] == [3, 3, 2]
    assert report["weights"]["bias_shape"] == [6]
    assert report["nonfinite"]["input"] == np.count_nonzero(spoilt)
    assert report["nonfinite"]["output"] == np.count_nonzero(np.isnan(np.load("o.npy")))
    assert report["losses"]["depthwise"] == pytest.approx(0.5 * float((K.astype("f8") ** 2).sum()))
    assert report["losses"]["activity"] is None
    assert report["error"] is None
    assert report["seconds"] >= 0


def test_every_kind_of_report_follows_the_schema(batch: Path) -> None:
    save(batch / "out_r1.npy", X)
    arguments = ("apply", "r*.npy", "no.npy", "--json", "-k", "k.npy", "--keep-going", "-o", "out_{name}")
    for more in (("--dry-run",), ("--skip-existing",), ("--overwrite",), ()):
        for report in run(*arguments, *more).reports:
            checked(report)


def test_dry_run_writes_nothing_and_has_what_a_run_has(batch: Path) -> None:
    before = contents(path for path in batch.iterdir())
    (planned,) = (
        run("apply", "r0.npy", "--json", "-k", "k.npy", "--strides", 2, "--output-dir", "out", "--dry-run")
        .done()
        .reports
    )
    assert contents(path for path in batch.iterdir()) == before
    (ran,) = (
        run("apply", "r0.npy", "--json", "-k", "k.npy", "--strides", 2, "--output-dir", "out").done().reports
    )
    assert planned["status"] == "planned"
    for key in (
        "input",
        "output",
        "layer",
        "weights",
        "padding",
        "effective_kernel_size",
        "algorithm",
        "notes",
    ):
        assert planned[key] == ran[key], key
    run("apply", "r0.npy", "-q", "-k", "k.npy", "--output-dir", "out", "--dry-run").failed(4, "exists")
    run("apply", "r0.npy", "-q", "-k", "k.npy", "--dry-run").done()
    run("apply", "r2.npy", "-q", "-k", "k.npy", "--dry-run").failed(3, "r2.npy")
    run("apply", "r0.npy", "-q", "-k", "k.npy", "--dry-run", "-o", "-").done()


def test_dry_run_reads_headers_only(place: Path) -> None:
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 64), }".ljust(117) + "\n"
    with (place / "huge.npy").open("wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode())
        file.truncate(128 + 256_000_000_000)
    (report,) = run("apply", "huge.npy", "--json", "-k", "k.npy", "--dry-run").done().reports
    assert report["output"]["shape"] == [999_999_999, 64]


def test_a_report_file_beside_each_stream(batch: Path) -> None:
    ran = run("apply", "r0.npy", "-q", "-k", "k.npy", "-o", "-", "--report", "r.json").done()
    assert npy_bytes(Y) == ran.out
    assert checked(json.loads((batch / "r.json").read_text()))["status"] == "ok"
    ran = run(
        "apply",
        "r*.npy",
        "--json",
        "-k",
        "k.npy",
        "--keep-going",
        "--output-dir",
        "out",
        "--report",
        "all.json",
    )
    assert [json.loads(line) for line in (batch / "all.json").read_text().splitlines()] == ran.reports
    quiet = run("apply", "r*.npy", "-q", "-k", "k.npy", "--output-dir", "o2", "--report", "q.json").failed(3)
    assert quiet.out == b""
    assert len((batch / "q.json").read_text().splitlines()) == 3


def test_tables_go_to_standard_error_in_plain_text(place: Path) -> None:
    ran = run_process("apply", "x.npy", "-k", "k.npy", "-o", "o.npy", cwd=place)
    assert ran.code == 0
    assert ran.out == b""
    assert "\x1b" not in ran.err
    for word in ("x.npy", "o.npy", "20", "19", "float32"):
        assert word in ran.err


# Processes, pipes and terminals


def test_python_m(place: Path) -> None:
    ran = run_process("--version")
    assert ran.code == 0
    assert ran.out.startswith(b"dwconv")
    assert run_process("apply", "x.npy", "-q", "-k", "k.npy", "-o", "-", cwd=place).done().out == npy_bytes(Y)


def test_a_chain_of_pipes(place: Path) -> None:
    big = save(place / "big.npy", RNG.integers(-8, 9, (400_000, 3)).astype("f4"))
    line = "set -o pipefail; cat big.npy | $D apply - -q -k k.npy -o - | $D apply - -q -w w.npz --padding same -o - > out.npy"
    run_shell(line, place).done()
    once = np.load(big)
    wanted = oracle.depthwise_conv1d(once[1:200] + once[:199], K, B, padding="same")
    found = np.load(place / "out.npy")
    assert found.shape == (399_999, 6)
    np.testing.assert_array_equal(found[:198], wanted[:198])


def test_a_chain_that_breaks_at_its_head_makes_nothing(place: Path) -> None:
    save(place / "big.npy", np.ones((400_000, 3), "f4"))
    ran = run_shell(
        "head -c 3000000 big.npy | $D apply - -q -k k.npy -o - | $D apply - -q -k k.npy -o out.npy; echo ${PIPESTATUS[@]}",
        place,
    )
    assert ran.out.split() == [b"0", b"3", b"3"]
    assert len(ran.err.splitlines()) == 2
    assert not (place / "out.npy").exists()
    assert not any(name.endswith(".tmp") for name in names(place))


@pytest.mark.parametrize(
    "line",
    ["$D apply big.npy -q -k k.npy -o - | head -c 100", "$D apply big.npy -q -k k.npy -o /dev/stdout --output-format npy | head -c 100",
     "yes x.npy | head -100 | $D apply --files-from - -k k.npy --dry-run --json | true", "$D apply --help | true",
     "cat big.npy | $D apply - -q -k k.npy -o - | true"],
)  # fmt: skip
def test_a_closed_pipe_ends_the_command_silently(place: Path, line: str) -> None:
    save(place / "big.npy", np.ones((400_000, 3), "f4"))
    # The reader must be gone for sure.
    line = (
        line.replace("| true", "| sleep 0")
        .replace("$D", "(sleep 0.2; $D", 1)
        .replace(" | head -c", ") | head -c")
        .replace(" | sleep", ") | sleep")
    )
    ran = run_shell(f"{line}; echo ${{PIPESTATUS[@]}} >&2", place)
    assert ran.err.split()[-2:] == ["141", "0"], ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "line, code",
    [("$D apply x.npy -q -k k.npy -o - >&-", 4), ("$D apply - -q -k k.npy -o o.npy <&-", 3), ("$D apply x.npy -q -k k.npy -o o.npy 2>&-", 0),
     ("$D apply x.npy -k k.npy -o o.h5 <&- >&- 2>&-", 0), ("$D apply no.npy -q -k k.npy -o o.npy 2>&-", 3), ("$D apply x.npy --json -k k.npy -o o.npy >&-", 4),
     ("$D apply x.npy -q -k k.npy -o - >/dev/full", 4), ("$D apply x.npy --json -k k.npy -o o.npy >/dev/full", 4), ("$D --version >/dev/full", 4),
     ("$D apply x.npy -q -k k.npy -o o.npy --report /dev/full", 4), ("$D apply no.npy -k k.npy -o o.npy 2>/dev/full", 3)],
)  # fmt: skip
def test_standard_streams_that_are_closed_or_full(place: Path, line: str, code: int) -> None:
    ran = run_shell(line, place)
    assert ran.code == code, ran.err
    assert len(ran.err.splitlines()) == int(code != 0 and "2>" not in line), ran.err
    assert "Traceback" not in ran.err
    for path in place.glob("o.*"):
        # A stream's number must not have been taken by the output.
        if path.suffix == ".npy":
            np.testing.assert_array_equal(np.load(path), Y)


def test_data_never_goes_to_a_terminal(place: Path) -> None:
    leader, follower = pty.openpty()
    try:
        done = subprocess.run(
            command("apply", "x.npy", "-q", "-k", "k.npy", "-o", "-"),
            stdout=follower, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment(), cwd=place, timeout=30, check=False,
        )  # fmt: skip
    finally:
        os.close(follower)
    with contextlib.suppress(OSError):
        os.set_blocking(leader, False)
        assert os.read(leader, 1000) == b""
    os.close(leader)
    assert done.returncode == 2
    assert b"terminal" in done.stderr


# Signals


def waiting(place: Path, *args: object, ready: int = 1 << 20, **options: Any) -> subprocess.Popen[bytes]:
    """A run in the middle of its work: it has read some data and waits for more."""
    process = subprocess.Popen(
        command("apply", "-", "-q", "-k", "k.npy", *args),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=place, **options,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(npy_bytes(np.ones((1_000_000, 3), "f4"))[: ready + 128])
    process.stdin.flush()
    return process


def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def temporary(place: Path) -> list[str]:
    return [name for name in names(place) if name.endswith(".tmp")]


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("suffix, times", [("npy", 3), ("npz", 1), ("h5", 3)])
def test_signals_leave_nothing_behind(place: Path, number: int, code: int, suffix: str, times: int) -> None:
    process = waiting(place, "-o", f"out.{suffix}", ready=9 << 20)
    until(lambda: temporary(place))
    for _ in range(times):
        process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code, err.decode()
    assert err == b""
    assert temporary(place) == []
    assert not (place / f"out.{suffix}").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_disturbs_the_clearing_up_after_a_signal(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dwconv_cli import cli

    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        cli._leave(number, None)
        assert [signal.getsignal(known) for known in before] == [signal.SIG_IGN] * 3
    finally:
        for known, old in before.items():
            signal.signal(known, old)
    assert left == [code]


def test_an_existing_output_survives_a_signal(place: Path) -> None:
    old = save(place / "out.npy", X).read_bytes()
    process = waiting(place, "-o", "out.npy", "--overwrite")
    until(lambda: temporary(place))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert (place / "out.npy").read_bytes() == old
    assert temporary(place) == []


def test_a_stalled_reader_holds_no_signal_up(place: Path) -> None:
    save(place / "big.npy", np.ones((2_000_000, 3), "f4"))
    process = subprocess.Popen(
        command("apply", "big.npy", "-q", "-k", "k.npy", "-o", "-"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=place,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(1) == b"\x93"
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_sigint_is_ignored_where_the_shell_says_so(place: Path) -> None:
    process = waiting(place, "-o", "out.npy", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    until(lambda: temporary(place))
    process.send_signal(signal.SIGINT)
    assert process.stdin is not None
    rest = npy_bytes(np.ones((1_000_000, 3), "f4"))[(1 << 20) + 128 :]
    _, err = process.communicate(rest, timeout=20)
    assert (process.returncode, err) == (0, b"")
    assert np.load(place / "out.npy").shape == (999_999, 3)


def test_an_input_that_changes_while_it_is_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dwconv_cli.formats.source import FileSource

    real = FileSource.read_into

    def touched(self: FileSource, buffer: memoryview, offset: int) -> None:
        real(self, buffer, offset)
        if self.name == "x.npy" and offset:
            os.utime("x.npy", ns=(1, 1))

    monkeypatch.setattr(FileSource, "read_into", touched)
    run("apply", "x.npy", "-q", "-k", "k.npy", "-o", "o.npy").failed(3, "x.npy", "changed")
    assert not (place / "o.npy").exists()
