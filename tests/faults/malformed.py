"""Malformed input: exit 3 and one line, soon and in little memory; what is right in spite of all is right."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from faults import damage
from faults.bench import Bench, Ran, Trial, one_line, shown
from faults.cases import TAPS, expected, furnish

SECONDS = 2.0
MEMORY = 64 << 10

Array = np.ndarray[Any, Any]
Damaged = Iterator[tuple[str, bytes]]
Judge = Callable[[bytes, Ran], str | None]
_READ = """
import sys, h5py, numpy
with h5py.File(sys.argv[1]) as file:
    numpy.save(sys.stdout.buffer, file[next(iter(file))][()], allow_pickle=False)
"""


def rows(bench: Bench) -> Iterator[Trial]:
    """Read damaged recordings, kernels, weights and configs."""
    folder = bench.place("malformed")
    furnish(folder)
    np.save(folder / "good.npy", damage.small())
    usual = bench.run(("apply", "good.npy", "-k", "k.npy", "-q", "-o", "-"), folder).rss
    recording = ("apply", "bad.{}", "-k", "k.npy", "-q", "-o", "-")
    npy = damage.npy_bytes(damage.small())
    wide = range(len(npy) - 1, 129, -37)
    sets: list[tuple[str, tuple[str, ...], Damaged, Judge]] = [
        ("npy", recording, damage.cuts(npy, range(len(npy))), _refused),
        ("npy", recording, damage.flips(npy, range(128)), _as_numpy),
        ("npy", recording, damage.made_up_npy(), _refused),
        ("npy", ("apply", "in.npy", "-k", "bad.{}", "-q", "-o", "-"), damage.cuts(npy, wide), _refused),
        ("npy", ("apply", "in.npy", "-k", "bad.{}", "-q", "-o", "-"), damage.made_up_npy(), _refused),
        ("npz", recording, damage.cuts(damage.npz_bytes(), range(len(damage.npz_bytes()))), _refused),
        (
            "npz",
            recording,
            damage.flips(damage.npz_bytes(), range(len(damage.npz_bytes()))),
            as_read_by("NumPy", _numpy_reads),
        ),
        ("npz", recording, damage.made_up_npz(), _refused),
        ("npz", ("apply", "in.npy", "-w", "bad.{}", "-q", "-o", "-"), damage.made_up_npz(), _refused),
        ("h5", recording, damage.made_up_h5(folder), _refused),
        (
            "json",
            ("apply", "in.npy", "-k", "k.npy", "-q", "-o", "-", "--config", "bad.{}"),
            damage.configs(),
            _unfit,
        ),
    ]
    kinds = {"contiguous": {}, "compressed": {"chunks": (16, 4), "compression": "gzip", "fletcher32": True}}
    for options in kinds.values():
        data = damage.h5_bytes(folder, **options)
        sets.append(("h5", recording, damage.cuts(data, range(0, len(data), 7)), _refused))
        sets.append(
            ("h5", recording, damage.flips(data, range(len(data)), (0xFF,)), as_read_by("h5py", _h5py_reads))
        )
        sets.append(
            (
                "h5",
                ("inspect", "bad.{}", "--stats"),
                damage.flips(data, range(0, len(data), 3), (0x10,)),
                _any,
            )
        )
    keras = _keras(bench, folder)
    for suffix, data in keras.items():
        args = ("apply", "in.npy", "-w", "bad.{}", "-q", "-o", "-")
        sets.append((suffix, args, damage.cuts(data, range(0, len(data), 41)), _refused))
        sets.append((suffix, args, damage.flips(data, range(0, len(data), 5), (0xFF,)), _any))
    for suffix, args, damaged, judge in sets:
        for name, data in bench.some(list(damaged)):
            (folder / f"bad.{suffix}").write_bytes(data)
            ran = bench.run([word.format(suffix) for word in args], folder, seconds=20)
            label = f"{' '.join(args[:4]).format(suffix)}: {name}"
            yield Trial(label, _dear(ran, usual) or judge(data, ran))


def _dear(ran: Ran, usual: int) -> str | None:
    # Of the processor: others may need it too.
    if ran.late or ran.busy > SECONDS:
        return f"took {ran.busy:.1f} s: {shown(ran)}"
    if ran.rss > usual + MEMORY:
        return f"took {(ran.rss - usual) >> 10} MiB of memory: {shown(ran)}"
    return one_line(ran) if ran.code else None


def _refused(data: bytes, ran: Ran) -> str | None:
    return None if ran.code == 3 else shown(ran)


def _unfit(data: bytes, ran: Ran) -> str | None:
    """A config may be no config, or one of an impossible layer."""
    return None if ran.code in (2, 3) else shown(ran)


def _any(data: bytes, ran: Ran) -> str | None:
    """Without a checksum nobody can tell; a shape may not fit any more."""
    return None if ran.code in (0, 2, 3) else shown(ran)


def as_read_by(reader: str, reads: Callable[[bytes], Array | None]) -> Judge:
    """Damage is refused, or does not matter, or nobody can tell: then the numbers are those that `reader` reads too.

    A byte of raw data that no checksum covers is such a case, and so is one of a header that gives the numbers
    another meaning.
    """

    def judge(data: bytes, ran: Ran) -> str | None:
        if ran.code:
            return None if ran.code in (2, 3) else shown(ran)
        got = np.load(io.BytesIO(ran.out))
        if np.array_equal(got, expected(damage.small())):
            return None
        array = reads(data)
        if array is None:
            return f"exit 0, but {reader} cannot read it"
        return (
            None if _is_filtered(array, got) else f"exit 0, but the output is not that of what {reader} reads"
        )

    return judge


def _as_numpy(data: bytes, ran: Ran) -> str | None:
    """What NumPy refuses is refused, even where the numbers could be had."""
    if _numpy_reads(data) is None:
        return _refused(data, ran)
    return as_read_by("NumPy", _numpy_reads)(data, ran)


def _is_filtered(array: Array, got: Array) -> bool:
    """Whether `got` is `array` filtered, in whatever precision."""
    if array.ndim not in (1, 2) or array.dtype.kind not in "biufc" or len(array) < TAPS:
        return False
    with np.errstate(all="ignore"):
        want = expected(array.astype(np.promote_types(array.dtype, np.float64)).reshape(len(array), -1))
        if got.size != want.size:
            return False
        # Flipped exponents make numbers that float32 cannot hold, and sums in which it drops the small ones.
        size = np.abs(want[np.isfinite(want)]).max(initial=0)
        return bool(
            np.allclose(got.reshape(want.shape), want.astype(got.dtype), 1e-4, 1e-5 * size, equal_nan=True)
        )


def _numpy_reads(data: bytes) -> Array | None:
    """The one array of a file, as NumPy has it; None if it has none."""
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        array: Array = loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
    except Exception:
        return None
    return array


def _h5py_reads(data: bytes) -> Array | None:
    """The one dataset of a file, as h5py has it; in a process of its own, since damage may end that."""
    with tempfile.NamedTemporaryFile(suffix=".h5") as file:
        file.write(data)
        file.flush()
        try:
            done = subprocess.run(
                [sys.executable, "-c", _READ, file.name], capture_output=True, timeout=20, check=True
            )
        except subprocess.SubprocessError:
            return None
    return _numpy_reads(done.stdout)


def _keras(bench: Bench, folder: Path) -> dict[str, bytes]:
    """Sound files as Keras writes them."""
    made = {}
    for suffix in ("keras", "weights.h5"):
        path = folder / f"sound.{suffix}"
        ran = bench.run(
            ("init-weights", "-o", path.name, "--kernel-size", "5", "--channels", "4", "-q"), folder
        )
        if ran.code == 0:
            made[suffix] = path.read_bytes()
    return made
