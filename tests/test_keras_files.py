"""Keras's files, written by Keras 3.15, tf-keras 2.21 and Keras 2.12, read without any of them; and files gone bad."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import shutil
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import oracle
import pytest

from dwconv_cli.errors import DwconvError, InputError, LayerError, UnsafeFileError
from dwconv_cli.layer.dtype_policy import policy_name
from dwconv_cli.layer.keras_json import MAX_DEPTH, load_json
from dwconv_cli.layer.keras_models import find_layers
from dwconv_cli.weights.keras_files import is_keras_file, read_layers
from dwconv_cli.weights.keras_files.write import write_keras, write_weights_h5

GOLDEN = Path(__file__).parent / "golden" / "keras"


def expectations() -> dict[str, dict[str, dict[str, np.ndarray]]]:
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for archive in sorted(GOLDEN.glob("*/expected.npz")):
        with np.load(archive) as arrays:
            for key in arrays:
                file, path, what = key.split("|")
                layers = found.setdefault(f"{archive.parent.name}/{file}", {})
                layers.setdefault(path, {})[what] = arrays[key]
    return found


EXPECTED = expectations()
WITH_CONFIG = [name for name in EXPECTED if "weights" not in name]
WEIGHTS_ONLY = [name for name in EXPECTED if "weights" in name]
MODEL = GOLDEN / "keras3" / "nested.keras"


def one_line(error: BaseException) -> str:
    text = str(error)
    assert text
    assert text.isprintable(), text  # a line break is not
    return text


def same_weights(layer: Any, expected: dict[str, np.ndarray]) -> bool:
    if not np.array_equal(layer.kernel, expected["kernel"]):
        return False
    bias = None if layer.class_name == "SeparableConv1D" else expected.get("bias")
    return layer.bias is None if bias is None else np.array_equal(layer.bias, bias)


# What real files hold


def test_there_is_a_file_of_every_kind() -> None:
    kinds = {(name.split("/")[0], name.split(".", 1)[1]) for name in EXPECTED}
    for flavour in ("keras3", "tf_keras", "keras212"):
        assert {(flavour, kind) for kind in ("keras", "weights.h5", "h5")} <= kinds
    assert ("keras3", "weights.json") in kinds
    assert len(EXPECTED) > 40


@pytest.mark.parametrize("name", WITH_CONFIG)
def test_models_give_their_layers_by_name(name: str) -> None:
    layers = read_layers(GOLDEN / name)
    assert {layer.path for layer in layers} == set(EXPECTED[name])
    for layer in layers:
        assert same_weights(layer, EXPECTED[name][layer.path])
        assert layer.name == layer.path.rpartition("/")[2]
        assert layer.config is not None
        assert layer.config["name"] == layer.name
        assert layer.config["use_bias"] is (layer.bias is not None)
        assert layer.class_name == ("SeparableConv1D" if layer.name == "separable" else "DepthwiseConv1D")


@pytest.mark.parametrize("name", WEIGHTS_ONLY)
def test_weights_files_give_every_depthwise_layer(name: str) -> None:
    layers, expected = read_layers(GOLDEN / name), EXPECTED[name]
    assert len(layers) == len(expected) == len({layer.path for layer in layers})
    for path, arrays in expected.items():
        (layer,) = [layer for layer in layers if same_weights(layer, arrays)]
        assert layer.config is None
        assert layer.dtype_policy is None
        # Keras 3 keeps names beside the weights; before, only the group is there to tell.
        if name.startswith("keras3") or "old_weights" in name:
            assert (layer.path, layer.name) == (path, path.rpartition("/")[2])
        else:
            assert "depthwise_conv1d" in layer.path or "separable" in layer.path or "/layer" in layer.path


@pytest.mark.parametrize("policy", ["float16", "float64", "mixed_bfloat16", "bfloat16", "mixed_float16"])
@pytest.mark.parametrize("flavour", ["keras3", "tf_keras"])
def test_policies(flavour: str, policy: str) -> None:
    (layer,) = read_layers(GOLDEN / flavour / f"{policy}.keras")
    assert layer.dtype_policy == policy
    stored = {"float16": "float16", "float64": "float64"}.get(policy, "float32")
    assert layer.kernel.dtype == stored
    assert layer.bias is not None
    assert layer.bias.dtype == stored


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


ACTIVATIONS: dict[str, Callable[..., np.ndarray]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": gelu,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "LeakyReLU": lambda x, slope: np.where(x < 0, slope * x, x),
    "ReLU": lambda x, top, threshold: np.where(x >= threshold, np.minimum(x, top), 0),
    "ELU": lambda x, alpha: np.where(x < 0, alpha * np.expm1(x), x),
}
ARGUMENTS = {
    "LeakyReLU": (("negative_slope", "alpha"),),
    "ReLU": (("max_value",), ("threshold",)),
    "ELU": (("alpha",),),
}


def activate(activation: Any, x: np.ndarray) -> np.ndarray:
    if isinstance(activation, str):
        return ACTIVATIONS[activation](x)
    label, config = activation["class_name"], activation["config"]
    if isinstance(config, str):  # a function by name
        return ACTIVATIONS[config](x)
    return ACTIVATIONS[label](x, *(next(config[k] for k in keys if k in config) for keys in ARGUMENTS[label]))


@pytest.mark.parametrize("name", WITH_CONFIG)
def test_config_and_weights_are_all_that_the_answer_needs(name: str) -> None:
    rounding = {"float16": 2e-3, "mixed_float16": 2e-3, "bfloat16": 2e-2, "mixed_bfloat16": 2e-2}
    answered = 0
    for layer in read_layers(GOLDEN / name):
        expected = EXPECTED[name][layer.path]
        if layer.class_name == "SeparableConv1D":
            assert layer.config["activation"] == "linear"
            assert "filters" not in layer.config
            continue
        config = layer.config
        y = oracle.depthwise_conv1d(
            expected["x"],
            layer.kernel.astype("f8"),
            layer.bias,
            strides=config["strides"][0],
            padding=config["padding"],
            data_format=config["data_format"],
            dilation_rate=config["dilation_rate"][0],
        )
        tolerance = rounding.get(layer.dtype_policy, 1e-5)
        np.testing.assert_allclose(
            activate(config["activation"], y), expected["y"], rtol=tolerance, atol=8 * tolerance
        )
        answered += 1
    assert answered


@pytest.mark.parametrize("name", EXPECTED)
def test_keras_files_are_told_from_recordings(tmp_path: Path, name: str) -> None:
    assert is_keras_file(GOLDEN / name)
    if name.endswith(".h5"):  # told by what is inside, too
        renamed = tmp_path / "a.h5"
        shutil.copy(GOLDEN / name, renamed)
        assert is_keras_file(renamed)


def test_recordings_are_no_keras_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["vars/acc"] = np.zeros((9, 2))
        file["kernel"] = np.zeros((3, 2, 1))
    (tmp_path / "b.h5").write_bytes(b"nothing")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["layers/skin/depth"] = np.zeros(4)
    for name in ("a.h5", "b.h5", "c.h5", "missing.h5", "a.npy", "folder.h5"):
        assert not is_keras_file(tmp_path / name)
    for name in ("a.h5", "c.h5"):
        with pytest.raises(InputError, match="not one of Keras's"):
            read_layers(tmp_path / name)


def test_an_unzipped_model_is_read_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(MODEL) as archive:
        archive.extractall(tmp_path / "m.keras")
    paths = [layer.path for layer in read_layers(tmp_path / "m.keras")]
    assert paths == [layer.path for layer in read_layers(MODEL)]
    (tmp_path / "m.keras" / "config.json").unlink()
    with pytest.raises(InputError, match="a folder without"):
        read_layers(tmp_path / "m.keras")


def test_reading_needs_neither_keras_nor_the_engine() -> None:
    code = (
        "import sys; from dwconv_cli.weights.keras_files import read_layers, is_keras_file;"
        "assert 'h5py' not in sys.modules and 'numpy' not in sys.modules;"
        f"assert read_layers({str(MODEL)!r});"
        "print([m for m in sys.modules if m.split('.')[0] in ('keras', 'tf_keras', 'tensorflow', 'torch', 'scipy')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout == "[]\n"


# Writing

CONFIG = {
    "name": "mine",
    "kernel_size": [3],
    "strides": [2],
    "padding": "same",
    "depth_multiplier": 2,
    "data_format": "channels_last",
    "dilation_rate": [1],
    "activation": "relu",
    "use_bias": True,
    "groups": 1,
}
KERNEL = np.arange(24, dtype="f4").reshape(3, 4, 2)
BIAS = np.arange(8, dtype="f4")


@pytest.mark.parametrize("bias", [BIAS, None], ids=["bias", "no bias"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", ">f4"])
def test_what_is_written_is_read_back(tmp_path: Path, bias: np.ndarray | None, dtype: str) -> None:
    config, kernel = {**CONFIG, "use_bias": bias is not None}, KERNEL.astype(dtype)
    for write, suffix in ((write_keras, ".keras"), (write_weights_h5, ".weights.h5")):
        with open(tmp_path / f"a{suffix}", "wb", buffering=0) as target:
            write(target, config, kernel, bias)
        again = io.BytesIO()
        write(again, config, kernel, bias)
        assert again.getvalue() == (tmp_path / f"a{suffix}").read_bytes()
        (layer,) = read_layers(tmp_path / f"a{suffix}")
        assert (layer.name, layer.path, layer.kernel.dtype) == ("mine", "mine", np.dtype(dtype))
        assert same_weights(layer, {"kernel": KERNEL} | ({} if bias is None else {"bias": bias}))
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    (layer,) = read_layers(tmp_path / "a.keras")
    assert layer.config is not None
    assert "groups" not in layer.config
    assert {key: layer.config[key] for key in CONFIG if key != "groups"} == {
        key: value for key, value in config.items() if key != "groups"
    }


class TakesThreeBytes(io.RawIOBase):
    def __init__(self) -> None:
        self.content = b""

    def write(self, data: Any) -> int:
        self.content += bytes(data[:3])
        return min(3, len(data))


def test_short_writes_are_gone_on_with() -> None:
    whole, short = io.BytesIO(), TakesThreeBytes()
    for target in (whole, short):
        write_weights_h5(target, CONFIG, KERNEL, BIAS)
    assert short.content == whole.getvalue()


@pytest.mark.parametrize(
    ("config", "kernel", "says"),
    [
        ({**CONFIG, "padding": "causal"}, KERNEL, "causal"),
        (CONFIG, KERNEL.astype("c8"), "complex64"),
        (CONFIG, KERNEL.astype("i4"), "int32"),
    ],
)
def test_layers_that_keras_has_not_are_not_written(
    config: dict[str, Any], kernel: np.ndarray, says: str
) -> None:
    for write in (write_keras, write_weights_h5):
        target = io.BytesIO()
        with pytest.raises(LayerError, match=says):
            write(target, config, kernel, None)
        assert not target.getvalue()


# Files gone bad, or meant to be


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(MODEL) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(
    path: Path, content: dict[str, bytes] | list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED
) -> None:
    pairs = list(content.items()) if isinstance(content, dict) else content
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in pairs:
            archive.writestr(name, data)


def cut_short(path: Path) -> None:
    path.write_bytes(MODEL.read_bytes()[:-200])


def member_gone(path: Path) -> None:
    content = members()
    del content["model.weights.h5"]
    packed(path, content)


def member_twice(path: Path) -> None:
    content = list(members().items())
    packed(path, [*content, content[1]])


def flipped(path: Path, member: str) -> None:
    shutil.copy(MODEL, path)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(info.filename) + info.file_size - 5] ^= 1
    path.write_bytes(bytes(content))


def bomb(path: Path) -> None:
    packed(path, {**members(), "config.json": b" " * (40 << 20)}, zipfile.ZIP_DEFLATED)


def bomb_that_lies(path: Path) -> None:
    packed(path, {**members(), "config.json": b" " * (40 << 20)}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 40 << 20), struct.pack("<I", 100)))


def other_method(path: Path) -> None:
    packed(path, members(), zipfile.ZIP_LZMA)


def encrypted(path: Path) -> None:
    packed(path, members())
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 4)
    path.write_bytes(bytes(content))


def config_of(text: bytes) -> Callable[[Path], None]:
    return lambda path: packed(path, {**members(), "config.json": text})


def changed_config(path: Path, key: str, value: Any) -> None:
    content = members()
    model = json.loads(content["config.json"])
    for entry in model["config"]["layers"]:
        if entry["class_name"] == "DepthwiseConv1D":
            entry["config"][key] = value
    packed(path, {**content, "config.json": json.dumps(model).encode()})


def changed_weights(path: Path, change: Callable[[h5py.File], None]) -> None:
    content = members()
    buffer = io.BytesIO(content["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    packed(path, {**content, "model.weights.h5": buffer.getvalue()})


KERNEL_NAME = "layers/depthwise_conv1d/vars/0"


def weights_elsewhere(link: Callable[[Path], Any]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        secret = path.parent / "secret.h5"
        with h5py.File(secret, "w") as file:
            file["x"] = np.full((2, 2, 1), 4242.0)

        def change(file: h5py.File) -> None:
            del file[KERNEL_NAME]
            file[KERNEL_NAME] = link(secret)

        changed_weights(path, change)

    return make


def replaced(**options: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        (path.parent / "secret.bin").write_bytes(np.full(4, 4242.0, "f4").tobytes())
        outside = [(str(path.parent / "secret.bin"), 0, 16)]

        def change(file: h5py.File) -> None:
            del file[KERNEL_NAME]
            file.create_dataset(
                KERNEL_NAME, **options | ({"external": outside} if "external" in options else {})
            )

        changed_weights(path, change)

    return make


def virtual_kernel(path: Path) -> None:
    def change(file: h5py.File) -> None:
        del file[KERNEL_NAME]
        layout = h5py.VirtualLayout((2, 2, 1), "f4")
        layout[:] = h5py.VirtualSource("not-there.h5", "x", (2, 2, 1))
        file.create_virtual_dataset(KERNEL_NAME, layout)

    changed_weights(path, change)


NESTED = b'{"class_name":"Sequential","config":{"layers":[' * 300
BAD_ARCHIVES: dict[str, tuple[Callable[[Path], None], type[DwconvError], str]] = {
    "missing": (lambda path: None, InputError, "(?i)no such file"),
    "empty": (Path.touch, InputError, "not an HDF5 file"),
    "cut short": (cut_short, InputError, "not an HDF5 file"),
    "member gone": (member_gone, InputError, r"no model\.weights\.h5"),
    "member twice": (member_twice, UnsafeFileError, r"config\.json is there twice"),
    "weights flipped": (lambda path: flipped(path, "model.weights.h5"), InputError, "CRC"),
    "config flipped": (lambda path: flipped(path, "config.json"), InputError, "CRC"),
    "bomb": (bomb, UnsafeFileError, "expands .* bytes to 41943040"),
    "bomb that lies": (bomb_that_lies, InputError, "CRC"),
    "other method": (other_method, InputError, "zip method 14"),
    "encrypted": (encrypted, InputError, "encrypted"),
    "config no JSON": (config_of(b"{'a': 1}"), InputError, "not valid JSON"),
    "config empty": (config_of(b""), InputError, "not valid JSON"),
    "config no text": (config_of(b"\xff\xfe"), InputError, "not valid JSON"),
    "config pickled": (config_of(pickle.dumps({"a": 1})), InputError, "not valid JSON"),
    "config deep": (config_of(b"[" * 100_000 + b"]" * 100_000), UnsafeFileError, "nested deeper"),
    "config deep in layers": (config_of(NESTED + b"]}}" * 300), UnsafeFileError, "nested deeper"),
    "config key twice": (
        config_of(b'{"class_name": "A", "class_name": "B"}'),
        InputError,
        "'class_name' stands twice",
    ),
    "config long number": (config_of(b"1" * 5000), InputError, "has more than 4300 digits"),
    "weights no HDF5": (
        lambda path: packed(path, {**members(), "model.weights.h5": b"x" * 900}),
        InputError,
        r"model\.weights\.h5: not an HDF5 file",
    ),
    "weights cut": (
        lambda path: packed(path, {**members(), "model.weights.h5": members()["model.weights.h5"][:4000]}),
        InputError,
        "cut short",
    ),
    "other kernel size": (lambda path: changed_config(path, "kernel_size", [5]), InputError, "kernel_size=5"),
    "other multiplier": (
        lambda path: changed_config(path, "depth_multiplier", 3),
        InputError,
        "depth_multiplier=3",
    ),
    "no bias said": (lambda path: changed_config(path, "use_bias", False), InputError, "use_bias=False"),
    "kernel gone": (
        lambda path: changed_weights(path, lambda file: file["layers"].pop("depthwise_conv1d")),
        InputError,
        "no weights in the file",
    ),
    "kernel of two axes": (replaced(data=np.zeros((2, 2), "f4")), InputError, r"shape \(2, 2\)"),
    "kernel of strings": (replaced(data=["a"]), InputError, "strings"),
    "kernel declared": (
        replaced(shape=(1 << 20, 1 << 20, 1), dtype="f8", chunks=(1024, 1024, 1)),
        UnsafeFileError,
        "declares 8796093022208 bytes",
    ),
    "external storage": (
        replaced(shape=(2, 2, 1), dtype="f4", external=True),
        UnsafeFileError,
        "external storage",
    ),
    "external link": (
        weights_elsewhere(lambda path: h5py.ExternalLink(path, "/x")),
        UnsafeFileError,
        "external link",
    ),
    "soft link": (weights_elsewhere(lambda path: h5py.SoftLink("1")), UnsafeFileError, "soft link"),
    "soft link to itself": (weights_elsewhere(lambda path: h5py.SoftLink("0")), UnsafeFileError, "soft link"),
    "virtual": (virtual_kernel, UnsafeFileError, "virtual dataset over other files"),
}


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_bad_archives(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, kind, says = BAD_ARCHIVES[name]
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "a.keras")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(kind, match=says) as caught:
        read_layers(tmp_path / "a.keras")
    assert "4242" not in one_line(caught.value)
    assert str(tmp_path / "a.keras") in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


class Canary:
    """Unpickled, it would leave a file behind."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("canary", "w")


