"""Pictures: which there are, what is in them, and when there is none."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import ROOT, names, npy_bytes, run, run_python, save
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from dwconv_cli import Recipe, Settings, depthwise_conv1d
from dwconv_cli.description.curve import curve_of
from dwconv_cli.jobs.plan import plan_job
from dwconv_cli.layer.axes import Axes
from dwconv_cli.plots import envelope as envelope_module
from dwconv_cli.plots import figures, recordings
from dwconv_cli.plots.bands import bands_of
from dwconv_cli.plots.captions import captions_of, delay_text
from dwconv_cli.plots.envelope import Envelope, read_envelope
from dwconv_cli.plots.filtered import delays_of, draw_filtered
from dwconv_cli.plots.trace import Trace
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import open_reader

pytest.importorskip("matplotlib")
SAMPLES = ROOT / "sample_data"
FIRST_BYTES = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with recordings and a kernel of small numbers."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    save(tmp_path / "rec.npy", rng.normal(size=(400, 2)))
    save(tmp_path / "other.npy", rng.normal(size=(90, 2)))
    save(tmp_path / "k.npy", np.full(5, 0.2))
    save(tmp_path / "empty.npy", np.zeros((0, 2)))
    with h5py.File(tmp_path / "rec.h5", "w") as file:
        for group in "ab":
            data = file.create_dataset(f"{group}/acc", data=rng.normal(size=(300, 2)))
            data.attrs.update({"sampling_rate": 100.0, "channels": ["left", "$right"], "units": "g"})
    return tmp_path


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that are drawn quickly: small, and without the search for room for labels."""
    monkeypatch.setattr(figures, "LAYOUT", None)
    monkeypatch.setitem(figures._STYLE, "savefig.dpi", 20)


# Files


@pytest.mark.parametrize(
    "line, suffix",
    [
        ("inspect rec.h5::/a/acc", ".png"),
        ("inspect -k k.npy --fs 50", ".svg"),
        ("apply rec.h5::/a/acc -k k.npy -o y{number}.npy", ".pdf"),
    ],
)
def test_a_picture_is_made_and_is_the_same_each_time(here: Path, line: str, suffix: str) -> None:
    for number in "12":
        assert run(f"{line.format(number=number)} --plot p{number}{suffix}").code == 0
    first, second = ((here / f"p{number}{suffix}").read_bytes() for number in "12")
    assert first.startswith(FIRST_BYTES[suffix])
    assert first == second
    assert b"<dc:date>" not in first
    assert b"/CreationDate" not in first


def test_apply_draws_beside_its_output(here: Path) -> None:
    run("apply rec.npy -k k.npy --padding same -o y.npy -q --plot y.svg").done()
    assert (here / "y.svg").read_bytes().startswith(b"<?xml")
    assert np.load(here / "y.npy").shape == (400, 2)


def test_apply_draws_what_passes_through_pipes(here: Path, rough: None) -> None:
    ran = run("apply - -k k.npy -o - -q --plot p.png", stdin=npy_bytes(np.ones((50, 2))))
    assert ran.array.shape == (46, 2)
    assert (here / "p.png").read_bytes().startswith(b"\x89PNG")


def test_many_inputs_get_a_picture_each(here: Path, rough: None) -> None:
    run("apply rec.npy other.npy -k k.npy --output-dir out -j 2 -q --plot pictures/{stem}.png").done()
    assert names(here / "pictures") == ["other.png", "rec.png"]
    run("inspect rec.h5::/*/acc --plot {stem}_{dataset}.png")
    assert {"rec_a_acc.png", "rec_b_acc.png"} <= set(names(here))


def test_an_input_that_fails_gets_none(here: Path, rough: None) -> None:
    (here / "bad.npy").write_bytes(b"no array")
    ran = run("apply bad.npy rec.npy -k k.npy --output-dir out --keep-going -q --plot {stem}.png")
    assert ran.code == 1
    assert "rec.png" in names(here)
    assert "bad.png" not in names(here)


