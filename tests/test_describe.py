"""Descriptions as data: headers, statistics, weights, contents, and the shape check."""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dwconv_cli import depthwise_conv1d, description
from dwconv_cli.convolution.engine import Convolution
from dwconv_cli.description import describe, describe_all, shapes_of
from dwconv_cli.description.channel_stats import ChannelStats
from dwconv_cli.description.json_values import MAX_ITEMS, json_value
from dwconv_cli.errors import InputError, LayerError, ShapeError, UnsafeFileError
from dwconv_cli.layer.axes import Axes
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage.formats.npy import NpyReader
from dwconv_cli.weights.recipe import Recipe

Array = np.ndarray[Any, Any]
KERAS = Path(__file__).parent / "golden" / "keras" / "keras3"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """One of each kind of thing."""
    x = np.arange(48, dtype="<f4").reshape(8, 6)
    kernel, bias = np.ones((3, 6, 2), "f4"), np.arange(12, dtype="f8")
    np.save(tmp_path / "rec.npy", x)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(x))
    np.save(tmp_path / "deep.npy", np.zeros((1, 2, 3, 4), "i2"))
    np.savez(tmp_path / "one.npz", acc=x)
    np.savez(tmp_path / "two.npz", acc=x, gyro=x[:, :3].astype(">i2"))
    np.savez(tmp_path / "layer.npz", kernel=kernel, bias=bias)
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file.attrs["device"] = "watch"
        acc = file.create_dataset("imu/acc", data=x, chunks=(4, 6), compression="gzip", shuffle=True)
        acc.attrs["fs"] = 50.0
        acc.attrs["bad"] = np.array([np.nan, np.inf])
        file["imu/text"] = "words"
        file["layer/kernel"], file["layer/bias"] = kernel, bias
        file["soft"] = h5py.SoftLink("/imu/acc")
    with h5py.File(tmp_path / "kernel.h5", "w") as file:
        file["kernel"] = kernel
    (tmp_path / "notes.txt").write_text("no data")
    (tmp_path / "bad.npy").write_bytes(b"no array")
    (tmp_path / "sub").mkdir()
    return tmp_path


KINDS = {
    "rec.npy": "data",
    "deep.npy": "data",
    "one.npz": "data",
    "two.npz": "file",
    "two.npz::gyro": "data",
    "layer.npz": "weights",
    "layer.npz::kernel": "data",
    "rec.h5": "file",
    "rec.h5::/imu": "file",
    "rec.h5::imu/acc": "data",
    "rec.h5::/layer": "weights",
    "rec.h5::/layer/kernel": "data",
    "rec.h5::/soft": "data",
    "kernel.h5": "weights",
    "sub": "directory",
    "": "directory",
}


@pytest.mark.parametrize("name, kind", KINDS.items())
def test_kinds(place: Path, name: str, kind: str) -> None:
    report = describe(f"{place}/{name}")
    assert report["kind"] == kind
    assert json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.parametrize("name", ["functional.keras", "functional.weights.h5", "functional.h5"])
def test_models(name: str) -> None:
    assert describe(f"{KERAS}/{name}")["kind"] == "model"


def test_data(place: Path) -> None:
    report = describe(f"{place}/rec.npy", fs=4)
    assert report["input"] == {"address": f"{place}/rec.npy", "shape": [8, 6], "dtype": "float32"}
    assert (report["nbytes"], report["order"], report["storage"]) == (192, "C", {"format": "npy"})
    recording = {"batch": 1, "steps": 8, "channels": 6, "duration": 2.0, "data_format": "channels_last"}
    assert report["recording"] == recording
    assert describe(f"{place}/fortran.npy")["order"] == "F"
    first = describe(f"{place}/rec.npy", data_format="channels_first", steps=slice(1, 3))
    assert first["input"]["shape"] == [8, 2]
    assert (first["recording"]["steps"], first["recording"]["channels"], first["nbytes"]) == (2, 8, 64)
    assert describe(f"{place}/deep.npy")["recording"]["steps"] is None