def test_nothing_that_a_config_names_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = members()
    model = json.loads(content["config.json"])
    run = "__import__('pathlib').Path('canary').touch()"
    for evil in (
        {"module": "pathlib", "class_name": "Path", "config": {"name": "canary"}, "registered_name": None},
        {"module": "builtins", "class_name": "function", "config": run, "registered_name": "eval"},
        {"class_name": "__lambda__", "config": {"code": pickle.dumps(Canary()).hex(), "name": run}},
        {"class_name": "Lambda", "config": {"name": "x", "function": [run, None, None], "module": "os"}},
        {
            "module": "keras.src.utils.file_utils",
            "class_name": "get_file",
            "config": {"origin": "file:///etc/passwd"},
        },
        {"class_name": "TFSMLayer", "config": {"name": "x", "filepath": "canary"}},
    ):
        model["config"]["layers"].append(evil)
    for entry in model["config"]["layers"]:
        if entry["class_name"] == "DepthwiseConv1D":
            entry["config"]["activation"] = evil
    packed(tmp_path / "a.keras", {**content, "config.json": json.dumps(model).encode(), "../canary": b"x"})
    layers = read_layers(tmp_path / "a.keras")
    assert {layer.path for layer in layers} == set(EXPECTED["keras3/nested.keras"])
    assert os.listdir(tmp_path) == ["a.keras"]
    assert not (tmp_path.parent / "canary").exists()


