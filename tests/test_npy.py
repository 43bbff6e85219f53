"""``.npy``: every header there is, every header there should not be, and the numbers behind them."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers_cli import npy_bytes, run, save
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from recordings import added

from dwconv_cli.errors import InputError, UnsafeFileError
from dwconv_cli.storage.formats.npy import NpyReader, NpyWriter, header_bytes
from dwconv_cli.storage.selections import everything
from dwconv_cli.storage.source import FileSource, StreamSource

Array = np.ndarray[Any, Any]

NUMBERS = [
    order + kind
    for kind in ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
    for order in "<>"
] + ["|b1", "|i1", "|u1"]


def read(data: bytes, path: Path | None = None) -> Array:
    """All of an array, from a stream or from a file."""
    source: Any = StreamSource(io.BytesIO(data), "stream")
    if path is not None:
        path.write_bytes(data)
        source = FileSource(str(path))
    with contextlib.closing(NpyReader(source, "it")) as reader:
        if reader.sequential and reader.fortran:
            reader.spool()
        out = np.empty(reader.shape, reader.dtype.newbyteorder("="))
        reader.read(everything(reader.shape), out)
        reader.finish()
        return out


def sample(dtype: str, shape: tuple[int, ...] = (4, 3)) -> Array:
    """Numbers that differ in every byte order."""
    count = int(np.prod(shape))
    values = np.arange(1, count + 1)
    if np.dtype(dtype).kind == "b":
        return (values % 3 == 0).reshape(shape).astype(dtype)
    scale = 1 if np.dtype(dtype).kind in "iu" else 0.25
    values = values * scale + (1j * values if np.dtype(dtype).kind == "c" else 0)
    return values.reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_number_order_and_version(
    tmp_path: Path, dtype: str, order: Any, version: tuple[int, int]
) -> None:
    values = sample(dtype)
    data = npy_bytes(np.asarray(values, order=order), version)
    for array in (read(data), read(data, tmp_path / "a.npy")):
        np.testing.assert_array_equal(array, values)
        assert array.dtype == values.dtype.newbyteorder("=")


@pytest.mark.parametrize("dtype", NUMBERS)
def test_filtering_gives_the_values_of_native_c_order(place: Path, dtype: str) -> None:
    values = sample(dtype, (9, 2))
    save(place / "a.npy", values.astype(values.dtype.newbyteorder("=")))
    native = run("apply a.npy -q -k k.npy -o -").done()
    exact = values.astype("c16" if values.dtype.kind == "c" else "f8")
    np.testing.assert_array_equal(native.array, exact[1:] + exact[:-1])
    for order in "CF":
        odd = save(place / "odd.npy", np.asarray(values, order=order))  # type: ignore[call-overload]
        assert run("apply odd.npy -q -k k.npy -o -").done().out == native.out
        assert run("apply - -q -k k.npy -o -", stdin=odd.read_bytes()).done().out == native.out


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(name) for name in NUMBERS]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from("CF"),
    st.data(),
)
def test_any_part_of_any_array(values: Array, order: Any, data: st.DataObject) -> None:
    reader = NpyReader(StreamSource(io.BytesIO(npy_bytes(np.asarray(values, order=order))), "stream"), "it")
    with contextlib.closing(reader):
        reader.spool()
        selection = tuple(
            slice(*sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2)))) for n in values.shape
        )
        part = np.asarray(values[selection])
        for dtype in {values.dtype.newbyteorder("="), np.dtype("c16")}:
            out = np.empty(part.shape, dtype)
            reader.read(selection, out)
            np.testing.assert_array_equal(out, part.astype(dtype))


def test_unaligned_data(tmp_path: Path) -> None:
    # A header of odd length is legal, and leaves what follows unaligned.
    values = sample("<f8")
    data = raw("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }", values.tobytes())
    assert len(data) % 8
    for array in (read(data), read(data, tmp_path / "a.npy")):
        np.testing.assert_array_equal(array, values)


# Headers by hand


def raw(
    header: str | bytes, data: bytes = b"", version: tuple[int, int] = (1, 0), length: int | None = None
) -> bytes:
    """An ``.npy`` file with any header."""
    body = header.encode("utf-8") if isinstance(header, str) else header
    size = struct.pack("<H" if version[0] == 1 else "<I", len(body) if length is None else length)
    return b"\x93NUMPY" + bytes(version) + size + body + data


def described(descr: str = "'<f4'", order: str = "False", shape: str = "(4,)", more: str = "") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}{more}}}\n"


DATA = bytes(16)
GOOD = {
    "keys in another order": "{'shape': (4,), 'fortran_order': False, 'descr': '<f4'}\n",
    "no newline": described().rstrip(),
    "spaces in front": "   " + described(),
    "double quotes": described('"<f4"'),
    "name of a dtype": described("'float32'"),
    "native order by equals": described("'=f4'"),
}
BAD = {
    "empty file": b"",
    "text": b"hello, world",
    "a zip file": b"PK\x03\x04" + DATA,
    "csv": b"1,2,3\n" * 10,
    "wrong magic": b"\x93NUMPZ" + raw(described(), DATA)[6:],
    "version 0": raw(described(), DATA, (0, 0)),
    "version 4": raw(described(), DATA, (4, 0)),
    "version 1.1": raw(described(), DATA, (1, 1)),
    "version 255": raw(described(), DATA, (255, 255)),
    "header longer than the file": raw(described(), DATA, length=60000),
    "header shorter than its text": raw(described(), DATA, length=20),
    "header of no bytes": raw("", DATA),
    "version 2, header of 4 GiB": raw(described(), DATA, (2, 0), length=2**32 - 1),
    "header of spaces": raw(" " * 100, DATA),
    "not a literal": raw("__import__('os').system('true')", DATA),
    "a call in the shape": raw(described(shape="(int('4'),)"), DATA),
    "a list": raw("['<f4', False, (4,)]", DATA),
    "missing descr": raw("{'fortran_order': False, 'shape': (4,)}", DATA),
    "missing shape": raw("{'descr': '<f4', 'fortran_order': False}", DATA),
    "missing fortran_order": raw("{'descr': '<f4', 'shape': (4,)}", DATA),
    "extra key": raw(described(more=", 'x': 1"), DATA),
    "keys of bytes": raw("{b'descr': '<f4', b'fortran_order': False, b'shape': (4,)}", DATA),
    "unhashable keys": raw("{[]: 1}", DATA),
    "negative side": raw(described(shape="(-4,)"), DATA),
    "negative sides, positive size": raw(described(shape="(-2, -2)"), DATA),
    "side of a float": raw(described(shape="(4.0,)"), DATA),
    "side of a bool": raw(described(shape="(True, 4)"), DATA),
    "side of a string": raw(described(shape="('4',)"), DATA),
    "shape of a list": raw(described(shape="[4]"), DATA),
    "shape of a number": raw(described(shape="4"), DATA),
    "shape of None": raw(described(shape="None"), DATA),
    "huge side": raw(described(shape=f"({2**63},)"), DATA),
    "side of 5000 digits": raw(described(shape="(" + "9" * 5000 + ",)"), DATA),
    "product beyond 64 bits": raw(described(shape=f"({2**40}, {2**40})"), DATA),
    "product that wraps to zero": raw(described(shape=f"({2**32}, {2**32})"), DATA),
    "terabytes": raw(described(shape=f"({2**40},)"), DATA),
    "1000 axes": raw(described(shape="(" + "1, " * 1000 + "4)"), DATA),
    "order of a number": raw(described(order="0"), DATA),
    "order of None": raw(described(order="None"), DATA),
    "order of a string": raw(described(order="'C'"), DATA),
    "unknown dtype": raw(described("'<z9'"), DATA),
    "empty dtype": raw(described("''"), DATA),
    "dtype of a number": raw(described("4"), DATA),
    "dtype of None": raw(described("None"), DATA),
    "dtype with commas": raw(described("'f4,f4'"), DATA),
    "dtype with a shape": raw(described("'(2,)f4'"), DATA),
    "objects": raw(described("'|O'"), DATA),
    "objects, given as 'O8'": raw(described("'O8'"), DATA),
    "records": raw(described("[('a', '<f4'), ('b', '<f4')]", shape="(2,)"), DATA),
    "one field": raw(described("[('a', '<f4')]"), DATA),
    "a record of objects": raw(described("[('a', '|O')]"), DATA),
    "bytes": raw(described("'|S4'"), DATA),
    "text as data": raw(described("'<U1'"), DATA),
    "void": raw(described("'|V4'"), DATA),
    "dates": raw(described("'<M8[s]'", shape="(2,)"), DATA),
    "durations": raw(described("'<m8[ns]'", shape="(2,)"), DATA),
    "128-bit floats": raw(described("'<f16'", shape="(1,)"), DATA),
    "256-bit complex": raw(described("'<c32'", shape="(1,)"), DATA * 2),
    "one byte too few": raw(described(), DATA[:-1]),
    "one byte too many": raw(described(), DATA + b"\0"),
    "a second array behind": raw(described(), DATA) * 2,
    "nothing behind the header": raw(described()),
    "bytes behind an empty array": raw(described(shape="(0, 4, 3)"), DATA),
    "not UTF-8 in version 3": raw(b"\xff\xfe" + described().encode(), DATA, (3, 0)),
    "NUL in the header": raw(b"\0" + described().encode(), DATA),
    "deep nesting": raw("(" * 5000 + ")" * 5000, DATA),
    "a very long sum": raw("1" + "+1" * 20000, DATA),
    "control characters": raw(described("'\\x1b[31m\\n'"), DATA),
}


@pytest.mark.parametrize("header", GOOD.values(), ids=GOOD)
def test_a_header_that_is_only_unusual(tmp_path: Path, header: str) -> None:
    values = sample("<f4", (4,))
    for data in (raw(header, values.tobytes()), raw(header, values.tobytes(), (3, 0))):
        np.testing.assert_array_equal(read(data), values)
        np.testing.assert_array_equal(read(data, tmp_path / "a.npy"), values)


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_malformed_header(place: Path, data: bytes) -> None:
    (place / "a.npy").write_bytes(data)
    for line, name in (
        ("a.npy -k k.npy", "a.npy"),
        ("- -k k.npy", "standard input"),
        ("x.npy -k a.npy", "a.npy"),
    ):
        ran = run(f"apply {line} -q -o out.npy", stdin=data).failed(3, f"{name}: ")
        assert len(ran.err) < 500
    assert added(place) == ["a.npy"]


def test_a_malformed_header_costs_no_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        for data in BAD.values():
            with pytest.raises(InputError):
                read(data, tmp_path / "a.npy")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_cut_at_every_byte(tmp_path: Path, version: tuple[int, int], kind: str) -> None:
    data = npy_bytes(sample("<f4"), version)
    path = tmp_path / "a.npy" if kind == "file" else None
    for end in range(len(data)):
        with pytest.raises(InputError) as caught:
            read(data[:end], path)
        assert str(caught.value).isprintable()
    read(data, path)


def test_every_header_byte_flipped_is_an_error_or_the_same_kind_of_array(tmp_path: Path) -> None:
    data = bytearray(npy_bytes(sample("<f4")))
    for at in range(len(data) - 48):
        for bit in (1, 4, 128):
            damaged = data.copy()
            damaged[at] ^= bit
            with contextlib.suppress(InputError):
                assert read(bytes(damaged), tmp_path / "a.npy").nbytes == 48


def test_pickles_are_refused_by_name_and_never_loaded(place: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, ("canary",)

    np.save("a.npy", np.array([Touch(), 1], object), allow_pickle=True)
    np.savez("a.npz", a=np.array([Touch(), 1], object))
    for name in ("a.npy", "a.npz"):
        run(f"apply {name} -q -k k.npy -o o.npy").failed(3, "pickled")
        run(f"apply x.npy -q -k {name} -o o.npy").failed(3, "pickled")
    with pytest.raises(UnsafeFileError):
        read((place / "a.npy").read_bytes())
    assert added(place) == ["a.npy", "a.npz"]


# Writing


class Memory:
    """A sink that remembers in what order bytes came."""

    name = "memory"

    def __init__(self, sequential: bool = True) -> None:
        self.sequential = sequential
        self.data = bytearray()
        self.done = False
        self.reserved: list[int] = []

    def reserve(self, size: int) -> None:
        self.reserved.append(size)

    def write_at(self, data: memoryview, offset: int) -> None:
        assert not self.sequential or offset == len(self.data)
        self.data[len(self.data) : offset] = bytes(max(0, offset - len(self.data)))
        self.data[offset : offset + len(data)] = data

    def commit(self) -> None:
        self.done = True

    def abort(self) -> None:
        pass


@pytest.mark.parametrize("shape", [(), (0,), (5,), (4, 3), (2, 4, 3), (0, 10, 3), (1, 2**20, 6)])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "<c8", "<c16"])
def test_headers_are_numpys_own(shape: tuple[int, ...], dtype: str) -> None:
    ours = header_bytes(shape, np.dtype(dtype))
    theirs = io.BytesIO()
    np.lib.format.write_array_header_1_0(theirs, {"descr": dtype, "fortran_order": False, "shape": shape})
    header = io.BytesIO(ours)
    assert np.lib.format.read_magic(header) == (1, 0)
    assert np.lib.format.read_array_header_1_0(header) == (shape, False, np.dtype(dtype))
    assert header.tell() == len(ours)
    assert len(ours) % 64 == len(theirs.getvalue()) % 64 == 0


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("spooled", [False, True])
def test_blocks_in_order_and_out_of_order(pieces: int, spooled: bool) -> None:
    values = sample("<f4", (5, 4, 3))
    sink = Memory()
    writer = NpyWriter(sink, values.shape, values.dtype)
    cuts = np.linspace(0, 5, pieces + 1).astype(int)
    parts = list(itertools.pairwise(cuts))
    if spooled:
        writer.spool()
        parts.reverse()
    for low, high in parts:
        writer.write((slice(low, high), slice(0, 4), slice(0, 3)), values[low:high])
    writer.commit()
    np.testing.assert_array_equal(np.load(io.BytesIO(sink.data)), values)


def test_an_empty_array_has_a_header() -> None:
    sink = Memory()
    NpyWriter(sink, (0, 3), np.dtype("<f4")).commit()
    assert np.load(io.BytesIO(sink.data)).shape == (0, 3)


def test_a_stream_is_read_no_further_than_its_array_before_the_end() -> None:
    values = sample("<f4", (1000, 3))
    stream = io.BytesIO(npy_bytes(values) + b"x")
    reader = NpyReader(StreamSource(stream, "stream"), "it")
    out = np.empty((10, 3), "f4")
    reader.read((slice(0, 10), slice(0, 3)), out)
    assert stream.tell() == len(npy_bytes(values)) - values.nbytes + out.nbytes
    with pytest.raises(InputError, match="more bytes"):
        reader.finish()
