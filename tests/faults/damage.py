"""Files that are not what they should be: cut, flipped, made up."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.cases import signal_of

Array = np.ndarray[Any, Any]

ROWS = 40


def small() -> Array:
    """A recording of which every byte can be damaged."""
    return signal_of(ROWS)


def npy_bytes(array: Array, version: tuple[int, int] | None = None) -> bytes:
    """An array as an ``.npy`` file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def npy_with(header: str | bytes, data: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    """An ``.npy`` file with any header."""
    body = header.encode("latin1") if isinstance(header, str) else header
    size = struct.pack("<H" if version == 1 else "<I", len(body) if length is None else length)
    return b"\x93NUMPY" + bytes((version, 0)) + size + body + data


def cuts(data: bytes, places: Iterator[int] | range) -> Iterator[tuple[str, bytes]]:
    """`data` ended early."""
    for place in places:
        yield f"cut at byte {place}", data[:place]


def flips(
    data: bytes, places: Iterator[int] | range, masks: tuple[int, ...] = (0xFF, 0x01, 0x80)
) -> Iterator[tuple[str, bytes]]:
    """`data` with bits of one byte turned over."""
    for place in places:
        for mask in masks:
            yield f"byte {place} ^ {mask:#x}", data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def made_up_npy() -> Iterator[tuple[str, bytes]]:
    """Headers that NumPy never writes."""
    good = "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 4), }"
    data = small().tobytes()
    swaps = {
        "a huge shape": ("(40, 4)", "(1000000000000, 4)"),
        "a shape beyond 64 bits": ("(40, 4)", "(99999999999999999999999, 4)"),
        "a negative shape": ("(40, 4)", "(-40, -4)"),
        "a shape of floats": ("(40, 4)", "(40.0, 4)"),
        "a shape of truths": ("(40, 4)", "(True, 160)"),
        "a shape that is a list": ("(40, 4)", "[40, 4]"),
        "rank 40": ("(40, 4)", "(" + "1, " * 40 + ")"),
        "no shape": (", 'shape': (40, 4)", ""),
        "a key too many": ("}", "'more': 1}"),
        "the dtype of an object": ("'<f4'", "'|O'"),
        "a structured dtype": ("'<f4'", "[('a', '<f4')]"),
        "a dtype with a shape": ("'<f4'", "('<f4', (2, 2))"),
        "strings": ("'<f4'", "'<U4'"),
        "dates": ("'<f4'", "'<M8[ns]'"),
        "a dtype that does not exist": ("'<f4'", "'<q9'"),
        "an empty dtype": ("'<f4'", "''"),
        "a void": ("'<f4'", "'|V4'"),
        "a long double": ("'<f4'", "'<f16'"),
        "an order that is a number": ("False", "0"),
        "an order that is a call": ("False", "print(1)"),
        "a call": (good, "__import__('os').system('true')"),
        "deep brackets": (good, "(" * 5000 + ")" * 5000),
        "a deep sum": (good, "+".join("1" * 3000)),
        "a long number": (good, "9" * 60_000),
        "a set": (good, "{1, 2}"),
        "unhashable keys": (good, "{[]: 1}"),
        "nothing": (good, ""),
        "NUL": (good, "\0\0\0"),
        "half a string": (good, "{'descr': '<f4"),
        "terminal escapes": ("'<f4'", "'\x1b[31mred\x07'"),
    }
    for name, (old, new) in swaps.items():
        yield name, npy_with(good.replace(old, new), data)
    for version in (0, 2, 3, 4, 255):
        if version not in (2, 3):
            yield f"version {version}", npy_with(good, data, version)
    yield "a header of 4 GiB", npy_with(good, data, 2, 0xFFFFFFFF)
    yield "a header of 100 MB of spaces", npy_with(good, data, 2, 100_000_000)
    yield "no UTF-8 in version 3", npy_with(b"\xff\xfe" + good.encode(), data, 3)
    yield "data missing", npy_with(good, data[:-1])
    yield "more data", npy_with(good, data + b"\0")
    for name, content in (
        ("empty", b""),
        ("zeros", bytes(500)),
        ("text", b"1 2 3\n" * 50),
        ("a zip", b"PK\3\4" + bytes(90)),
    ):
        yield name, content


def made_up_npz() -> Iterator[tuple[str, bytes]]:
    """Archives that NumPy never writes."""
    good = npy_bytes(small())
    yield "no members", _zip({})
    yield "a member that is no array", _zip({"x.npy": b"not an array"})
    yield "only other files", _zip({"readme.txt": b"hello"})
    yield "a wrong size inside", _zip({"x.npy": good + bytes(100)})
    yield "less inside", _zip({"x.npy": good[:-100]})
    yield "nested", _zip({"x.npz": _zip({"x.npy": good})})
    yield (
        "a bomb",
        _zip(
            {
                "x.npy": npy_with(
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 4), }", bytes(50 << 20)
                )
            }
        ),
    )
    data = bytearray(_zip({"x.npy": good}))
    # Bit 0 of the flags: encrypted.
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + at] |= 1
    yield "encrypted", bytes(data)
    data = bytearray(_zip({"x.npy": good}))
    for signature, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(signature) + at] = 99
    yield "an unknown compression", bytes(data)
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, good)
    yield "the same member twice", twice.getvalue().replace(b"y.npy", b"x.npy")


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def npz_bytes() -> bytes:
    """A sound archive."""
    return _zip({"x.npy": npy_bytes(small())})