def test_a_class_that_only_has_the_name_is_no_layer_of_keras() -> None:
    entry = {"class_name": "DepthwiseConv1D", "config": {"name": "x"}}
    for extra, count in (
        ({}, 1),
        ({"module": "keras.layers", "registered_name": None}, 1),
        (
            {
                "module": "keras.src.layers.convolutional.depthwise_conv1d",
                "registered_name": "DepthwiseConv1D",
            },
            1,
        ),
        ({"module": "tf_keras.src.layers"}, 1),
        ({"module": "mine.layers"}, 0),
        ({"module": None, "registered_name": "mine>DepthwiseConv1D"}, 0),
    ):
        model = {"class_name": "Sequential", "config": {"layers": [{**entry, **extra}]}}
        assert len(list(find_layers(model, ("DepthwiseConv1D",)))) == count, extra


def test_before_keras_2_2_3_a_sequential_was_a_list() -> None:
    layer = {"class_name": "DepthwiseConv1D", "config": {"name": "x"}}
    found = list(find_layers({"class_name": "Sequential", "config": [layer, layer]}, ("DepthwiseConv1D",)))
    assert [item.group for item in found] == ["layers/depthwise_conv1d", "layers/depthwise_conv1d_1"]


def test_json_limits() -> None:
    assert load_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "a")
    assert load_json('{"a": "' + "[" * 5000 + '\\"["}', "a")
    with pytest.raises(UnsafeFileError, match="nested deeper"):
        load_json("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "a")
    assert policy_name({"class_name": "Policy", "config": {"name": "mixed_float16"}}) == "mixed_float16"
    assert policy_name("float32") == "float32"
    assert policy_name(None) is None


# Legacy files gone bad


def legacy(path: Path, change: Callable[[h5py.File], None]) -> None:
    shutil.copy(GOLDEN / "tf_keras" / "nested.h5", path)
    with h5py.File(path, "r+") as file:
        change(file)


def set_attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def link_out(file: h5py.File) -> None:
    with h5py.File(Path(file.filename).with_name("secret.h5"), "w") as other:
        other["conv3/depthwise_kernel:0"] = np.full((2, 2, 1), 4242.0)
        other["conv3"].attrs["x"] = 1
    names = file["model_weights/conv3"].attrs["weight_names"]
    del file["model_weights/conv3"]
    file["model_weights/conv3"] = h5py.ExternalLink(Path(file.filename).with_name("secret.h5"), "/")
    with h5py.File(Path(file.filename).with_name("secret.h5"), "r+") as other:
        other.attrs["weight_names"] = names


def link_in(file: h5py.File) -> None:
    group = file["model_weights/conv3/conv3"]
    del group["depthwise_kernel:0"]
    group["depthwise_kernel:0"] = h5py.SoftLink("/model_weights/inner/conv/depthwise_kernel:0")


def two_candidates(file: h5py.File) -> None:
    group = file["model_weights/spread"]
    group.copy("spread", "other")
    names = list(group.attrs["weight_names"])
    group.attrs["weight_names"] = np.array([*names, "other/depthwise_kernel:0"], "S")


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (set_attribute("model_config", b"{"), InputError, "model_config: not valid JSON"),
        (set_attribute("model_config", np.arange(3)), InputError, "no text"),
        (set_attribute("model_config", "[" * 1000), UnsafeFileError, "nested deeper"),
        (lambda file: file["model_weights"].pop("conv3"), InputError, "conv3: no such object"),
        (lambda file: file["model_weights/conv3/conv3"].pop("bias:0"), InputError, "no such object"),
        (
            lambda file: file["model_weights/conv3"].attrs.pop("weight_names"),
            InputError,
            "no weights in the file",
        ),
        (link_out, UnsafeFileError, "external link"),
        (link_in, UnsafeFileError, "soft link"),
        (two_candidates, InputError, "2 kernels in the file could be"),
    ],
)
def test_bad_legacy_files(tmp_path: Path, change: Callable[[h5py.File], Any], kind: type, says: str) -> None:
    legacy(tmp_path / "a.h5", change)
    with pytest.raises(kind, match=says) as caught:
        read_layers(tmp_path / "a.h5")
    assert "4242" not in one_line(caught.value)


