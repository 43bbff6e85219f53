"""``dwconv compare`` and :func:`dwconv_cli.compare`, held against :mod:`numpy.testing` and exact integers."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import run, run_process, run_shell, save, sparse
from numpy.testing import assert_allclose, assert_array_equal, assert_array_max_ulp

from dwconv_cli import compare
from dwconv_cli.description.comparison import blocks
from dwconv_cli.errors import InputError, LayerError, ShapeError

Array = np.ndarray[Any, Any]
DTYPES = ("f2", "f4", "f8", "c8", "c16", "i1", "u2", "i4", "i8", "u8", "?")
SPECIAL = (0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1.0, -1.0, 5e-324, -1e-45, 6e-8, 65504.0)


def random_pair(seed: int) -> tuple[Array, Array]:
    """Two arrays that differ in a few places, in many, or in none; of random bits, and with special values."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(DTYPES[seed % len(DTYPES)])
    shape = tuple(rng.integers(1, 9, rng.integers(1, 4)))
    a = values(rng, dtype, shape)
    b = a.copy()
    places = rng.random(shape) < rng.choice([0, 0.05, 0.5, 1])
    if dtype.kind in "fc" and seed % 3:
        # Neighbours, as two ways to compute the same thing give them.
        for part in (b.real, b.imag) if dtype.kind == "c" else (b,):
            for _ in range(rng.integers(1, 4)):
                with np.errstate(all="ignore"):
                    end = part.dtype.type(rng.choice([-np.inf, np.inf]))
                    part[places] = np.nextafter(part[places], end)
    else:
        b[places] = values(rng, dtype, shape)[places]
    if seed % 4 == 0:
        a = np.asfortranarray(a)
    if seed % 8 < 2:
        b = np.asfortranarray(b)
    return a, b