def test_dataset(place: Path) -> None:
    report = describe(f"{place}/rec.h5::imu/acc")
    assert report["input"]["address"] == f"{place}/rec.h5::/imu/acc"
    assert report["attributes"] == {"fs": 50.0, "bad": ["NaN", "Infinity"]}
    storage = report["storage"]
    assert (storage["format"], storage["layout"], storage["chunks"]) == ("hdf5", "chunked", [4, 6])
    assert (storage["compression"], storage["shuffle"], storage["filters"]) == (
        "gzip",
        True,
        ["shuffle", "gzip"],
    )


def test_contents(place: Path) -> None:
    report = describe(f"{place}/rec.h5")
    assert report["attributes"] == {"device": "watch"}
    entries = {entry["name"]: entry for entry in report["contents"]}
    assert entries["/imu"]["kind"] == "group"
    assert (entries["/imu/acc"]["shape"], entries["/imu/acc"]["dtype"]) == ([8, 6], "float32")
    assert entries["/imu/acc"]["address"] == f"{place}/rec.h5::/imu/acc"
    assert (entries["/soft"]["kind"], entries["/soft"]["target"]) == ("soft link", "/imu/acc")
    below = {entry["name"] for entry in describe(f"{place}/rec.h5::/imu")["contents"]}
    assert below == {"/imu/acc", "/imu/text"}
    members = describe(f"{place}/two.npz")["contents"]
    assert [(entry["name"], entry["shape"], entry["dtype"]) for entry in members] == [
        ("acc", [8, 6], "float32"),
        ("gyro", [8, 3], ">i2"),
    ]


def test_directory(place: Path) -> None:
    os.mkfifo(place / "pipe.npy")
    entries = {entry["name"]: entry for entry in describe(str(place))["contents"]}
    assert (entries["rec.npy"]["kind"], entries["rec.npy"]["shape"]) == ("array", [8, 6])
    assert entries["sub"]["kind"] == "directory"
    assert entries["pipe.npy"]["kind"] == "other"
    assert (entries["one.npz"]["arrays"], entries["one.npz"]["shape"]) == (1, [8, 6])
    assert (entries["two.npz"]["arrays"], entries["two.npz"]["shape"]) == (2, None)
    assert "not an .npy file" in entries["bad.npy"]["error"]
    assert entries["notes.txt"]["kind"] == "file"
    assert describe(str(KERAS))["contents"][0]["kind"] == "model"


def test_model_layers() -> None:
    path = f"{KERAS}/functional.keras"
    first, second = describe(path)["layers"]
    assert (first["name"], first["class_name"], first["dtype"]) == ("conv_a", "DepthwiseConv1D", "float32")
    assert (first["config"]["depth_multiplier"], second["config"]["padding"]) == (2, "same")
    assert first["weights"]["kernel_shape"] == [3, 3, 2]
    assert (first["weights"]["bias_shape"], second["weights"]["bias_shape"]) == ([6], None)
    layer = describe(f"{path}::conv_a")
    assert layer["weights"]["sha256"] == first["weights"]["sha256"]
    assert layer["layer"]["activation"] == "relu"
    assert len(layer["channels"]) == 6
    with pytest.raises(InputError, match="conv_a, conv_b"):
        describe(f"{path}::conv_c")


