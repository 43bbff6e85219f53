"""Too little memory to start is exit 5 and one line, not what a library says of it."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from helpers_cli import run_process, save


@pytest.mark.parametrize("mebibytes", [60, 75, 90, 105, 120])
def test_address_space_of(tmp_path: Path, mebibytes: int) -> None:
    save(tmp_path / "x.npy", np.ones((30, 2), "f4"))
    save(tmp_path / "k.npy", np.ones(3, "f4"))
    limit = mebibytes << 20
    ran = run_process(
        "apply", tmp_path / "x.npy", "-k", tmp_path / "k.npy", "-q", "-o", tmp_path / "y.npy",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    # What fits into 105 MiB is for libraries to say.
    if mebibytes >= 105 and ran.code == 0:
        return
    ran.failed(5, "out of memory")
    assert not (tmp_path / "y.npy").exists()


# SciPy's BLAS never gives up asking for a buffer of 32 MiB, and hears no signal meanwhile.
@pytest.mark.parametrize("mebibytes", [156, 166, 176])
@pytest.mark.parametrize(
    "words",
    [
        ("init-weights", "--depthwise-initializer", "firwin(cutoff=5,fs=50)", "--kernel-size", "5", "--channels", "2"),
        ("apply", "x.npy", "-k", "k.npy", "--activation", "gelu"),
        ("apply", "x.npy", "-k", "k.npy", "--algorithm", "overlap-save"),
    ],
    ids=lambda words: words[-1],
)  # fmt: skip
def test_scipy_in_an_address_space_of(tmp_path: Path, words: tuple[str, ...], mebibytes: int) -> None:
    save(tmp_path / "x.npy", np.ones((30, 2), "f4"))
    save(tmp_path / "k.npy", np.ones(3, "f4"))
    limit = mebibytes << 20
    ran = run_process(
        *words, "-q", "-o", "out.npz", cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    ran.failed(5, "out of memory while loading SciPy", "ulimit -v 400000")
    assert not (tmp_path / "out.npz").exists()
