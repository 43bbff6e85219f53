"""Addresses: what is a path, what is a name, and what wildcards match on either side of ``::``."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import run
from hypothesis import given
from hypothesis import strategies as st

from dwconv_cli.errors import InputError
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import array_names
from dwconv_cli.storage.resolution import matching, recording_at


@pytest.mark.parametrize(
    "text, path, name",
    [
        ("a.npy", "a.npy", None),
        ("a.h5::/imu/acc", "a.h5", "/imu/acc"),
        ("a.npz::acc", "a.npz", "acc"),
        ("a.npz::", "a.npz", None),
        ("::acc", "::acc", None),
        ("a::b.npz::acc", "a::b.npz", "acc"),
        ("a:b.npy", "a:b.npy", None),
        ("-", "-", None),
        ("m.weights.h5::conv::0", "m.weights.h5::conv", "0"),
        ("dir with space/a.h5:: x ", "dir with space/a.h5", " x "),
    ],
)
def test_parse(text: str, path: str, name: str | None) -> None:
    assert Address.parse(text) == Address(path, name)


def test_what_exists_as_it_stands_is_a_path(tmp_path: Path) -> None:
    odd = tmp_path / "a.npz::b"
    odd.touch()
    assert Address.parse(str(odd)) == Address(str(odd))
    odd.unlink()
    odd.symlink_to("nowhere")
    assert Address.parse(str(odd)) == Address(str(odd))


# A path that ends in a colon cannot be told from the separator.
@given(
    st.text(st.characters(exclude_characters="\0:"), min_size=1),
    st.none() | st.text(st.characters(exclude_characters="\0:"), min_size=1),
)
def test_an_address_is_read_as_it_is_shown(path: str, name: str | None) -> None:
    assert Address.parse(str(Address(path, name))) == Address(path, name)


@pytest.mark.parametrize(
    "path, suffix",
    [
        ("A.NPY", ".npy"),
        ("m.weights.h5", ".h5"),
        ("noext", ""),
        (".npy", ""),
        ("dir.h5/x", ""),
        ("a.npy.gz", ".gz"),
    ],
)
def test_suffix(path: str, suffix: str) -> None:
    assert Address(path).suffix == suffix


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with recordings of two days, and files whose names are patterns."""
    monkeypatch.chdir(tmp_path)
    for day in ("day1", "day2"):
        (tmp_path / day).mkdir()
        with h5py.File(tmp_path / day / "rec.h5", "w") as file:
            for name in ("imu/acc", "imu/gyro", "imu/raw/acc", "t"):
                file[name] = np.zeros((3, 2))
            file["note"] = "text"
            file["scale"] = 2.0
            file["imu/[x]"] = np.zeros(3)
    np.save("a.npy", np.zeros(3))
    np.save("b[1].npy", np.zeros(3))
    np.save("b1.npy", np.zeros(3))
    np.save("s*r.npy", np.zeros(3))
    np.save("star.npy", np.zeros(3))
    np.save(".hidden.npy", np.zeros(3))
    np.savez("a.npz", acc=np.zeros(3), gyro=np.zeros(3), **{"sub/acc": np.zeros(3)})
    np.savez("one.npz", only=np.zeros(3))


ACC = [f"day{d}/rec.h5::/imu/acc" for d in (1, 2)]


@pytest.mark.parametrize(
    "text, addresses",
    [
        ("a.npy", ["a.npy"]),
        ("nothing.npy", ["nothing.npy"]),
        ("*.npy", ["a.npy", "b1.npy", "b[1].npy", "s*r.npy", "star.npy"]),
        # What exists under its literal name is taken literally.
        ("b[1].npy", ["b[1].npy"]),
        ("s*r.npy", ["s*r.npy"]),
        ("b?.npy", ["b1.npy"]),
        ("day*/rec.h5::/imu/acc", ACC),
        ("**/rec.h5::imu/acc", [name.replace("::/", "::") for name in ACC]),
        ("day*/rec.h5::/imu/a*", ACC),
        ("day1/rec.h5::imu/*", ["day1/rec.h5::/imu/[x]", "day1/rec.h5::/imu/acc", "day1/rec.h5::/imu/gyro"]),
        ("day1/rec.h5::/*/acc", ["day1/rec.h5::/imu/acc"]),
        ("day1/rec.h5::/**/acc", ["day1/rec.h5::/imu/acc", "day1/rec.h5::/imu/raw/acc"]),
        ("day1/rec.h5::/imu/[x]", ["day1/rec.h5::/imu/[x]"]),
        ("day1/rec.h5::/imu/[ag]*", ["day1/rec.h5::/imu/acc", "day1/rec.h5::/imu/gyro"]),
        ("day1/rec.h5::/imu/[!a]???", ["day1/rec.h5::/imu/gyro"]),
        ("a.npz::*", ["a.npz::acc", "a.npz::gyro"]),
        ("a.npz::**", ["a.npz::acc", "a.npz::gyro", "a.npz::sub/acc"]),
        ("-", ["-"]),
    ],
)
def test_wildcards(days: None, text: str, addresses: list[str]) -> None:
    # The file decides the order of the names in it.
    assert sorted(map(str, matching(text).addresses)) == sorted(addresses)


