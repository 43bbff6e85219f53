"""CSV and its kin, against NumPy's and Python's own readers and writers."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from checks import assert_same_bits
from helpers_cli import environment, run
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dwconv_cli.errors import InputError
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import open_output, open_reader
from dwconv_cli.storage.formats.csv import CsvReader
from dwconv_cli.storage.protocols import NewArray
from dwconv_cli.storage.selections import everything
from dwconv_cli.storage.tables import lines

Array = np.ndarray[Any, Any]
X = np.random.default_rng(5).standard_normal((40, 3))
KERNEL = np.array([0.25, 0.5, 0.25])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of which even small files have several."""
    monkeypatch.setattr(lines, "PIECE", 300)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", KERNEL)
    np.save("delta.npy", np.array([1.0]))
    return tmp_path


def write(path: str, text: str) -> None:
    Path(path).write_bytes(text.encode())


def table(x: Array, head: str = "", delimiter: str = ",", end: str = "\n") -> str:
    """A table as Python writes numbers."""
    return head + "".join(delimiter.join(map(repr, row)) + end for row in np.atleast_2d(x).tolist())


def timed(x: Array, times: Array, head: str) -> str:
    return table(np.column_stack([times, x]), head)


def read(path: str) -> tuple[Array, CsvReader]:
    with contextlib.closing(open_reader(Address.parse(path))) as reader:
        assert isinstance(reader, CsvReader)
        array = np.empty(reader.shape)
        reader.read(everything(reader.shape), array)
        reader.finish()
        return array, reader


COMMENTED = "# made by hand\n" + table(X[:9]) + "\n\n# between\n" + table(X[9:]).replace("\n", " # end\n", 3)
TEXTS = {
    "numbers alone": (table(X), {}),
    "one line": (table(X[:1]), {}),
    "no end of the last line": (table(X)[:-1], {}),
    "one column": (table(X[:, :1]), {}),
    "CRLF": (table(X, end="\r\n"), {}),
    "blank CRLF lines": (table(X[:5], end="\r\n") + "\r\n" + table(X[5:], end="\r\n"), {}),
    "names": (table(X, "x,y,z\n"), {"skiprows": 1}),
    "quoted names": (table(X, '"x, raw","y ""up""",z\n'), {"skiprows": 1}),
    "names that hold other delimiters": (table(X, "x;1,y\t2,z\n"), {"skiprows": 1}),
    "comments": (COMMENTED, {}),
    "blanks around": (table(X, delimiter=" ,  "), {}),
    "semicolons": (table(X, delimiter=";"), {"delimiter": ";"}),
    "tabs": (table(X, "a\tb\tc\n", "\t"), {"delimiter": "\t", "skiprows": 1}),
    "quoted numbers": (re.sub(r"([^,\n]+)", r'"\1"', table(X)), {"quotechar": '"'}),
    "integers and exponents": ("1,2e3\n-4,+.5\n0,1.\n", {}),
    "nan and inf": ("nan,inf\n-inf,NaN\n1,-0.0\n", {}),
    "the mark of UTF-8": ("\ufeff" + table(X, "x,y,z\n"), {"skiprows": 1}),
}


@pytest.mark.parametrize("text, options", TEXTS.values(), ids=TEXTS)
def test_numbers_are_those_of_numpy(here: Path, text: str, options: dict[str, Any]) -> None:
    write("t.csv", text)
    array, _ = read("t.csv")
    expected = np.loadtxt("t.csv", **{"delimiter": ",", "ndmin": 2, **options})
    assert_same_bits(array, expected[:, 0] if expected.shape[1] == 1 else expected)


def test_what_numpy_writes(here: Path) -> None:
    np.savetxt("t.csv", X, delimiter=",", header="taken by hand\nx,y,z")
    array, reader = read("t.csv")
    assert_same_bits(array, np.loadtxt("t.csv", delimiter=","))
    assert reader.attributes == {"columns": ["x", "y", "z"]}


def test_empty_fields_are_missing_numbers(here: Path) -> None:
    write("t.csv", "x,y,z\n1,2,\n,5,NA\n" + "7,8,9\n" * 90 + "null,,n/a\n")
    array, _ = read("t.csv")
    assert_same_bits(array, np.genfromtxt("t.csv", delimiter=",", skip_header=1, missing_values="NA"))
    assert np.isnan(array).sum() == 6


