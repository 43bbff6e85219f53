"""``.safetensors`` files, against the reference library."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from checks import assert_same_bits
from helpers_cli import run
from safetensors.numpy import load_file, save_file

from dwconv_cli import load_weights, save_weights
from dwconv_cli.errors import InputError
from dwconv_cli.layer.spec import LayerSpec, Weights
from dwconv_cli.storage import tensors
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names, open_reader
from dwconv_cli.storage.selections import everything

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)
X = RNG.standard_normal((50, 3)).astype("f4")
KERNEL = RNG.standard_normal((5, 3, 2)).astype("f4")
BIAS = RNG.standard_normal(6).astype("f4")
# The same kernel as PyTorch keeps it, (C*M, 1, K).
WEIGHT = KERNEL.transpose(1, 2, 0).reshape(6, 1, 5).copy()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("k.npy", KERNEL)
    np.save("b.npy", BIAS)
    return tmp_path


def read(path: str, name: str) -> Array:
    with contextlib.closing(open_reader(Address(path, name))) as reader:
        array = np.empty(reader.shape, reader.dtype)
        reader.read(everything(reader.shape), array)
        reader.finish()
        return array


def test_every_dtype_of_numpy_is_read(here: Path) -> None:
    dtypes = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "c8"]
    arrays = {dtype: (100 * RNG.random((4, 3))).astype(dtype) for dtype in dtypes}
    save_file(arrays, "t.safetensors", {"made": "by the reference"})
    assert sorted(array_names(Address("t.safetensors"))) == sorted(dtypes)
    for dtype, array in arrays.items():
        assert_same_bits(read("t.safetensors", dtype), array)


def test_bfloat16_is_read_exactly(here: Path) -> None:
    upper = np.array([0x3F80, 0xC049, 0x7F80, 0x0001, 0x8000], "<u2")
    entry = {"dtype": "BF16", "shape": [5], "data_offsets": [0, 10]}
    Path("t.safetensors").write_bytes(file_of({"x": entry}, upper.tobytes()))
    with safetensors.safe_open("t.safetensors", "np") as file:
        assert file.get_slice("x").get_dtype() == "BF16"
    # A bfloat16 is the upper half of a float32.
    expected = [struct.unpack("<f", b"\0\0" + value.tobytes())[0] for value in upper]
    assert read("t.safetensors", "x").tolist() == expected


@pytest.mark.parametrize(
    "stored, name, options",
    [
        ({"kernel": KERNEL, "bias": BIAS}, "", ""),
        ({"conv.kernel": KERNEL, "conv.bias": BIAS, "dense.bias": BIAS}, "", ""),
        ({"a.depthwise_kernel": KERNEL, "a.bias": BIAS, "b.c.kernel": KERNEL[:2]}, "::a", ""),
        ({"a.kernel": KERNEL[:2], "b.c.kernel": KERNEL, "b.c.bias": BIAS}, "::b.c", ""),
        ({"conv.weight": WEIGHT, "conv.bias": BIAS, "n": np.array(3)}, "", "--kernel-layout torch"),
    ],
)
@pytest.mark.parametrize("command", ["apply x.npy -w", "init-weights --channels 3 --from"])
def test_kernels_and_biases_by_their_names(
    here: Path, stored: dict[str, Array], name: str, options: str, command: str
) -> None:
    save_file(stored, "w.safetensors")
    if command.startswith("apply"):
        run("apply x.npy -k k.npy -b b.npy -o a.npy -q").done()
        run(f"{command} w.safetensors{name} {options} -o b2.npy -q").noted()
        assert_same_bits(np.load("b2.npy"), np.load("a.npy"))
    else:
        run(f"{command} w.safetensors{name} {options} -o o.npz -q")
        with np.load("o.npz") as file:
            assert_same_bits(file["kernel"], KERNEL)
            assert_same_bits(file["bias"], BIAS)


def test_what_is_written_is_read_by_the_reference(here: Path) -> None:
    layer = LayerSpec(kernel_size=5, depth_multiplier=2, padding="same", strides=2)
    save_weights("w.safetensors", Weights(KERNEL, BIAS), layer)
    stored = load_file("w.safetensors")
    assert sorted(stored) == ["bias", "kernel"]
    assert_same_bits(stored["kernel"], KERNEL)
    assert_same_bits(stored["bias"], BIAS)
    again = load_weights("w.safetensors")
    assert again.config is not None
    assert (again.config["padding"], again.config["strides"]) == ("same", 2)
    with safetensors.safe_open("w.safetensors", "np") as file:
        assert json.loads(file.metadata()["layer_config"])["padding"] == "same"


def test_pytorchs_layout_is_written_under_its_name(here: Path) -> None:
    line = "init-weights --from k.npy -b b.npy --channels 3 --output-layout torch -o w.safetensors::conv -q"
    run(line)
    stored = load_file("w.safetensors")
    assert_same_bits(stored["conv.weight"], WEIGHT)
    assert_same_bits(stored["conv.bias"], BIAS)
    run("init-weights --kernel-size 3 --channels 3 -o w.safetensors::more -q").failed(
        4, "w.safetensors", "another file"
    )


def test_recordings(here: Path) -> None:
    save_file({"x": X, "y": X[:20]}, "x.safetensors")
    run("apply x.safetensors::x -k k.npy -o o.safetensors -q").done()
    run("apply x.npy -k k.npy -o o.npy -q").done()
    assert_same_bits(load_file("o.safetensors")["x"], np.load("o.npy"))
    run("apply x.safetensors -k k.npy -o p.npy").failed(3, "holds 2 arrays", "x, y")
    run("apply x.safetensors::x -k k.npy --dtype complex128 -o p.safetensors").failed(4, "complex128", ".npy")


def test_what_cannot_be_chosen_is_refused_in_a_line(here: Path) -> None:
    save_file({"a.kernel": KERNEL, "b.kernel": KERNEL, "c.weight": WEIGHT}, "w.safetensors")
    line = "apply x.npy -o o.npy -q -w w.safetensors"
    run(line).failed(3, "3 kernels", "w.safetensors::a")
    run(f"{line}::d").failed(3, "a, b, c")
    run(f"{line}::c").failed(3, "--kernel-layout torch")
    save_file({"x": X}, "n.safetensors")
    run("apply x.npy -o o.npy -w n.safetensors").failed(3, "depthwise_kernel", "holds: x")
    run("apply x.npy -o o.npy -k n.safetensors::z").failed(3, "no such tensor", "x")


# Files that are not what they seem

GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file_of(header: Any, data: bytes = bytes(8), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


BAD = {
    "empty": (b"", "shorter"),
    "short": (b"abc", "shorter"),
    "a huge header": (file_of({"kernel": GOOD}, length=2**63), "claims"),
    "a header longer than the file": (file_of({"kernel": GOOD}, length=5000), "claims 5000"),
    "no JSON": (file_of(b"{'a': 1}"), "JSON"),
    "no UTF-8": (file_of(b'{"\xff": 1}'), "JSON"),
    "a list": (file_of([1]), "object"),
    "twice": (file_of(b'{"kernel": %b, "kernel": %b}' % ((json.dumps(GOOD).encode(),) * 2)), "twice"),
    "deep": (file_of(b'{"a":' * 5000 + b"1" + b"}" * 5000), "deeper"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}, "kernel": GOOD}), "__metadata__"),
    "no object": (file_of({"kernel": 3}), "data_offsets"),
    "no offsets": (file_of({"kernel": {"dtype": "F32", "shape": [2]}}), "data_offsets"),
    "an unknown dtype": (file_of({"kernel": {**GOOD, "dtype": "X9"}}), "'X9'"),
    "a dtype that is no text": (file_of({"kernel": {**GOOD, "dtype": []}}), "dtype"),
    "a negative side": (file_of({"kernel": {**GOOD, "shape": [-2]}}), "whole numbers"),
    "a side that is true": (file_of({"kernel": {**GOOD, "shape": [True, 2]}}), "whole numbers"),
    "a fractional side": (file_of({"kernel": {**GOOD, "shape": [2.0]}}), "whole numbers"),
    "a huge shape": (file_of({"kernel": {**GOOD, "shape": [2**50, 2**50]}}), "8 bytes"),
    "another size": (file_of({"kernel": {**GOOD, "shape": [3]}}), "8 bytes"),
    "backwards": (file_of({"kernel": {**GOOD, "data_offsets": [8, 0]}}), "[8, 0]"),
    "one offset": (file_of({"kernel": {**GOOD, "data_offsets": [8]}}), "[8]"),
    "an overlap": (file_of({"kernel": GOOD, "b": {**GOOD, "data_offsets": [4, 12]}}, bytes(12)), "overlaps"),
    "the same bytes": (file_of({"kernel": GOOD, "b": GOOD}), "overlaps"),
    "a hole": (file_of({"kernel": {**GOOD, "data_offsets": [4, 12]}}, bytes(12)), "nothing owns"),
    "too short": (file_of({"kernel": GOOD}, bytes(7)), "1 bytes are missing"),
    "too long": (file_of({"kernel": GOOD}, bytes(9)), "1 bytes follow"),
}


@pytest.mark.parametrize("kind", BAD)
def test_hostile_files_are_refused_in_a_line(here: Path, kind: str) -> None:
    content, words = BAD[kind]
    Path("w.safetensors").write_bytes(content)
    run("apply x.npy -w w.safetensors -o o.npy").failed(3, "w.safetensors", words)
    if kind == "twice":
        return  # The reference takes the last one.
    with pytest.raises(safetensors.SafetensorError):
        load_file("w.safetensors")


def test_a_good_file_is_read_by_both(here: Path) -> None:
    Path("w.safetensors").write_bytes(file_of({"kernel": GOOD}, np.float32([1, 2]).tobytes()))
    assert load_file("w.safetensors")["kernel"].tolist() == [1, 2]
    assert load_weights("w.safetensors").kernel.tolist() == [1, 2]


def test_the_header_has_a_limit(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"kernel": KERNEL}, "w.safetensors")
    monkeypatch.setattr(tensors, "MAX_HEADER", 20)
    with pytest.raises(InputError, match="at most 20 are read"):
        load_weights("w.safetensors")
