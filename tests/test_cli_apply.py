"""``dwconv apply`` as its users meet it: values, weights, slices, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import Any

import h5py
import numpy as np
import oracle
import pytest
from helpers_cli import contents, npy_bytes, run, run_shell, save, sparse
from recordings import B, K, X, Y, added

Array = np.ndarray[Any, Any]
GOLDEN = Path(__file__).parent / "golden" / "keras"
RNG = np.random.default_rng(7)


@pytest.fixture
def place(place: Path) -> Path:
    """The working directory, with more weights."""
    save(place / "layer_k.npy", K)
    save(place / "layer_b.npy", B)
    with h5py.File("w.h5", "w") as file:
        file["net/one/kernel"] = K
        file["net/one/bias"] = B
        file["net/two/kernel"] = np.ones((2, 3, 1), "f4")
    return place


def applied(x: Array, options: str, **more: Any) -> Array:
    """The output for data on standard input."""
    return run(f"apply - -q {options} -o -", stdin=npy_bytes(x), **more).done().array


# Values


def test_the_documentations_example(place: Path) -> None:
    x = np.random.default_rng(0).random((4, 10, 12)).astype("f4")
    layer = "--strides 3 --padding same --activation relu"
    fresh = applied(x, f"--kernel-size 3 --seed 5 --depth-multiplier 3 {layer}")
    assert (fresh.shape, fresh.dtype) == ((4, 4, 36), np.float32)
    run("init-weights -q -o fresh.npz --kernel-size 3 --channels 12 --depth-multiplier 3 --seed 5")
    assert npy_bytes(applied(x, f"-w fresh.npz {layer}")) == npy_bytes(fresh)
    with np.load("fresh.npz") as weights:
        y = oracle.depthwise_conv1d(x.astype("f8"), weights["kernel"].astype("f8"), strides=3, padding="same")
    np.testing.assert_allclose(fresh, np.maximum(y, 0), rtol=0, atol=1e-5)
    save(place / "doc.npy", x)
    planned = run(f"apply doc.npy --kernel-size 3 --depth-multiplier 3 {layer} --dry-run --json")
    (report,) = planned.noted("--seed").reports
    assert report["output"]["shape"] == [4, 4, 36]


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("shape", [(20,), (20, 3), (4, 20, 3), (1, 20, 3), (3, 20), (4, 3, 20)], ids=str)
def test_ranks_and_layouts(place: Path, shape: tuple[int, ...], multiplier: int) -> None:
    first = shape[-1] == 20 and len(shape) > 1
    channels = 1 if len(shape) == 1 else 3
    x = RNG.integers(-8, 9, shape).astype("f4")
    kernel = RNG.integers(-4, 5, (3, channels, multiplier)).astype("f4")
    bias = RNG.integers(-4, 5, channels * multiplier).astype("f4")
    save(place / "k.npy", kernel)
    save(place / "b.npy", bias)
    layout = "channels_first" if first else "channels_last"
    y = applied(x, f"-k k.npy -b b.npy --data-format {layout} --strides 2")
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, oracle.depthwise_conv1d(x, kernel, bias, data_format=layout, strides=2))


@pytest.mark.parametrize(
    "options, layer",
    [
        ("", {}),
        ("--padding same", {"padding": "same"}),
        ("--padding causal", {"padding": "causal"}),
        ("--strides 3 --padding SAME", {"strides": 3, "padding": "same"}),
        ("--dilation-rate 2 --padding causal", {"dilation_rate": 2, "padding": "causal"}),
        ("--dilation-rate 4", {"dilation_rate": 4}),
    ],
)
def test_layers(place: Path, options: str, layer: dict[str, Any]) -> None:
    np.testing.assert_array_equal(
        applied(X, f"-w w.npz {options}"), oracle.depthwise_conv1d(X, K, B, **layer)
    )


@pytest.mark.parametrize(
    "dtype, kernel, output",
    [("i1", "f4", "f4"), ("i2", "f4", "f4"), ("u2", "f4", "f4"), ("i4", "f4", "f8"), ("i8", "f4", "f8"), ("u4", "f4", "f8"),
     ("f2", "f2", "f2"), ("f2", "f4", "f2"), ("f4", "f4", "f4"), ("f4", "f8", "f8"), ("f8", "f4", "f8"), ("?", "f4", "f4"),
     ("f4", "c8", "c8"), ("c8", "f4", "c8"), ("c16", "f4", "c16"), ("f8", "c8", "c16"), ("i2", "i2", "f4")],
)  # fmt: skip
def test_the_outputs_dtype(place: Path, dtype: str, kernel: str, output: str) -> None:
    x = np.abs(X).astype(dtype)
    save(place / "k.npy", np.array([1, 2], kernel))
    y = applied(x, "-k k.npy")
    assert y.dtype == np.dtype(output)
    np.testing.assert_array_equal(y, x[:-1].astype("c16") + 2 * x[1:].astype("c16"))
    for option in ("float32", "float64"):
        if np.dtype(output).kind != "c":
            assert applied(x, f"-k k.npy --dtype {option}").dtype == np.dtype(option)


def test_complex_data_is_not_made_real_by_the_way(place: Path) -> None:
    save(place / "c.npy", X.astype("c8"))
    run("apply c.npy -q -k k.npy --dtype float32 -o -").failed(2, "complex")


@pytest.mark.parametrize(
    "kernel", [np.ones(2), np.ones((2, 3)), np.ones((2, 3, 1))], ids=lambda k: str(k.shape)
)
def test_kernels_of_every_rank(place: Path, kernel: Array) -> None:
    save(place / "k.npy", kernel.astype("f4"))
    np.testing.assert_array_equal(applied(X, "-k k.npy"), Y)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_kernels_inside_files(place: Path, suffix: str) -> None:
    y = oracle.depthwise_conv1d(X, K, B)
    name = "w.npz" if suffix == "npz" else "w.h5::/net/one"
    inner = "w.npz::" if suffix == "npz" else "w.h5::/net/one/"
    np.testing.assert_array_equal(applied(X, f"-w {name}"), y)
    np.testing.assert_array_equal(applied(X, f"-k {inner}kernel -b {inner}bias"), y)
    np.testing.assert_array_equal(applied(X, f"-w {name} --no-bias"), oracle.depthwise_conv1d(X, K))
    np.testing.assert_array_equal(applied(X, "-w w.h5::net/two"), Y)


def test_torch_kernels(place: Path) -> None:
    # torch has (C*M, 1, K), output channel c*M + m.
    torch = np.ascontiguousarray(K.transpose(1, 2, 0).reshape(6, 1, 3))
    save(place / "t.npy", torch)
    np.testing.assert_array_equal(applied(X, "-k t.npy --kernel-layout torch"), oracle.depthwise_conv1d(X, K))
    run("apply x.npy -q -k t.npy -o -").failed(2, "--kernel-layout torch")


def test_the_kernel_from_standard_input(place: Path) -> None:
    ran = run("apply x.npy -q -k - -o -", stdin=npy_bytes(np.ones(2, "f4")))
    np.testing.assert_array_equal(ran.done().array, Y)


def test_a_column_of_options_does_what_it_says(place: Path) -> None:
    np.testing.assert_array_equal(applied(X, "-k k.npy --activation relu"), np.maximum(Y, 0))
    limited = applied(X, "-k k.npy --activation relu(max_value=2)")
    np.testing.assert_array_equal(limited, np.clip(Y, 0, 2))
    np.testing.assert_array_equal(applied(X, "-k k.npy --depthwise-constraint non_neg"), Y)
    save(place / "m.npy", np.array([1, -1], "f4"))
    np.testing.assert_array_equal(applied(X, "-k m.npy --depthwise-constraint non_neg"), X[:-1])


# Keras's files


def test_an_option_overrides_the_layers_config_and_says_so(place: Path) -> None:
    model = f"{GOLDEN}/keras3/sequential.keras::depthwise_conv1d"
    save(place / "x4.npy", RNG.random((2, 12, 4)).astype("f4"))
    command = f"apply x4.npy -w {model} --dry-run --json"
    (plain,) = run(command).done().reports
    (changed,) = run(f"{command} --activation tanh").noted("tanh as asked").reports
    assert (plain["layer"]["activation"], changed["layer"]["activation"]) == ("linear", "tanh")
    assert not any("activation" in note for note in plain["notes"])
    (note,) = (note for note in changed["notes"] if "activation" in note)
    assert "linear" in note
    assert "tanh" in note
    table = run(f"apply x4.npy -w {model} --activation tanh -o o.npy")
    assert table.code == 0
    assert "tanh as asked" in " ".join(table.err.split())
    # The same value again is no override.
    (same,) = run(f"{command} --activation linear").done().reports
    assert same["notes"] == plain["notes"]


def test_several_layers_are_listed(place: Path) -> None:
    run(f"apply x.npy -q -w {GOLDEN}/keras3/sequential.keras -o -").failed(3, "depthwise_conv1d_1", "::")


CONFIG = {"kernel_size": [2], "padding": "same", "activation": "relu", "use_bias": False}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("where", ["c.json", "-"])
def test_configs(place: Path, wrapped: bool, where: str) -> None:
    config: dict[str, Any] = {"class_name": "DepthwiseConv1D", "config": CONFIG} if wrapped else CONFIG
    text = json.dumps(config).encode()
    (place / "c.json").write_bytes(text)
    ran = run(f"apply x.npy -q -k k.npy --config {where} -o -", stdin=text)
    y = np.maximum(oracle.depthwise_conv1d(X, np.ones(2, "f4"), padding="same"), 0)
    np.testing.assert_array_equal(ran.done().array, y)
    ran = run("apply x.npy -q -k k.npy --config c.json --padding valid -o -")
    np.testing.assert_array_equal(ran.done().array, np.maximum(Y, 0))


def test_a_config_alone_makes_fresh_weights(place: Path) -> None:
    (place / "c.json").write_text(
        json.dumps({**CONFIG, "depthwise_initializer": "ones", "activation": "linear"})
    )
    np.testing.assert_array_equal(
        applied(X, "--config c.json"), oracle.depthwise_conv1d(X, np.ones(2, "f4"), padding="same")
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
    run("apply x.npy -q -k k.npy --config c.json -o o.npy").failed(code)
    assert not (place / "o.npy").exists()


# channels_first by Keras's own settings


def test_keras_json_decides_and_the_report_says_so(place: Path) -> None:
    home = place / "keras_home"
    home.mkdir()
    (home / "keras.json").write_text('{"image_data_format": "channels_first", "backend": "torch"}')
    ran = run("apply - -q -w w.npz -o -", stdin=npy_bytes(X.T), keras_home=home)
    np.testing.assert_array_equal(ran.done().array, oracle.depthwise_conv1d(X, K, B).T)
    save(place / "xt.npy", X.T)
    ran = run("apply xt.npy -w w.npz --dry-run --json", keras_home=home)
    report = ran.noted("keras.json").reports[0]
    assert report["layer"]["data_format"] == "channels_first"
    assert any("keras.json" in note for note in report["notes"])
    ran = run("apply x.npy -w w.npz --dry-run --json --data-format channels_last", keras_home=home)
    report = ran.noted().reports[0]
    assert report["layer"]["data_format"] == "channels_last"
    assert not any("keras.json" in note for note in report["notes"])
    for text in ("{", '{"image_data_format": "first"}', '{"image_data_format": 1}'):
        (home / "keras.json").write_text(text)
        run("apply x.npy -q -w w.npz -o -", keras_home=home).failed(3, "keras.json")
    for text in ("{}", '{"image_data_format": null}', "[]"):
        (home / "keras.json").write_text(text)
        run("apply x.npy -q -w w.npz -o -", keras_home=home).done()


# Slices


@pytest.mark.parametrize(
    "text", ["0:", ":", ":10", "5:15", "-5:", ":-5", "-12:-3", "0:1000", "-1000:1000", " 3 : 9 ", "17:"]
)
@pytest.mark.parametrize("where", ["x.npy", "-", "f.npy"])
def test_slices(place: Path, text: str, where: str) -> None:
    save(place / "f.npy", np.asfortranarray(X))
    start, stop = (int(part) if part.strip() else None for part in text.split(":"))
    ran = run(f"apply {where} -q -w w.npz --padding same --slice '{text}' -o -", stdin=npy_bytes(X))
    np.testing.assert_array_equal(
        ran.done().array, oracle.depthwise_conv1d(X[start:stop], K, B, padding="same")
    )


@pytest.mark.parametrize("text", ["5:5", "9:3", "20:", "30:40", ":-20", ":0", "-1:-1"])
def test_slices_that_take_nothing(place: Path, text: str) -> None:
    run(f"apply x.npy -q -k k.npy --slice {text} -o o.npy").failed(2, "x.npy", "--slice", "20 steps")
    assert not (place / "o.npy").exists()


@pytest.mark.parametrize(
    "text", ["5", "", "a:b", "1:2:3", "1.5:3", "::", "__import__('os'):3", "9" * 5000 + ":", "1:2,"]
)
def test_slices_that_are_none(place: Path, text: str) -> None:
    run(f"apply x.npy -q -k k.npy --slice {quote(text)} -o o.npy").failed(2, "--slice")


@pytest.mark.parametrize("dry", ["", "--dry-run"])
def test_chunks_that_do_not_fit_name_the_file(place: Path, dry: str) -> None:
    run(f"apply x.npy -k k.npy -o o.h5::/deep --chunks 3 {dry}").failed(2, "o.h5::/deep", "--chunks 3")


def test_a_config_with_too_many_digits(place: Path) -> None:
    (place / "long.json").write_text('{"kernel_size": ' + "1" * 5000 + "}")
    ran = run("apply x.npy --config long.json -o o.npy").failed(3, "long.json", "4300 digits")
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
    ("x.txt -k k.npy -o o.npy", 3, "is not read"),
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
    ran = run(f"apply -q {line}")
    if code == 0:
        ran.done()
        return
    ran.failed(code, word)
    assert len(ran.err) < 1000
    assert contents(path for path in place.iterdir() if path.is_file()) == before


@pytest.mark.parametrize(
    "line, code",
    [("", 2), ("nonsense", 2), ("--version", 0), ("--help", 0), ("apply --help", 0), ("init-weights -h", 0)],
)
def test_the_group(line: str, code: int) -> None:
    assert run(line).code == code


def test_a_bug_of_ours_is_70_and_debug_shows_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dwconv_cli.jobs.pipeline

    monkeypatch.setattr(dwconv_cli.jobs.pipeline, "apply_many", lambda *args, **options: 1 / 0)
    run("apply x.npy -q -k k.npy -o o.npy").failed(70, "ZeroDivisionError", "--debug")
    ran = run("--debug apply x.npy -q -k k.npy -o o.npy")
    assert ran.code == 70
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("dwconv: error: ")


def test_debug_adds_the_traceback_to_any_error(place: Path) -> None:
    ran = run("apply missing.npy -q -k k.npy -o o.npy --debug")
    assert ran.code == 3
    assert "Traceback" in ran.err
    assert ran.err.splitlines()[-1].startswith("dwconv: error: missing.npy")


def test_out_of_memory_is_5(place: Path) -> None:
    sparse(place / "sparse.npy", (1, 3, 400_000_000))
    # A softmax over all steps needs them all at once.
    line = "apply sparse.npy -q -k k.npy --data-format channels_first --activation softmax -o o.npy"
    run(line).failed(5, "memory")
    run_shell(f"ulimit -v {1 << 20}; dwconv {line} --memory-limit 100GiB").failed(5, "memory")
    assert added(place) == ["layer_b.npy", "layer_k.npy", "sparse.npy", "w.h5"]


def test_nothing_is_said_about_overflow_and_nan(place: Path) -> None:
    save(place / "wild.npy", np.array([[1e38, np.inf], [3e38, -np.inf], [np.nan, 1], [1, 2]], "f4"))
    for more in ("", "--dtype float16", "--activation exponential"):
        run(f"apply wild.npy -q -k k.npy {more} -o o.npy --overwrite").done()
