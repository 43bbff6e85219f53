"""WAV files, against libsndfile, SciPy's reader and Python's own."""

from __future__ import annotations

import io
import os
import struct
import wave
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from helpers_cli import Ran, names, run, save
from scipy.io import wavfile
from scipy.signal import lfilter

from dwconv_cli import InputError
from dwconv_cli.storage.address import Address
from dwconv_cli.storage.formats import open_output, open_reader
from dwconv_cli.storage.formats.wav import SAMPLE_FORMATS
from dwconv_cli.storage.protocols import NewArray

RNG = np.random.default_rng(20)
NOISE = RNG.uniform(-1, 1, (3001, 6))
# What every integer of a kind must survive: its ends, its middle and its neighbours.
ENDS = np.array([-32768, -32767, -1, 0, 1, 32766, 32767], np.int16)


@pytest.fixture(autouse=True)
def kernels(place: Path) -> None:
    save(place / "one.npy", [1.0])
    save(place / "mean.npy", [0.25, 0.5, 0.25])


def apply(rest: str, *more: object) -> Ran:
    return run(f"apply {rest} -q", *more)


def notes_of(line: str) -> str:
    """The notes in the report of a recording that is filtered."""
    (report,) = run(f"apply {line} --json -q").reports
    assert report["status"] == "ok"
    return "\n".join(report["notes"])


def sound_of(path: str) -> bytes:
    """The samples as they lie in a file, in the only way that loses nothing of any format."""
    return soundfile.read(path, dtype="float64")[0].tobytes()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_a_delta_gives_the_same_samples(sample_format: str, container: str, channels: int) -> None:
    soundfile.write("a.wav", NOISE[:, :channels], 44100, sample_format, format=container)
    apply("a.wav -k one.npy -o b.wav").done()
    info = soundfile.info("b.wav")
    assert (info.subtype, info.samplerate, info.channels) == (sample_format, 44100, channels)
    assert sound_of("b.wav") == sound_of("a.wav")


@pytest.mark.parametrize("delta", ["float32", "float64"])
def test_16_bits_come_back_byte_by_byte(delta: str) -> None:
    save(Path("one.npy"), np.ones(1, delta))
    wavfile.write("a.wav", 48000, np.resize(ENDS, (101, 2)))
    apply("a.wav -k one.npy -o b.wav").done()
    assert Path("b.wav").read_bytes() == Path("a.wav").read_bytes()


