"""What people type by mistake: the error is one line, it has the words to type, and what they make works."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import npy_bytes, run, run_shell, save

X = np.arange(60, dtype="f4").reshape(20, 3) - 30


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings and weights, made once."""
    folder = tmp_path_factory.mktemp("mistakes")
    save(folder / "rec.npy", X)
    save(folder / "old.npy", X)
    save(folder / "turned.npy", X.T)
    save(folder / "k.npy", np.ones(2, "f4"))
    save(folder / "k3.npy", np.ones((2, 3), "f4"))
    save(folder / "k6.npy", np.ones((2, 6), "f4"))
    save(folder / "long.npy", np.ones(50, "f4"))
    save(folder / "torch.npy", np.ones((3, 1, 5), "f4"))
    save(folder / "b3.npy", np.ones(3, "f4"))
    save(folder / "b5.npy", np.ones(5, "f4"))
    np.savez(folder / "two.npz", one=X, two=X)
    np.savez(folder / "w.npz", kernel=np.ones((2, 3, 1), "f4"))
    with h5py.File(folder / "a.h5", "w") as file:
        file["imu/acc"] = file["imu/gyro"] = X
    (folder / "d").mkdir()
    save(folder / "d" / "rec.npy", X)
    (folder / "s.raw").write_bytes(np.arange(40, dtype="<i2").tobytes())
    run("init-weights -q --kernel-size 3 --channels 3 -o", folder / "m.keras").done()
    return folder