def test_only_a_pdf_has_pages(here: Path, rough: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "PER_PAGE", 2)
    monkeypatch.setattr(recordings, "MOST_PAGES", 2)
    save(here / "wide.npy", np.ones((9, 5)))
    ran = run("inspect wide.npy --plot wide.png")
    assert "wide.png: channels 0 to 1 of 5 are drawn; a .pdf has room for more" in ran.err
    assert "wide.pdf: channels 0 to 3 of 5 are drawn\n" in run("inspect wide.npy --plot wide.pdf").err
    assert re.search(rb"/Type /Pages[^>]*/Count 2", (here / "wide.pdf").read_bytes(), re.DOTALL)


@pytest.mark.parametrize(
    "line, code, words",
    [
        ("inspect rec.npy --plot p.bmp", 2, ["p.bmp", "'.bmp'", ".png, .svg or .pdf"]),
        ("inspect rec.npy --plot -", 2, ["needs a suffix"]),
        ("inspect rec.npy --plot there.png", 4, ["there.png: exists already", "--overwrite"]),
        ("inspect rec.npy --plot no/p.png", 4, ["no/p.png", "directory does not exist"]),
        ("inspect rec.npy other.npy --plot p.png", 2, ["2 inputs cannot share one picture", "'{stem}.png'"]),
        ("inspect rec.h5::/*/acc --plot p.png", 2, ["'{stem}_{dataset}.png'"]),
        ("inspect rec.h5::/*/acc --plot {stem}.png", 2, ["would both be drawn in rec.png"]),
        ("inspect rec.h5 --plot p.png", 2, ["a picture shows one array", "rec.h5::NAME"]),
        ("inspect . --plot p.png", 2, ["a picture shows one file", "./NAME"]),
        ("inspect - --plot p.png", 2, ["name a file"]),
        ("inspect -k k.npy --plot {stem}.png", 2, ["name the picture itself"]),
        ("inspect empty.npy --plot p.png", 2, ["empty.npy: has no samples"]),
        ("inspect rec.npy --overwrite", 2, ["--overwrite is for the picture of --plot"]),
        ("inspect rec.h5::/a/acc --replay --plot p.png", 2, ["leave out --plot"]),
        (
            "inspect rec.npy -k k.npy --plot link.png --overwrite",
            4,
            ["would replace"],
        ),
        ("apply rec.npy -k k.npy -o y.npy --plot p.gif", 2, ["p.gif"]),
        ("apply rec.npy -k k.npy -o y.npy --plot there.png", 4, ["there.png: exists already"]),
        ("apply rec.npy -k k.npy --plot there.png --dry-run", 4, ["there.png: exists already"]),
        ("apply rec.npy -k k.npy -o y.npy --plot no/p.png", 4, ["directory does not exist"]),
        ("apply rec.npy other.npy -k k.npy --output-dir out --plot p.png", 2, ["cannot share one picture"]),
        ("apply rec.npy -k k.npy -o y.png --output-format npy --plot y.png", 4, ["is an output of this run"]),
        ("apply k.npy --kernel-size 2 -o y.npy --plot link.png --overwrite", 4, ["the input k.npy"]),
        ("apply rec.npy -k k.npy -o y.npy --plot link.png --overwrite", 4, ["would replace"]),
        ("apply - --raw f4 -k k.npy -o y.npy --plot p.png", 2, ["--plot needs a recording"]),
    ],
)
def test_refusals_leave_everything_as_it_was(here: Path, line: str, code: int, words: list[str]) -> None:
    (here / "there.png").write_bytes(b"mine")
    (here / "link.png").hardlink_to(here / "k.npy")
    before = {path: path.read_bytes() for path in here.iterdir()}
    ran = run(line)
    assert ran.code == code, ran.err
    error = ran.err.splitlines()[-1]
    assert error.startswith("dwconv: error: ")
    assert all(word in error for word in words), error
    assert {path: path.read_bytes() for path in here.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "line", ["group.h5::/s/acc --design 'lowpass(5)'", "two.wav --taps 1,1,1 --data-format channels_first"]
)
def test_inspect_draws_what_apply_reads(here: Path, rough: None, line: str) -> None:
    # The sampling rate is that of the group, and a sound has two channels in either data format.
    with h5py.File("group.h5", "w") as file:
        file["s/acc"] = np.ones((300, 2), "f4")
        file["s"].attrs["fs"] = 50.0
    wavfile.write("two.wav", 8000, np.zeros((300, 2), np.float32))
    assert run(f"apply {line} --plot a.svg -q -o o.npy").code == 0
    assert run(f"inspect {line} --plot b.svg").code == 0
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()


