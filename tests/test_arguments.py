"""The Python API's arguments: every form that is taken, and what is said of anything else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pytest

import dwconv_cli as dw
from dwconv_cli.description import describe_all
from dwconv_cli.errors import DwconvError
from dwconv_cli.errors.wording import for_the_command_line
from dwconv_cli.weights.load import load_kernel

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
KERNEL = np.random.default_rng(1).normal(size=(5, 3, 1)).astype(np.float32)
LAYER = dw.LayerSpec(kernel_size=5)
WEIGHTS = dw.Weights(KERNEL)
EXPECTED = oracle.depthwise_conv1d(X, KERNEL)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "k.npy", KERNEL)
    np.savez(tmp_path / "w.npz", kernel=KERNEL)
    return tmp_path


def assert_filtered(path: Path) -> None:
    np.testing.assert_allclose(np.load(path), EXPECTED, rtol=1e-4, atol=1e-5)


class TestPaths:
    def test_apply_file(self, place: Path) -> None:
        report = dw.apply_file(place / "x.npy", place / "y.npy", LAYER, WEIGHTS)
        assert_filtered(place / "y.npy")
        assert report.input["address"] == str(place / "x.npy")

    @pytest.mark.parametrize("key", ["kernel", "weights"])
    def test_recipe(self, place: Path, key: str) -> None:
        recipe = dw.Recipe(**{key: place / {"kernel": "k.npy", "weights": "w.npz"}[key]})
        report = dw.apply_file(place / "x.npy", place / "y.npy", recipe=recipe)
        assert_filtered(place / "y.npy")
        assert report.weights is not None
        assert type(report.weights["address"]) is str

    def test_apply_many(self, place: Path) -> None:
        recipe = dw.Recipe(given=(LAYER, WEIGHTS))
        assert [r.status for r in dw.apply_many([place / "x.npy"], place / "{stem}_y.npy", recipe)] == ["ok"]
        assert [
            r.status for r in dw.apply_many((place / "x.npy",), None, recipe, directory=place / "out")
        ] == ["ok"]
        assert_filtered(place / "x_y.npy")
        assert_filtered(place / "out" / "x.npy")

    def test_weights(self, place: Path) -> None:
        dw.save_weights(place / "s.h5", WEIGHTS)
        loaded = dw.load_weights(place / "s.h5")
        assert loaded.address == str(place / "s.h5")
        assert np.array_equal(loaded.kernel, KERNEL)
        assert np.array_equal(load_kernel(place / "k.npy").kernel, KERNEL)
        fresh, _ = dw.make_weights(dw.Recipe(options={"kernel_size": 2}), like=place / "x.npy")
        assert fresh.weights.kernel.shape == (2, 3, 1)

    def test_a_name_inside_a_file(self, place: Path) -> None:
        assert np.array_equal(load_kernel(place / "w.npz::kernel").kernel, KERNEL)

    def test_describe(self, place: Path) -> None:
        assert dw.describe(place / "x.npy")["input"]["shape"] == [40, 3]
        assert [target["kind"] for target in describe_all([place / "x.npy"])] == ["data"]
        recipe = dw.Recipe(options={"kernel_size": 3})
        for shape in ((4, 10, 12), [4, 10, 12]):
            assert dw.describe(shape, recipe=recipe)["output"]["shape"] == [4, 8, 12]


@pytest.mark.parametrize(
    "dtype", [np.float64, np.dtype("float64"), np.dtype(">f8"), "float64", "Float64", "f8", float]
)
def test_dtypes(dtype: Any) -> None:
    assert dw.LayerSpec(kernel_size=1, dtype=dtype).dtype == "float64"
    outputs = dw.depthwise_conv1d(X, KERNEL, dtype=dtype)
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs, EXPECTED, rtol=1e-13)
    recipe = dw.Recipe(options={"kernel_size": 3, "dtype": dtype})
    assert dw.make_weights(recipe, channels=2)[0].weights.kernel.dtype == np.float64
    assert dw.StreamingConv(LAYER, WEIGHTS, dtype=dtype).push(X.astype(float)).dtype == np.float64


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist])
@pytest.mark.parametrize("shape, shared", [((5,), True), ((5, 3), False), ((5, 3, 1), False)])
def test_kernels_of_every_shape_that_the_function_takes(
    form: Callable[[Any], Any], shape: tuple[int, ...], shared: bool
) -> None:
    kernel = np.arange(float(np.prod(shape))).reshape(shape)
    weights = dw.Weights(form(kernel), form(np.ones(3)))
    assert weights.kernel.shape == (*shape, 1, 1)[:3]
    assert weights.shared is shared
    stream = dw.StreamingConv(dw.LayerSpec(kernel_size=5), weights, channels=3)
    np.testing.assert_allclose(stream.push(X), oracle.depthwise_conv1d(X, kernel, np.ones(3)), rtol=1e-5)


def test_a_shared_kernel_has_one_channel() -> None:
    with pytest.raises(
        dw.ShapeError, match=r"a shared kernel has shape \(K, 1, M\) or \(K,\), got \(5, 3, 1\)"
    ):
        dw.Weights(KERNEL, shared=True)


RECIPE = dw.Recipe(given=(LAYER, WEIGHTS))

# A call, and what its message begins with or has in it.
MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: dw.apply_many("x.npy", "y.npy", RECIPE), "inputs must be a list of addresses"),
    (lambda: dw.apply_many(Path("x.npy"), "y.npy", RECIPE), "inputs must be a list of addresses"),
    (lambda: dw.apply_many(b"x.npy", "y.npy", RECIPE), "inputs must be a list of addresses"),
    (lambda: dw.apply_many(None, "y.npy", RECIPE), "inputs must be a list of addresses"),
    (lambda: next(dw.apply_many([1], "y.npy", RECIPE)), "each of inputs must be a str or a pathlib.Path"),
    (lambda: dw.apply_many([], "y.npy", LAYER), "recipe must be a Recipe"),
    (lambda: dw.apply_many([], 3, RECIPE), "output must be a str"),
    (lambda: list(describe_all("x.npy")), "targets must be a list"),
    (lambda: dw.apply_file(["x.npy"], "y.npy", LAYER, WEIGHTS), "input must be a str"),
    (lambda: dw.apply_file("x.npy", "y.npy", LAYER, KERNEL), "weights must be a Weights"),
    (lambda: dw.apply_file("x.npy", "y.npy", {}, WEIGHTS), "layer must be a LayerSpec"),
    (lambda: dw.apply_file("x.npy", "y.npy", LAYER), "needs a layer with weights"),
    (lambda: dw.apply_file("x.npy", "y.npy", recipe=RECIPE, settings={}), "settings must be a Settings"),
    (lambda: dw.load_weights(3), "address must be a str"),
    (lambda: dw.load_weights("w.npz", layout="tf"), "layout must be one of keras, torch"),
    (lambda: dw.load_weights("w.npz", given_format="zip"), "format must be one of npy"),
    (lambda: dw.save_weights("w.npz", KERNEL), "weights must be a Weights"),
    (lambda: dw.save_weights("w.keras", WEIGHTS, {}), "layer must be a LayerSpec"),
    (lambda: dw.make_weights(RECIPE, channels="3"), "channels must be a whole number"),
    (lambda: dw.describe(3), "target must be a str"),
    (lambda: dw.describe((4, "a"), recipe=RECIPE), "a shape is a tuple of whole numbers"),
    (lambda: dw.describe("x.npy", fs="a"), "fs must be a sampling rate above 0"),
    (lambda: dw.describe("x.npy", data_format="nwc"), "data_format must be one of"),
    (lambda: dw.describe("x.npy", steps="1:3"), "steps must be a slice"),
    (lambda: dw.Recipe(kernel=3), "kernel must be a str"),
    (lambda: dw.Recipe(kernel="k.npy", weights="w.npz"), "kernel and weights exclude each other"),
    (lambda: dw.Recipe(options={"stride": 2}), "options has 'stride', which is no field of a layer"),
    (lambda: dw.Recipe(options=3), "options must be a mapping"),
    (lambda: dw.Recipe(config=[1]), "config must be a mapping"),
    (lambda: dw.Recipe(given=(WEIGHTS, LAYER)), "layer must be a LayerSpec"),
    (lambda: dw.Recipe(given=LAYER), "given must be a pair"),
    (lambda: dw.Recipe(seed="a"), "seed must be from 0 to 4294967295"),
    (lambda: dw.Recipe().resolve(3), "there are no weights; give kernel, weights, or kernel_size"),
    (lambda: dw.LayerSpec(kernel_size=1, name=3), "name must be a str"),
    (lambda: dw.LayerSpec(kernel_size=1, dtype=int), "dtype must be one of float16"),
    (lambda: dw.LayerSpec(kernel_size=1, dtype=object()), "dtype must be one of float16"),
    (lambda: LAYER.output_shape("abc"), "a shape is a tuple of whole numbers"),
    (lambda: LAYER.output_shape(5), "a shape is a tuple of whole numbers"),
    (lambda: LAYER.output_shape((None, 3)), "a shape is a tuple of whole numbers"),
    (lambda: LAYER.output_steps("a"), "steps must be a whole number"),
    (lambda: LAYER.pad_amounts(1.5), "steps must be a whole number"),
    (lambda: dw.Weights("k.npy"), "kernel must be an array, got 'k.npy'"),
    (lambda: dw.Weights([[1.0], [2.0, 3.0]]), "kernel cannot be made an array"),
    (lambda: dw.Weights(KERNEL, 3.0), "the bias has shape"),
    (lambda: WEIGHTS.for_channels("a"), "channels must be a whole number"),
    (lambda: dw.depthwise_conv1d("x.npy", KERNEL), "inputs must be an array, got 'x.npy'"),
    (lambda: dw.depthwise_conv1d([[1], [1, 2]], KERNEL), "inputs cannot be made an array"),
    (lambda: dw.depthwise_conv1d(X, None), "kernel must be an array, got None"),
    (lambda: dw.depthwise_conv1d(X, KERNEL, threads="2"), "threads must be a whole number"),
    (lambda: dw.depthwise_conv1d(X, KERNEL, threads=1.5), "threads must be a whole number"),
    (lambda: dw.depthwise_conv1d(X, KERNEL, algorithm=["direct"]), "algorithm must be one of"),
    (lambda: dw.depthwise_conv1d(X, KERNEL, activation=np.tanh), "activation: expected a name"),
    (lambda: dw.depthwise_conv1d(X, KERNEL, out=[1]), "out must be an array"),
    (lambda: dw.StreamingConv(LAYER, KERNEL), "weights must be a Weights"),
    (lambda: dw.StreamingConv("L", WEIGHTS), "layer must be a LayerSpec"),
    (lambda: dw.StreamingConv(LAYER, WEIGHTS, dtype="foo"), "dtype must be a dtype"),
    (lambda: dw.StreamingConv(LAYER, WEIGHTS, batch="a"), "batch must be a whole number"),
    (lambda: dw.StreamingConv(LAYER, WEIGHTS, steps=-1), "steps must be a whole number"),
    (lambda: dw.StreamingConv(LAYER, WEIGHTS).push([[1], [1, 2]]), "block cannot be made an array"),
    (lambda: dw.plan_conv(3), "problem must be a Problem"),
    (lambda: dw.Settings(jobs="2"), "jobs must be a whole number"),
    (lambda: dw.Settings(threads=0), "threads must be a whole number"),
    (lambda: dw.Settings(memory_limit="1GB"), "memory_limit must be a whole number"),
    (lambda: dw.Settings(nan="maybe"), "nan must be one of"),
    (lambda: dw.Settings(algorithm="fft"), "algorithm must be one of"),
    (lambda: dw.Settings(input_format="zip"), "input_format must be one of"),
    (lambda: dw.Settings(overwrite="yes"), "overwrite must be a bool"),
    (lambda: dw.Settings(steps="1:3"), "steps must be a slice"),
    (lambda: dw.Settings(steps=slice("a")), "steps must be a slice of whole numbers"),
    (lambda: dw.Settings(steps=slice(0, 9, 2)), "steps must be a slice without a stride"),
    (lambda: dw.Settings(storage={"foo": 1}), "storage has 'foo'; there are: chunks"),
    (lambda: dw.Settings(progress=3), "progress must be a function"),
]


@pytest.mark.parametrize("call, words", MISTAKES, ids=[words for _, words in MISTAKES])
def test_mistakes(call: Callable[[], Any], words: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    with pytest.raises(DwconvError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert sorted(place.iterdir()) == before


USE = """
from pathlib import Path
import numpy as np
import dwconv_cli as dw