def h5_bytes(folder: Path, **options: Any) -> bytes:
    """A sound HDF5 file of one dataset."""
    path = folder / "sound.h5"
    with h5py.File(path, "w", track_times=False) as file:
        made = file.create_dataset("x", data=small(), track_times=False, **options)
        made.attrs["unit"] = "m/s"
        made.attrs["fs"] = 50.0
    data = path.read_bytes()
    path.unlink()
    return data


def made_up_h5(folder: Path) -> Iterator[tuple[str, bytes]]:
    """HDF5 files that hold no recording, or claim to hold one that they do not."""
    sound = h5_bytes(folder)
    yield "the signature alone", sound[:8]
    yield "zeros after the signature", sound[:8] + bytes(2000)
    path = folder / "made-up.h5"

    def build(make: Any) -> bytes:
        with h5py.File(path, "w") as file:
            make(file)
        return path.read_bytes()

    dtypes = {
        "strings": h5py.string_dtype(), "references": h5py.ref_dtype, "bytes": "S4", "records": [("a", "f4"), ("b", "f8")],
        "arrays of any length": h5py.vlen_dtype("f4"),
    }  # fmt: skip
    for name, dtype in dtypes.items():
        yield name, build(lambda file, dtype=dtype: file.create_dataset("x", (40, 4), dtype))
    yield "rank 5", build(lambda file: file.create_dataset("x", (2, 2, 2, 2, 2), "f4"))
    yield "a scalar", build(lambda file: file.create_dataset("x", data=1.0))
    yield "no dataspace", build(lambda file: file.create_dataset("x", dtype="f4"))
    yield "a group", build(lambda file: file.create_group("x"))
    yield "a loop of groups", build(lambda file: file.create_group("x").__setitem__("again", file["/"]))
    yield "a loop of links", build(lambda file: file.__setitem__("x", h5py.SoftLink("/x")))
    yield (
        "8 TiB of nothing",
        build(lambda file: file.create_dataset("x", (1 << 40, 2), "f4", chunks=(1000, 2))),
    )
    yield (
        "chunks of 1 GiB",
        build(lambda file: file.create_dataset("x", (1 << 28, 4), "f4", chunks=(1 << 26, 4))),
    )


def configs() -> Iterator[tuple[str, bytes]]:
    """Layer configs that no Keras wrote."""
    layer = {"module": "keras.layers", "class_name": "DepthwiseConv1D", "config": {"kernel_size": [5]}}
    texts: dict[str, Any] = {
        "empty": b"", "half": b'{"class_name": "Depth', "a number": b"7", "a list": b"[]", "null": b"null",
        "deep": b"[" * 100_000, "deep objects": b'{"a":' * 100_000, "no UTF-8": b'{"a": "\xff"}', "UTF-16": '{"a": 1}'.encode("utf-16"),
        "a key twice": b'{"kernel_size": 3, "kernel_size": 5}', "a huge number": b'{"kernel_size": ' + b"9" * 6000 + b"}",
        "NUL": bytes(10), "a class from os": {**layer, "module": "os", "class_name": "system"},
        "a Lambda": {**layer, "class_name": "Lambda", "config": {"function": "print"}},
        "another layer": {**layer, "class_name": "Dense"},
    }  # fmt: skip
    values = {
        "kernel_size": ["five", -1, 0, None, 2.5, [5, 5], {"a": 1}, True, 1e400], "strides": ["x", 0, -2, [2, 2]],
        "padding": ["full", 3, None, []], "activation": ["evil", {"class_name": "os.system", "config": {}}, 5, ["relu"]],
        "data_format": ["sideways", 1], "dilation_rate": [0, "a"], "depth_multiplier": [0, -1, "two", None],
        "depthwise_initializer": ["evil", {"module": "os", "class_name": "system", "config": {"command": "true"}}, 7],
        "depthwise_regularizer": ["l3", {"class_name": "L2", "config": {"l2": "x"}}], "bias_constraint": ["no", {"class_name": []}],
        "use_bias": ["yes", 2], "dtype": ["float1", 3],
    }  # fmt: skip
    for name, text in texts.items():
        yield name, text if isinstance(text, bytes) else json.dumps(text).encode()
    for key, wrong in values.items():
        for value in wrong:
            config = {"kernel_size": 5, key: value}
            yield f"{key} {value!r}", json.dumps({**layer, "config": config}).encode()