def test_overwrite_replaces_a_picture(here: Path, rough: None) -> None:
    (here / "p.png").write_bytes(b"old")
    run("apply rec.npy -k k.npy -o y.npy -q --overwrite --plot p.png").done()
    assert (here / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_encoded_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(figures, "_encoded", fail)
    assert run("inspect rec.npy --plot p.png").code == 5
    assert not [name for name in names(here) if "p.png" in name]


def test_without_matplotlib_a_line_says_what_to_install(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures.importlib.util, "find_spec", lambda name: None)
    for command in ("apply rec.npy -k k.npy -o y.npy", "inspect rec.npy"):
        run(f"{command} --plot p.png").failed(3, "p.png", "not installed", "pip install matplotlib")
    assert "y.npy" not in names(here)


def test_matplotlib_is_loaded_for_pictures_alone_and_opens_no_window(here: Path) -> None:
    program = """
import sys
from dwconv_cli.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    print([name for name in ("matplotlib", "matplotlib.pyplot") if name in sys.modules])
"""
    line = "apply rec.npy -k k.npy -q -o"
    assert run_python(program, *line.split(), "1.npy").out.decode() == "[]\n"
    strange = {"MPLBACKEND": "no such backend", "DISPLAY": ""}
    ran = run_python(program, *line.split(), "2.npy", "--plot", "p.png", env=strange).done()
    assert ran.out.decode() == "['matplotlib']\n"


# What is drawn


@given(st.integers(1, 9000), st.lists(st.integers(1, 4000), max_size=6), st.integers(0, 2**32))
def test_an_envelope_has_the_extremes_of_each_span(steps: int, cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, 2))
    x[rng.random(x.shape) < 0.05] = np.nan
    x[rng.random(x.shape) < 0.01] = np.inf
    envelope, start = Envelope(steps, 2), 0
    for block in np.split(x, sorted(cut for cut in cuts if cut < steps)):
        envelope.add(start, block)
        start += len(block)
    finite = np.where(np.isfinite(x), x, np.nan)
    assert envelope.nonfinite == np.isnan(finite).sum()
    for channel in range(2):
        places, line = envelope.curve(channel)
        assert (envelope.width == 1) == (steps <= 2 * envelope_module.SPANS)
        if envelope.width == 1:
            np.testing.assert_array_equal(line, finite[:, channel])
            continue
        spans = [finite[first : first + envelope.width, channel] for first in range(0, steps, envelope.width)]
        expected = [bound for span in spans for bound in (np.fmin.reduce(span), np.fmax.reduce(span))]
        np.testing.assert_array_equal(line, expected)
        assert (np.diff(places) >= 0).all()


@pytest.mark.parametrize("shape, axes", [((5000, 3), Axes(2)), ((3, 5000), Axes(2, "channels_first"))])
@pytest.mark.parametrize("order", "CF")
def test_an_envelope_is_read_in_blocks(tmp_path: Path, shape: Any, axes: Axes, order: Any) -> None:
    x = np.random.default_rng(1).normal(size=shape)
    np.save(tmp_path / "x.npy", np.asarray(x, order=order))
    reader = open_reader(Address(str(tmp_path / "x.npy")), False)
    read, sizes = reader.read, []

    def counting(selection: Any, out: Any) -> None:
        sizes.append(out.size)
        read(selection, out)

    reader.read = counting  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope_module, "BLOCK_ITEMS", 1000)
        envelope = read_envelope(reader, axes, slice(100, 4600), 2)
    reader.close()
    assert max(sizes) <= 1000
    assert sum(sizes) == 4500 * 2
    cut = axes.canonical(x)[0, 100:4600]
    assert envelope.extremes(1) == (cut[:, 1].min(), cut[:, 1].max())


