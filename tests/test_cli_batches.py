"""``dwconv apply`` over many recordings, and what its reports say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import jsonschema
import numpy as np
import pytest
from helpers_cli import contents, names, npy_bytes, run, save, sparse
from recordings import K, X, Y

from dwconv_cli.jobs.report import schema


@pytest.fixture
def batch(place: Path) -> Path:
    """The working directory, with four recordings, the third of which is broken."""
    for number in range(4):
        save(place / f"r{number}.npy", (number + 1) * X)
    (place / "r2.npy").write_bytes(b"broken")
    return place


def statuses(reports: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(report["input"]["address"], report["status"]) for report in reports]


def test_fail_fast_stops_at_the_first(batch: Path) -> None:
    ran = run("apply r*.npy --json -k k.npy --output-dir out").failed(3, "r2.npy")
    assert statuses(ran.reports) == [("r0.npy", "ok"), ("r1.npy", "ok"), ("r2.npy", "failed")]
    assert names(batch / "out") == ["r0.npy", "r1.npy"]
    assert ran.reports[-1]["error"]["code"] == 3
    assert ran.reports[-1]["error"]["message"] in ran.err


def test_keep_going_does_the_rest(batch: Path) -> None:
    ran = run("apply r*.npy --json -k k.npy --keep-going --output-dir out").failed(1, "r2.npy")
    assert [status for _, status in statuses(ran.reports)] == ["ok", "ok", "failed", "ok"]
    assert names(batch / "out") == ["r0.npy", "r1.npy", "r3.npy"]
    np.testing.assert_array_equal(np.load("out/r3.npy"), 4 * Y)


def test_keep_going_names_every_input_that_cannot_be_found(batch: Path) -> None:
    ran = run("apply r0.npy no.npy no*.npz w.npz r1.npy --json -k k.npy --keep-going --output-dir out")
    assert ran.code == 1
    assert sorted(statuses(ran.reports)) == sorted(
        [("r0.npy", "ok"), ("no.npy", "failed"), ("no*.npz", "failed"), ("w.npz", "failed"), ("r1.npy", "ok")]
    )
    assert len(ran.err.splitlines()) == 3
    assert names(batch / "out") == ["r0.npy", "r1.npy"]


def test_keep_going_with_weights_that_fit_some(batch: Path) -> None:
    save(batch / "r2.npy", np.ones((20, 5), "f4"))
    ran = run("apply r*.npy --json -w w.npz --keep-going --output-dir out")
    assert ran.code == 1
    assert "error: r2.npy" in ran.err
    assert ran.reports[2]["error"]["code"] == 2
    assert names(batch / "out") == ["r0.npy", "r1.npy", "r3.npy"]


def test_keep_going_with_faults_in_the_weights_says_so_once(batch: Path) -> None:
    run("apply r*.npy -q -w missing.npz --keep-going --output-dir out").failed(3, "missing.npz")
    run("apply r*.npy -q -k k.npy --strides 0 --keep-going --output-dir out").failed(2, "strides")


def test_skip_existing(batch: Path) -> None:
    save(batch / "r2.npy", X)
    (batch / "out").mkdir()
    (batch / "out" / "r1.npy").write_bytes(b"done before")
    ran = run("apply r*.npy --json -k k.npy --skip-existing --output-dir out").done()
    assert [status for _, status in statuses(ran.reports)] == ["ok", "skipped", "ok", "ok"]
    assert (batch / "out" / "r1.npy").read_bytes() == b"done before"
    again = run("apply r*.npy --json -k k.npy --skip-existing --output-dir out").done()
    assert {status for _, status in statuses(again.reports)} == {"skipped"}


def test_skip_existing_members(batch: Path) -> None:
    np.savez("out.npz", r0=X)
    ran = run("apply r0.npy r1.npy --json -k k.npy --skip-existing -o out.npz::{stem}").done()
    assert [status for _, status in statuses(ran.reports)] == ["skipped", "ok"]
    with np.load("out.npz") as file:
        np.testing.assert_array_equal(file["r0"], X)
        np.testing.assert_array_equal(file["r1"], 2 * Y)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\0"])
@pytest.mark.parametrize("where", ["list.txt", "-"])
@pytest.mark.parametrize("last", [True, False])
def test_files_from(batch: Path, ending: bytes, where: str, last: bool) -> None:
    (batch / "dir with\nline").mkdir()
    odd = b"dir with\nline/x.npy" if ending == b"\0" else b"b c.npy"
    save(batch / os.fsdecode(odd), X)
    data = ending.join([b"r0.npy", odd, b"r[13].npy"]) + (ending if last else b"")
    (batch / "list.txt").write_bytes(data)
    null = "-0" if ending == b"\0" else ""
    ran = run(f"apply --files-from {where} {null} --json -k k.npy --output-dir out", stdin=data).done()
    assert [name for name, _ in statuses(ran.reports)] == ["r0.npy", os.fsdecode(odd), "r1.npy", "r3.npy"]


def test_files_from_beside_arguments_and_empty_lists(batch: Path) -> None:
    (batch / "list.txt").write_text("r1.npy\n\n  \n")
    ran = run("apply r0.npy --files-from list.txt --json -k k.npy --output-dir out").done()
    assert [name for name, _ in statuses(ran.reports)] == ["r0.npy", "r1.npy"]
    assert run("apply --files-from /dev/null --json -k k.npy --output-dir none").done().reports == []


def test_globs_on_both_sides(place: Path) -> None:
    for day in (1, 2):
        (place / f"day{day}").mkdir()
        with h5py.File(f"day{day}/rec.h5", "w") as file:
            file["imu/acc"], file["imu/gyro"], file["t"] = X, X, np.arange(20.0)
    ran = run("apply day*/rec.h5::/imu/* --json -k k.npy -o {parent}_{dataset}.npy").done()
    assert [name for name, _ in statuses(ran.reports)] == [
        f"day{day}/rec.h5::/imu/{name}" for day in (1, 2) for name in ("acc", "gyro")
    ]
    for report in ran.reports:
        np.testing.assert_array_equal(np.load(report["output"]["address"]), Y)


# Reports


def checked(report: dict[str, Any]) -> dict[str, Any]:
    jsonschema.validate(report, dict(schema()))
    return report


def test_the_report_of_a_run(place: Path) -> None:
    spoilt = np.max(X) == X
    save(place / "x.npy", np.where(spoilt, np.nan, X).astype("f4"))
    regularizers = "--depthwise-regularizer l2(0.5) --activity-regularizer l1(0.01)"
    ran = run(f"apply x.npy --json -w w.npz --padding same {regularizers} -o o.npy").noted("strides 1")
    report = checked(ran.reports[0])
    assert (report["schema_version"], report["status"], report["error"]) == (1, "ok", None)
    assert report["input"] == {"address": "x.npy", "shape": [20, 3], "dtype": "float32"}
    assert report["output"] == {"address": "o.npy", "shape": [20, 6], "dtype": "float32", "nbytes": 480}
    assert report["padding"] == {"left": 1, "right": 1}
    assert report["effective_kernel_size"] == 3
    assert report["weights"]["kernel_shape"] == [3, 3, 2]
    assert report["weights"]["bias_shape"] == [6]
    assert report["nonfinite"]["input"] == np.count_nonzero(spoilt)
    assert report["nonfinite"]["output"] == np.count_nonzero(np.isnan(np.load("o.npy")))
    assert report["losses"]["depthwise"] == pytest.approx(0.5 * float((K.astype("f8") ** 2).sum()))
    assert report["losses"]["activity"] is None
    assert report["seconds"] >= 0


def test_every_kind_of_report_follows_the_schema(batch: Path) -> None:
    save(batch / "out_r1.npy", X)
    for more in ("--dry-run", "--skip-existing", "--overwrite", ""):
        for report in run(f"apply r*.npy no.npy --json -k k.npy --keep-going -o out_{{name}} {more}").reports:
            checked(report)


def test_dry_run_writes_nothing_and_has_what_a_run_has(batch: Path) -> None:
    before = contents(path for path in batch.iterdir())
    line = "apply r0.npy --json -k k.npy --strides 2 --output-dir out"
    (planned,) = run(f"{line} --dry-run").done().reports
    assert contents(path for path in batch.iterdir()) == before
    (report,) = run(line).done().reports
    assert planned["status"] == "planned"
    keys = ["input", "output", "layer", "weights", "padding", "effective_kernel_size", "algorithm", "notes"]
    assert {key: planned[key] for key in keys} == {key: report[key] for key in keys}
    run("apply r0.npy -q -k k.npy --output-dir out --dry-run").failed(4, "exists")
    run("apply r0.npy -q -k k.npy --dry-run").done()
    run("apply r2.npy -q -k k.npy --dry-run").failed(3, "r2.npy")
    run("apply r0.npy -q -k k.npy --dry-run -o -").done()


def test_dry_run_reads_headers_only(place: Path) -> None:
    sparse(place / "huge.npy", (1_000_000_000, 64))
    (report,) = run("apply huge.npy --json -k k.npy --dry-run").done().reports
    assert report["output"]["shape"] == [999_999_999, 64]


def test_a_report_file_beside_each_stream(batch: Path) -> None:
    ran = run("apply r0.npy -q -k k.npy -o - --report r.json").done()
    assert npy_bytes(Y) == ran.out
    assert checked(json.loads((batch / "r.json").read_text()))["status"] == "ok"
    ran = run("apply r*.npy --json -k k.npy --keep-going --output-dir out --report all.json")
    assert [json.loads(line) for line in (batch / "all.json").read_text().splitlines()] == ran.reports
    quiet = run("apply r*.npy -q -k k.npy --output-dir o2 --report q.json").failed(3)
    assert quiet.out == b""
    assert len((batch / "q.json").read_text().splitlines()) == 3


def test_tables_go_to_standard_error_in_plain_text(place: Path) -> None:
    ran = run("apply x.npy -k k.npy -o o.npy")
    assert (ran.code, ran.out) == (0, b"")
    assert "\x1b" not in ran.err
    for word in ("x.npy", "o.npy", "20", "19", "float32"):
        assert word in ran.err
