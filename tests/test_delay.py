"""The delay of an output: its number of steps, its seconds, and the words for its sign."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import run

STEPS = 41


@pytest.fixture
def impulse(place: Path) -> Path:
    """A recording at 50 Hz whose only sample that is not 0 is at step 20, and symmetric kernels."""
    recording = np.zeros((STEPS, 1), "f4")
    recording[20] = 1
    with h5py.File("rec.h5", "w") as file:
        file["x"] = recording
        file["x"].attrs["sampling_rate"] = 50.0
    np.save("five.npy", np.array([1, 2, 3, 2, 1], "f4"))
    np.save("four.npy", np.array([1, 2, 2, 1], "f4"))
    return place


@pytest.mark.parametrize(
    "options, steps, words",
    [
        ("-k five.npy --padding same", 0, "0 steps: the output is in time with the input"),
        ("-k five.npy --padding causal", 2, "the output is 2 steps (0.04 s) late"),
        ("-k five.npy --padding causal --fs 100", 2, "the output is 2 steps (0.02 s) late"),
        ("-k five.npy", -2, "the output is 2 steps (0.04 s) early: its first value belongs to step 2 of"),
        ("-k five.npy --dilation-rate 3", -6, "the output is 6 steps (0.12 s) early"),
        ("-k four.npy", -1.5, "the output is 1.5 steps (0.03 s) early"),
        ("-k four.npy --padding causal", 1.5, "the output is 1.5 steps (0.03 s) late"),
    ],
)
def test_delays(impulse: Path, options: str, steps: float, words: str) -> None:
    ran = run(f"apply rec.h5 {options} -o out.npy")
    assert words in ran.err
    assert words in run(f"inspect rec.h5 {options}").done().out.decode()
    # The middle of the impulse's response says where the impulse is in the output.
    output = np.load("out.npy")[:, 0]
    assert (output * np.arange(len(output))).sum() / output.sum() == pytest.approx(20 + steps)
    fs = 100 if "--fs" in options else 50
    for line in (f"apply rec.h5 {options} --json --dry-run", f"inspect rec.h5 {options} --json"):
        (report,) = run(line).reports
        assert report["delay"] == {"steps": steps, "seconds": pytest.approx(steps / fs)}


def test_delays_without_a_rate(impulse: Path) -> None:
    np.save("rec.npy", np.ones((STEPS, 1), "f4"))
    assert "the output is 2 steps late\n" in run("apply rec.npy -k five.npy --padding causal -o o.npy").err
    (report,) = run("apply rec.npy -k five.npy --json --dry-run").done().reports
    assert report["delay"] == {"steps": -2, "seconds": None}


def test_delays_of_strided_outputs_are_in_steps_of_the_input(impulse: Path) -> None:
    (report,) = run("apply rec.h5 -k five.npy --strides 4 --json --dry-run").done().reports
    assert report["delay"] == {"steps": -2, "seconds": -0.04}


def test_the_delay_of_a_stream(impulse: Path) -> None:
    line = "apply - --raw f4 --channels 1 -k five.npy --padding causal --fs 10 -o o.npy"
    assert "2 steps (0.2 s) late" in run(line, stdin=bytes(40)).err


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "fast"])
def test_rates_that_are_none(impulse: Path, rate: str) -> None:
    run(f"apply rec.h5 -k five.npy --fs={rate} -o o.npy").failed(2, "--fs", "e.g. 50")


def test_a_recording_lasts_as_long_as_its_rate_says(impulse: Path) -> None:
    assert "41 steps, 1 channel, 0.82 s" in run("inspect rec.h5::x").done().out.decode()
    assert "41 steps, 1 channel, 4.1 s" in run("inspect rec.h5::x --fs 10").done().out.decode()