def values(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    count = int(np.prod(shape))
    numbers = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    if dtype.kind in "fc":
        moderate = rng.standard_normal(count).astype(dtype)
        numbers = np.where(rng.random(count) < 0.7, moderate, numbers)
        with np.errstate(over="ignore"):
            special = rng.choice(np.array(SPECIAL).astype(numbers.real.dtype), count)
        numbers = np.where(rng.random(count) < 0.2, special.astype(dtype), numbers)
    return numbers.astype(dtype).reshape(shape)


def passes(assertion: Any, *args: Any, **options: Any) -> bool:
    with contextlib.suppress(AssertionError), np.errstate(all="ignore"):
        assertion(*args, **options)
        return True
    return False


def rank(number: Any) -> int:
    """How many floating-point numbers lie between 0 and this one, below 0 for negative ones; of an integer itself."""
    if np.asarray(number).dtype.kind in "biu":
        return int(number)
    bits = int.from_bytes(np.asarray(number).astype(number.dtype.newbyteorder("<")).tobytes(), "little")
    sign = 1 << (8 * number.dtype.itemsize - 1)
    return bits if bits < sign else sign - bits


def steps_between(x: Any, y: Any) -> int:
    pairs = [(x.real, y.real), (x.imag, y.imag)] if np.iscomplexobj(x) else [(x, y)]
    return max(abs(rank(left) - rank(right)) for left, right in pairs)


@pytest.mark.parametrize("seed", range(200))
def test_random_pairs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = random_pair(seed)
    if seed % 2:
        monkeypatch.setattr(blocks, "BLOCK_ITEMS", 5)
    rng = np.random.default_rng(seed + 1000)
    rtol, atol = rng.choice([0, 1e-6, 1e-3, 0.1, 3]), rng.choice([0, 1e-7, 1e-3, 0.5, 300])
    ulp = int(rng.choice([0, 1, 3, 1000]))
    outcome = compare(a, b, rtol=rtol, atol=atol, ulp=ulp)
    counts = outcome.counts
    assert counts is not None
    assert outcome.identical == (a.tobytes() == b.tobytes())
    assert (counts.values == 0) == passes(assert_array_equal, a, b)
    # In double precision, in which the differences are taken; the conversion of these dtypes is exact.
    wide = {"b": "u1", "f": "f8", "c": "c16"}.get(a.dtype.kind, a.dtype)
    x, y = a.astype(wide), b.astype(wide)
    if a.dtype.kind not in "iu" or a.dtype.itemsize < 8:
        x, y = (side.astype("f8") if side.dtype.kind in "iu" else side for side in (x, y))
        assert (counts.beyond_tolerance == 0) == passes(assert_allclose, x, y, rtol=rtol, atol=atol)
        assert compare(a, b, rtol=rtol, atol=atol, equal_nan=False).within == passes(
            assert_allclose, x, y, rtol=rtol, atol=atol, equal_nan=False
        )
    finite = np.isfinite(a) & np.isfinite(b)
    pairs = [index for index in np.ndindex(*a.shape) if finite[index] and a[index] != b[index]]
    if not pairs:
        assert outcome.absolute is outcome.relative is outcome.ulp is None
        return
    assert outcome.absolute is not None
    assert outcome.ulp is not None
    with np.errstate(all="ignore"):
        if a.dtype.kind in "biu":
            distances = [abs(int(a[index]) - int(b[index])) for index in pairs]
        else:
            distances = [float(np.abs(x[index] - y[index])) for index in pairs]
        sizes = [abs(complex(y[index])) for index in pairs]
    largest = max(distances)
    assert outcome.absolute.value == largest
    assert outcome.absolute.index == pairs[distances.index(largest)]
    ratios = [distance / size if size else -1.0 for distance, size in zip(distances, sizes, strict=True)]
    if max(ratios) >= 0:
        assert outcome.relative is not None
        assert outcome.relative.value == pytest.approx(max(ratios), rel=1e-14)
    gaps = [steps_between(a[index], b[index]) for index in pairs]
    assert outcome.ulp.value == max(gaps)
    assert outcome.ulp.index == pairs[gaps.index(max(gaps))]
    assert counts.beyond_ulp == sum(gap > ulp for gap in gaps) + counts.nonfinite
    if a.dtype.kind == "f" and max(gaps) < 1 << 14:
        assert_array_max_ulp(a[finite], b[finite], maxulp=max(gaps))
        assert not passes(assert_array_max_ulp, a[finite], b[finite], maxulp=max(gaps) - 1)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("start", [1.0, 0.0, -0.0, -6e-8, 60000.0])
def test_steps_to_the_next_number(dtype: str, start: float) -> None:
    x = y = np.array([start], dtype)
    for _ in range(5):
        y = np.nextafter(y, np.array([-np.inf], dtype))
    outcome = compare(x, y)
    assert outcome.ulp is not None
    assert outcome.ulp.value == 5
    assert compare(x, y, ulp=5).within
    assert not compare(x, y, ulp=4).within


def test_signed_zeros_and_kinds_of_nan_are_differences_of_bits_alone() -> None:
    other_nan = np.array([0x7FC00001], "u4").view("f4")[0]
    a, b = np.array([0.0, np.nan, 1], "f4"), np.array([-0.0, other_nan, 1], "f4")
    outcome = compare(a, b)
    assert outcome.within
    assert not outcome.identical
    assert outcome.counts is not None
    assert (outcome.counts.bits, outcome.counts.values) == (2, 0)
    assert (outcome.counts.signed_zeros, outcome.counts.nan_bits) == (1, 1)
    assert not compare(a, b, bits=True).within
    assert not compare(b, b, equal_nan=False).within
    assert compare(b, b).identical


def test_nan_and_infinities_are_beyond_every_tolerance() -> None:
    a = np.array([[1, np.nan, np.inf], [np.inf, 2, 3]])
    b = np.array([[1, 5, np.inf], [-np.inf, 2, np.inf]])
    outcome = compare(a, b, rtol=1e300, atol=1e300, ulp=2**63)
    assert outcome.counts is not None
    assert (outcome.counts.nonfinite, outcome.counts.beyond) == (3, 3)
    assert outcome.first_nonfinite is not None
    assert outcome.first_nonfinite.index == (0, 1)
    assert outcome.absolute is None


def test_either_tolerance_suffices() -> None:
    a, b = np.array([1.0, 1e-12]), np.array([np.nextafter(1, 2), 2e-12])
    assert not compare(a, b, ulp=1).within
    assert not compare(a, b, atol=1e-17).within
    both = compare(a, b, ulp=1, atol=1e-11)
    assert both.within
    assert both.counts is not None
    assert (both.counts.beyond_ulp, both.counts.beyond_tolerance, both.counts.beyond) == (1, 0, 0)


@pytest.mark.parametrize(
    "a, b, distance",
    [
        (np.array([2**64 - 1], "u8"), np.array([-1], "i8"), 2**64),
        (np.array([-(2**63)], "i8"), np.array([2**63 - 1], "i8"), 2**64 - 1),
        (np.array([2**53 + 1], "u8"), np.array([2**53], "i8"), 1),
        (np.array([-1], "i1"), np.array([255], "u1"), 256),
        (np.array([True]), np.array([-3], "i2"), 4),
    ],
)
def test_integers_are_exact(a: Array, b: Array, distance: int) -> None:
    for pair in ((a, b), (b, a)):
        outcome = compare(*pair, ignore_dtype=True)
        assert outcome.absolute is not None
        assert outcome.ulp is not None
        assert outcome.absolute.value == outcome.ulp.value == distance


def test_other_dtypes() -> None:
    a, b = np.array([1, 0.1], "f4"), np.array([1, 0.1], "f8")
    assert not compare(a, a.astype("f8")).within
    assert compare(a, a.astype("f8"), ignore_dtype=True).within
    outcome = compare(a, b, ulp=0)
    assert outcome.absolute is not None
    assert outcome.absolute.value == abs(float(np.float32(0.1)) - 0.1)
    # Rounded to the shorter type, both are the same number.
    assert compare(a, b, ulp=1, ignore_dtype=True).within
    assert "ignore_dtype=True" in outcome.reasons[0]


def test_byte_order_and_order_in_memory_are_no_differences(place: Path) -> None:
    x = np.arange(24, dtype="<f4").reshape(4, 6)
    np.save("a.npy", x.astype(">f4"))
    np.save("b.npy", np.asfortranarray(x))
    assert (
        run("compare a.npy b.npy").done().out
        == b"a.npy and b.npy: identical, bit for bit\n  arrays  (4, 6) float32\n"
    )


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 4, 5)])
def test_ranks(place: Path, shape: tuple[int, ...]) -> None:
    x = np.ones(shape)
    save(place / "a.npy", x)
    assert compare("a.npy", x).identical
    assert compare("a.npy", x + 1).within == (x.size == 0)