def test_weights(place: Path) -> None:
    report = describe(f"{place}/layer.npz", fs=100)
    assert report["weights"]["kernel_shape"] == [3, 6, 2]
    assert report["weights"]["bias_shape"] == [12]
    assert (report["dtype"], report["receptive_field"], report["frequency_unit"]) == ("float32", 3, "Hz")
    assert [(entry["channel"], entry["input"]) for entry in report["channels"]] == [
        (output, output // 2) for output in range(12)
    ]
    assert [entry["bias"] for entry in report["channels"]] == list(range(12))
    entry = report["channels"][5]
    assert (entry["dc_gain"], entry["group_delay"]) == (3, {"steps": 1.0, "seconds": 0.01})
    # 1 + 2 cos(2 pi f) falls from 3 to 3 / sqrt(2).
    edge = 100 * math.acos((3 / math.sqrt(2) - 1) / 2) / (2 * math.pi)
    assert entry["cutoffs"] == pytest.approx([edge])


def test_weights_of_a_recipe(place: Path) -> None:
    np.save(place / "taps.npy", np.array([0.0, 0.0, 1.0]))
    report = describe(None, recipe=Recipe(kernel=f"{place}/taps.npy", options={"dilation_rate": 4}), fs=8)
    assert report["weights"]["kernel_shape"] == [3]
    assert report["receptive_field"] == 9
    # The last tap meets the latest step: no delay.
    assert report["channels"][0]["group_delay"] == {"steps": 0.0, "seconds": 0.0}
    assert "repeats every 2 Hz" in report["notes"][0]
    np.save(place / "torch.npy", np.ones((6, 1, 4)))
    torch = describe(None, recipe=Recipe(kernel=f"{place}/torch.npy", layout="torch"))
    assert (len(torch["channels"]), torch["channels"][0]["dc_gain"]) == (6, 4)
    fresh = describe(None, recipe=Recipe(options={"kernel_size": 5, "depthwise_initializer": "ones"}))
    assert fresh["channels"][0]["dc_gain"] == 5
    with pytest.raises(LayerError):
        describe(None)


def test_shape_check_of_the_documentation() -> None:
    options = {"kernel_size": 3, "strides": 3, "padding": "same", "depth_multiplier": 3}
    report = describe((4, 10, 12), recipe=Recipe(options=options))
    assert report["kind"] == "shape"
    assert report["output"] == {"address": None, "shape": [4, 4, 36], "dtype": "float32", "nbytes": 2304}
    assert report["padding"] == {"left": 1, "right": 1}
    assert report["weights"]["kernel_shape"] == [3, 12, 3]
    assert shapes_of(report) == [[4, 4, 36]]


# Layer; padding and effective kernel size for 10 steps, and how far the output lags the middle of its input.
DELAYS = {
    "valid": ({"kernel_size": 5}, (0, 0), 5, -2.0),
    "same": ({"kernel_size": 5, "padding": "same"}, (2, 2), 5, 0.0),
    "same, even": ({"kernel_size": 4, "padding": "same"}, (1, 2), 4, -0.5),
    "causal": ({"kernel_size": 5, "padding": "causal"}, (4, 0), 5, 2.0),
    "dilated": ({"kernel_size": 3, "padding": "causal", "dilation_rate": 4}, (8, 0), 9, 4.0),
}


@pytest.mark.parametrize("options, padding, size, delay", DELAYS.values(), ids=DELAYS)
def test_delays(options: dict[str, Any], padding: tuple[int, int], size: int, delay: float) -> None:
    report = describe((10, 1), recipe=Recipe(options=options), fs=20)
    assert (report["padding"]["left"], report["padding"]["right"]) == padding
    assert report["effective_kernel_size"] == report["receptive_field"] == size
    assert report["delay"] == {"steps": delay, "seconds": delay / 20}


@given(
    rank=st.integers(1, 3),
    kernel_size=st.integers(1, 4),
    strides=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
    multiplier=st.integers(1, 3),
    data_format=st.sampled_from(["channels_last", "channels_first"]),
    dtype=st.sampled_from(["float16", "float32", "float64", "int16", "int64", "complex64"]),
    dtype_option=st.sampled_from([None, None, "float32", "complex128"]),
    activation=st.sampled_from(["linear", "relu", "glu", "softmax"]),
)
@settings(max_examples=150)
def test_check_says_what_the_engine_does(
    rank: int,
    kernel_size: int,
    strides: int,
    padding: str,
    multiplier: int,
    data_format: str,
    dtype: str,
    dtype_option: str | None,
    activation: str,
) -> None:
    shape = (2, 10, 12)[3 - rank :]
    options = {
        "kernel_size": kernel_size,
        "strides": strides,
        "padding": padding,
        "depth_multiplier": multiplier,
        "data_format": data_format,
        "dtype": dtype_option,
        "activation": activation,
        "use_bias": False,
    }
    layer = LayerSpec(**options)
    _, steps, channels = Axes(len(shape), layer.data_format).canonical_shape(shape)
    weights = Weights(np.ones((kernel_size, channels, multiplier), "float32"))
    recipe = Recipe(given=(layer, weights))
    try:
        conv = Convolution(layer, weights, channels, np.dtype(dtype))
        keys = ("strides", "padding", "data_format", "dtype", "activation")
        outputs = depthwise_conv1d(
            np.zeros(shape, dtype), weights.kernel, **{key: options[key] for key in keys}
        )
    except (LayerError, ShapeError) as error:
        with pytest.raises(type(error)):
            _check(recipe, shape, dtype)
        return
    report = _check(recipe, shape, dtype)
    assert tuple(report["output"]["shape"]) == outputs.shape
    assert report["output"]["dtype"] == outputs.dtype.name
    assert report["output"]["nbytes"] == outputs.nbytes
    assert report["algorithm"]["name"] == conv.plan.algorithm
    assert sum(report["padding"].values()) == sum(layer.pad_amounts(steps))


def _check(recipe: Recipe, shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    from dwconv_cli.description.check import check

    return check(recipe, shape, np.dtype(dtype), "x")


def test_headers_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("read or drawn")

    monkeypatch.setattr(NpyReader, "read", refuse)
    monkeypatch.setattr("dwconv_cli.weights.fresh.initialized", refuse)
    recipe = Recipe(options={"kernel_size": 3})
    report = describe(f"{place}/rec.npy", recipe=recipe)
    assert (report["kind"], report["output"]["shape"]) == ("data", [6, 6])
    assert describe((1, 10**12, 10**6), recipe=recipe)["output"]["shape"] == [1, 10**12 - 2, 10**6]


def test_weights_meet_data(place: Path) -> None:
    report = describe(f"{place}/rec.npy", recipe=Recipe(weights=f"{place}/layer.npz"))
    assert (report["output"]["shape"], report["weights"]["kernel_shape"]) == ([6, 12], [3, 6, 2])
    # With a layer an address is data, whatever its name.
    with pytest.raises(InputError, match="holds 2 arrays"):
        describe(f"{place}/layer.npz", recipe=Recipe(weights=f"{place}/layer.npz"))


MISFITS = {
    "rank": ((1, 2, 3, 4), {"kernel_size": 3}, ShapeError, "rank 4"),
    "short": ((2, 6), {"kernel_size": 3}, ShapeError, "too few"),
    "both": ((9, 6), {"kernel_size": 3, "strides": 2, "dilation_rate": 2}, LayerError, "strides"),
    "penalty": (
        (9, 6),
        {"kernel_size": 3, "activity_regularizer": "orthogonal_regularizer"},
        LayerError,
        "activity",
    ),
}


@pytest.mark.parametrize("shape, options, error, words", MISFITS.values(), ids=MISFITS)
def test_misfits(shape: tuple[int, ...], options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        describe(shape, recipe=Recipe(options=options))


def test_misfit_with_a_file_names_it(place: Path) -> None:
    with pytest.raises(ShapeError, match=r"fortran\.npy: .*6 channels"):
        describe(
            f"{place}/fortran.npy",
            recipe=Recipe(weights=f"{place}/layer.npz", options={"data_format": "channels_first"}),
        )


def test_external_link_is_not_opened(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones((4, 2))
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file["away"] = h5py.ExternalLink("other.h5", "/x")
    listed = describe(f"{tmp_path}/rec.h5")["contents"][0]
    assert (listed["kind"], listed["shape"]) == ("external link", None)
    with pytest.raises(UnsafeFileError):
        describe(f"{tmp_path}/rec.h5::/away")
    assert describe(f"{tmp_path}/rec.h5::/away", allow_external=True)["input"]["shape"] == [4, 2]
    # Even a look would say that it is no HDF5 file.
    (tmp_path / "other.h5").write_bytes(b"secret")
    with pytest.raises(UnsafeFileError):
        describe(f"{tmp_path}/rec.h5::/away")


def test_external_group_is_listed_when_allowed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["imu/acc"] = np.ones((4, 2))
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        file["away"] = h5py.ExternalLink("other.h5", "/imu")
    with pytest.raises(UnsafeFileError):
        describe(f"{tmp_path}/rec.h5::/away")
    report = describe(f"{tmp_path}/rec.h5::/away", allow_external=True)
    assert [entry["shape"] for entry in report["contents"]] == [[4, 2]]


def test_describe_all_expands(place: Path) -> None:
    report = list(describe_all([f"{place}/*.npz::*"]))
    assert [Path(entry["input"]["address"]).name for entry in report] == [
        "layer.npz::kernel",
        "layer.npz::bias",
        "one.npz::acc",
        "two.npz::acc",
        "two.npz::gyro",
    ]
    layers = list(describe_all([f"{KERAS}/functional.keras::*"]))
    assert [entry["kind"] for entry in layers] == ["weights", "weights"]
    with pytest.raises(InputError, match="no file"):
        list(describe_all([f"{place}/*.nope"]))


SHAPES = {
    "rec.npy": [[8, 6]],
    "two.npz": [[8, 6], [8, 3]],
    "layer.npz": [[3, 6, 2]],
    "rec.h5::/imu": [[8, 6], []],
}


@pytest.mark.parametrize("name, shapes", SHAPES.items())
def test_shapes(place: Path, name: str, shapes: list[list[int]]) -> None:
    assert shapes_of(describe(f"{place}/{name}")) == shapes


def expected_stats(x: Array) -> dict[str, Any]:
    """Of one channel, by NumPy alone."""
    finite = x[np.isfinite(x)]
    wide = finite.astype("f8") if x.dtype.kind != "c" else finite
    some = finite.size > 0
    return {
        "min": finite.min().item() if some and x.dtype.kind != "c" else None,
        "max": finite.max().item() if some and x.dtype.kind != "c" else None,
        "mean": wide.mean() if some else None,
        "std": wide.std() if some else None,
        "nan": int(np.isnan(x).sum()),
        "inf": int(np.isinf(x).sum()),
    }


def assert_stats(report: list[dict[str, Any]], x: Array) -> None:
    """`x` is (items, channels)."""
    assert [entry["channel"] for entry in report] == list(range(x.shape[1]))
    for entry, channel in zip(report, x.T, strict=True):
        expected = expected_stats(channel)
        for key in ("min", "max", "nan", "inf"):
            assert entry[key] == expected[key], key
        for key in ("mean", "std"):
            got = complex(*entry[key]) if isinstance(entry[key], list) else entry[key]
            near = None if expected[key] is None else pytest.approx(expected[key], rel=1e-9, abs=1e-9)
            assert got == near, key


@given(
    x=st.sampled_from(["<f4", ">f8", "<f2", "<i2", ">i8", "|u1", "|b1"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4)),
            elements=st.sampled_from([0, 1, 3, 7.5, -2, np.nan, np.inf, -np.inf])
            if dtype[1] == "f"
            else st.integers(0, 1)
            if dtype[1] == "b"
            else st.integers(0, 100),
        )
    ),
    first=st.booleans(),
    fortran=st.booleans(),
    items=st.integers(1, 12),
)
@settings(max_examples=150, deadline=None)
def test_stats(x: Array, first: bool, fortran: bool, items: int) -> None:
    file = io.BytesIO()
    np.save(file, np.asfortranarray(x) if fortran else x)
    report = _stats_of_stream(file.getvalue(), first, items)
    assert_stats(report, (x.transpose(0, 2, 1) if first else x).reshape(-1, x.shape[1 if first else 2]))


def _stats_of_stream(raw: bytes, first: bool, items: int) -> list[dict[str, Any]]:
    """Through a source that gives bytes in order only, so that going back would fail."""
    from dwconv_cli.description import channel_stats as stats
    from dwconv_cli.storage.source import StreamSource

    reader = NpyReader(StreamSource(io.BytesIO(raw), "stream"), "stream")
    axes = Axes(len(reader.shape), "channels_first" if first else "channels_last")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stats, "BLOCK_ITEMS", items)
        return stats.channel_stats(reader, axes, slice(0, axes.canonical_shape(reader.shape)[1]))


def test_stats_of_a_part(place: Path) -> None:
    x = np.load(place / "rec.npy")
    report = describe(f"{place}/rec.h5::/imu/acc", stats=True, steps=slice(3, 7))
    assert_stats(report["stats"], x[3:7])
    assert_stats(describe(f"{place}/rec.npy", stats=True, data_format="channels_first")["stats"], x.T)
    assert_stats(describe(f"{place}/one.npz", stats=True)["stats"], x)
    with pytest.raises(ShapeError, match="rank 4"):
        describe(f"{place}/deep.npy", stats=True)
    with pytest.raises(ShapeError, match=r"rec\.npy: steps=9: takes none"):
        describe(f"{place}/rec.npy", steps=slice(9, None))


def test_stats_of_whole_numbers_are_exact() -> None:
    stats = ChannelStats(1, np.dtype("i8"))
    stats.add(np.array([[2**62 + 1], [-(2**62) - 1]]), slice(0, 1))
    (report,) = stats.result()
    assert (report["min"], report["max"]) == (-(2**62) - 1, 2**62 + 1)


def test_stats_far_from_zero_keep_their_spread() -> None:
    x = 1e9 + np.array([4.0, 7.0, 13.0, 16.0])
    stats = ChannelStats(1, np.dtype("f8"))
    for value in x:
        stats.add(np.array([[value]]), slice(0, 1))
    assert stats.result()[0]["std"] == pytest.approx(math.sqrt(22.5))


def test_stats_of_complex_and_empty() -> None:
    stats = ChannelStats(2, np.dtype("c8"))
    x = np.array([[1 + 1j, 0], [3 - 1j, np.nan]], "c8")
    stats.add(x, slice(0, 2))
    assert_stats(stats.result(), x)
    (report,) = ChannelStats(1, np.dtype("f4")).result()
    assert [report[key] for key in ("min", "max", "mean", "std")] == [None] * 4


PLAIN = [
    (np.float32(0.5), 0.5),
    (np.int64(7), 7),
    (np.bool_(True), True),
    (np.array([1, 2], "u1"), [1, 2]),
    (np.zeros(MAX_ITEMS + 1), {"shape": [MAX_ITEMS + 1], "dtype": "float64"}),
    (b"caf\xc3\xa9", "caf\u00e9"),
    (b"\xff", "\\xff"),
    (float("nan"), "NaN"),
    (float("-inf"), "-Infinity"),
    (1 - 2j, [1.0, -2.0]),
    (np.array(["x", "y"], object), ["x", "y"]),
    (h5py.Empty("f4"), None),
    ({"a": (1, None)}, {"a": [1, None]}),
]


@pytest.mark.parametrize("value, expected", PLAIN)
def test_json_value(value: Any, expected: Any) -> None:
    assert json_value(value) == expected


def test_public_names() -> None:
    assert set(description.__all__) == {
        "Comparison",
        "Difference",
        "compare",
        "describe",
        "describe_all",
        "shapes_of",
    }