def test_24_bits_come_back_byte_by_byte() -> None:
    frames = np.random.default_rng(4).bytes(3 * 2 * 5000)
    with wave.open("a.wav", "wb") as file:
        file.setparams((2, 3, 96000, 0, "NONE", ""))
        file.writeframes(frames)
    apply("a.wav -k one.npy -o b.wav").done()
    with wave.open("b.wav", "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 3, 96000)
        assert file.readframes(5000) == frames


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floating_point_is_kept_beyond_full_scale(dtype: str) -> None:
    samples = (NOISE * 1e6).astype(dtype)
    wavfile.write("a.wav", 100, samples)
    apply("a.wav -k one.npy -o b.wav").done()
    assert np.array_equal(wavfile.read("b.wav")[1], samples)


def test_filtered_samples_are_the_nearest_integers() -> None:
    soundfile.write("a.wav", NOISE / 2, 8000, "PCM_16")
    apply("a.wav -k mean.npy -o b.wav").done()
    integers = soundfile.read("a.wav", dtype="int16")[0].astype(float)
    expected = lfilter([0.25, 0.5, 0.25], 1, integers, axis=0)[2:]
    assert np.array_equal(soundfile.read("b.wav", dtype="int16")[0], np.rint(expected))


def test_samples_are_numbers_from_minus_one_to_one() -> None:
    soundfile.write("a.wav", NOISE, 8000, "PCM_24")
    apply("a.wav -k one.npy -o a.npy").done()
    assert np.array_equal(np.load("a.npy"), soundfile.read("a.wav")[0])


def test_blocks_of_a_long_file(place: Path) -> None:
    soundfile.write("a.wav", RNG.uniform(-1, 1, (300_000, 2)), 8000, "PCM_24")
    apply("a.wav -k mean.npy --padding same -o b.wav --memory-limit 1MiB").done()
    sound = soundfile.read("a.wav")[0]
    expected = lfilter([0.25, 0.5, 0.25], 1, np.pad(sound, ((0, 1), (0, 0))), axis=0)[1:] * 2**23
    written = soundfile.read("b.wav", dtype="int32")[0] >> 8
    assert np.array_equal(written, np.rint(expected))


def test_what_is_clipped_is_counted() -> None:
    soundfile.write("a.wav", np.array([0.5, -0.5, 0.25, 0.75]), 8000, "PCM_16")
    save(Path("two.npy"), [2.0])
    notes = notes_of("a.wav -k two.npy -o b.wav")
    assert "2 samples beyond the full scale of PCM_16 clipped" in notes
    # Half of 0.5 and -0.5 would be the ends; the positive one is beyond by a single step.
    assert soundfile.read("b.wav", dtype="int16")[0].tolist() == [32767, -32768, 16384, 32767]


def test_nan_is_counted() -> None:
    save(Path("a.npy"), [0.5, np.nan, 0.25])
    notes = notes_of("a.npy -k one.npy -o b.wav --fs 10 --sample-format PCM_16")
    assert "1 NaN written as 0" in notes
    assert soundfile.read("b.wav")[0].tolist() == [0.5, 0, 0.25]


@pytest.mark.parametrize("sample_format", SAMPLE_FORMATS)
def test_the_sample_format_can_be_chosen(sample_format: str) -> None:
    soundfile.write("a.wav", NOISE, 8000, "PCM_24")
    apply(f"a.wav -k one.npy --sample-format {sample_format} -o b.wav")
    info = soundfile.info("b.wav")
    assert info.subtype == sample_format
    depth = {"PCM_U8": 8, "PCM_16": 16}.get(sample_format, 24)
    assert np.abs(soundfile.read("b.wav")[0] - NOISE).max() <= 2.0 ** (1 - depth)


def test_the_rate_is_divided_by_the_strides() -> None:
    soundfile.write("a.wav", NOISE, 48000, "PCM_16")
    apply("a.wav -k mean.npy --strides 3 -o b.wav").done()
    assert soundfile.info("b.wav").samplerate == 16000
    for more in ("", " --dry-run"):
        apply(f"a.wav -k mean.npy --strides 7 -o c.wav{more}").failed(
            4, "c.wav", "6857.14285714 Hz", "--strides"
        )
    assert "c.wav" not in names(Path())
    (report,) = run("inspect a.wav --json").reports
    assert (report["attributes"]["sampling_rate"], report["recording"]["duration"]) == (48000, 3001 / 48000)


def test_other_formats_take_the_rate_and_the_sample_format_along() -> None:
    soundfile.write("a.wav", NOISE, 48000, "PCM_16")
    apply("a.wav -k one.npy --strides 2 -o b.h5").done()
    apply("b.h5 -k one.npy --strides 2 -o c.wav").done()
    info = soundfile.info("c.wav")
    assert (info.samplerate, info.subtype) == (12000, "PCM_16")
    assert np.array_equal(soundfile.read("c.wav")[0], soundfile.read("a.wav")[0][::4])


def test_a_default_is_said() -> None:
    save(Path("a.npy"), NOISE.astype("f4"))
    ran = run("apply a.npy -k one.npy --fs 50 -o b.wav")
    assert "b.wav holds FLOAT samples" in ran.err
    assert "--sample-format takes PCM_U8" in ran.err
    assert np.array_equal(wavfile.read("b.wav")[1], NOISE.astype("f4"))


@pytest.mark.parametrize(
    "line, code, words",
    [
        ("a.npy -k one.npy -o b.wav", 4, ("b.wav", "sampling rate", "--fs HZ")),
        ("a.npy -k one.npy -o b.wav --fs 0.5", 4, ("b.wav", "0.5 Hz")),
        ("batch.npy -k one.npy -o b.wav --fs 8", 4, ("b.wav", "(2, 3, 4)", ".npy")),
        ("complex.npy -k one.npy -o b.wav --fs 8", 4, ("b.wav", "complex")),
        ("a.npy -k one.npy -o b.wav --fs 8 --sample-format PCM_9", 2, ("PCM_9", "PCM_16")),
        ("a.npy -k one.npy -o b.npy --sample-format PCM_16", 2, ("b.npy", "--sample-format", "--dtype")),
        ("a.npy -k one.npy -o old.wav --fs 8", 4, ("old.wav", "exists already", "--overwrite")),
    ],
)
def test_what_a_wav_file_cannot_hold(line: str, code: int, words: tuple[str, ...]) -> None:
    save(Path("a.npy"), NOISE)
    save(Path("batch.npy"), np.ones((2, 3, 4)))
    save(Path("complex.npy"), np.ones(5, "c8"))
    Path("old.wav").touch()
    before = names(Path())
    for more in ("", " --dry-run"):
        apply(line + more).failed(code, *words)
    assert names(Path()) == before


def wav_bytes(data: bytes = bytes(8), size: int | None = None, **fields: int) -> bytes:
    """A WAV file of 16 bits and two channels, some of whose fields are wrong."""
    parts = {"tag": 1, "channels": 2, "rate": 8000, "frame": 4, "bits": 16, **fields}
    fmt = struct.pack(
        "<HHIIHH",
        *(parts[key] for key in ("tag", "channels", "rate")),
        32000,
        *(parts[key] for key in ("frame", "bits")),
    )
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data"
    body += struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "not a whole WAV file"),
        (b"RIFF", "not a whole WAV file"),
        (b"\x93NUMPY" + bytes(100), "first bytes"),
        (b"RIFX" + wav_bytes()[4:], "big-endian"),
        (wav_bytes()[:30], "not a whole WAV file"),
        (wav_bytes()[:40], "not a whole WAV file"),
        (wav_bytes(size=12), "4 bytes of its samples are missing"),
        (wav_bytes(bytes(6)), "no whole steps"),
        (wav_bytes(channels=0), "0 channels"),
        (wav_bytes(rate=0), "0 Hz"),
        (wav_bytes(frame=5), "steps of 5 bytes"),
        (wav_bytes(tag=6, frame=2, bits=8), "format 6, 8 bits"),
        (wav_bytes(frame=0), "bits"),
        (b"RIFF\0\0\0\0WAVEdata" + bytes(4), "before their format"),
        (b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0\1\0", "2 bytes"),
        (b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 10_000, "no samples"),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff" + bytes(16), "not a whole WAV file"),
    ],
)
def test_malformed_files(content: bytes, words: str) -> None:
    Path("a.wav").write_bytes(content)
    apply("a.wav -k one.npy -o b.wav").failed(3, "a.wav", words)
    assert "b.wav" not in names(Path())


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_a_file_from_a_pipe_goes_to_its_end(size: int) -> None:
    Path("a.wav").write_bytes(wav_bytes(ENDS[:6].tobytes() + b"x", size))
    apply("a.wav -k one.npy -o b.wav").done()
    assert np.array_equal(wavfile.read("b.wav")[1], ENDS[:6].reshape(3, 2))