class TestFiles:
    @pytest.fixture
    def x(self, place: Path) -> Array:
        x = np.random.default_rng(0).standard_normal((1000, 6)).astype("f4")
        y = x.copy()
        y[321, 4] += 0.5
        y[77, 0] = np.nan
        save(place / "a.npy", x)
        save(place / "b.npy", y)
        np.save(place / "f.npy", np.asfortranarray(y))
        np.savez(place / "b.npz", one=x, acc=y, f=np.asfortranarray(y))
        with h5py.File(place / "b.h5", "w") as file:
            for name, chunks in (("imu/acc", (64, 1)), ("row", (1, 6)), ("col", (1000, 1)), ("acc", None)):
                file.create_dataset(name, data=y, chunks=chunks)
        return x

    @pytest.mark.parametrize("items", [1 << 18, 100, 1])
    @pytest.mark.parametrize(
        "b",
        ["b.npy", "f.npy", "b.npz::acc", "b.npz::f", "b.h5::imu/acc", "b.h5::row", "b.h5::col", "b.h5::acc"],
    )
    def test_every_storage_and_block_gives_the_same(
        self, x: Array, b: str, items: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if items == 1:
            items = 10
            monkeypatch.setattr(blocks, "CHUNK_ITEMS", 1)
        monkeypatch.setattr(blocks, "BLOCK_ITEMS", items)
        for a in ("a.npy", "b.npz::one"):
            outcome = compare(a, b)
            assert outcome.absolute is not None
            assert outcome.first is not None
            assert outcome.counts is not None
            assert (outcome.absolute.index, outcome.first.index) == ((321, 4), (77, 0))
            assert (outcome.counts.total, outcome.counts.values) == (6000, 2)

    @pytest.mark.parametrize("b", ["f.npy", "b.npz::acc", "b.h5::imu/acc"])
    def test_a_pipe(self, x: Array, b: str) -> None:
        ran = run_shell(f"cat a.npy | dwconv compare - {b} --json")
        assert (ran.code, ran.err) == (1, "")
        assert ran.reports[0]["absolute"]["index"] == [321, 4]
        assert ran.reports[0]["a"]["address"] == "-"

    def test_a_pipe_in_fortran_order(self, x: Array) -> None:
        assert run_process("compare - b.npy -q", stdin=Path("f.npy").read_bytes()).code == 0

    def test_the_name_of_the_other_side(self, x: Array) -> None:
        ran = run("compare b.h5::acc b.npz").noted("b.npz holds 3 arrays; acc is compared, as named for b.h5")
        assert b"identical, bit for bit" in ran.out

    def test_memory_does_not_grow(self, place: Path) -> None:
        sparse(place / "a.npy", (4_000_000, 6))
        sparse(place / "b.npy", (4_000_000, 6))
        tracemalloc.start()
        try:
            assert compare("a.npy", "b.npy").identical
            assert tracemalloc.get_traced_memory()[1] < 20 << 20
        finally:
            tracemalloc.stop()


class TestAttributes:
    @pytest.fixture
    def files(self, place: Path) -> Path:
        for name, fs, unit in (("a", 50.0, "g"), ("b", np.float32(50), b"g"), ("c", 100, "m/s2")):
            with h5py.File(place / f"{name}.h5", "w") as file:
                data = file.create_dataset("x", data=np.arange(3.0))
                data.attrs.update({"fs": fs, "unit": unit, "gain": [1.0, np.nan], "dwconv_command": name})
                if name == "c":
                    data.attrs["subject"] = "s01"
        return place

    def test_on_demand(self, files: Path) -> None:
        assert run("compare a.h5 c.h5").done().out.startswith(b"a.h5::/x and c.h5::/x: identical")
        assert run("compare a.h5 b.h5 --attributes").noted("dwconv_command").code == 0
        ran = run("compare a.h5 c.h5 --attributes --json")
        assert ran.code == 1
        (entry,) = ran.reports
        assert set(entry["attributes"]["differ"]) == {"fs", "unit"}
        assert entry["attributes"]["only_b"] == {"subject": "s01"}
        assert entry["identical"]
        assert entry["reasons"] == ["3 attributes differ"]
        text = run("compare a.h5 c.h5 --attributes")
        assert b"@unit     g against m/s2" in text.out

    def test_other_formats_have_none(self, files: Path) -> None:
        save(files / "x.npy", np.arange(3.0))
        ran = run("compare a.h5 x.npy --attributes")
        assert ran.code == 1
        assert "x.npy: only HDF5 keeps attributes" in ran.err


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def arrays(self, place: Path) -> None:
        save(place / "a.npy", np.array([[-0.0, 0.5], [1.0000001, 2]], "f4"))
        save(place / "b.npy", np.array([[0.0, 0.5], [1.0, 2]], "f4"))
        save(place / "d.npy", np.array([[0.0, 0.5], [1.0, 2]], "f8"))
        save(place / "long.npy", np.zeros((3, 2), "f4"))
        Path("folder").mkdir()

    @pytest.mark.parametrize(
        "line, code",
        [
            ("a.npy a.npy", 0),
            ("a.npy b.npy", 1),
            ("a.npy b.npy --ulp 1", 0),
            ("a.npy b.npy --rtol 1e-6", 0),
            ("a.npy b.npy --atol 1e-8", 1),
            ("a.npy b.npy --atol 1e-8 --ulp 1", 0),
            ("b.npy d.npy", 1),
            ("b.npy d.npy --ignore-dtype", 0),
            ("b.npy d.npy --ignore-dtype --bits", 1),
            ("b.npy long.npy", 1),
            ("b.npy long.npy --atol 10", 1),
            ("a.npy a.npy --bits", 0),
        ],
    )
    def test_exit_codes(self, line: str, code: int) -> None:
        ran = run(f"compare {line} -q")
        assert (ran.code, ran.out, ran.err) == (code, b"", "")
        ran = run(f"compare {line} --json")
        (entry,) = ran.reports
        assert ran.code == code
        assert entry["within"] == (code == 0)
        assert bool(entry["reasons"]) == (code == 1)
        json.dumps(entry, allow_nan=False)

    def test_text(self) -> None:
        ran = run("compare a.npy b.npy --ulp 3")
        assert ran.code == 0
        assert ran.out.decode().splitlines() == [
            "a.npy and b.npy: equal within the tolerances",
            "  arrays        (2, 2) float32",
            "  bits          2 of 4 differ, 1 as -0.0 and 0.0, which are equal numbers",
            "  numbers       1 of 4 differ",
            "  absolute      1.19209e-07 at [1, 0]: 1.0000001 against 1.0",
            "  relative      1.19209e-07 at [1, 0]: 1.0000001 against 1.0",
            "  ULP           1 at [1, 0]: 1.0000001 against 1.0",
            "  beyond 3 ULP  0",
        ]

    @pytest.mark.parametrize(
        "line, text",
        [
            ("b.npy long.npy", "the shapes differ: (2, 2) against (3, 2)"),
            ("b.npy d.npy", "the dtypes differ: float32 against float64; --ignore-dtype compares"),
            ("a.npy b.npy", "1 of 4 numbers differs"),
            ("a.npy b.npy --bits", "the bits of 2 numbers differ"),
        ],
    )
    def test_why(self, line: str, text: str) -> None:
        ran = run(f"compare {line}")
        assert ran.code == 1
        assert text in ran.out.decode().splitlines()[0]

    @pytest.mark.parametrize(
        "line, code, words",
        [
            ("a.npy", 2, "takes two arrays, A and B"),
            ("a.npy b.npy d.npy", 2, "takes two arrays, A and B; 3 typed"),
            ("- -", 2, "standard input can be read once"),
            ("'*.npy' b.npy", 2, "compare takes one on each side"),
            ("folder a.npy", 3, "is a directory, and compare takes one array"),
            ("a.npy none.npy", 3, "no such file"),
            ("a.npy none*.npy", 3, "no file matches"),
            ("a.npy b.npy --rtol -1", 2, "is no number from 0 on"),
            ("a.npy b.npy --atol nan", 2, "is no number from 0 on"),
            ("a.npy b.npy --ulp 1.5", 2, "--ulp"),
            ("a.npy b.npy --bits --ulp 1", 2, "--bits allows no difference"),
            ("a.npy b.npy -q --json", 2, "exclude each other"),
        ],
    )
    def test_mistakes(self, line: str, code: int, words: str) -> None:
        run(f"compare {line}").failed(code, words)

    def test_a_damaged_input(self) -> None:
        Path("b.npy").write_bytes(Path("b.npy").read_bytes()[:-3])
        run("compare a.npy b.npy").failed(3, "3 bytes are missing")

    def test_the_format_of_one_side(self) -> None:
        table = np.array([[0.5, 1], [2, 3]])
        np.savetxt("t.txt", table, delimiter=",")
        save(Path("t.npy"), table)
        run("compare t.txt t.npy --input-format csv").done()
        run("compare t.npy t.txt").failed(3, "t.txt", "--input-format")
        Path("t.npy").rename("t.csv")
        run("compare t.csv t.csv --input-format npy").done()

    def test_a_pattern_of_one_match(self) -> None:
        run("compare 'lon*.npy' long.npy").done()


def test_python_refusals() -> None:
    with pytest.raises(LayerError, match="rtol must be a number from 0 on"):
        compare([1], [1], rtol="much")  # type: ignore[arg-type]
    with pytest.raises(LayerError, match="ulp must be a whole number"):
        compare([1], [1], ulp=0.5)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="a must hold numbers"):
        compare(["x", "y"], [1])
    with pytest.raises(InputError, match="no such file"):
        compare("none.npy", [1])


def test_it_prints_as_text() -> None:
    stream = io.StringIO()
    print(compare([1, 2], [1, 3]), file=stream)
    assert stream.getvalue().splitlines()[0] == "an array a and an array b: 1 of 2 numbers differs"
