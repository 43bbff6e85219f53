"""Fresh weights from the command line are those of Keras's NumPy backend, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from helpers_cli import run

pytest.importorskip("keras", reason="Keras is not installed")

SEEDS = (0, 1, 7, 1234, 2**32 - 1)
SHAPES = ((3, 4, 2), (16, 1, 5), (1, 6, 1))
# Our text, Keras's class and its arguments.
INITIALIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "zeros": ("Zeros", {}),
    "ones": ("Ones", {}),
    "constant(value=0.3)": ("Constant", {"value": 0.3}),
    "random_normal(stddev=0.3)": ("RandomNormal", {"stddev": 0.3}),
    "random_uniform(minval=-2, maxval=0.1)": ("RandomUniform", {"minval": -2, "maxval": 0.1}),
    "truncated_normal": ("TruncatedNormal", {}),
    "variance_scaling": ("VarianceScaling", {}),
    "variance_scaling(2.0, 'fan_out', 'uniform')": (
        "VarianceScaling",
        {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"},
    ),
    "variance_scaling(mode='fan_avg', distribution='untruncated_normal')": (
        "VarianceScaling",
        {"mode": "fan_avg", "distribution": "untruncated_normal"},
    ),
    "glorot_normal": ("GlorotNormal", {}),
    "glorot_uniform": ("GlorotUniform", {}),
    "he_normal": ("HeNormal", {}),
    "he_uniform": ("HeUniform", {}),
    "lecun_normal": ("LecunNormal", {}),
    "lecun_uniform": ("LecunUniform", {}),
    "orthogonal": ("Orthogonal", {}),
    "orthogonal(gain=1.5)": ("Orthogonal", {"gain": 1.5}),
    "stft": ("STFT", {}),
    "stft(side='imag', window='hamming', scaling='spectrum')": (
        "STFT",
        {"side": "imag", "window": "hamming", "scaling": "spectrum"},
    ),
}
UNSEEDED = ("Zeros", "Ones", "Constant", "STFT")

_DRAW = """
import json, sys
import numpy as np, keras
table, seeds, shapes = json.load(sys.stdin)
found = {}
for text, (name, arguments) in table.items():
    for seed in seeds:
        for shape in shapes:
            if name == "STFT" and (shape[1] != 1 or shape[2] < 2):
                continue
            given = arguments if name in %r else {**arguments, "seed": seed}
            made = getattr(keras.initializers, name)(**given)(tuple(shape), "float32")
            found[f"{text}|{seed}|{shape}"] = np.asarray(made)
np.savez(sys.argv[1], **found)
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray[Any, Any]]:
    # A process of its own, since the backend is chosen once.
    path = tmp_path_factory.mktemp("drawn") / "drawn.npz"
    table = json.dumps([INITIALIZERS, SEEDS, SHAPES])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _DRAW % (UNSEEDED,), str(path)],
        input=table,
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        check=False,
    )
    if "No module named" in done.stderr:
        pytest.skip(f"Keras's NumPy backend does not start: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    with np.load(path) as found:
        return dict(found)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("text", INITIALIZERS)
def test_draws(drawn: dict[str, np.ndarray[Any, Any]], text: str) -> None:
    expected = {key: array for key, array in drawn.items() if key.startswith(f"{text}|")}
    assert len(expected) >= len(SEEDS)
    for key, array in expected.items():
        _, seed, shape = key.split("|")
        size, channels, multiplier = json.loads(shape)
        line = f"init-weights -o w.npz --overwrite -q --kernel-size {size} --channels {channels}"
        more = f"--depth-multiplier {multiplier} --seed {seed} --depthwise-initializer"
        run(f"{line} {more}", text).done()
        with np.load("w.npz") as made:
            assert (made["kernel"].dtype, made["bias"].any()) == (np.float32, False)
            np.testing.assert_array_equal(made["kernel"], array)


@pytest.mark.usefixtures("place")
def test_a_seed_in_the_arguments_wins(drawn: dict[str, np.ndarray[Any, Any]]) -> None:
    line = "init-weights -o v.npz -q --kernel-size 3 --channels 4 --depth-multiplier 2 --seed 99"
    run(f"{line} --depthwise-initializer 'he_normal(seed=7)'").done()
    with np.load("v.npz") as made:
        np.testing.assert_array_equal(made["kernel"], drawn["he_normal|7|[3, 4, 2]"])