layer = dw.LayerSpec(kernel_size=3, strides=[2], activation="relu", depthwise_regularizer="l2(0.1)", dtype=np.float64)
same = dw.LayerSpec(kernel_size=3, activation={"class_name": "ReLU", "config": {}}, bias_constraint=None)
name: str = layer.activation.name
strides: int = layer.strides
weights = dw.Weights([0.25, 0.5, 0.25], bias=[1.0])
weights = dw.Weights(np.ones((3, 2)))
taps: int = weights.kernel.shape[0]
recipe = dw.Recipe(kernel=Path("k.npy"))
dw.depthwise_conv1d(np.ones(9), [1.0, 2.0], dtype=np.float32, activation="relu", strides=[2])
dw.apply_file(Path("x.npy"), Path("y.npy"), recipe=recipe)
reports = list(dw.apply_many([Path("x.npy")], None, recipe, directory=Path("out")))
dw.save_weights(Path("w.npz"), weights, layer)
dw.load_weights(Path("w.npz"))
dw.describe(Path("x.npy"))
"""


def test_what_is_taken_passes_a_type_checker(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api", reason="mypy is not installed")
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "misuse.py").write_text(
        "import dwconv_cli as dw\ndw.LayerSpec(kernel_size=3, activation=3.5)\n"
    )
    config = str(Path(__file__).resolve().parent.parent / "pyproject.toml")
    files = [str(tmp_path / name) for name in ("use.py", "misuse.py")]
    out, err, _ = api.run(["--strict", "--no-error-summary", "--config-file", config, *files])
    assert err == ""
    errors = [line for line in out.splitlines() if "error:" in line]
    assert len(errors) == 1, out
    assert "misuse.py:2" in errors[0]
    assert "[arg-type]" in errors[0]


# What is written for the command line, and what a caller from Python reads.
ADVICE = [
    ("try --data-format channels_first or another", "try data_format='channels_first' or another"),
    (
        "use --overwrite to replace it, or --skip-existing",
        "use overwrite=True to replace it, or skip_existing=True",
    ),
    ("use --memory-limit 12MiB", "use memory_limit=12582912"),
    ("a single array goes with -k", "a single array goes with kernel"),
    ("use -o with a template or --output-dir", "use output with a template or directory"),
    ("leave out --bias or --no-bias", "leave out bias or use_bias=False"),
    ("use --nan zero, or --nan propagate", "use nan='zero', or nan='propagate'"),
    ("say --kernel-layout torch", "say layout='torch'"),
    ("--seed 5 draws them again", "seed=5 draws them again"),
    ("give data, --channels or --input-shape", "give data, channels or input_shape"),
    ("use --algorithm auto.", "use algorithm='auto'."),
    ("x--overwrite.npy and a/--overwrite: -1 of -kb", "x--overwrite.npy and a/--overwrite: -1 of -kb"),
]


@pytest.mark.parametrize("written, read", ADVICE)
def test_advice_names_arguments(written: str, read: str) -> None:
    error = dw.LayerError(written)
    assert str(error) == read
    with for_the_command_line():
        assert str(error) == written
    assert str(error) == read


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: dw.depthwise_conv1d(X, KERNEL[:, :2]), "data_format='channels_first'"),
        (lambda: dw.apply_file("x.npy", "k.npy", LAYER, WEIGHTS), "overwrite=True"),
        (lambda: dw.save_weights("w.npz", WEIGHTS), "overwrite=True"),
        (lambda: dw.load_weights("k.npy"), "kernel"),
    ],
)
def test_no_option_reaches_python(
    call: Callable[[], Any], words: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(DwconvError) as caught:
        call()
    assert words in str(caught.value)
    assert "--" not in str(caught.value)


def test_notes_name_arguments(place: Path) -> None:
    recipe = dw.Recipe(options={"kernel_size": 3}, seed=9, drawn=True)
    report = dw.apply_file(place / "x.npy", place / "y.npy", recipe=recipe)
    assert any("seed=9 draws them again" in note for note in report.notes)
    assert not any("--" in note for note in report.notes)