def test_names_too_many_for_one_attribute(tmp_path: Path) -> None:
    def split(file: h5py.File) -> None:
        attributes = file["model_weights/conv3"].attrs
        for index, name in enumerate(attributes.pop("weight_names")):
            attributes[f"weight_names{index}"] = [name]

    legacy(tmp_path / "a.h5", split)
    assert {layer.path for layer in read_layers(tmp_path / "a.h5")} == set(EXPECTED["tf_keras/nested.h5"])


# Shards gone bad


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (
            lambda t: t.replace("sharded_00001", "../sharded_00001"),
            UnsafeFileError,
            "not the name of a file beside",
        ),
        (
            lambda t: t.replace("sharded_00001", "/etc/sharded"),
            UnsafeFileError,
            "not the name of a file beside",
        ),
        (lambda t: t.replace("sharded_00001", "gone"), InputError, "(?i)no such file"),
        (lambda t: t.replace("weight_map", "weights"), InputError, "no weight_map"),
        (lambda t: "[]", InputError, "no weight_map"),
        (lambda t: t[:-5], InputError, "not valid JSON"),
    ],
)
def test_bad_shards(tmp_path: Path, change: Callable[[str], str], kind: type, says: str) -> None:
    for path in (GOLDEN / "keras3").glob("sharded*"):
        shutil.copy(path, tmp_path)
    table = tmp_path / "sharded.weights.json"
    table.write_text(change(table.read_text()))
    with pytest.raises(kind, match=says) as caught:
        read_layers(table)
    one_line(caught.value)


