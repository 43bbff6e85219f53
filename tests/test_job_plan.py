"""One plan: what ``inspect`` says of a layer and a recording is what ``apply`` does with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_cli import run

KEYS = ("layer", "layer_source", "padding", "effective_kernel_size", "algorithm")
LAYERS = {
    "plain": "-k k.npy",
    "same": "-k k.npy --padding same --strides 2 --slice 2:19",
    "wide": "-k k.npy --dtype float64 --dilation-rate 3 --padding causal",
    "halved": "--kernel-size 4 --depth-multiplier 2 --activation glu --seed 1",
    "first": "--kernel-size 3 --data-format channels_first --seed 1",
    "not finite": "-k inf.npy",
}


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "<i8", "<c8"])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_inspect_says_what_apply_does(place: Path, layer: str, dtype: str) -> None:
    np.save("x.npy", np.arange(80).reshape(20, 4).astype(dtype))
    np.save("k.npy", np.array([3, 1 << 40, 5]))
    np.save("inf.npy", np.where(np.arange(900) == 7, np.inf, 1.0))
    said, done = run(f"inspect x.npy --json {layer}"), run(f"apply x.npy -o y.npy --json -q {layer}")
    if done.code:
        assert done.code == 2
        # Overflowing numbers can only be seen in the data.
        assert said.code == 2 or "integers" in done.err
        return
    (description,), (report,) = said.reports, done.reports
    assert {key: description[key] for key in KEYS} == {key: report[key] for key in KEYS}
    assert {**description["output"], "address": "y.npy"} == report["output"]
    assert [note for note in report["notes"] if "drawn" not in note] == description["notes"]
    y = np.load("y.npy")
    assert (list(y.shape), str(y.dtype)) == (report["output"]["shape"], report["output"]["dtype"])