# What was typed, what the error has in it, and what the person types next.
MISTAKES = [
    # Commands and options.
    ("aply rec.npy -k k.npy -o o.npy", "apply", "apply rec.npy -k k.npy -o o.npy"),
    ("inspct rec.npy", "inspect", "inspect rec.npy"),
    ("rec.npy -k k.npy -o o.npy", "dwconv apply rec.npy -k k.npy -o o.npy", "apply rec.npy -k k.npy -o o.npy"),
    ("apply rec.npy -k k.npy --stride 2 -o o.npy", "--strides", "apply rec.npy -k k.npy --strides 2 -o o.npy"),
    ("apply rec.npy --kernal k.npy -o o.npy", "--kernel", "apply rec.npy --kernel k.npy -o o.npy"),
    ("apply rec.npy -k k.npy --dilation 2 -o o.npy", "--dilation-rate",
     "apply rec.npy -k k.npy --dilation-rate 2 -o o.npy"),
    ("apply rec.npy -k k.npy --out o.npy", "--output", "apply rec.npy -k k.npy --output o.npy"),
    # What is forgotten.
    ("apply rec.npy -k k.npy", "-o FILE", "apply rec.npy -k k.npy -o o.npy"),
    ("apply rec.npy -k k.npy o.npy", "say -o o.npy", "apply rec.npy -k k.npy -o o.npy"),
    ("apply rec.npy -o o.npy", "--kernel FILE", "apply rec.npy --kernel k.npy -o o.npy"),
    ("apply -k k.npy -o o.npy", "name recordings", "apply rec.npy -k k.npy -o o.npy"),
    ("init-weights --kernel-size 3 --channels 3", "-o ADDR", "init-weights --kernel-size 3 --channels 3 -o n.npz"),
    ("init-weights --kernel-size 3 -o n.npz", "--channels C", "init-weights --kernel-size 3 -o n.npz --channels 3"),
    ("init-weights --channels 3 -o n.npz", "--kernel-size K", "init-weights --channels 3 -o n.npz --kernel-size 3"),
    ("inspect", "name files", "inspect rec.npy"),
    ("inspect --input-shape 4,10,12", "--kernel-size K", "inspect --input-shape 4,10,12 --kernel-size 3"),
    ("inspect rec.npy --strides 2", "--kernel FILE", "inspect rec.npy --strides 2 --kernel k.npy"),
    ("compare rec.npy", "two arrays", "compare rec.npy old.npy"),
    # Kernels and data that do not fit.
    ("apply turned.npy -k k3.npy -o o.npy", "--data-format channels_first",
     "apply turned.npy -k k3.npy -o o.npy --data-format channels_first"),
    ("apply rec.npy -k k6.npy -o o.npy", "give a kernel for 3 channels", "apply rec.npy -k k3.npy -o o.npy"),
    ("apply rec.npy -k torch.npy -o o.npy", "--kernel-layout torch",
     "apply rec.npy -k torch.npy -o o.npy --kernel-layout torch"),
    ("apply rec.npy -k long.npy -o o.npy", "--padding same", "apply rec.npy -k long.npy -o o.npy --padding same"),
    ("apply rec.npy -k k.npy -b b5.npy -o o.npy", "3 numbers", "apply rec.npy -k k.npy -b b3.npy -o o.npy"),
    ("apply rec.npy -k k.npy --depth-multiplier 2 -o o.npy", "--depth-multiplier 1",
     "apply rec.npy -k k.npy --depth-multiplier 1 -o o.npy"),
    ("apply m.keras -o o.npy --kernel-size 3", "name a recording", "apply rec.npy -o o.npy --kernel-size 3"),
    ("apply rec.npy -k m.keras -o o.npy", "--weights", "apply rec.npy --weights m.keras -o o.npy"),
    ("apply rec.npy -w k.npy -o o.npy", "--kernel", "apply rec.npy --kernel k.npy -o o.npy"),
    ("apply rec.npy -k k.npy --kernel-size 3 -o o.npy", "leave out --kernel-size", "apply rec.npy -k k.npy -o o.npy"),
    # Addresses.
    ("apply a.h5:/imu/acc -k k.npy -o o.npy", "a.h5::/imu/acc", "apply a.h5::/imu/acc -k k.npy -o o.npy"),
    ("apply a.h5/imu/acc -k k.npy -o o.npy", "a.h5::/imu/acc", "apply a.h5::/imu/acc -k k.npy -o o.npy"),
    ("apply a.h5::imu -k k.npy -o o.h5", "'a.h5::/imu/*'", "apply a.h5::/imu/* -k k.npy -o o.h5"),
    ("apply a.h5::/imu/ac -k k.npy -o o.npy", "/imu/acc", "apply a.h5::/imu/acc -k k.npy -o o.npy"),
    ("apply two.npz -k k.npy -o o.npz", "two.npz::**", "apply two.npz::** -k k.npy -o o.npz"),
    ("apply d -k k.npy -o o.npy", "d/*.npy", "apply d/*.npy -k k.npy -o o.npy"),
    ("apply rec.np -k k.npy -o o.npy", "did you mean rec.npy", "apply rec.npy -k k.npy -o o.npy"),
    ("apply rec.npy -k kk.npy -o o.npy", "did you mean k.npy", "apply rec.npy -k k.npy -o o.npy"),
    ("inspect d/rek.npy", "did you mean d/rec.npy", "inspect d/rec.npy"),
    # Outputs.
    ("apply rec.npy -k k.npy -o d", "--output-dir d", "apply rec.npy -k k.npy --output-dir out"),
    ("apply rec.npy -k k.npy -o old.npy", "--overwrite", "apply rec.npy -k k.npy -o old.npy --overwrite"),
    ("apply rec.npy -k k.npy -o rec.npy", "write to another name", "apply rec.npy -k k.npy -o o.npy"),
    ("apply rec.npy -k k.npy -o o.txt", "--output-format npy", "apply rec.npy -k k.npy -o o.txt --output-format npy"),
    ("apply rec.npy d/rec.npy -k k.npy -o o.npy", "'out/{parent}/{name}'",
     "apply rec.npy d/rec.npy -k k.npy -o out/{parent}/{name}"),
    ("apply rec.npy -k k.npy -o {steam}_f.npy", "{stem}", "apply rec.npy -k k.npy -o {stem}_f.npy"),
    ("apply rec.npy -k k.npy -o o.npy --compression gzip", "an .h5 file",
     "apply rec.npy -k k.npy -o o.h5 --compression gzip"),
    ("apply rec.npy -k k.npy -o - --json", "--report FILE", "apply rec.npy -k k.npy -o - --report r.json"),
    # Values.
    ("apply rec.npy -k k.npy -o o.npy --strides 0", "at least 1", "apply rec.npy -k k.npy -o o.npy --strides 1"),
    ("apply rec.npy -k k.npy -o o.npy --strides 2 --dilation-rate 2", "at most one",
     "apply rec.npy -k k.npy -o o.npy --strides 2"),
    ("apply rec.npy -k k.npy -o o.npy --padding 'SAME '", "did you mean same",
     "apply rec.npy -k k.npy -o o.npy --padding same"),
    ("apply rec.npy -k k.npy -o o.npy --data-format NWC", "did you mean channels_last",
     "apply rec.npy -k k.npy -o o.npy --data-format channels_last"),
    ("apply rec.npy -k k.npy -o o.npy --dtype double", "did you mean float64",
     "apply rec.npy -k k.npy -o o.npy --dtype float64"),
    ("apply rec.npy -k k.npy -o o.npy --algorithm fft", "did you mean overlap-save",
     "apply rec.npy -k k.npy -o o.npy --algorithm overlap-save"),
    ("apply rec.npy -k k.npy -o o.npy --activation reelu", "did you mean relu",
     "apply rec.npy -k k.npy -o o.npy --activation relu"),
    ("apply rec.npy -k k.npy -o o.npy --activation 'leaky_relu(alpha=0.1)'", "negative_slope",
     "apply rec.npy -k k.npy -o o.npy --activation 'leaky_relu(negative_slope=0.1)'"),
    ("apply rec.npy -k k.npy -o o.npy --slice 5", "or :500", "apply rec.npy -k k.npy -o o.npy --slice :5"),
    ("apply rec.npy -k k.npy -o o.npy --memory-limit 100", "1MiB",
     "apply rec.npy -k k.npy -o o.npy --memory-limit 1MiB"),
    ("apply rec.npy --taps '0.5;0.5' -o o.npy", "0.25,0.5,0.25", "apply rec.npy --taps 0.5,0.5 -o o.npy"),
    ("apply rec.npy --design 'lowpas(0.1)' --kernel-size 9 -o o.npy", "did you mean lowpass",
     "apply rec.npy --design 'lowpass(0.1)' --kernel-size 9 -o o.npy"),
    ("inspect --input-shape 4x10x12 --kernel-size 3", "4,10,12", "inspect --input-shape 4,10,12 --kernel-size 3"),
]  # fmt: skip