@pytest.mark.parametrize("dtype", ["i2", "c8"])
def test_any_numbers_are_drawn(here: Path, rough: None, dtype: str) -> None:
    save(here / "x.npy", (np.arange(60).reshape(60, 1) % 5).astype(dtype))
    assert run("inspect x.npy --plot x.png").code == 0
    assert run("inspect x.npy -k k.npy --plot y.png").code == 0
    assert run("inspect -k x.npy --plot k.png").code == 0


def test_nonfinite_and_constant_recordings_are_drawn(here: Path, rough: None) -> None:
    for name, value in (("nan", np.nan), ("zero", 0.0)):
        save(here / f"{name}.npy", np.full((20, 1), value))
        assert run(f"inspect {name}.npy -k k.npy --plot {name}_k.png").code == 0
        assert run(f"inspect -k {name}.npy --plot k_{name}.png").code == 0
    save(here / "one.npy", np.ones(1))
    assert run("inspect one.npy --plot one.png").code == 0
    assert run("inspect one.npy -k one.npy --plot one_k.png").code == 0


def trace_of(x: Any, kernel: Any, attributes: dict[str, Any] | None = None, **options: Any) -> Trace:
    """The trace of a recording that is filtered at once."""
    from dwconv_cli.layer.spec import LayerSpec, Weights

    layer = LayerSpec(kernel_size=len(kernel), use_bias=False, **options)
    plan = plan_job(Recipe(given=(layer, Weights(kernel))), x.shape, x.dtype, Settings())
    trace = Trace(plan, attributes or {}, "p.png")
    trace.see_input(0, 0, 0, x[None])
    trace.see_output(0, 0, 0, filtered(x, kernel, options)[None])
    return trace


def filtered(x: Any, kernel: Any, options: dict[str, Any]) -> Any:
    return depthwise_conv1d(x, np.repeat(kernel[:, None], x.shape[1], axis=1), **options)


