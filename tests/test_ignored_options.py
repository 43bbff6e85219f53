"""Options that could not do anything where they stand are refused, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_cli import contents, names, run, save

X = np.arange(60, dtype="f4").reshape(20, 3)
APPLY = ("apply", "rec.npy", "-k", "k.npy", "-o", "o.npy")
RAW = ("apply", "-", "--raw", "f4", "--channels", 3, "-k", "k.npy", "-o", "o.npy")
INIT = ("init-weights", "-o", "o.npz")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "rec.npy", X)
    save(tmp_path / "k.npy", np.ones(2, "f4"))
    np.savez("w.npz", kernel=np.ones((2, 3, 1), "f4"))
    return tmp_path


@pytest.mark.parametrize(
    "command, words",
    [
        ((*RAW, "--data-format", "channels_first"), "leave out --data-format"),
        ((*RAW, "--input-format", "npy"), "--input-format"),
        ((*RAW, "--output-format", "npz"), "--output-format"),
        ((*RAW, "--skip-existing"), "--skip-existing"),
        ((*RAW, "--compression", "gzip"), "--compression"),
        ((*RAW, "--chunks", "3,3"), "--chunks"),
        ((*RAW, "--shuffle"), "--shuffle"),
        ((*RAW, "--memory-limit", "64MiB"), "--memory-limit"),
        *[((*APPLY, *option), option[0]) for option in (("--seed", 1), ("--depthwise-initializer", "ones"), ("--bias-initializer", "ones"))],
        (("apply", "rec.npy", "-w", "w.npz", "--seed", 1, "-o", "o.npy"), "--weights"),
        (("inspect", "rec.npy", "-w", "w.npz", "--depthwise-initializer", "ones"), "--weights"),
        ((*INIT, "--from", "k.npy", "--seed", 1), "--from"),
        ((*INIT, "--from", "w.npz", "--depthwise-initializer", "ones"), "--from"),
        ((*INIT, "--kernel-size", 3, "--channels", 2, "--kernel-layout", "torch"), "--kernel-layout"),
        ((*INIT, "--kernel-size", 3, "--channels", 2, "--input-format", "npy"), "--like"),
        (("apply", "rec.npy", "--kernel-size", 3, "--kernel-layout", "torch", "-o", "o.npy"), "--kernel-layout"),
        *[(("apply", "-", "--input-format", name, "-k", "k.npy", "-o", "o.npy"), "leave out --input-format")
          for name in ("hdf5", "npz")],
        (("inspect", "-", "--input-format", "hdf5"), "leave out --input-format"),
        ((*APPLY, "--overwrite", "--skip-existing"), "--skip-existing"),
        ((*APPLY, "--chunks", "3,3"), "chunks"),
    ],
)  # fmt: skip
def test_options_that_would_be_ignored(here: Path, command: tuple[object, ...], words: str) -> None:
    before = names(here), contents(path for path in here.iterdir())
    stdin = X.tobytes() if "--raw" in command else (here / "rec.npy").read_bytes()
    run(*command, stdin=stdin).failed(2, words)
    assert (names(here), contents(path for path in here.iterdir())) == before


def test_a_data_format_of_a_file_is_no_option(here: Path) -> None:
    (here / "keras.json").write_text('{"image_data_format": "channels_first"}')
    run(*RAW, "-q", stdin=X.tobytes(), keras_home=here).done()
    np.testing.assert_array_equal(np.load("o.npy"), X[1:] + X[:-1])
    run(*APPLY[:-1], "p.npy", "-q", "--data-format", "channels_last").done()


@pytest.mark.parametrize("report", ["k.npy", "o.npy"])
def test_a_report_of_a_stream_replaces_nothing_that_is_read(here: Path, report: str) -> None:
    before = contents(path for path in here.iterdir())
    run(*RAW, "--overwrite", "--report", report, stdin=X.tobytes()).failed(4, report)
    run(*RAW[:-1], "k.npy", "--overwrite", stdin=X.tobytes()).failed(4, "k.npy")
    assert contents(path for path in here.iterdir()) == before
