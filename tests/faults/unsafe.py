"""Unsafe input: files and options that ask for more than data. Nothing they name is opened, run or connected to."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py

from faults.bench import Bench, Ran, Trial, need_strace, one_line, shown
from faults.cases import CHANNELS, TAPS, furnish, kernel
from faults.damage import npy_bytes, npy_with, small

CALLS = (
    "open",
    "openat",
    "openat2",
    "execve",
    "execveat",
    "connect",
    "socket",
    "link",
    "symlink",
    "rename",
    "unlink",
)
# What Python's libraries run on being imported.
HARMLESS = ("uname",)
APPLY = ("apply", "{}", "-k", "k.npy", "-q", "-o", "out/a.npy")
WEIGHTS = ("apply", "in.npy", "-w", "{}", "-q", "-o", "out/a.npy")


class _Touch:
    """Unpickled, it would make a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(_Touch.path), "w")

    path = Path()


def rows(bench: Bench) -> Iterator[Trial]:
    """Watch every call to the system while such a file is read."""
    need_strace()
    folder = bench.place("unsafe")
    furnish(folder)
    canary = folder / "canary"
    canary.write_bytes(small().tobytes())
    with h5py.File(folder / "canary.h5", "w") as file:
        file["x"] = small()
        file["kernel"] = kernel()
    _Touch.path = folder / "touched"
    tried: list[tuple[str, Sequence[str], str, set[int]]] = []
    for name, data in _files(folder):
        (folder / name).write_bytes(data)
        tried.append((name, APPLY, name, {3}))
        tried.append((name, ("inspect", "{}"), name, {0, 3}))
    for name, make in _h5_files(str(canary), str(folder / "canary.h5")).items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            make(file)
        tried.append((name, APPLY, f"{name}.h5::/x", {3}))
        tried.append((name, ("inspect", "{}"), f"{name}.h5", {0, 3}))
        tried.append((name, WEIGHTS, f"{name}.h5", {3}))
    for name, config in _configs().items():
        (folder / f"{name}.keras").write_bytes(_keras(config))
        # Weights may be read past a config that has no such layer.
        tried.append((name, WEIGHTS, f"{name}.keras", {0, 2, 3}))
        (folder / f"{name}.json").write_text(json.dumps(config))
        options = ("--config", f"{name}.json")
        tried.append(
            (name, ("apply", "{}", "-k", "k.npy", "-q", "-o", "out/a.npy", *options), "in.npy", {2, 3})
        )
    for option, value in _options(folder):
        args = ("apply", "in.npy", "--kernel-size", "3", "-q", "-o", "out/a.npy", option, "{}")
        tried.append((f"{option} {value}", args, value, {2, 3}))
    for name, args, address, codes in bench.some(tried):
        words = [word.replace("{}", address) for word in args]
        ran = _watched(bench, folder, words)
        fault = (
            _reached(ran)
            or (None if ran.code in codes else shown(ran))
            or (one_line(ran) if ran.code else None)
        )
        left = [
            path
            for path in folder.rglob("*")
            if path.name in ("touched", "a.npy") and path.parent.name != "many"
        ]
        touched = ran.code != 0 or any(path.name == "touched" for path in left)
        yield Trial(f"{words[0]}: {name}", fault or (f"left {left}" if left and touched else None))
        for path in left:
            path.unlink()


def _watched(bench: Bench, folder: Path, args: Sequence[str]) -> Ran:
    log = folder / "calls"
    calls = ",".join(f"?{name}" for name in CALLS)
    ran = bench.cold(args, folder, ("strace", "-f", "-s", "300", "-o", str(log), "-e", f"trace={calls}"))
    trace = log.read_text(errors="replace").splitlines()
    log.unlink()
    return Ran(ran.code, ran.out, ran.err, 0, 0, 0, False, trace)


