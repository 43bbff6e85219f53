"""HDF5 files with random bytes changed: no signal ends a run, none goes on for long, and SIGTERM always ends it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.bench import Bench, Trial, one_line, shown
from faults.cases import furnish, signal_of

SEED = 20
# Of each kind of file.
MUTANTS = 150
SECONDS = 4.0


def rows(bench: Bench) -> Iterator[Trial]:
    """Read every kind of file with a few bytes changed."""
    folder = bench.place("mutants")
    furnish(folder)
    for kind in KINDS:
        whole = sound(folder, kind)
        for number in range(bench.number(MUTANTS)):
            data = mutant(whole, f"{SEED} {kind} {number}")
            (folder / "bad.h5").write_bytes(data)
            args = (
                ("apply", "bad.h5::/x", "-k", "k.npy", "-q", "-o", "-"),
                ("inspect", "bad.h5"),
                ("inspect", "bad.h5::/x", "--stats"),
                ("apply", "in.npy", "-w", "bad.h5", "-q", "-o", "-"),
            )[number % 4]
            ran = bench.run(args, folder, seconds=20)
            fault = one_line(ran) if ran.code else None
            if ran.busy > SECONDS:
                fault = f"took {ran.busy:.1f} s: {shown(ran)}"
            if ran.code not in (0, 2, 3):
                fault = fault or shown(ran)
            yield Trial(f"{kind} {number}: {' '.join(args)}", fault)


def mutant(whole: bytes, seed: str) -> bytes:
    """`whole` with one to eight bytes changed, near each other or anywhere, mostly where numbers of the format are."""
    chance = random.Random(seed)
    data = bytearray(whole)
    centre = chance.randrange(len(data))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        place = chance.choice((centre + chance.randrange(-16, 17), chance.randrange(len(data)))) % len(data)
        if chance.random() < 0.9:
            # Most of what is nought is padding.
            place = next(
                (p % len(data) for p in range(place, place + len(data)) if data[p % len(data)]), place
            )
        data[place] = chance.choice(
            (0, 1, 0xFF, data[place] ^ 1 << chance.randrange(8), chance.randrange(256))
        )
    return bytes(data)


def sound(folder: Path, kind: str) -> bytes:
    """A sound file of a recording ``/x``, kept by HDF5 in one of many ways."""
    name, libver = kind.rsplit(" ", 1)
    path = folder / "sound.h5"
    with h5py.File(path, "w", libver=libver) as file:
        _WAYS[name](file)
    data = path.read_bytes()
    path.unlink()
    return data


def _plain(**options: Any) -> Callable[[Any], None]:
    def build(file: Any) -> None:
        data = file.create_dataset("x", data=signal_of(40), **options)
        data.attrs["unit"] = "m/s"
        data.attrs["fs"] = 50.0
        data.attrs["sensors"] = ["a", "b", "c", "d"]

    return build


def _virtual(file: Any) -> None:
    for part in range(3):
        file[f"part{part}"] = signal_of(10)
    layout = h5py.VirtualLayout((30, 4), "f4")
    for part in range(3):
        layout[10 * part : 10 * part + 10] = h5py.VirtualSource(".", f"part{part}", (10, 4))
    file.create_virtual_dataset("x", layout)


def _many_attributes(file: Any) -> None:
    data = file.create_dataset("x", data=signal_of(10))
    for number in range(20):
        data.attrs[f"text{number}"] = f"some words, number {number}"
        data.attrs[f"numbers{number}"] = np.arange(number)


def _links(file: Any) -> None:
    file["x"] = signal_of(10)
    for number in range(30):
        file[f"group{number}/deeper/x"] = np.arange(4.0)
    file["soft"] = h5py.SoftLink("/group1/deeper/x")
    file["far"] = h5py.ExternalLink("other.h5", "/x")


def _weights(file: Any) -> None:
    layer = file.create_group("layers/depthwise_conv1d/vars")
    layer["0"] = np.ones((5, 4, 1), "f4")
    layer["1"] = np.zeros(4, "f4")
    file.create_group("vars")
    file["kernel"], file["bias"] = np.ones((5, 4, 1), "f4"), np.zeros(4, "f4")


_WAYS: dict[str, Callable[[Any], None]] = {
    "contiguous": _plain(),
    "chunks": _plain(chunks=(16, 3), compression="gzip", shuffle=True),
    "growing": _plain(chunks=(8, 2), maxshape=(None, 4), fletcher32=True),
    "boundless": _plain(chunks=(8, 2), maxshape=(None, None)),
    "scaled": lambda file: file.create_dataset("x", data=signal_of(40).astype("i2"), scaleoffset=0),
    "lzf": _plain(chunks=(8, 4), compression="lzf"),
    "virtual": _virtual,
    "attributes": _many_attributes,
    "links": _links,
    "weights": _weights,
}
KINDS = tuple(f"{name} {libver}" for name in _WAYS for libver in ("earliest", "latest"))
