"""Options and lists that are far too large, and warnings of libraries: one line each, or none."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

import h5py
import numpy as np
import pytest
from helpers_cli import npy_bytes, run, run_process, save
from recordings import X, Y, added

from dwconv_cli import LayerSpec
from dwconv_cli.errors import LayerError

HUGE = 10**25
APPLY = "apply x.npy -k k.npy -o o.npy"
SHAPE = "inspect --input-shape 4,10,12 --kernel-size 3"


@pytest.mark.parametrize(
    "line",
    [
        f"{APPLY} --memory-limit",
        f"{APPLY} --strides",
        f"{APPLY} --dilation-rate",
        f"{APPLY} --depth-multiplier",
        f"{APPLY} --threads",
        f"{APPLY} --jobs",
        "apply x.npy -o o.npy --kernel-size",
        "apply - --raw i2 -k k.npy -o o.npy --channels",
        "apply - --raw i2 -k k.npy -o o.npy --channels 2 --block-steps",
        "init-weights -o o.npz --channels 3 --kernel-size",
        "init-weights -o o.npz --kernel-size 3 --channels",
        "init-weights -o o.npz --kernel-size 3 --channels 3 --depth-multiplier",
        f"{SHAPE} --strides",
        f"{SHAPE} --dilation-rate",
        f"{SHAPE} --depth-multiplier",
        "inspect --input-shape 4,10,12 --kernel-size",
        "inspect --kernel-size 3 --input-shape",
    ],
)
def test_numbers_beyond_all_use(place: Path, line: str) -> None:
    run(f"{line} {HUGE}").failed(2)
    assert added(place) == []


@pytest.mark.parametrize("field", ["kernel_size", "strides", "dilation_rate", "depth_multiplier"])
def test_layers_beyond_all_use(field: str) -> None:
    with pytest.raises(LayerError, match=f"{field} must be at most"):
        LayerSpec(**{"kernel_size": 3, field: HUGE})


# Lists of inputs


@pytest.mark.parametrize(
    "content, null",
    [
        (b"x.npy", False),
        (b"x.npy\n", False),
        (b"\n  \nx.npy\r\n\n", False),
        (b"x.npy", True),
        (b"x.npy\0\n", True),
        (b"\0\0" * 70_000 + b"x.npy\0", True),
        (b"\n" * 70_000 + b"x.npy\n", False),
    ],
)
def test_lists(place: Path, content: bytes, null: bool) -> None:
    (place / "list").write_bytes(content)
    options = f"-k k.npy -q -o - {'-0' * null}"
    np.testing.assert_array_equal(run(f"apply --files-from list {options}").array, Y)
    np.testing.assert_array_equal(run(f"apply --files-from - {options}", stdin=content).array, Y)


@pytest.mark.parametrize(
    "path, null, words",
    [
        ("nul", False, ["nul: line 2", "-0"]),
        ("long", False, ["long: entry 2", "65536"]),
        ("long", True, ["long: entry 1", "leave out -0"]),
        ("/dev/zero", False, ["/dev/zero: entry 1"]),
        ("/dev/zero", True, ["/dev/zero", "split"]),
        ("nothing", False, ["nothing"]),
        (".", False, ["directory"]),
    ],
)
def test_what_is_no_list(place: Path, path: str, null: bool, words: list[str]) -> None:
    (place / "nul").write_bytes(b"x.npy\nx.npy\0x.npy\0\n")
    (place / "long").write_bytes(b"x.npy\n" + b"x" * 100_000 + b"\n")
    run(f"apply --files-from {path} {'-0' * null} -k k.npy -o o.npy").failed(3, *words)


def test_lists_may_be_long(place: Path) -> None:
    for number in range(3):
        os.link("x.npy", f"x{number}_{'x' * 200}.npy")
    (place / "list").write_text("x?_*.npy\n" + "".join(f"none{n}/*.npy\n" for n in range(2000)))
    ran = run("apply --files-from list -k k.npy --output-dir out --keep-going --json -q")
    assert ran.code == 1
    assert [report["status"] for report in ran.reports].count("ok") == 3


# Warnings of libraries


@pytest.mark.parametrize(
    "design, code",
    [
        ("orthogonal(gain=1e300)", 2),
        ("orthogonal(gain=1e-300)", 0),
        ("firwin(cutoff=0.1, fs=1, window=('kaiser', 1e300))", 2),
        ("firwin(cutoff=0.1, fs=1, window=('general_gaussian', 0, 0))", 0),
        ("firwin(cutoff=1e-320, fs=1)", 0),
        ("constant(value=1e300)", 2),
        ("variance_scaling(scale=1e300)", 2),
        ("gaussian(std=1e-300)", 0),
        ("savgol(polyorder=8, fs=1e300)", 0),
    ],
)
def test_designs_do_not_warn(place: Path, design: str, code: int) -> None:
    ran = run(f"apply x.npy --kernel-size 9 --depthwise-initializer {quote(design)} -q -o o.npy")
    ran.failed(2, design.partition("(")[0]) if code else ran.done()
    assert (place / "o.npy").exists() == (code == 0)


def test_no_warning_reaches_standard_error(place: Path) -> None:
    with h5py.File("in.h5", "w") as file:
        file["a"] = X
    for pattern in ("[[a]", "[a&&b]"):
        run(f"apply in.h5::{pattern} -k k.npy -q -o o.npy --overwrite").done()
    save(place / "odd.npy", np.array([[np.inf, -np.inf], [3e38, 3e38]], "f4"))
    # As a process, since pytest turns warnings into errors.
    ran = run_process("apply odd.npy -k k.npy -q -o - --activation softmax").done()
    assert ran.out[:6] == npy_bytes(X)[:6]