@given(arrays(np.float64, (30, 2), elements=st.floats(width=64)))
def test_every_float64_comes_back(tmp_path_factory: pytest.TempPathFactory, x: Array) -> None:
    path = str(tmp_path_factory.mktemp("t") / "t.csv")
    write_array(path, x)
    assert_same_bits(np.loadtxt(path, delimiter=","), x)
    assert_same_bits(read(path)[0], x)


@given(arrays(np.float32, (30, 2), elements=st.floats(width=32)))
def test_every_float32_comes_back_from_the_shortest_text(
    tmp_path_factory: pytest.TempPathFactory, x: Array
) -> None:
    path = str(tmp_path_factory.mktemp("t") / "t.csv")
    write_array(path, x)
    assert_same_bits(np.loadtxt(path, np.float32, delimiter=","), x)
    with open(path, newline="") as file:
        assert [list(map(str, row)) for row in x] == list(csv.reader(file))


def write_array(path: str, x: Array) -> None:
    output = open_output(Address.parse(path))
    writer = output.writer(NewArray("", x.shape, x.dtype))
    for start in range(0, len(x), 7):
        writer.write((slice(start, start + 7), *everything(x.shape)[1:]), x[start : start + 7])
    writer.commit()
    output.commit()


# Names and times


def test_names_are_kept_and_numbered(here: Path) -> None:
    write("t.csv", table(X, 'x,"y, raw",z\n'))
    np.save("two.npy", np.ones((1, 3, 2)))
    run("apply t.csv -k delta.npy -o a.csv -q").done()
    run("apply t.csv -k two.npy -o b.tsv -q").done()
    with open("a.csv", newline="") as file:
        assert next(csv.reader(file)) == ["x", "y, raw", "z"]
    with open("b.tsv", newline="") as file:
        names = next(csv.reader(file, delimiter="\t"))
    assert names == ["x_0", "x_1", "y, raw_0", "y, raw_1", "z_0", "z_1"]
    assert_same_bits(np.loadtxt("a.csv", delimiter=",", skiprows=1, quotechar='"'), X)
    assert_same_bits(np.loadtxt("b.tsv", delimiter="\t", skiprows=1), np.repeat(X, 2, axis=1))


@pytest.mark.parametrize(
    "name, first, period, rate",
    [
        ("time", 0, 0.02, 50),
        ("Time (s)", 5, 0.01, 100),
        ("t", 0, 0.5, 2),
        ("timestamp", 1.7e9, 0.25, 4),
        ("timestamp", 1_700_000_000_000, 10, 100),
        ("timestamp_us", 0, 2500, 400),
        ("seconds_elapsed", 0, 0.125, 8),
        ("ms", 0, 40, 25),
        ("Elapsed [min]", 0, 1, float(f"{1 / 60:.9g}")),
    ],
)
def test_a_time_column_is_no_channel(here: Path, name: str, first: float, period: float, rate: float) -> None:
    write("t.csv", timed(X, first + period * np.arange(40), f"{name},x,y,z\n"))
    array, reader = read("t.csv")
    assert_same_bits(array, np.loadtxt("t.csv", delimiter=",", skiprows=1)[:, 1:])
    assert reader.attributes == {"columns": ["x", "y", "z"], "fs": rate}
    assert [f"{rate:.9g} Hz" in note for note in reader.notes] == [True]


@pytest.mark.parametrize("name", ["x", "temperature", "at", "sampler"])
def test_a_first_column_of_another_name_is_a_channel(here: Path, name: str) -> None:
    write("t.csv", timed(X, np.arange(40), f"{name},x,y,z\n"))
    assert read("t.csv")[0].shape == (40, 4)


def test_a_column_that_does_not_increase_is_a_channel_if_its_name_can_mean_that(here: Path) -> None:
    write("t.csv", table(X[:, :2], "t,x\n"))
    array, reader = read("t.csv")
    assert array.shape == (40, 2)
    assert [("'t'" in note, "channel" in note) for note in reader.notes] == [(True, True)]


def test_the_index_of_a_data_frame_is_no_channel(here: Path) -> None:
    write("t.csv", ",x,y,z\n" + "".join(f"{i},{line}\n" for i, line in enumerate(table(X).splitlines())))
    array, reader = read("t.csv")
    assert_same_bits(array, X)
    assert reader.attributes == {"columns": ["x", "y", "z"]}
    run("apply t.csv -k k.npy -o o.csv -q --padding same").done()
    assert Path("o.csv").read_text().splitlines()[2].startswith("1,")


