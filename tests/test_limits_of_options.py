"""Options and lists that are far too large, and warnings of libraries: one line each, or none."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import npy_bytes, run, run_process, save

from dwconv_cli import LayerSpec
from dwconv_cli.errors import LayerError

X = np.arange(60, dtype="f4").reshape(20, 3)
Y = X[1:] + X[:-1]
HUGE = 10**25


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "rec.npy", X)
    save(tmp_path / "k.npy", np.ones(2, "f4"))
    return tmp_path


KERNEL = ("apply", "rec.npy", "-k", "k.npy", "-o", "o.npy")
FRESH = ("init-weights", "-o", "w.npz")
SHAPE = ("inspect", "--input-shape", "4,10,12", "--kernel-size", 3)


@pytest.mark.parametrize(
    "command, option",
    [
        *[(KERNEL, option) for option in ("--memory-limit", "--strides", "--dilation-rate", "--depth-multiplier")],
        *[(KERNEL, option) for option in ("--threads", "--jobs")],
        (("apply", "rec.npy", "-o", "o.npy"), "--kernel-size"),
        *[(("apply", "-", "--raw", "i2", "-k", "k.npy", "-o", "o.npy", *more), option)
          for more, option in (((), "--channels"), (("--channels", 2), "--block-steps"))],
        ((*FRESH, "--channels", 3), "--kernel-size"),
        ((*FRESH, "--kernel-size", 3), "--channels"),
        ((*FRESH, "--kernel-size", 3, "--channels", 3), "--depth-multiplier"),
        *[(SHAPE, option) for option in ("--strides", "--dilation-rate", "--depth-multiplier")],
        (SHAPE[:3], "--kernel-size"),
        (("inspect", "--kernel-size", 3), "--input-shape"),
    ],
)  # fmt: skip
def test_numbers_beyond_all_use(here: Path, command: tuple[object, ...], option: str) -> None:
    run(*command, option, HUGE).failed(2)
    assert not (here / "o.npy").exists()
    assert not (here / "w.npz").exists()


@pytest.mark.parametrize("field", ["kernel_size", "strides", "dilation_rate", "depth_multiplier"])
def test_layers_beyond_all_use(field: str) -> None:
    with pytest.raises(LayerError, match=f"{field} must be at most"):
        LayerSpec(**{"kernel_size": 3, field: HUGE})


# Lists of inputs


@pytest.mark.parametrize(
    "content, null",
    [
        (b"rec.npy", False),
        (b"rec.npy\n", False),
        (b"\n  \nrec.npy\r\n\n", False),
        (b"rec.npy", True),
        (b"rec.npy\0\n", True),
        (b"\0\0" * 70_000 + b"rec.npy\0", True),
        (b"\n" * 70_000 + b"rec.npy\n", False),
    ],
)
def test_lists(here: Path, content: bytes, null: bool) -> None:
    (here / "list").write_bytes(content)
    options = ("-k", "k.npy", "-q", "-o", "-", *["-0"] * null)
    np.testing.assert_array_equal(run("apply", "--files-from", "list", *options).array, Y)
    np.testing.assert_array_equal(run("apply", "--files-from", "-", *options, stdin=content).array, Y)


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
def test_what_is_no_list(here: Path, path: str, null: bool, words: list[str]) -> None:
    (here / "nul").write_bytes(b"rec.npy\nrec.npy\0rec.npy\0\n")
    (here / "long").write_bytes(b"rec.npy\n" + b"x" * 100_000 + b"\n")
    run("apply", "--files-from", path, *["-0"] * null, "-k", "k.npy", "-o", "o.npy").failed(3, *words)


def test_lists_may_be_long(here: Path) -> None:
    for number in range(3):
        os.link("rec.npy", f"rec{number}_{'x' * 200}.npy")
    (here / "list").write_text("rec?_*.npy\n" + "".join(f"none{n}/*.npy\n" for n in range(2000)))
    ran = run(
        "apply", "--files-from", "list", "-k", "k.npy", "--output-dir", "out", "--keep-going", "--json", "-q"
    )
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
def test_designs_do_not_warn(here: Path, design: str, code: int) -> None:
    ran = run("apply", "rec.npy", "--kernel-size", 9, "--depthwise-initializer", design, "-q", "-o", "o.npy")
    ran.failed(2, design.partition("(")[0]) if code else ran.done()
    assert (here / "o.npy").exists() == (code == 0)


def test_no_warning_reaches_standard_error(here: Path) -> None:
    with h5py.File("in.h5", "w") as file:
        file["a"] = X
    for pattern in ("[[a]", "[a&&b]"):
        run_process("apply", f"in.h5::{pattern}", "-k", "k.npy", "-q", "-o", "o.npy", "--overwrite").done()
    save(here / "odd.npy", np.array([[np.inf, -np.inf], [3e38, 3e38]], "f4"))
    ran = run_process("apply", "odd.npy", "-k", "k.npy", "-q", "-o", "-", "--activation", "softmax")
    assert ran.err == ""
    assert ran.out[:6] == npy_bytes(X)[:6]