def test_chunks_around_the_samples_are_passed_over() -> None:
    content = wav_bytes(ENDS[:6].tobytes())
    Path("a.wav").write_bytes(content[:12] + b"LIST\3\0\0\0abc\0" + content[12:] + b"id3 \4\0\0\0abcd")
    apply("a.wav -k one.npy -o b.wav").done()
    assert np.array_equal(wavfile.read("b.wav")[1], ENDS[:6].reshape(3, 2))


def test_above_4_gib_it_is_rf64(tmp_path: Path) -> None:
    path, steps = str(tmp_path / "long.wav"), (1 << 31) + 7
    output = open_output(Address(path))
    writer = output.writer(NewArray("", (steps,), np.dtype("f4"), {"sample_format": "PCM_16"}, {}, 48000))
    # The file is sparse: all that is not written takes no room.
    os.truncate(next(tmp_path.iterdir()), 0)
    writer._sink.reserve = lambda size: None  # type: ignore[attr-defined]
    writer.write((slice(steps - 2, steps),), np.array([0.5, -0.5], "f4"))
    writer.commit()
    output.commit()
    info = soundfile.info(path)
    assert (info.format, info.frames, info.samplerate) == ("RF64", steps, 48000)
    assert soundfile.read(path, start=steps - 2)[0].tolist() == [0.5, -0.5]
    reader = open_reader(Address(path))
    last = np.empty(3, "f4")
    reader.read((slice(steps - 3, steps),), last)
    reader.close()
    assert (reader.shape, last.tolist()) == ((steps,), [0, 0.5, -0.5])


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 8000, "PCM_16")
    reader = open_reader(Address(str(path)))
    os.truncate(path, 1000)
    with pytest.raises(InputError, match="too early"):
        reader.read((slice(0, 3001), slice(0, 6)), np.empty((3001, 6)))
    reader.close()


def test_channels_first_is_the_business_of_the_layer() -> None:
    soundfile.write("a.wav", NOISE, 8000, "PCM_24")
    line = "a.wav -k mean.npy --strides 2 --memory-limit 1MiB"
    apply(f"{line} -o last.wav").done()
    apply(f"{line} -o last.npy").done()
    line += " --data-format channels_first"
    for name in ("first.wav", "first.flac", "first.npy", "first.sigmf-data"):
        apply(f"{line} -o {name}")
    assert Path("first.wav").read_bytes() == Path("last.wav").read_bytes()
    assert sound_of("first.flac") == sound_of("last.wav")
    assert np.array_equal(np.load("first.npy"), np.load("last.npy").T)
    assert Path("first.sigmf-data").read_bytes() == np.load("last.npy").tobytes()
    assert run("inspect a.wav --kernel-size 3 --data-format channels_first --shape").out == b"6,2999\n"
    run("init-weights --like a.wav --kernel-size 3 --data-format channels_first -q -o like.npz").done()
    assert np.load("like.npz")["kernel"].shape == (3, 6, 1)


def test_the_rate_of_a_group_of_an_hdf5_file() -> None:
    with h5py.File("a.h5", "w") as file:
        file["day/acc"] = NOISE
        file["day"].attrs["sampling_rate"] = 50
    apply("a.h5 -k one.npy --strides 2 -o b.wav").done()
    assert soundfile.info("b.wav").samplerate == 25


@pytest.mark.parametrize("size", [None, 0xFFFFFFFF])
def test_standard_streams(size: int | None) -> None:
    sound = wav_bytes(ENDS[:6].tobytes(), size)
    ran = run("apply - --input-format wav -k one.npy -o - --output-format wav -q", stdin=sound)
    assert (ran.code, ran.out) == (0, wav_bytes(ENDS[:6].tobytes()))
    odd = soundfile.read(io.BytesIO(ran.out), dtype="int16")[0]
    assert np.array_equal(odd, ENDS[:6].reshape(3, 2))
    run("apply - --input-format flac -k one.npy -o b.npy", stdin=b"fLaC").failed(2, "csv or wav")