# Layers that cannot be told apart


def test_a_shared_layer_is_found_by_its_name_or_not_at_all(tmp_path: Path) -> None:
    content = members()
    model = json.loads(content["config.json"])
    inner = next(entry for entry in model["config"]["layers"] if entry["config"]["name"] == "inner")
    shared = next(entry for entry in inner["config"]["layers"] if entry["config"]["name"] == "conv")
    model["config"]["layers"].append(shared)
    packed(tmp_path / "a.keras", {**content, "config.json": json.dumps(model).encode()})
    found = {layer.path: layer for layer in read_layers(tmp_path / "a.keras")}
    np.testing.assert_array_equal(found["conv"].kernel, found["inner/conv"].kernel)

    def forget_names(file: h5py.File) -> None:
        groups = [file]
        while groups:
            for group in list(groups.pop().values()):
                if isinstance(group, h5py.Group):
                    group.attrs.pop("name", None)
                    groups.append(group)

    buffer = io.BytesIO(content["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        forget_names(file)
    content["model.weights.h5"] = buffer.getvalue()
    packed(tmp_path / "b.keras", content)
    assert {layer.path for layer in read_layers(tmp_path / "b.keras")} == set(EXPECTED["keras3/nested.keras"])
    packed(tmp_path / "b.keras", {**content, "config.json": json.dumps(model).encode()})
    with pytest.raises(InputError, match="no names to match them by"):
        read_layers(tmp_path / "b.keras")
