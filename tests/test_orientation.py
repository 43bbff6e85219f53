"""Recordings whose axes lie the other way round than they are read."""

from __future__ import annotations

import contextlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import run

from dwconv_cli.jobs.orientation import attributes_note, shape_note, stated_format
from dwconv_cli.jobs.provenance import LAYER


@pytest.fixture(autouse=True)
def turned(place: Path) -> None:
    """Recordings of either orientation and a long kernel, in the working directory."""
    np.save("turned.npy", np.ones((3, 100), "f4"))
    np.save("right.npy", np.ones((100, 3), "f4"))
    np.save("k.npy", np.ones(7, "f4"))


@pytest.mark.parametrize(
    "steps, channels, span, doubtful",
    [
        (3, 100, 7, True),
        (3, 100, 3, False),
        (100, 3, 200, False),
        (6, 6, 7, False),
        (6, 7, 7, True),
        (1, 2, 2, True),
    ],
)
def test_few_steps_are_doubted(steps: int, channels: int, span: int, doubtful: bool) -> None:
    assert (shape_note(steps, channels, span, "channels_last") is not None) == doubtful


def test_apply_asks() -> None:
    words = "3 steps of 100 channels; is this channels_first? --data-format channels_first reads it so"
    line = "apply turned.npy -k k.npy --padding same -o y.npy --json"
    (report,) = (ran := run(line)).reports
    assert (report["status"], report["notes"]) == ("ok", [words])
    assert words in ran.err
    # The advice, typed.
    (report,) = run(f"{line} --overwrite --data-format channels_first").done().reports
    assert (report["output"]["shape"], report["notes"]) == ([3, 100], [])
    (report,) = run(
        "apply right.npy -k k.npy --data-format channels_first --padding same -o z.npy --json"
    ).reports
    assert "is this channels_last?" in report["notes"][0]


def test_too_few_steps_ask_too() -> None:
    words = "is this channels_first? --data-format channels_first"
    run("apply turned.npy -k k.npy -o y.npy").failed(2, "too few", words)
    run("inspect turned.npy -k k.npy").failed(2, "too few", "is this channels_first?")


def test_inspect_asks() -> None:
    for recording in ("turned.npy", "--input-shape 3,100"):
        (report,) = run(f"inspect {recording} -k k.npy --padding same --json").reports
        assert any("is this channels_first?" in note for note in report["notes"])


def test_our_own_outputs_are_read_as_they_were_made() -> None:
    run("apply turned.npy -k k.npy --padding same --data-format channels_first -o y.h5 -q").done()
    (report,) = run("inspect y.h5::/turned --stats --json").done().reports
    recording = report["recording"]
    assert (recording["steps"], recording["channels"], recording["data_format"]) == (100, 3, "channels_first")
    assert len(report["stats"]) == 3
    assert "100 steps, 3 channels, channels_first" in run("inspect y.h5::/turned").done().out.decode()
    # What is typed decides.
    (report,) = run("inspect y.h5::/turned --data-format channels_last --json").done().reports
    assert report["recording"]["steps"] == 3


def test_attributes_that_say_otherwise_are_noted() -> None:
    first = "--data-format channels_first"
    run(f"apply turned.npy -k k.npy --padding same {first} -o y.h5 -q").done()
    line = "apply y.h5::/turned --kernel-size 2 --seed 1 --json"
    (report,) = run(f"{line} -o z.npy").reports
    assert any("--data-format channels_first follows them" in note for note in report["notes"])
    (report,) = run(f"{line} {first} -o w.npy").reports
    assert not report["notes"]


@pytest.mark.parametrize(
    "attributes, stated",
    [
        ({}, None),
        ({LAYER: '{"data_format": "channels_first"}'}, "channels_first"),
        ({"data_format": "channels_first"}, "channels_first"),
        ({"data_format": "sideways"}, None),
        ({"data_format": np.arange(3)}, None),
        ({LAYER: "{"}, None),
        ({LAYER: "[" * 10_000}, None),
        ({LAYER: '{"data_format": ["channels_first"]}'}, None),
        ({LAYER: "7"}, None),
        ({LAYER: b"{}"}, None),
    ],
)
def test_stated_formats(attributes: dict[str, object], stated: str | None) -> None:
    assert stated_format(attributes) == stated
    assert (attributes_note(attributes, "channels_last") is not None) == (stated is not None)


@pytest.mark.parametrize("output", ["t.npz", "t.h5", "t.npy"])
def test_reports_of_weights_in_torchs_layout(output: str) -> None:
    line = "init-weights --kernel-size 5 --channels 3 --depth-multiplier 2 --no-bias --output-layout torch"
    (report,) = run(f"{line} -o {output} --json").reports
    with h5py.File(output) if output.endswith(".h5") else contextlib.nullcontext(np.load(output)) as file:
        shape = (file if output.endswith(".npy") else file["kernel"]).shape
    assert tuple(report["weights"]["kernel_shape"]) == shape == (6, 1, 5)
    assert "(6, 1, 5)" in run(f"{line} -o another.npz").err
