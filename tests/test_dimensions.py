"""Dimension labels and scales, and attributes of groups, from HDF5 to HDF5; h5py reads what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import run

RATE = 50
STEPS, CHANNELS = 40, 3
TIME = np.arange(STEPS) / RATE
NAMES = [b"x", b"y", b"z"]
SAME = "--padding same -q"


def source(path: Path, *, first: bool = False, batch: int | None = None) -> h5py.File:
    """A recording with a time for each step, a name for each channel, and groups that say where it comes from."""
    file = h5py.File(path, "w")
    file.attrs.update({"subject": "s1", "fs": RATE})
    file.create_group("imu").attrs["place"] = "wrist"
    time = file.create_dataset("imu/time", data=TIME, chunks=(7,), compression="gzip")
    time.attrs["units"] = "s"
    time.make_scale("time")
    names = file.create_dataset("imu/axis", data=np.array(NAMES, h5py.string_dtype()))
    names.make_scale("axis")
    x = np.arange(STEPS * CHANNELS, dtype="f4").reshape(STEPS, CHANNELS)
    x = x.T if first else x
    acc = file.create_dataset("imu/acc", data=x if batch is None else np.stack([x] * batch))
    axes = [time, names][:: -1 if first else 1]
    for axis, scale in enumerate(axes, start=acc.ndim - 2):
        acc.dims[axis].label = scale.name.rpartition("/")[2]
        acc.dims[axis].attach_scale(scale)
    return file


def dimensions(data: h5py.Dataset) -> list[tuple[str, list[Any]]]:
    return [(axis.label, [list(scale[()]) for scale in axis.values()]) for axis in data.dims]


@pytest.fixture(autouse=True)
def three_taps(place: Path) -> None:
    """Kernel of the runs below, in the working directory."""
    np.save("k.npy", np.ones(3, "f4"))


@pytest.mark.parametrize("first", [False, True], ids=["channels_last", "channels_first"])
@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize(
    "options, time, multiplier",
    [
        ("--padding same", TIME, 1),
        ("--padding causal", TIME, 1),
        ("--padding same --strides 3", TIME[::3], 1),
        ("--padding same --slice 5:31", TIME[5:31], 1),
        ("--padding same --slice 5:31 --strides 4", TIME[5:31:4], 1),
        ("", TIME[: STEPS - 2], 1),
        ("--strides 2", TIME[: STEPS - 2 : 2], 1),
        ("--padding same --depth-multiplier 2", TIME, 2),
    ],
)
def test_scales_follow_steps_and_channels(
    options: str, time: Any, multiplier: int, batch: int | None, first: bool
) -> None:
    source(Path("a.h5"), first=first, batch=batch).close()
    layout = "channels_first" if first else "channels_last"
    run(f"apply a.h5::/imu/acc --kernel-size 3 {options} --data-format {layout} -o b.h5 -q").done()
    names = [name for name in NAMES for _ in range(multiplier)]
    axes = [("time", [list(time)]), ("axis", [names])][:: -1 if first else 1]
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/acc"]) == [("", [])] * (batch is not None) + axes
        scale = file["imu/time"]
        assert scale.is_scale
        assert (scale.attrs["units"], scale.attrs["NAME"]) == ("s", b"time")
        assert scale.compression == "gzip"


def test_rank_1() -> None:
    with source(Path("a.h5")) as file:
        one = file.create_dataset("imu/one", data=TIME)
        one.dims[0].attach_scale(file["imu/time"])
    run("apply a.h5::/imu/one --kernel-size 1 --depth-multiplier 2 -o b.h5 -q").done()
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/one"]) == [("", [list(TIME)]), ("", [])]


def test_long_scales_go_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dwconv_cli.storage.surroundings.BLOCK_BYTES", 40)
    monkeypatch.setattr("dwconv_cli.jobs.attributes.PIECE", 7)
    source(Path("a.h5"), first=True).close()
    layer = "--kernel-size 1 --depth-multiplier 3 --strides 2 --data-format channels_first"
    run(f"apply a.h5::/imu/acc {layer} --slice 1: -q -o b.h5").done()
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/acc"]) == [
            ("axis", [[name for name in NAMES for _ in range(3)]]),
            ("time", [list(TIME[1::2])]),
        ]


def test_valid_says_which_time() -> None:
    source(Path("a.h5")).close()
    (report,) = run("apply a.h5::/imu/acc -k k.npy -o b.h5 --json").reports
    assert any("/imu/time" in note and "--padding same" in note for note in report["notes"])
    (report,) = run("apply a.h5::/imu/acc -k k.npy --padding same -o c.h5 --json").done().reports
    assert not report["notes"]


def test_one_scale_serves_all_that_share_it() -> None:
    with source(Path("a.h5")) as file:
        other = file.create_dataset("imu/gyro", data=file["imu/acc"][()])
        other.dims[0].attach_scale(file["imu/time"])
    for name in ("acc", "gyro"):
        run(f"apply a.h5::/imu/{name} -k k.npy {SAME} -o b.h5::/imu/{name}").done()
    run(f"apply a.h5::/imu/acc -k k.npy {SAME} --strides 2 -o b.h5::/imu/slow").done()
    with h5py.File("b.h5") as file:
        assert set(file["imu"]) == {"acc", "gyro", "slow", "time", "axis", "slow_time"}
        assert dimensions(file["imu/gyro"])[0] == ("", [list(TIME)])
        assert dimensions(file["imu/slow"])[0] == ("time", [list(TIME[::2])])


def test_a_name_that_is_not_free() -> None:
    source(Path("a.h5")).close()
    with h5py.File("b.h5", "w") as file:
        file["imu/time"] = "something else"
        file["imu/acc_time"] = 3
    run(f"apply a.h5::/imu/acc -k k.npy {SAME} -o b.h5::/imu/acc").done()
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/acc"])[0] == ("time", [list(TIME)])
        assert (file["imu/time"][()], file["imu/acc_time"][()]) == (b"something else", 3)


def test_replaced_outputs_leave_the_lists_of_their_scales() -> None:
    source(Path("a.h5")).close()
    for strides in ("1", "2"):
        options = f"--strides {strides} --overwrite -o b.h5::/imu/acc"
        run(f"apply a.h5::/imu/acc -k k.npy {SAME} {options}").done()
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/acc"])[0] == ("time", [list(TIME[::2])])
        for name in ("time", "axis"):
            assert all(file[ref].name for ref, _ in file["imu"][name].attrs.get("REFERENCE_LIST", ()))


def test_groups_keep_their_attributes() -> None:
    source(Path("a.h5")).close()
    run(f"apply a.h5::/imu/acc -k k.npy {SAME} --strides 2 -o b.h5").done()
    with h5py.File("b.h5") as file:
        assert dict(file.attrs) == {"subject": "s1", "fs": RATE / 2}
        assert dict(file["imu"].attrs) == {"place": "wrist"}
    with h5py.File("c.h5", "w") as file:
        file.attrs["subject"] = "another"
        file.create_group("imu")
    run(f"apply a.h5::/imu/acc -k k.npy {SAME} -o c.h5::/imu/acc").done()
    with h5py.File("c.h5") as file:
        assert dict(file.attrs) == {"subject": "another"}
        assert not file["imu"].attrs


def test_a_group_of_several_inputs_keeps_what_they_agree_on() -> None:
    for name, subject in (("a", "s1"), ("b", "s2")):
        with source(Path(f"{name}.h5")) as file:
            file.attrs["subject"] = subject
            file.move("imu/acc", f"imu/{name}")
    run(f"apply a.h5::/imu/a b.h5::/imu/b -k k.npy {SAME} -o all.h5::{{dataset}}").done()
    with h5py.File("all.h5") as file:
        assert dict(file.attrs) == {"fs": RATE}
        assert dict(file["imu"].attrs) == {"place": "wrist"}
        assert dimensions(file["imu/a"]) == dimensions(file["imu/b"])


def _elsewhere(file: h5py.File) -> h5py.Dataset:
    return file.create_dataset("far", (STEPS,), "f8", external=[("secret", 0, STEPS * 8)])


BAD_SCALES = {
    "too short": lambda file: file.create_dataset("far", data=TIME[:5]),
    "of rank 2": lambda file: file.create_dataset("far", data=np.ones((STEPS, 2))),
    "records": lambda file: file.create_dataset("far", (STEPS,), [("a", "f4")]),
    "in another file": _elsewhere,
}


@pytest.mark.parametrize("make", BAD_SCALES.values(), ids=BAD_SCALES)
def test_scales_that_cannot_be_carried_are_told(make: Any) -> None:
    Path("secret").write_bytes(bytes(STEPS * 8))
    with source(Path("a.h5")) as file:
        scale = make(file)
        scale.make_scale("far")
        file["imu/acc"].dims[0].attach_scale(scale)
    (report,) = run(f"apply a.h5::/imu/acc -k k.npy {SAME} -o b.h5 --json").reports
    assert any("/far" in note for note in report["notes"])
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/acc"])[0] == ("time", [list(TIME)])
        assert "far" not in file


def test_what_is_no_list_of_scales_is_left_out() -> None:
    with source(Path("a.h5")) as file:
        attributes = file["imu/acc"].attrs
        attributes["DIMENSION_LABELS"] = 3
        for name in ("time", "axis"):
            file["imu"][name].attrs["REFERENCE_LIST"] = np.arange(6)
    (report,) = run(f"apply a.h5::/imu/acc -k k.npy {SAME} -o b.h5 --json").reports
    assert any("REFERENCE_LIST" in note for note in report["notes"])
    with h5py.File("b.h5") as file:
        assert dimensions(file["imu/acc"]) == [("", []), ("", [])]
