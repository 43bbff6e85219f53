"""Malformed input: exit 3 and one line, soon and in little memory; what is right in spite of all is right."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from faults import damage
from faults.bench import Bench, Ran, Trial, one_line, shown
from faults.cases import expected, furnish

SECONDS = 2.0
MEMORY = 64 << 10

Damaged = Iterator[tuple[str, bytes]]


def rows(bench: Bench) -> Iterator[Trial]:
    """Read damaged recordings, kernels, weights and configs."""
    folder = bench.place("malformed")
    furnish(folder)
    np.save(folder / "good.npy", damage.small())
    usual = bench.run(("apply", "good.npy", "-k", "k.npy", "-q", "-o", "-"), folder).rss
    recording = ("apply", "bad.{}", "-k", "k.npy", "-q", "-o", "-")
    npy = damage.npy_bytes(damage.small())
    wide = range(len(npy) - 1, 129, -37)
    sets: list[tuple[str, tuple[str, ...], Damaged, Callable[[bytes, Ran], str | None]]] = [
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
            _right_or_refused,
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
    for name, options in kinds.items():
        data = damage.h5_bytes(folder, **options)
        judge = _right_or_refused if name == "compressed" else _any
        sets.append(("h5", recording, damage.cuts(data, range(0, len(data), 7)), _refused))
        sets.append(("h5", recording, damage.flips(data, range(len(data)), (0xFF,)), judge))
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


def _right_or_refused(data: bytes, ran: Ran) -> str | None:
    if ran.code:
        return None if ran.code in (2, 3) else shown(ran)
    right = np.array_equal(np.load(io.BytesIO(ran.out)), expected(damage.small()))
    return None if right else "exit 0, but the output is wrong"


def _as_numpy(data: bytes, ran: Ran) -> str | None:
    """What NumPy reads as numbers may be read, and must be read as the same."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:
        return _refused(data, ran)
    if ran.code:
        return None if ran.code in (2, 3) else shown(ran)
    if array.ndim != 2:
        return shown(ran)
    with np.errstate(all="ignore"):
        want = expected(array.astype("f4"))
    got = np.load(io.BytesIO(ran.out))
    same = got.shape == want.shape and np.allclose(got, want, rtol=1e-4, atol=1e-3, equal_nan=True)
    return None if same else "exit 0, but the output is wrong"


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