def test_files_come_in_order(days: None) -> None:
    paths = [address.path for address in matching("*.npy").addresses]
    assert paths == sorted(paths)


@pytest.mark.parametrize(
    "text", ["no*.npy", "no*.h5::/x", "a.npz::no*", "day*/rec.h5::/acc?", "day1/rec.h5::/imu/A*"]
)
def test_wildcards_that_match_nothing(days: None, text: str) -> None:
    with pytest.raises(InputError, match="matches"):
        matching(text)


@pytest.mark.parametrize(
    "text, address",
    [
        ("one.npz", "one.npz::only"),
        ("a.npz::acc", "a.npz::acc"),
        ("day1/rec.h5::imu/acc", "day1/rec.h5::/imu/acc"),
        ("a.npy", "a.npy"),
        ("-", "-"),
    ],
)
def test_complete(days: None, text: str, address: str) -> None:
    assert str(recording_at(text)) == address


@pytest.mark.parametrize(
    "text, words",
    [
        ("a.npz", ["acc", "gyro", "sub/acc", "::"]),
        ("day1/rec.h5", ["/imu/acc", "/imu/gyro", "/t"]),
        ("a.npy::x", ["::x"]),
        ("day1", ["directory"]),
        ("", ["empty"]),
        ("noext", ["input_format", ".npy", ".h5"]),
        ("a.txt", ["a.txt", "python3 -c"]),
        ("a.xyz", [".xyz", "input_format"]),
        ("nothing.npz", ["nothing.npz", "no such file"]),
        ("nothing.h5", ["nothing.h5", "no such file"]),
    ],
)
def test_what_cannot_be_completed_says_why(days: None, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        recording_at(text)
    for word in words:
        assert word in str(caught.value).lower() or word in str(caught.value)


def test_only_numeric_datasets_of_rank_1_to_3_count(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["scalar"] = 1.0
        file["text"] = "x"
        file["four"] = np.zeros((1, 2, 3, 4))
        file["pair"] = np.zeros(2, [("a", "f4"), ("b", "f4")])
        file["times"] = np.zeros(3)
    assert array_names(Address(str(path))) == ["/times"]
    assert recording_at(path) == Address(str(path), "/times")


def test_a_file_without_arrays_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    h5py.File(path, "w").close()
    with pytest.raises(InputError, match="no numeric"):
        recording_at(path)


def test_very_many_candidates_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **{f"array{n:03}": np.zeros(1) for n in range(100)})
    with pytest.raises(InputError, match="and 80 more"):
        recording_at(path)


@pytest.fixture
def lab(place: Path) -> None:
    """A laboratory's file: recordings, their time stamps as dimension scales, and what is no recording."""
    with h5py.File("lab.h5", "w") as file:
        for name in ("acc", "gyro"):
            data = file.create_dataset(f"run1/{name}", data=np.arange(60, dtype="f4").reshape(20, 3))
            scale = file.create_dataset(f"run1/times/{name}", data=np.arange(20.0))
            scale.make_scale("time")
            data.dims[0].attach_scale(scale)
        file["run1/note"] = "text"
        file["run1/rate"] = 50.0
        file["run1/video"] = np.zeros((2, 2, 2, 2))
        file["run2/note"] = "text"


def test_wildcards_leave_out_what_is_no_recording_and_say_so(lab: None) -> None:
    options = "-k k.npy -o {dataset}.npy --overwrite"
    ran = run(f"apply lab.h5::/run1/** {options} --json")
    assert ran.code == 0
    assert [report["input"]["address"] for report in ran.reports] == [
        "lab.h5::/run1/acc",
        "lab.h5::/run1/gyro",
    ]
    assert [any("leaves out 5 of 7" in note for note in report["notes"]) for report in ran.reports] == [
        True,
        False,
    ]
    assert ran.err.count("leaves out 5 of 7") == 1
    assert "/run1/note" in ran.err
    assert "leaves out" in run(f"apply lab.h5::/run1/** {options}").err
    # What matches nothing else, and what is named, is told or taken.
    run(f"apply lab.h5::/run1/times/* {options}").failed(3, "dimension scales", "without wildcards")
    run(f"apply lab.h5::/run2/* {options}").failed(3, "/run2/note")
    run(f"apply lab.h5::/run1/times/acc {options} -q").done()
    assert "leaves out" not in run(f"apply lab.h5::/run1/[ag][cy]* {options}").err