def test_dates(here: Path) -> None:
    begin = np.datetime64("2024-02-28T23:59:59.900")
    moments = begin + np.arange(40) * np.timedelta64(20, "ms")
    rows = [f"{moment}Z,{line}\n" for moment, line in zip(moments, table(X).splitlines(), strict=True)]
    write("t.csv", "timestamp,x,y,z\n" + "".join(rows))
    array, reader = read("t.csv")
    assert_same_bits(array, X)
    assert reader.attributes["fs"] == 50
    run("apply t.csv -k k.npy -o o.csv -q --strides 2").done()
    stamps = [line.partition(",")[0] for line in Path("o.csv").read_text().splitlines()[1:]]
    assert stamps == [f"{moment}Z" for moment in moments[:38:2]]


@pytest.mark.parametrize(
    "options, rows",
    [
        ("", range(38)),
        ("--padding same", range(40)),
        ("--strides 3", range(0, 38, 3)),
        ("--slice 5:25 --strides 2", range(5, 23, 2)),
        ("--padding causal --memory-limit 1MiB", range(40)),
    ],
)
def test_outputs_get_the_times_of_their_steps(here: Path, options: str, rows: range) -> None:
    text = [f"{i / 50:.3f}" for i in range(40)]
    write("t.csv", "time,x,y,z\n" + "".join(map(",".join, zip(text, table(X).splitlines(True), strict=True))))
    np.save("t.npy", X)
    run(f"apply t.npy -k k.npy -o o.npy -q {options}").done()
    run(f"apply t.csv -k k.npy -o o.csv -q {options}").done()
    with open("o.csv", newline="") as file:
        head, *body = csv.reader(file)
    assert head == ["time", "x", "y", "z"]
    assert [row[0] for row in body] == [text[row] for row in rows]
    assert_same_bits(np.array([row[1:] for row in body], float), np.load("o.npy"))


def test_uneven_times_are_told(here: Path) -> None:
    times = np.arange(1500) / 100
    times[1200:] += 3
    write("t.csv", timed(np.zeros(1500), times, "time,x\n"))
    _, reader = read("t.csv")
    assert [word in reader.notes[1] for word in ("0.01 s", "0.012")] == [True, True]


def test_times_through_hdf5_and_back(here: Path) -> None:
    write("t.csv", timed(X, np.arange(40) / 50, "time,x,y,z\n"))
    run("apply t.csv -k delta.npy -o a.h5 -q --strides 2").done()
    with h5py.File("a.h5") as file:
        data = file["t"]
        assert data.attrs["fs"] == 25
        assert data.attrs["columns"].tolist() == ["x", "y", "z"]
        assert_same_bits(data.dims[0]["time"][...], np.arange(0, 40, 2) / 50)
    run("apply a.h5::/t -k delta.npy -o b.csv -q").done()
    assert Path("b.csv").read_text().splitlines()[0] == "time,x,y,z"
    expected = np.column_stack([np.arange(0, 40, 2) / 50, X[::2]])
    assert_same_bits(np.loadtxt("b.csv", delimiter=",", skiprows=1), expected)


# Streams, layouts, and what a table cannot hold


def test_standard_streams(here: Path) -> None:
    text = timed(X, np.arange(40) / 50, "time,x,y,z\n").encode()
    ran = run("apply - --input-format csv -k delta.npy -o - --output-format csv -q", stdin=text).done()
    assert ran.out == text


def test_a_table_on_standard_input_is_recognised(here: Path) -> None:
    text = timed(X, np.arange(40) / 50, "time,x,y,z\n").encode()
    line = "apply - -k delta.npy -o o.npy -q"
    error = run(line, stdin=text).failed(3, "standard input").err
    (option,) = re.findall("--input-format csv", error)
    run(f"{line} {option}", stdin=text).done()
    assert_same_bits(np.load("o.npy"), X)


def test_rows_that_are_channels(here: Path) -> None:
    write("t.csv", table(X))
    np.save("t.npy", X)
    np.save("k40.npy", np.linspace(0, 1, 80).reshape(1, 40, 2))
    for kernel in ("k.npy", "k40.npy"):
        options = f"-k {kernel} --data-format channels_first -q --overwrite --memory-limit 1MiB"
        run(f"apply t.npy -o o.npy {options}").done()
        run(f"apply t.csv -o o.csv {options}").done()
        expected = np.load("o.npy")
        result = np.loadtxt("o.csv", delimiter=",", ndmin=2)
        assert_same_bits(result.reshape(expected.shape), expected)


