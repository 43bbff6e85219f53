"""Make the derived samples again: ``python sample_data/make.py [DIRECTORY]``.

The recordings ``watch/*.npy`` and ``ecg_*.npy`` are the originals. From them, and from designs of
:mod:`scipy.signal`, come ``watch.h5``, ``windows.npy`` and ``kernels/``.
Run twice, it writes the same bytes twice.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy import signal

HERE = Path(__file__).resolve().parent

WATCH_RATE = 50.0
ECG_RATE = 360.0
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
UNITS = ("g", "g", "g", "rad/s", "rad/s", "rad/s")
PARTS = {"imu": slice(0, 6), "acc": slice(0, 3), "gyro": slice(3, 6)}
EXERCISES = {
    "abd": "abduction",
    "er": "external rotation",
    "fel": "forward elevation",
    "ir": "internal rotation",
    "pen": "pendulum",
    "row": "row",
    "trap": "trapezius extension",
}
WINDOW = 200
SAVGOL_TAPS = 9

Array = np.ndarray[Any, Any]


def recordings() -> dict[str, Array]:
    """The watch recordings by exercise, each ``(steps, 6)``, in alphabetical order."""
    return {name: np.ascontiguousarray(np.load(HERE / "watch" / f"s01_{name}.npy")) for name in EXERCISES}


def write_watch(path: Path) -> None:
    """One group for each exercise, with datasets ``imu``, ``acc`` and ``gyro``."""
    with h5py.File(path, "w") as file:
        file.attrs["source"] = "seglearn; D. M. Burns et al., arXiv:1802.01489"
        file.attrs["license"] = "BSD-3-Clause"
        for name, recording in recordings().items():
            group = file.create_group(name)
            for part, columns in PARTS.items():
                # Creation times would make every run's file another one.
                dataset = group.create_dataset(
                    part,
                    data=recording[:, columns],
                    chunks=(256, len(CHANNELS[columns])),
                    compression="gzip",
                    shuffle=True,
                    track_times=False,
                )
                dataset.attrs["sampling_rate"] = WATCH_RATE
                dataset.attrs["sampling_rate_unit"] = "Hz"
                dataset.attrs["channels"] = list(CHANNELS[columns])
                dataset.attrs["units"] = list(UNITS[columns])
                dataset.attrs["subject"] = "s01"
                dataset.attrs["exercise"] = EXERCISES[name]


def windows() -> Array:
    """Windows of 4 s that do not overlap, ``(batch, 200, 6)``; a recording's last, shorter one is dropped."""
    cut = [x[: len(x) // WINDOW * WINDOW].reshape(-1, WINDOW, len(CHANNELS)) for x in recordings().values()]
    return np.concatenate(cut)


def kernels() -> dict[str, Array]:
    """The kernels stored as ``.npy``: taps as a correlation takes them, the earliest step's first."""
    by_channel = [signal.firwin(31, cutoff, fs=WATCH_RATE) for cutoff in (3, 3, 3, 8, 8, 8)]
    designs = {
        "lowpass": signal.firwin(31, 5, fs=WATCH_RATE),
        "slope": _savgol(deriv=1),
        "lowpass_by_channel": np.stack(by_channel, axis=1),
        "ecg_bandpass": signal.firwin(181, (5, 15), fs=ECG_RATE, pass_zero=False),
    }
    return {name: taps.astype(np.float32) for name, taps in designs.items()}


def layer() -> tuple[Array, Array]:
    """A kernel ``(9, 6, 3)`` with its bias: value, slope and curvature of every channel of the watch."""
    fits = np.stack([_savgol(deriv) for deriv in range(3)], axis=1)
    kernel = np.repeat(fits[:, np.newaxis, :], len(CHANNELS), axis=1).astype(np.float32)
    return kernel, np.zeros(kernel[0].size, np.float32)


def _savgol(deriv: int) -> Array:
    taps: Array = signal.savgol_coeffs(SAVGOL_TAPS, polyorder=3, deriv=deriv, delta=1 / WATCH_RATE, use="dot")
    # The middle tap of a slope is zero, but the fit leaves rounding noise there; 0.0 clears its sign.
    return taps.round(9) + 0.0


def main(directory: Path) -> None:
    """Write every derived sample into `directory`."""
    (directory / "kernels").mkdir(parents=True, exist_ok=True)
    write_watch(directory / "watch.h5")
    np.save(directory / "windows.npy", windows())
    for name, taps in kernels().items():
        np.save(directory / "kernels" / f"{name}.npy", taps)
    kernel, bias = layer()
    np.savez(directory / "kernels" / "savgol_layer.npz", kernel=kernel, bias=bias)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
