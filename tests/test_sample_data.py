"""The samples are what their README says, and ``make.py`` makes the derived ones again."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import oracle
import pytest

SAMPLES = Path(__file__).resolve().parent.parent / "sample_data"
EXERCISES = {"abd": 2242, "er": 2034, "fel": 2542, "ir": 1853, "pen": 1398, "row": 1804, "trap": 1597}
PARTS = {"imu": slice(0, 6), "acc": slice(0, 3), "gyro": slice(3, 6)}
CHANNELS = ["ax", "ay", "az", "wx", "wy", "wz"]
UNITS = ["g"] * 3 + ["rad/s"] * 3

Array = np.ndarray[Any, Any]


def load(name: str) -> Array:
    array: Array = np.load(SAMPLES / name, allow_pickle=False)
    return array


@pytest.fixture(scope="module")
def make() -> ModuleType:
    pytest.importorskip("scipy")
    pytest.importorskip("h5py")
    spec = importlib.util.spec_from_file_location("sample_data_make", SAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("windows.npy", (64, 200, 6), np.float32),
        ("ecg_mitdb208.npy", (108000,), np.float32),
        ("ecg_mitdb208_adc.npy", (108000,), np.int16),
        ("kernels/lowpass.npy", (31,), np.float32),
        ("kernels/lowpass_by_channel.npy", (31, 6), np.float32),
        ("kernels/slope.npy", (9,), np.float32),
        ("kernels/ecg_bandpass.npy", (181,), np.float32),
        *[(f"watch/s01_{name}.npy", (steps, 6), np.float32) for name, steps in EXERCISES.items()],
    ],
)
def test_array(name: str, shape: tuple[int, ...], dtype: type) -> None:
    array = load(name)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert np.isfinite(array).all()


def test_size_and_licence() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) <= 3_000_000
    assert "David M. Burns" in (SAMPLES / "watch" / "LICENSE").read_text()


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("part", PARTS)
def test_hdf5(name: str, part: str) -> None:
    h5py = pytest.importorskip("h5py")
    columns = PARTS[part]
    with h5py.File(SAMPLES / "watch.h5") as file:
        assert set(file) == set(EXERCISES)
        dataset = file[name][part]
        assert np.array_equal(dataset[:], load(f"watch/s01_{name}.npy")[:, columns])
        assert (dataset.dtype, dataset.compression, dataset.shuffle) == (np.float32, "gzip", True)
        assert dataset.chunks == (256, len(CHANNELS[columns]))
        attributes = dict(dataset.attrs)
        assert list(attributes.pop("channels")) == CHANNELS[columns]
        assert list(attributes.pop("units")) == UNITS[columns]
        exercise = attributes.pop("exercise")
        assert isinstance(exercise, str)
        assert exercise
        assert attributes == {"sampling_rate": 50.0, "sampling_rate_unit": "Hz", "subject": "s01"}


def test_windows_follow_the_recordings() -> None:
    windows, first = load("windows.npy"), 0
    for name, steps in EXERCISES.items():
        count = steps // 200
        joined = windows[first : first + count].reshape(-1, 6)
        assert np.array_equal(joined, load(f"watch/s01_{name}.npy")[: count * 200])
        first += count
    assert first == len(windows)


def test_counts_are_the_millivolts() -> None:
    counts = load("ecg_mitdb208_adc.npy").astype(np.float64)
    assert np.array_equal(((counts - 1024) / 200).astype(np.float32), load("ecg_mitdb208.npy"))


def test_slope_is_per_second_and_not_flipped() -> None:
    seconds = np.arange(40) / 50
    slopes = oracle.depthwise_conv1d(3 * seconds - 1, load("kernels/slope.npy"))
    np.testing.assert_allclose(slopes, 3, rtol=1e-6)


def test_layer_fits_value_slope_and_curvature() -> None:
    seconds = np.arange(40) / 50
    scales = np.arange(1, 7)
    with np.load(SAMPLES / "kernels" / "savgol_layer.npz", allow_pickle=False) as weights:
        kernel, bias = weights["kernel"], weights["bias"]
    assert (kernel.dtype, bias.dtype) == (np.float32, np.float32)
    outputs = oracle.depthwise_conv1d(seconds[:, None] ** 2 * scales, kernel, bias)
    middle = seconds[4:-4, None]
    expected = np.stack([middle**2, 2 * middle, 2 + 0 * middle], axis=2) * scales[:, None]
    np.testing.assert_allclose(outputs, expected.reshape(outputs.shape), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "rate", "passed", "stopped"),
    [
        ("lowpass", 50, (0, 2), (9, 25)),
        ("lowpass_by_channel", 50, (0, 0.5), (12, 25)),
        ("ecg_bandpass", 360, (8, 12), (20, 180)),
    ],
)
def test_filter(name: str, rate: int, passed: tuple[float, float], stopped: tuple[float, float]) -> None:
    taps = load(f"kernels/{name}.npy")
    gain = np.abs(np.fft.rfft(taps, 4096, axis=0))
    hertz = np.fft.rfftfreq(4096, 1 / rate)
    assert np.allclose(gain[(hertz >= passed[0]) & (hertz <= passed[1])], 1, atol=0.05)
    assert (gain[(hertz >= stopped[0]) & (hertz <= stopped[1])] < 0.05).all()


def test_make_gives_the_same_values(make: ModuleType, tmp_path: Path) -> None:
    make.main(tmp_path)
    paths = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.np[yz]"))
    assert len(paths) == 6
    for name in paths:
        old, new = np.load(SAMPLES / name), np.load(tmp_path / name)
        pairs = [(old[key], new[key]) for key in old.files] if name.suffix == ".npz" else [(old, new)]
        for before, after in pairs:
            assert before.dtype == after.dtype
            np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-9)


def test_make_is_reproducible(make: ModuleType, tmp_path: Path) -> None:
    for run in ("once", "twice"):
        make.main(tmp_path / run)
    once, twice = (
        {path.relative_to(tmp_path / run): path.read_bytes() for path in (tmp_path / run).rglob("*.*")}
        for run in ("once", "twice")
    )
    assert Path("watch.h5") in once
    assert once == twice


def test_made_hdf5_is_the_one_shipped(make: ModuleType, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    make.write_watch(tmp_path / "watch.h5")

    def contents(path: Path) -> dict[str, tuple[Any, ...]]:
        items: dict[str, tuple[Any, ...]] = {}

        def enter(name: str, item: Any) -> None:
            attributes = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
            values = item[:].tobytes() if isinstance(item, h5py.Dataset) else b""
            items[name] = (attributes, values)

        with h5py.File(path) as file:
            file.visititems(enter)
        return items

    assert contents(tmp_path / "watch.h5") == contents(SAMPLES / "watch.h5")