def test_a_kernel_in_a_table(here: Path) -> None:
    write("k.csv", "0.25\n0.5\n0.25\n")
    np.save("t.npy", X)
    run("apply t.npy -k k.npy -o a.npy -q").done()
    run("apply t.npy -k k.csv -o b.npy -q").done()
    assert_same_bits(np.load("b.npy"), np.load("a.npy"))


@pytest.mark.parametrize("more", ["", "--dry-run"])
def test_what_a_table_cannot_hold(here: Path, more: str) -> None:
    np.save("x.npy", np.zeros((2, 9, 3)))
    run(f"apply x.npy -k k.npy -o o.csv {more}").failed(4, "o.csv", "two axes", "(2, 7, 3)", ".npy")
    np.save("z.npy", np.zeros((9, 3), complex))
    run(f"apply z.npy -k k.npy -o o.csv {more}").failed(4, "o.csv", "complex", ".npy")
    assert not Path("o.csv").exists()


BAD = {
    "1,2\n3\n": ["line 2 has 1 fields", "before it 2"],
    "1,2\n" * 200 + "\n# a comment\n1,2,3\n": ["line 203 has 3 fields"],
    "x,y\n1,2,3\n": ["line 1 has 2 names", "line 2 has 3 fields"],
    "x,y\n1,2\n1,walk\n": ["line 3", "'y'", "'walk'", "cut -d, -f1 t.csv"],
    "1,2,3\n1,walk,3\n": ["line 2", "column 2", "cut -d, -f1,3- t.csv"],
    "x;y\n1,5;2,5\n": ["line 2", "'1,5'", "decimal comma", "tr , . < t.csv"],
    '"1,5","2"\n': ["line 1", "decimal comma"],
    "": ["no rows"],
    "# nothing\n": ["no rows"],
    "x,y\n": ["no rows"],
    "time,x\n0,1\n1,1\n1,1\n2,1\n": ["line 4", "'time'", "rename"],
    "time,x\n" + "".join(f"{i},1\n" for i in range(1500)) + "7,1\n": ["line 1502", "'time'"],
    '"x\ny",z\n1,2\n': ["line 1", "quoted"],
    "1,2\n3,\x00\n": ["UTF-8"],
    "\xff\xfe1\x00": ["UTF-8"],
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_table_is_refused_in_a_line(here: Path, text: str) -> None:
    Path("t.csv").write_bytes(text.encode("latin-1"))
    run("apply t.csv -k k.npy --padding same -o o.npy -q").failed(3, "t.csv", *BAD[text])
    assert not Path("o.npy").exists()


@pytest.mark.parametrize("text", ["x;y\n1,5;2,5\n", "x,y\n1,2\n1,walk\n", "1,2,3\n1,walk,3\n"])
def test_the_advice_works_when_it_is_typed(here: Path, text: str) -> None:
    write("t.csv", text)
    error = run("apply t.csv -k k.npy --padding same -o o.npy -q").failed(3).err
    (line,) = re.findall(r"(?:tr|cut) .*", error)
    subprocess.run(line, shell=True, check=True)
    run(f"apply {line.split()[-1]} -k k.npy --padding same -o o.npy -q").done()


def test_a_line_without_end_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 2000)
    write("t.csv", "1,2\n3,4\n5,6\n" + ",".join(map(str, range(5000))))
    with pytest.raises(InputError, match="line 4 is longer than"):
        open_reader(Address.parse("t.csv"))


def test_a_large_table_takes_little_memory(here: Path) -> None:
    rows = table(X[:, :2]) * 20
    with open("t.csv", "w") as file:
        for _ in range(1200):
            file.write(rows)
    program = (
        "import re, sys; from pathlib import Path; from dwconv_cli.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        # Of this program alone, where ru_maxrss begins with the memory of the process that started it.
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    line = ["apply", "t.csv", "-k", "k.npy", "-o", "o.csv", "-q", "--slice", "0:20000"]
    done = subprocess.run(
        [sys.executable, "-c", program, *line], env=environment(), capture_output=True, check=True, text=True
    )
    assert int(done.stdout) < 180 << 10
    assert np.loadtxt(io.StringIO(Path("o.csv").read_text()), delimiter=",").shape == (19998, 2)
