"""FLAC files, against libsndfile."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers_cli import Ran, names, run, run_python, save
from scipy.signal import lfilter

RNG = np.random.default_rng(21)
NOISE = RNG.uniform(-1, 1, (9001, 5))
SAMPLE_FORMATS = ("PCM_S8", "PCM_16", "PCM_24")


@pytest.fixture(autouse=True)
def kernels(place: Path) -> None:
    save(place / "one.npy", [1.0])
    save(place / "mean.npy", [0.25, 0.5, 0.25])


def apply(rest: str) -> Ran:
    return run(f"apply {rest} -q")


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_a_delta_gives_the_same_file(sample_format: str, channels: int) -> None:
    soundfile.write("a.flac", NOISE[:, :channels], 44100, sample_format)
    apply("a.flac -k one.npy -o b.flac").done()
    assert Path("b.flac").read_bytes() == Path("a.flac").read_bytes()
    apply("a.flac -k one.npy -o b.npy").done()
    assert np.array_equal(np.load("b.npy"), soundfile.read("a.flac")[0])


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS[1:])
def test_between_wav_and_flac(sample_format: str) -> None:
    soundfile.write("a.wav", NOISE, 44100, sample_format)
    apply("a.wav -k one.npy -o b.flac").done()
    apply("b.flac -k one.npy -o c.wav").done()
    assert Path("c.wav").read_bytes() == Path("a.wav").read_bytes()


def test_filtered_samples_are_the_nearest_integers() -> None:
    soundfile.write("a.flac", NOISE / 2, 8000, "PCM_16")
    apply("a.flac -k mean.npy --strides 2 -o b.flac").done()
    integers = soundfile.read("a.flac", dtype="int16")[0].astype(float)
    expected = lfilter([0.25, 0.5, 0.25], 1, integers, axis=0)[2::2]
    assert np.array_equal(soundfile.read("b.flac", dtype="int16")[0], np.rint(expected))
    assert soundfile.info("b.flac").samplerate == 4000


@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_any_order_of_blocks(activation: str) -> None:
    sound = RNG.uniform(-1, 1, (100_000, 2))
    soundfile.write("a.flac", sound, 8000, "PCM_24")
    line = f"a.flac -k mean.npy --activation {activation} --memory-limit 4MiB"
    apply(f"{line} -o b.flac").done()
    apply(f"{line} -o b.npy").done()
    expected = np.clip(np.rint(np.load("b.npy") * 2**23), -(2**23), 2**23 - 1)
    assert np.array_equal(soundfile.read("b.flac", dtype="int32")[0] >> 8, expected)


def test_a_default_is_said() -> None:
    save(Path("a.npy"), NOISE)
    ran = run("apply a.npy -k one.npy --fs 50 -o b.flac")
    assert "b.flac holds PCM_24 samples" in ran.err


@pytest.mark.parametrize(
    "line, words",
    [
        ("a.npy -k one.npy -o b.flac", ("b.flac", "sampling rate", "--fs HZ")),
        ("a.npy -k one.npy -o b.flac --fs 700000", ("b.flac", "700000 Hz", "655350")),
        ("wide.npy -k one.npy -o b.flac --fs 8", ("b.flac", "at most 8 channels", "has 9")),
        ("batch.npy -k one.npy -o b.flac --fs 8", ("b.flac", "(2, 3, 4)", ".npy")),
    ],
)
def test_what_a_flac_file_cannot_hold(line: str, words: tuple[str, ...]) -> None:
    save(Path("a.npy"), NOISE)
    save(Path("wide.npy"), np.ones((4, 9)))
    save(Path("batch.npy"), np.ones((2, 3, 4)))
    before = names(Path())
    for more in ("", " --dry-run"):
        apply(line + more).failed(4, *words)
    assert names(Path()) == before


def test_malformed_files() -> None:
    soundfile.write("a.flac", NOISE, 8000)
    content = Path("a.flac").read_bytes()
    damaged = content[:60_000] + bytes(200) + content[60_200:]
    for bad in (b"", b"fLaC", content[:50], content[: len(content) // 2], damaged, b"RIFF" + content):
        Path("a.flac").write_bytes(bad)
        apply("a.flac -k one.npy -o b.flac").failed(3, "a.flac")
        assert "b.flac" not in names(Path())
    soundfile.write("a.wav", NOISE, 8000)
    Path("a.wav").rename("a.flac")
    apply("a.flac -k one.npy -o b.flac").failed(3, "a.flac", "is WAV")


def test_a_full_disk() -> None:
    save(Path("a.npy"), RNG.uniform(-1, 1, 100_000))
    apply("a.npy -k one.npy --fs 8000 -o b.flac").done()
    size = Path("b.flac").stat().st_size
    program = (
        "import resource, signal, sys; from dwconv_cli.cli import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2);"
        "main('apply a.npy -k one.npy --fs 8000 -q -o c.flac'.split())"
    )
    for room in (size // 2, size - 1):
        run_python(program, room).failed(4, "c.flac", "the disk may be full")
        assert [name for name in names(Path()) if "c.flac" in name] == []


def test_without_soundfile(monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write("a.flac", NOISE, 8000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for line in ("a.flac -k one.npy -o b.npy", "one.npy -k one.npy --fs 8 -o b.flac"):
        apply(line).failed(3, "FLAC needs the package soundfile", "pip install soundfile")
    soundfile.write("a.wav", NOISE, 8000)
    apply("a.wav -k one.npy -o b.wav").done()
