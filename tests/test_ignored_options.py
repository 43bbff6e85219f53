"""Options that could not do anything where they stand are refused, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers_cli import npy_bytes, run
from recordings import X, Y, added

RAW = "apply - --raw f4 --channels 3 -k k.npy"


@pytest.mark.parametrize(
    "line, words",
    [
        (f"{RAW} -o o.npy --data-format channels_first", "leave out --data-format"),
        (f"{RAW} -o o.npy --input-format npy", "--input-format"),
        (f"{RAW} -o o.npy --output-format npz", "--output-format"),
        (f"{RAW} -o o.npy --skip-existing", "--skip-existing"),
        (f"{RAW} -o o.npy --compression gzip", "--compression"),
        (f"{RAW} -o o.npy --chunks 3,3", "--chunks"),
        (f"{RAW} -o o.npy --shuffle", "--shuffle"),
        (f"{RAW} -o o.npy --memory-limit 64MiB", "--memory-limit"),
        ("apply x.npy -k k.npy -o o.npy --seed 1", "--seed"),
        ("apply x.npy -k k.npy -o o.npy --depthwise-initializer ones", "--depthwise-initializer"),
        ("apply x.npy -k k.npy -o o.npy --bias-initializer ones", "--bias-initializer"),
        ("apply x.npy -w w.npz --seed 1 -o o.npy", "--weights"),
        ("inspect x.npy -w w.npz --depthwise-initializer ones", "--weights"),
        ("init-weights -o o.npz --from k.npy --seed 1", "--from"),
        ("init-weights -o o.npz --from w.npz --depthwise-initializer ones", "--from"),
        ("init-weights -o o.npz --kernel-size 3 --channels 2 --kernel-layout torch", "--kernel-layout"),
        ("init-weights -o o.npz --kernel-size 3 --channels 2 --input-format npy", "--like"),
        ("apply x.npy --kernel-size 3 --kernel-layout torch -o o.npy", "--kernel-layout"),
        ("apply - --input-format hdf5 -k k.npy -o o.npy", "leave out --input-format"),
        ("apply - --input-format npz -k k.npy -o o.npy", "leave out --input-format"),
        ("inspect - --input-format hdf5", "leave out --input-format"),
        ("apply x.npy -k k.npy -o o.npy --overwrite --skip-existing", "--skip-existing"),
        ("apply x.npy -k k.npy -o o.npy --chunks 3,3", "chunks"),
    ],
)
def test_options_that_would_be_ignored(place: Path, line: str, words: str) -> None:
    stdin = X.tobytes() if "--raw" in line else npy_bytes(X)
    run(line, stdin=stdin).failed(2, words)
    assert added(place) == []


def test_a_data_format_of_a_file_is_no_option(place: Path) -> None:
    (place / "keras.json").write_text('{"image_data_format": "channels_first"}')
    run(f"{RAW} -q -o o.npy", stdin=X.tobytes(), keras_home=place).done()
    np.testing.assert_array_equal(np.load("o.npy"), Y)
    run("apply x.npy -k k.npy -o p.npy -q --data-format channels_last", keras_home=place).done()


@pytest.mark.parametrize("report", ["k.npy", "o.npy"])
def test_a_report_of_a_stream_replaces_nothing_that_is_read(place: Path, report: str) -> None:
    run(f"{RAW} -o o.npy --overwrite --report {report}", stdin=X.tobytes()).failed(4, report)
    run(f"{RAW} -o k.npy --overwrite", stdin=X.tobytes()).failed(4, "k.npy")
    assert added(place) == []
