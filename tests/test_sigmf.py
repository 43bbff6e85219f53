"""SigMF recordings, against the reference library."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from helpers_cli import Ran, names, run, save
from scipy.signal import lfilter
from sigmf import SigMFFile

DATATYPES = {
    f"{number}{kind}{order}": f"{'<' if order != '_be' else '>'}{kind[0]}{int(kind[1:]) // 8}"
    for number in "cr"
    for kind in ("f32", "f64", "i32", "i16", "u32", "u16", "i8", "u8")
    for order in (("",) if kind[1:] == "8" else ("_le", "_be"))
}
TAPS = [0.25, 0.5, 0.25]
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def kernels(place: Path) -> None:
    save(place / "one.npy", np.ones(1, "f4"))
    save(place / "mean.npy", np.array(TAPS, "f4"))


def record(name: str, datatype: str, steps: int = 1000, channels: int = 1, **more: Any) -> SigMFFile:
    """A recording that the reference library writes, of numbers at random over the whole range of its type."""
    stored = np.dtype(DATATYPES[datatype])
    count = steps * channels * (2 if datatype[0] == "c" else 1)
    if stored.kind == "f":
        numbers = RNG.uniform(-1, 1, count).astype("f4").astype(stored)
    else:
        limits = np.iinfo(stored)
        numbers = RNG.integers(limits.min, limits.max, count, stored.newbyteorder("="), True).astype(stored)
    Path(f"{name}.sigmf-data").write_bytes(numbers.tobytes())
    about = {"core:datatype": datatype, "core:num_channels": channels, "core:sample_rate": 48000, **more}
    made = SigMFFile(data_file=f"{name}.sigmf-data", global_info=about)
    made.add_capture(0, {"core:frequency": 1e9, "core:datetime": "2024-02-29T12:00:00.000000Z"})
    return made


def opened(name: str) -> SigMFFile:
    """A recording as the reference library reads it, which checks its checksum and its metadata."""
    recording = sigmf.fromfile(f"{name}.sigmf-meta")
    recording.validate()
    return recording


def apply(rest: str) -> Ran:
    return run(f"apply {rest} -q")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_the_reference_library_reads_the_same_samples(datatype: str, channels: int) -> None:
    record("a", datatype, channels=channels).tofile("a.sigmf-meta")
    apply("a.sigmf-meta -k one.npy -o b.sigmf-meta").done()
    before, after = opened("a"), opened("b")
    # The reference library takes unsigned integers of 32 bits through float32 before it moves them to -1 to 1.
    atol = 2e-7 if "u32" in datatype else 0
    np.testing.assert_allclose(after.read_samples(), before.read_samples(), rtol=0, atol=atol)
    assert after.num_channels == channels
    about = after.get_global_info()
    assert about["core:datatype"][:2] == datatype[0] + "f"
    assert about["core:sha512"] == hashlib.sha512(Path("b.sigmf-data").read_bytes()).hexdigest()
    if datatype[1] == "f":
        assert about["core:datatype"] == datatype
        assert Path("b.sigmf-data").read_bytes() == Path("a.sigmf-data").read_bytes()


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name[1] != "f"])
def test_integers_come_back_byte_by_byte_where_they_are_asked_for(datatype: str) -> None:
    record("a", datatype).tofile("a.sigmf-meta")
    apply(f"a.sigmf-data -k one.npy --sample-format {datatype} -o b.sigmf-data").done()
    assert Path("b.sigmf-data").read_bytes() == Path("a.sigmf-data").read_bytes()
    assert opened("b").get_global_info()["core:datatype"] == datatype


def test_filtered_samples() -> None:
    record("a", "ci16_le", 5000, 2).tofile("a.sigmf-meta")
    apply("a.sigmf-meta -k mean.npy --strides 4 --slice 100:4000 -o b.sigmf-meta").done()
    expected = lfilter(TAPS, 1, opened("a").read_samples()[100:4000], axis=0)[2::4]
    after = opened("b")
    np.testing.assert_allclose(after.read_samples(), expected, rtol=0, atol=2e-7)
    assert after.get_global_info()["core:sample_rate"] == 12000


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_other_formats(dtype: str) -> None:
    save(Path("a.npy"), RNG.uniform(-1, 1, (50, 2)).astype(dtype))
    apply("a.npy -k one.npy --fs 12.5 -o b.sigmf-data").done()
    after = opened("b")
    assert np.array_equal(after.read_samples(), np.load("a.npy").astype(after.read_samples().dtype))
    assert after.get_global_info()["core:sample_rate"] == 12.5
    apply("b.sigmf-data -k one.npy -o c.npy").done()
    assert np.array_equal(np.load("c.npy"), np.load("a.npy"))
    assert np.load("c.npy").dtype == dtype


def test_without_a_sampling_rate() -> None:
    save(Path("a.npy"), RNG.uniform(-1, 1, 50))
    apply("a.npy -k one.npy -o b.sigmf-data").done()
    assert "core:sample_rate" not in opened("b").get_global_info()


def annotated() -> SigMFFile:
    made = record("a", "cf32_le", 1000, **{"core:author": "somebody", "core:hw": "a radio"})
    made.add_capture(500, {"core:frequency": 2e9, "core:datetime": "2024-02-29T12:00:01.000000Z"})
    for start, count in ((10, 30), (90, 50), (601, 5), (900, 100)):
        made.add_annotation(start, count, {"core:label": f"at {start}"})
    return made


def test_captures_and_annotations_stay_where_they_are_in_time() -> None:
    annotated().tofile("a.sigmf-meta")
    apply("a.sigmf-meta -k mean.npy --padding same --slice 100:800 --strides 4 -o b.sigmf-meta").done()
    after = opened("b")
    info = after.get_global_info()
    assert (info["core:author"], info["core:hw"], info["core:sample_rate"]) == ("somebody", "a radio", 12000)
    first, second = after.get_captures()
    # 100 steps at 48 kHz are 2083.3 microseconds.
    assert first == {
        "core:sample_start": 0,
        "core:frequency": 1e9,
        "core:datetime": "2024-02-29T12:00:00.002083Z",
    }
    assert (second["core:sample_start"], second["core:frequency"]) == (100, 2e9)
    assert second["core:datetime"] == "2024-02-29T12:00:01.000000Z"
    labels = [
        (note["core:label"], note["core:sample_start"], note["core:sample_count"])
        for note in after.get_annotations()
    ]
    assert labels == [("at 90", 0, 10), ("at 601", 125, 2)]


def test_metadata_goes_through_hdf5() -> None:
    annotated().tofile("a.sigmf-meta")
    apply("a.sigmf-meta -k one.npy -o b.h5").done()
    apply("b.h5 -k one.npy -o c.sigmf-meta").done()
    before, after = opened("a"), opened("c")
    assert np.array_equal(after.read_samples(), before.read_samples())
    assert after.get_captures() == before.get_captures()
    assert after.get_annotations() == before.get_annotations()


def test_samples_that_count_from_elsewhere() -> None:
    made = record("a", "rf32_le", 100)
    made.add_annotation(40, 10, {"core:label": "later"})
    made._metadata["global"]["core:offset"] = 5000
    for segment in (*made._metadata["captures"], *made._metadata["annotations"]):
        segment["core:sample_start"] += 5000
    Path("a.sigmf-meta").write_text(json.dumps(made._metadata))
    apply("a.sigmf-meta -k one.npy -o b.sigmf-meta").done()
    after = opened("b")
    assert after.get_captures()[0]["core:sample_start"] == 0
    assert after.get_annotations()[0]["core:sample_start"] == 40


def test_a_checksum_is_checked_on_request() -> None:
    record("a", "ri16_le").tofile("a.sigmf-meta")
    assert "core:sha512" in Path("a.sigmf-meta").read_text()
    apply("a.sigmf-meta -k one.npy --checksum -o b.sigmf-meta").done()
    data = bytearray(Path("a.sigmf-data").read_bytes())
    data[77] ^= 1
    Path("a.sigmf-data").write_bytes(data)
    apply("a.sigmf-meta -k one.npy -o c.sigmf-meta").done()
    apply("a.sigmf-meta -k one.npy --checksum -o d.sigmf-meta").failed(3, "a.sigmf-data", "core:sha512")


def test_inspect() -> None:
    record("a", "ci16_le", 480, 2).tofile("a.sigmf-meta")
    (report,) = run("inspect a.sigmf-meta --json").reports
    assert report["input"] == {"address": "a.sigmf-data", "shape": [480, 2], "dtype": "complex64"}
    assert (report["storage"], report["recording"]["duration"]) == ({"format": "sigmf"}, 0.01)
    assert (report["attributes"]["sampling_rate"], report["attributes"]["sample_format"]) == (
        48000,
        "ci16_le",
    )
    assert run("inspect 'a.sigmf-*' --shape").out == b"480,2\n"


@pytest.mark.parametrize("beside", ["b.sigmf-data", "b.sigmf-meta"])
@pytest.mark.parametrize("typed", ["b.sigmf-data", "b.sigmf-meta"])
def test_neither_file_is_replaced(typed: str, beside: str) -> None:
    record("a", "cf32_le").tofile("a.sigmf-meta")
    Path(beside).write_bytes(b"old")
    before = names(Path())
    for more in ("", " --dry-run"):
        apply(f"a.sigmf-meta -k one.npy -o {typed}{more}").failed(4, beside, "exists already", "--overwrite")
    assert (names(Path()), Path(beside).read_bytes()) == (before, b"old")
    apply(f"a.sigmf-meta -k one.npy -o {typed} --overwrite").done()
    assert opened("b").sample_count == 1000


@pytest.mark.parametrize(
    "line, code, words",
    [
        ("a.sigmf-meta -k one.npy -o ./a.sigmf-data --overwrite", 4, ("output and input are the same",)),
        ("a.sigmf-meta -k one.npy -o b.npy --report a.sigmf-meta --overwrite", 4, ("a.sigmf-meta", "reads")),
        ("a.sigmf-meta -k one.npy -o b.sigmf-meta --sample-format cf128", 2, ("cf32_le", "cf128")),
        ("a.sigmf-meta -k one.npy -o b.sigmf-meta --sample-format ri16_le", 2, ("complex", "use ci16_le")),
        ("batch.npy -k one.npy -o b.sigmf-meta", 4, ("(2, 3, 4)",)),
        ("lonely.sigmf-data -k one.npy -o b.npy", 3, ("lonely.sigmf-meta", "no such file")),
        ("nothing.sigmf-meta -k one.npy -o b.npy", 3, ("nothing.sigmf-data", "no such file")),
        ("nan.npy -k one.npy -o b.sigmf-meta --nan error", 3, ("NaN",)),
    ],
)
def test_what_goes_wrong(line: str, code: int, words: tuple[str, ...]) -> None:
    made = record("a", "cf32_le")
    made.tofile("a.sigmf-meta")
    save(Path("batch.npy"), np.ones((2, 3, 4)))
    save(Path("nan.npy"), [1, np.nan])
    Path("lonely.sigmf-data").touch()
    before = names(Path())
    apply(line).failed(code, *words)
    assert names(Path()) == before


BAD = {
    "no JSON": ("{", "not valid JSON"),
    "a list": ("[]", "global"),
    "no datatype": ({"core:version": "1.0.0"}, "core:datatype is 'None'"),
    "an unknown datatype": ({"core:datatype": "cf16_le"}, "'cf16_le'"),
    "a rate of 0": ({"core:sample_rate": 0}, "core:sample_rate is 0"),
    "a rate in words": ({"core:sample_rate": "48 kHz"}, "core:sample_rate is 48 kHz"),
    "no rate": ({"core:sample_rate": float("nan")}, "core:sample_rate is nan"),
    "no channels": ({"core:num_channels": 0}, "core:num_channels is 0"),
    "too many channels": ({"core:num_channels": 2**70}, "core:num_channels is"),
    "channels that do not fit": ({"core:num_channels": 3}, "no whole steps of 24 bytes"),
    "trailing bytes": ({"core:trailing_bytes": 10**6}, "no whole steps"),
    "no samples": ({"core:metadata_only": True}, "metadata alone"),
}


@pytest.mark.parametrize("case", BAD)
def test_malformed_metadata(case: str) -> None:
    content, words = BAD[case]
    made = record("a", "cf32_le")
    if isinstance(content, dict):
        about = {**made._metadata["global"], **content}
        if case == "no datatype":
            about = content
        content = json.dumps({**made._metadata, "global": about})
    Path("a.sigmf-meta").write_text(content)
    apply("a.sigmf-meta -k one.npy -o b.npy").failed(3, "a.sigmf-meta", words)


def test_headers_between_samples_are_refused() -> None:
    made = record("a", "cf32_le")
    made._metadata["captures"][0]["core:header_bytes"] = 4
    Path("a.sigmf-meta").write_text(json.dumps(made._metadata))
    apply("a.sigmf-meta -k one.npy -o b.npy").failed(3, "a.sigmf-meta", "core:header_bytes")


def test_samples_under_another_name() -> None:
    made = record("a", "cf32_le")
    made._metadata["global"]["core:dataset"] = "a.iq"
    Path("a.sigmf-meta").write_text(json.dumps(made._metadata))
    Path("a.sigmf-data").rename("a.iq")
    apply("a.sigmf-meta -k one.npy -o b.npy").failed(3, "a.sigmf-meta", "'a.iq'", "link or rename")
    Path("a.sigmf-data").symlink_to("a.iq")
    apply("a.sigmf-meta -k one.npy -o b.npy").done()