@pytest.mark.parametrize("line, words, better", MISTAKES, ids=[line for line, _, _ in MISTAKES])
def test_the_error_has_the_words_that_work(here: Path, line: str, words: str, better: str) -> None:
    ran = run(line)
    assert ran.code in (2, 3, 4), (ran.code, ran.err)
    ran.failed(ran.code, words)
    # Of the better line, the message says each option that is new.
    for word in set(shlex.split(better)) - set(shlex.split(line)):
        assert not word.startswith("-") or word in ran.err, (word, ran.err)
    ran = run(better)
    assert ran.code == 0, (better, ran.err)


PIPES = [
    ("dwconv apply rec.npy -k k.npy | dwconv apply - -k k.npy -q -o o.npy", "is empty", "-o -"),
    ("dwconv apply -k k.npy -o - < rec.npy", "'-' for standard input", ""),
    ("dwconv apply - -k k.npy -o o.npy < s.raw", "--raw DTYPE --channels C", ""),
    ("dwconv apply s.raw -k k.npy -o o.npy", "apply - --raw i2 --channels 1 < s.raw", ""),
    ("dwconv apply rec.npy --raw f4 -k k.npy -o o.npy", "< rec.npy", ""),
    ("dwconv apply - -k - -o o.npy < rec.npy", "'-' stands in several places", ""),
]


@pytest.mark.parametrize("line, words, more", PIPES, ids=[line for line, _, _ in PIPES])
def test_pipes_that_are_typed_wrong(here: Path, line: str, words: str, more: str) -> None:
    ran = run_shell(line)
    assert ran.code in (2, 3), ran.err
    errors = ran.err.splitlines()
    # Each command of a pipe has its own line.
    assert len(errors) == line.count("dwconv"), ran.err
    assert all(error.startswith("dwconv: error: ") for error in errors)
    assert words in errors[-1]
    assert more in ran.err


@pytest.mark.parametrize(
    "line",
    [
        "dwconv apply rec.npy -k k.npy -o - 2> log | dwconv apply - -k k.npy -q -o o.npy",
        "dwconv apply - -k k.npy -q -o o.npy < rec.npy",
        "dwconv apply - --raw i2 --channels 1 -k k.npy -q -o o.npy < s.raw",
    ],
)
def test_pipes_as_the_errors_say(here: Path, line: str) -> None:
    run_shell(line).done()
    assert (here / "o.npy").exists()


def test_a_directory_that_does_not_exist(here: Path) -> None:
    ran = run("apply rec.npy -k k.npy -o 'new folder/deep/o.npy'").failed(4)
    command = re.search(r"mkdir -p (.*)", ran.err)
    assert command
    os.makedirs(shlex.split(command[1])[0])
    assert run("apply rec.npy -k k.npy -o 'new folder/deep/o.npy'").code == 0


@pytest.mark.parametrize(
    "line, name",
    [
        ("apply rec.npy -k k.npy -o o.h5 --compression zstd", "hdf5plugin"),
        ("apply rec.npy -k k.npy -o o.npy --plot o.png", "matplotlib"),
        ("inspect rec.npy --plot o.png", "matplotlib"),
    ],
)
def test_missing_extras(here: Path, line: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    run(line).failed(3, "pip install")
    assert not {"o.h5", "o.npy", "o.png"} & set(os.listdir())


def test_names_that_are_like_none(here: Path) -> None:
    ran = run("apply z.npy -k k.npy -o o.npy").failed(3, "z.npy: no such file or directory")
    assert "did you mean" not in ran.err


def test_a_stream_that_is_no_npy_stream(here: Path) -> None:
    run("apply - -k k.npy -o o.npy", stdin=b"a,b\n1,2\n3,4\n").failed(3, "--raw DTYPE")
    run("apply - -k k.npy -o o.npy", stdin=npy_bytes(X)[:6]).failed(3, "magic number")
