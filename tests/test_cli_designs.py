"""Filters by name and typed taps on the command line: --design, --taps, --flip, --fs, and dwconv list."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import oracle
import pytest
from helpers_cli import ROOT, run, run_shell, save
from scipy import signal

import dwconv_cli as dw
from dwconv_cli.choices import FORMATS
from dwconv_cli.cli.catalogues import KINDS, entry_text
from dwconv_cli.description.catalogues import CATALOGUES
from dwconv_cli.layer.registry import REQUIRED
from dwconv_cli.layer.registry.entries import plain

Array = np.ndarray[Any, Any]
SAMPLES = ROOT / "sample_data"
# What `lowpass(5)` is at 50 Hz: half of the narrower band, from 0 to 5 Hz, is its transition.
SIZE, BETA = signal.kaiserord(60, 2.5 / 25)
LOWPASS = signal.firwin(SIZE | 1, 5, fs=50, window=("kaiser", BETA))


@pytest.fixture
def recordings(place: Path) -> Path:
    """Recordings of two sampling rates, in steps and channels."""
    numbers = np.random.default_rng(1).normal(size=(400, 3))
    with h5py.File("rec.h5", "w") as file:
        for name, rate in {"slow": 50.0, "fast": 200.0}.items():
            file[name] = numbers.astype("f4")
            file[name].attrs["sampling_rate"] = rate
        file["double"] = numbers
        file.create_group("session").attrs["sfreq"] = 50
        file["session/acc"] = numbers.astype("f4")
        file["session/own"] = numbers.astype("f4")
        file["session/own"].attrs["dt"] = 0.005
    save(place / "x.npy", numbers[:, 0])
    save(place / "k.npy", np.array([1.0, 2.0, 4.0]))
    return place


def test_the_line_of_the_readme() -> None:
    line = "dwconv apply sample_data/watch.h5::/pen/acc --design 'lowpass(5)' --padding same -o - --json --report /dev/null"
    ran = run_shell(line.replace(" --json --report /dev/null", ""), cwd=ROOT)
    assert ran.code == 0, ran.err
    with h5py.File(SAMPLES / "watch.h5") as file:
        data = file["pen/acc"][()]
    expected = oracle.depthwise_conv1d(data.astype("f8"), LOWPASS.astype("f4").astype("f8"), padding="same")
    assert ran.array.dtype == np.float32
    np.testing.assert_allclose(ran.array, expected, atol=1e-5)
    assert "lowpass: 75 taps, for a transition of 2.5 Hz and a ripple of 60 dB" in ran.err


@pytest.mark.parametrize("name, fs", [("slow", 50), ("fast", 200), ("session/acc", 50), ("session/own", 200)])
def test_each_recording_has_its_own_rate(recordings: Path, name: str, fs: int) -> None:
    ran = run(f"apply rec.h5::/{name} --design lowpass(5) --kernel-size 31 -o out.npy --json -q").done()
    (report,) = ran.reports
    config = report["layer"]["depthwise_initializer"]["config"]
    assert (config["cutoff"], config["fs"]) == (5, fs)
    assert report["weights"]["address"] == "lowpass(5)"
    assert report["weights"]["kernel_shape"] == [31]
    assert {report["layer_source"][key] for key in ("kernel_size", "depthwise_initializer")} == {"typed"}
    with h5py.File("rec.h5") as file:
        taps = signal.firwin(31, 5, fs=fs).astype("f4").astype("f8")
        expected = oracle.depthwise_conv1d(file[name][()].astype("f8"), taps)
    np.testing.assert_allclose(np.load("out.npy"), expected, atol=1e-5)


def test_several_rates_in_one_run(recordings: Path) -> None:
    run("apply rec.h5::/slow rec.h5::/fast --design lowpass(5) --kernel-size 31 -o {dataset}.npy -q").done()
    with h5py.File("rec.h5") as file:
        data = file["slow"][()].astype("f8")
    for name, fs in {"slow": 50, "fast": 200}.items():
        taps = signal.firwin(31, 5, fs=fs).astype("f4").astype("f8")
        np.testing.assert_allclose(np.load(f"{name}.npy"), oracle.depthwise_conv1d(data, taps), atol=1e-5)


def test_taps_are_as_exact_as_the_data(recordings: Path) -> None:
    run("apply rec.h5::/double --design lowpass(5) --fs 50 --kernel-size 31 -o out.npy -q").done()
    with h5py.File("rec.h5") as file:
        expected = dw.depthwise_conv1d(
            file["double"][()][np.newaxis],
            np.repeat(signal.firwin(31, 5, fs=50)[:, np.newaxis, np.newaxis], 3, 1),
        )
    assert (np.load("out.npy") == expected[0]).all()


@pytest.mark.parametrize("design", ["lowpass(5)", "savgol(polyorder=3)", "bandpass(5, 15, method=remez)"])
def test_init_weights_writes_scipys_bits(place: Path, design: str) -> None:
    run("init-weights -o d.npy --fs 50 --kernel-size 31 --dtype float64 -q --design", design).done()
    expected = {
        "lowpass(5)": signal.firwin(31, 5, fs=50),
        "savgol(polyorder=3)": signal.savgol_coeffs(31, 3, use="dot"),
        "bandpass(5, 15, method=remez)": signal.remez(
            31, [0, 3.75, 6.25, 13.75, 16.25, 25], [0, 1, 0], fs=50
        ),
    }[design]
    assert np.load("d.npy").tobytes() == expected.tobytes()
    # Keras's files need to know how many channels there are.
    run("init-weights -o d.keras --fs 50 --design", design).failed(2, "--channels C")
    run("init-weights -o d.keras --fs 50 --channels 3 -q --design", design).done()


def test_a_kernel_of_init_weights_does_what_the_design_does(recordings: Path) -> None:
    run("init-weights -o low.npy --design lowpass(5) --like rec.h5::/fast -q").done()
    run("apply rec.h5::/fast -k low.npy -o one.npy -q").done()
    run("apply rec.h5::/fast --design lowpass(5) -o other.npy -q").done()
    assert (np.load("one.npy") == np.load("other.npy")).all()


@pytest.mark.parametrize("taps", ["0.25,0.5,0.25", "1/4, 1/2, 1/4", "[0.25 0.5 0.25]"])
def test_taps(recordings: Path, taps: str) -> None:
    ran = run("apply rec.h5::/double -o out.npy --json --taps", taps).done()
    assert ran.reports[0]["weights"]["address"] is None
    with h5py.File("rec.h5") as file:
        x = file["double"][()]
    np.testing.assert_allclose(np.load("out.npy"), (x[:-2] + 2 * x[1:-1] + x[2:]) / 4)


def test_taps_begin_with_a_sign(recordings: Path) -> None:
    run("apply x.npy --taps -1,1 -o out.npy -q").done()
    np.testing.assert_allclose(np.load("out.npy"), np.diff(np.load("x.npy")))


def test_flip_is_lfilter(recordings: Path) -> None:
    x, taps = np.load("x.npy"), np.load("k.npy")
    run("apply x.npy -k k.npy --flip --padding causal -o out.npy -q").done()
    np.testing.assert_allclose(np.load("out.npy"), signal.lfilter(taps, 1, x))
    run("apply x.npy --taps 1,2,4 --flip -o valid.npy -q").done()
    np.testing.assert_allclose(np.load("valid.npy"), np.convolve(x, taps, "valid"))
    run("init-weights --from k.npy --flip -o flipped.npy -q").done()
    assert np.load("flipped.npy").tolist() == [4, 2, 1]


def test_one_delay_for_each_channel(recordings: Path) -> None:
    run("apply rec.h5::/slow --padding same -o out.npy -q --design", "fractional_delay(0, 1, 2)").done()
    with h5py.File("rec.h5") as file:
        x = file["slow"][()]
    out = np.load("out.npy")
    for delay in range(3):
        np.testing.assert_allclose(out[50:100, delay], x[50 - delay : 100 - delay, delay], atol=1e-6)
    run("apply rec.h5::/slow -o o2.npy --design", "fractional_delay(0, 1)").failed(
        2, "2 channels", "the data has 3"
    )


def test_a_bias_and_a_multiplier_beside_a_design(recordings: Path) -> None:
    save(recordings / "b.npy", np.arange(6.0))
    run("apply rec.h5::/double --taps 1 -b b.npy --depth-multiplier 2 -o out.npy -q").done()
    with h5py.File("rec.h5") as file:
        expected = np.repeat(file["double"][()], 2, axis=1) + np.arange(6.0)
    assert (np.load("out.npy") == expected).all()
    run("init-weights -o k.npz --taps 1,2 --depth-multiplier 2").failed(2, "--channels C")
    run("init-weights -o k.npz --taps 1,2 --depth-multiplier 2 --channels 3 -q").done()
    assert np.load("k.npz")["kernel"].shape == (2, 3, 2)


def test_an_output_says_how_it_was_designed(recordings: Path) -> None:
    run("apply rec.h5::/fast -o out.h5 -q --design", "bandpass(5, 15)").done()
    with h5py.File("out.h5") as file:
        layer = json.loads(file["fast"].attrs["dwconv_layer"])
    assert layer["depthwise_initializer"]["class_name"] == "bandpass"
    assert layer["depthwise_initializer"]["config"]["fs"] == 200
    line = run("inspect out.h5::/fast --replay").done().out.decode()
    assert line == "dwconv apply rec.h5::/fast --design 'bandpass(5, 15)' -o out.h5::/fast\n"
    shutil.copy("out.h5", "before.h5")
    run_shell(line.replace("\n", " --overwrite -q"), cwd=recordings)
    with h5py.File("out.h5") as after, h5py.File("before.h5") as before:
        assert (after["fast"][()] == before["fast"][()]).all()


def test_inspect_describes_a_design(place: Path) -> None:
    (description,) = run("inspect --design lowpass(5) --fs 50 --json").done().reports
    assert description["frequency_unit"] == "Hz"
    assert description["weights"]["kernel_shape"] == [len(LOWPASS)]
    (channel,) = description["channels"]
    frequencies, gains = signal.freqz(LOWPASS, worN=1 << 14, fs=50)
    half = frequencies[np.abs(gains) ** 2 < 0.5][0]
    assert channel["cutoffs"] == pytest.approx([half], abs=2e-3)
    assert channel["linear_phase"]
    assert run("inspect --taps 1,2,1").done().out.startswith(b"taps\n")


def test_inspect_checks_a_design(recordings: Path) -> None:
    line = "inspect rec.h5::/fast --design lowpass(5) --padding same --json"
    (description,) = run(line).done().reports
    size = signal.kaiserord(60, 2.5 / 100)[0] | 1
    assert description["effective_kernel_size"] == size
    assert description["padding"] == {"left": size // 2, "right": size // 2}
    assert run("inspect --input-shape 100,3 --taps 1,2,1 --shape").done().out == b"98,3\n"


def test_raw_samples(place: Path) -> None:
    samples = np.random.default_rng(2).normal(size=100).astype("<f4")
    ran = run(
        "apply - --raw f4 --channels 1 --design lowpass(5) --fs 50 --kernel-size 5 -o - -q",
        stdin=samples.tobytes(),
    )
    expected = oracle.depthwise_conv1d(samples.astype("f8"), signal.firwin(5, 5, fs=50))
    np.testing.assert_allclose(np.frombuffer(ran.done().out, "f4"), expected, atol=1e-6)


def test_python(place: Path) -> None:
    save(place / "x.npy", np.arange(20.0))
    recipe = dw.Recipe(design="moving_average(5)", options={"padding": "same"})
    dw.apply_file("x.npy", "y.npy", recipe=recipe)
    assert np.load("y.npy")[2:-2] == pytest.approx(np.arange(2, 18))
    recipe = dw.Recipe(design="lowpass(5)", fs=50.0)
    assert dw.describe(None, recipe=recipe)["frequency_unit"] == "Hz"
    assert dw.describe(None, recipe=dw.Recipe(design="lowpass(5)"), fs=50)["frequency_unit"] == "Hz"
    assert dw.Recipe(taps=np.array([1, 2]), flip=True).resolve(2).weights.kernel.ravel().tolist() == [2, 1]


MISTAKES: list[tuple[str, int, tuple[str, ...]]] = [
    ("apply x.npy -o o.npy", 2, ("--design 'lowpass(5)'", "--taps 0.25,0.5,0.25")),
    ("apply x.npy -o o.npy --design lowpass", 2, ("cutoff is missing", "write e.g. 'lowpass(5)'")),
    ("apply x.npy -o o.npy --design lowpas(5)", 2, ("did you mean lowpass?",)),
    ("apply x.npy -o o.npy --design lowpass(5Hz)", 2, ("lowpass(5)",)),
    ("apply x.npy -o o.npy --design lowpass(5)", 2, ("x.npy", "0.5 cycles per step", "--fs")),
    ("apply x.npy -o o.npy --design lowpass(30) --fs 50", 2, ("25 Hz",)),
    ("apply x.npy -o o.npy --design bandpass(15,5) --fs 50", 2, ("bandpass(5, 15)",)),
    ("apply x.npy -o o.npy --design highpass(5) --fs 50 --kernel-size 30", 2, ("--kernel-size 31",)),
    ("apply x.npy -o o.npy --design lowpass(5,fs=50) --fs 100", 2, ("--fs 100 contradicts fs=50",)),
    ("apply x.npy -o o.npy --design glorot_uniform", 2, ("--depthwise-initializer glorot_uniform",)),
    ("apply x.npy -o o.npy --design lowpass(5) -k k.npy", 2, ("--kernel and --design", "leave out --design")),
    ("apply x.npy -o o.npy --design lowpass(5) --taps 1", 2, ("--design and --taps", "leave out --taps")),
    ("apply x.npy -o o.npy --taps 1,2 --kernel-size 2", 2, ("leave out --kernel-size",)),
    ("apply x.npy -o o.npy --taps 1,2 --seed 3", 2, ("--seed is for fresh weights",)),
    ("apply x.npy -o o.npy --taps 1;2", 2, ("0.25,0.5,0.25", "-k")),
    ("apply x.npy -o o.npy --taps k.npy", 2, ("a file of taps goes with -k",)),
    ("apply x.npy -o o.npy --taps 1,nan", 2, ("0.25,0.5,0.25",)),
    (
        "apply x.npy -o o.npy --taps 1,2 --kernel-layout torch",
        2,
        ("--kernel-layout is for a kernel that is read",),
    ),
    ("apply x.npy -o o.npy -k lowpass(5)", 2, ("--design 'lowpass(5)'",)),
    ("apply x.npy -o o.npy --design lowpass(5) --design lowpass(6)", 2, ("give it once",)),
    ("apply x.npy -o o.npy --design lowpass(5) --use-bias --fs 50", 2, ("--bias",)),
    ("apply x.npy -o o.npy --taps 1 --fs zero", 2, ("--fs",)),
    ("init-weights -o o.npy --taps 1 --fs 50", 2, ("--fs is for the frequencies of --design",)),
    ("inspect x.npy --flip", 2, ("--flip", "--design 'lowpass(5)'")),
]


@pytest.mark.parametrize("line, code, words", MISTAKES, ids=[line for line, *_ in MISTAKES])
def test_mistakes(recordings: Path, line: str, code: int, words: tuple[str, ...]) -> None:
    run(line).failed(code, *words)
    assert not Path("o.npy").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_list(kind: str) -> None:
    lines = run("list", kind).done().out.decode().splitlines()
    entries = run("list --json", kind).done().reports
    names = CATALOGUES[kind].names() if kind in CATALOGUES else (*FORMATS, "keras")
    assert [entry["name"] for entry in entries] == list(names)
    assert [re.split(r"[ (]", line)[0] for line in lines] == list(names)
    for line, entry in zip(lines, entries, strict=True):
        assert entry["summary"].endswith("."), entry
        assert entry["summary"] in line
        assert not re.search(r"[`]|:\w+:", line)
        if kind in CATALOGUES:
            arguments = {one["name"]: one.get("default", REQUIRED) for one in entry["arguments"]}
            assert plain(list(arguments.items())) == plain(
                list(CATALOGUES[kind].arguments(entry["name"]).items())
            )
        folded = entry_text(line.split("  ")[0], entry["summary"], 80).splitlines()
        assert max(map(len, folded)) <= 80
        assert " ".join(" ".join(folded).split()) == f"{line.split('  ')[0]} {entry['summary']}"


def test_list_of_what() -> None:
    run("list").failed(2, "say one of: designs, activations")
    run("list design").failed(2, "say dwconv list designs")
    assert b"designs (--design" in run("list designs formats").done().out