@pytest.mark.parametrize("strides", [1, 3])
def test_outputs_stand_over_the_steps_that_they_belong_to(strides: int) -> None:
    x = np.random.default_rng(2).normal(size=(1000, 2))
    trace = trace_of(x, np.array([0.0, 1.0, 0.0]), {"fs": 50.0}, padding="same", strides=strides)
    with figures.style():
        (figure,) = draw_filtered(trace, "title")
        panels = figure.axes
        assert panels[0].get_ylabel() == "channel 0"
        assert panels[2].get_xlabel() == "time (s)"
        for number, panel in enumerate(panels):
            raw, filtered = panel.lines
            times, steps = np.asarray(raw.get_xdata()), np.arange(1000)[trace.parts[number % 2]]
            np.testing.assert_allclose(times, steps / 50)
            np.testing.assert_array_equal(raw.get_ydata(), x[steps, number // 2])
            # The middle tap alone: where strides leave an output, it is the sample itself, at its time.
            places = np.rint(np.asarray(filtered.get_xdata()) * 50).astype(int)
            left, _ = trace.plan.layer.pad_amounts(1000)
            np.testing.assert_array_equal(filtered.get_ydata(), x[places + 1 - left, number // 2])


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize("tap", [0, 3, 6])
def test_the_delay_is_that_of_the_file(padding: str, tap: int) -> None:
    x = np.random.default_rng(3).normal(size=(300, 1))
    kernel = np.zeros(7)
    kernel[tap] = 1.0
    trace = trace_of(x, kernel, padding=padding)
    outputs = filtered(x, kernel, {"padding": padding})[:, 0]
    # y[o] = x[o + tap - left], so that outputs lag by `left - tap` steps.
    lags = range(-8, 9)
    fits = [np.dot(outputs[10:280], x[10 - lag : 280 - lag, 0]) for lag in lags]
    assert delays_of(trace) == [pytest.approx(lags[int(np.argmax(fits))])]


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=12), st.integers(1, 4))
def test_a_curve_is_the_response_of_scipy(taps: list[float], dilation: int) -> None:
    from scipy import signal

    kernel = np.array(taps)
    if np.abs(kernel).max() < 1e-3:
        return
    spread = np.zeros((len(taps) - 1) * dilation + 1)
    spread[::dilation] = kernel[::-1]
    curve = curve_of(kernel, dilation, 50.0)
    assert curve is not None
    if dilation == 1:
        assert curve.frequencies[-1] == 25.0
    _, response = signal.freqz(spread, worN=curve.frequencies, fs=50.0)
    loud = np.abs(response) > 1e-3 * np.abs(response).max()
    np.testing.assert_allclose(curve.decibels[loud], 20 * np.log10(np.abs(response[loud])), atol=1e-6)
    clear = np.isfinite(curve.delay)
    slopes = signal.freqz(np.arange(len(spread)) * spread, worN=curve.frequencies[clear], fs=50.0)[1]
    np.testing.assert_allclose(curve.delay[clear], (slopes / response[clear]).real, atol=1e-6)


@pytest.mark.parametrize(
    "design, passing, stopping, damping",
    [
        ({"numtaps": 61, "cutoff": 5, "window": ("kaiser", 5.65)}, 1, 1, 55),
        ({"numtaps": 61, "cutoff": 5, "pass_zero": False, "window": ("kaiser", 5.65)}, 1, 1, 55),
        ({"numtaps": 101, "cutoff": [5, 12], "pass_zero": False}, 1, 2, 45),
        ({"numtaps": 101, "cutoff": [5, 12], "pass_zero": True}, 2, 1, 45),
    ],
)
def test_bands_are_those_that_were_designed(
    design: dict[str, Any], passing: int, stopping: int, damping: float
) -> None:
    from scipy import signal

    curve = curve_of(signal.firwin(**design, fs=50), 1, 50.0)
    assert curve is not None
    bands = bands_of(curve.frequencies, curve.decibels - curve.decibels.max())
    assert (len(bands.passing), len(bands.stopping)) == (passing, stopping)
    for band in bands.stopping:
        inside = (curve.frequencies >= band.low) & (curve.frequencies <= band.high)
        assert curve.decibels[inside].max() - curve.decibels.max() <= band.decibels + 1e-9 < -damping
    edges = {round(edge) for band in (*bands.passing, *bands.stopping) for edge in (band.low, band.high)}
    for cutoff in np.atleast_1d(design["cutoff"]):
        # Each cut-off lies between the edges of a pass and a stop band, at most the transition's width apart.
        assert edges & set(range(int(cutoff) - 2, int(cutoff) + 3))


def test_captions_come_from_attributes() -> None:
    names_and_units = {"channel_names": np.array([b"ax", b"ay"]), "Units": ["g", "m/s\n"], "fs": 50}
    captions = captions_of(names_and_units, 2, None, "f4")
    assert [captions.of(0), captions.of(1), captions.fs] == ["ax (g)", r"ay (m/s\n)", 50.0]
    assert captions_of({"channels": ["only one"]}, 2, 20.0, "f4").of(1) == "channel 1"
    assert captions_of({"units": "mV"}, 1, None, "c8").of(0) == "|sample| (mV)"


@pytest.mark.parametrize(
    "fs, steps, label, last",
    [
        (None, 100, "step", 100.0),
        (1e4, 100, "time (ms)", 10.0),
        (50.0, 1000, "time (s)", 20.0),
        (1.0, 3600, "time (min)", 60.0),
        (1.0, 86400, "time (h)", 24.0),
    ],
)
def test_the_axis_of_time(fs: float | None, steps: int, label: str, last: float) -> None:
    time = captions_of({}, 1, fs, "f4").time(slice(0, steps))
    assert time.label == label
    assert time(np.array([steps]))[0] == pytest.approx(last)


def test_delays_in_words() -> None:
    assert delay_text(1.0, None) == "1 step"
    assert delay_text(2.5, 50.0) == "2.5 steps = 50 ms"
    assert delay_text(90.0, 100.0) == "90 steps = 0.9 s"


def test_the_sample_recording_is_drawn(tmp_path: Path) -> None:
    ran = run(
        f"apply {SAMPLES}/watch.h5::/pen/acc -k {SAMPLES}/kernels/lowpass.npy --padding same -q",
        *("-o", tmp_path / "smooth.npy", "--plot", tmp_path / "smooth.png"),
    )
    ran.done()
    assert (tmp_path / "smooth.png").stat().st_size > 50_000
    assert sys.modules.get("matplotlib.pyplot") is None