def _reached(ran: Ran) -> str | None:
    """A canary that was opened, a program that was run, a connection."""
    # After the execve that strace itself begins with.
    for line in ran.trace[1:]:
        call = re.match(r"\d+ +(\w+)\((.*)", line)
        if call is None:
            continue
        name, words = call.groups()
        program = re.match(r'"([^"]*)"', words)
        if "canary" in words or "touched" in words:
            return f"reached for a canary: {line}"
        if name == "execve" and program and Path(program[1]).name not in HARMLESS:
            return f"ran a program: {line}"
        if name in ("connect", "socket"):
            return f"connected: {line}"
    return None


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    pickled = pickle.dumps([_Touch()])
    yield "pickle.npy", npy_with(header, pickled)
    yield "bare-pickle.npy", pickled
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", npy_with(header, pickled))
    yield "pickle.npz", stream.getvalue()
    for name, inside in (("up", "../../touched.npy"), ("root", f"{folder}/touched.npy")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(inside, npy_with("not a header"))
        yield f"{name}.npz", stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(2):
            archive.writestr(f"x{len(archive.filelist)}.npy", npy_bytes(small()))
    yield "twice.npz", stream.getvalue().replace(b"x1.npy", b"x0.npy")


def _h5_files(canary: str, other: str) -> dict[str, Any]:
    def external(file: h5py.File) -> None:
        file.create_dataset("x", (40, CHANNELS), "f4", external=[(canary, 0, h5py.h5f.UNLIMITED)])
        file.create_dataset("kernel", (TAPS, CHANNELS, 1), "f4", external=[(canary, 0, h5py.h5f.UNLIMITED)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((40, CHANNELS), "f4")
        layout[:] = h5py.VirtualSource(other, "x", (40, CHANNELS))
        file.create_virtual_dataset("x", layout)
        file.create_virtual_dataset("kernel", layout)

    def missing(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((40, CHANNELS), "f4")
        layout[:] = h5py.VirtualSource("nowhere.h5", "x", (40, CHANNELS))
        file.create_virtual_dataset("x", layout)

    def links(file: h5py.File) -> None:
        file["x"] = h5py.ExternalLink(other, "/x")
        file["kernel"] = h5py.ExternalLink(other, "/kernel")

    def around(file: h5py.File) -> None:
        file["away"] = h5py.ExternalLink(other, "/")
        file["x"] = h5py.SoftLink("/away/x")
        file["kernel"] = h5py.SoftLink("/away/kernel")

    def filtered(file: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((10, CHANNELS))
        plist.set_filter(32765, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((40, CHANNELS))
        h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, space, plist)

    def bomb(file: h5py.File) -> None:
        file.create_dataset("x", (1 << 41, CHANNELS), "f4", chunks=(1024, CHANNELS), compression="gzip")

    return {
        "external-storage": external, "virtual": virtual, "virtual-missing": missing, "external-link": links,
        "soft-to-external": around, "unknown-filter": filtered, "eight-tebibytes": bomb,
    }  # fmt: skip


def _configs() -> dict[str, Any]:
    def layer(**config: Any) -> dict[str, Any]:
        return {
            "module": "keras.layers",
            "class_name": "DepthwiseConv1D",
            "config": {"kernel_size": 5, **config},
        }

    touch = {
        "module": "os",
        "class_name": "system",
        "config": {"command": "touch touched"},
        "registered_name": None,
    }
    return {
        "lambda": {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {"function": "open('touched','w')"},
        },
        "os": touch,
        "initializer": layer(depthwise_initializer=touch),
        "activation": layer(
            activation={"module": "builtins", "class_name": "function", "config": "os.system"}
        ),
        "regularizer": layer(
            depthwise_regularizer={"module": "subprocess", "class_name": "run", "config": {}}
        ),
        "constraint": layer(bias_constraint="__import__('os').system('touch touched')"),
    }


def _keras(config: dict[str, Any]) -> bytes:
    stream, weights = io.BytesIO(), io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/depthwise_conv1d/vars/0"] = kernel()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())
    return stream.getvalue()


def _options(folder: Path) -> Iterator[tuple[str, str]]:
    touch = f"open('{folder}/touched','w')"
    for option in (
        "--depthwise-initializer",
        "--depthwise-regularizer",
        "--depthwise-constraint",
        "--activation",
    ):
        yield option, touch
        yield option, f"l2({touch})"
        yield option, "__import__('os').system('touch touched')"
        yield option, "l2(0.1 if exec('import os') else 1)"
    yield "--slice", "__import__('os').system('touch touched'):3"
    yield "--dtype", "os.system('touch touched')"
