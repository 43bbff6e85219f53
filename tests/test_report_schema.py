"""Every report is as its JSON Schema says, and the schema says enough."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import jsonschema
import numpy as np
import pytest

from dwconv_cli import LayerSpec, Recipe, Weights, apply_file, apply_many
from dwconv_cli.errors import InputError, LayerError, OutputError, ShapeError
from dwconv_cli.jobs.report import Report, array_entry, schema
from dwconv_cli.jobs.settings import Settings
from dwconv_cli.layer.keys import SETTINGS

Json = dict[str, Any]


def validator() -> Any:
    return jsonschema.Draft202012Validator(schema())


def checked(report: Report) -> Json:
    """The report as a reader of NDJSON gets it, held against the schema."""
    line = json.dumps(report.to_json(), allow_nan=False)
    assert "\n" not in line
    document: Json = json.loads(line)
    validator().validate(document)
    return document


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Recordings of every kind, good and bad."""
    rng = np.random.default_rng(1)
    np.save(tmp_path / "one.npy", rng.standard_normal(50))
    np.save(tmp_path / "two.npy", rng.standard_normal((50, 3)).astype(np.float32))
    np.save(tmp_path / "batch.npy", rng.standard_normal((4, 50, 3)).astype(np.float16))
    np.save(tmp_path / "counts.npy", rng.integers(-9, 9, (50, 3)).astype(np.int16))
    np.save(tmp_path / "complex.npy", (rng.standard_normal((50, 3)) + 1j).astype(np.complex64))
    hurt = rng.standard_normal((50, 3))
    hurt[10, 0], hurt[20, 2] = np.nan, np.inf
    np.save(tmp_path / "hurt.npy", hurt)
    np.savez(tmp_path / "many.npz", acc=hurt, gyro=rng.standard_normal((50, 3)))
    with h5py.File(tmp_path / "day.h5", "w") as file:
        file.create_dataset("imu/acc", data=hurt, chunks=(20, 3), compression="gzip")
        file["imu/acc"].attrs["sampling_rate"] = 50.0
    np.save(tmp_path / "short.npy", np.ones((2, 3)))
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY no")
    return tmp_path


WEIGHTS = Weights(np.ones((5, 3, 2), np.float32), np.arange(6, dtype=np.float32))
FRESH: list[Json] = [
    {"kernel_size": 5},
    {"kernel_size": 5, "padding": "same", "strides": 2, "activation": "relu(max_value=6)"},
    {"kernel_size": 3, "dilation_rate": 2, "padding": "causal", "depth_multiplier": 3, "use_bias": False},
    {
        "kernel_size": 2,
        "depthwise_regularizer": "l2(0.1)",
        "bias_regularizer": "l1",
        "activity_regularizer": "l1_l2(l1=0.1, l2=0.1)",
        "depthwise_constraint": "max_norm(2)",
        "bias_constraint": "non_neg",
        "depthwise_initializer": "random_normal(stddev=0.1, seed=7)",
        "bias_initializer": "constant(0.5)",
    },
    {"kernel_size": 4, "dtype": "float16", "activation": "leaky_relu(negative_slope=0.1)"},
]


@pytest.mark.parametrize(
    "name", ["one.npy", "two.npy", "batch.npy", "counts.npy", "hurt.npy", "many.npz::gyro", "day.h5"]
)
@pytest.mark.parametrize("options", FRESH)
def test_runs(data: Path, name: str, options: Json) -> None:
    (report,) = apply_many([str(data / name)], str(data / "out.npy"), Recipe(options=options, seed=1))
    document = checked(report)
    assert document["status"] == "ok", document["error"]
    array = np.load(data / "out.npy")
    assert document["output"] == {
        "address": str(data / "out.npy"),
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "nbytes": array.nbytes,
    }
    assert document["nonfinite"]["output"] == np.count_nonzero(~np.isfinite(array))
    assert document["weights"]["kernel_shape"][0] == document["layer"]["kernel_size"]
    assert (
        document["effective_kernel_size"]
        == (options["kernel_size"] - 1) * options.get("dilation_rate", 1) + 1
    )
    assert document["seconds"] > 0
    assert document["error"] is None
    losses = document["losses"]
    if None not in losses.values():
        assert losses["total"] == pytest.approx(losses["depthwise"] + losses["bias"] + losses["activity"])
    if "activity_regularizer" in options and np.isfinite(array).all():
        wide = array.astype(np.float64)
        batch = len(array) if array.ndim == 3 else 1
        assert losses["activity"] == pytest.approx(
            (0.1 * abs(wide).sum() + 0.1 * (wide**2).sum()) / batch, rel=1e-3
        )
        assert losses["bias"] == pytest.approx(0.01 * 0.5 * document["weights"]["bias_shape"][0])


def test_complex(data: Path) -> None:
    recipe = Recipe(options={"kernel_size": 3, "dtype": "complex64", "activity_regularizer": "l2"}, seed=1)
    (report,) = apply_many([str(data / "complex.npy")], str(data / "out.npy"), recipe)
    assert checked(report)["output"]["dtype"] == "complex64"


def test_what_json_cannot_hold(data: Path) -> None:
    """A penalty that is NaN or infinite is null."""
    recipe = Recipe(options={"kernel_size": 3, "activity_regularizer": "l2"}, seed=1)
    (report,) = apply_many([str(data / "hurt.npy")], str(data / "out.npy"), recipe)
    losses = checked(report)["losses"]
    assert losses["activity"] is None
    assert losses["total"] is None
    assert losses["depthwise"] == 0


def test_dry_runs(data: Path) -> None:
    recipe = Recipe(options={"kernel_size": 3}, seed=1)
    (report,) = apply_many([str(data / "two.npy")], str(data / "out.npy"), recipe, Settings(dry_run=True))
    document = checked(report)
    assert (document["status"], document["seconds"], document["nonfinite"]) == ("planned", None, None)
    assert document["output"]["shape"] == [48, 3]
    assert not (data / "out.npy").exists()
    (report,) = apply_many([str(data / "two.npy")], None, recipe, Settings(dry_run=True))
    assert checked(report)["output"]["address"] is None


def test_skipped(data: Path) -> None:
    recipe = Recipe(options={"kernel_size": 3}, seed=1)
    (data / "out.npy").write_bytes(b"")
    settings = Settings(skip_existing=True)
    (report,) = apply_many([str(data / "two.npy")], str(data / "out.npy"), recipe, settings)
    assert checked(report)["status"] == "skipped"


FAILURES = [
    ("bad.npy", InputError, 3),
    ("nowhere.npy", InputError, 3),
    ("many.npz", InputError, 3),
    ("many.npz::no_such", InputError, 3),
    ("day.h5::/imu/gyro", InputError, 3),
    ("what.txt", InputError, 3),
    ("short.npy", ShapeError, 2),
    ("complex.npy", LayerError, 2),
]


@pytest.mark.parametrize("name, kind, code", FAILURES, ids=[name for name, _, _ in FAILURES])
def test_failures(data: Path, name: str, kind: type[Exception], code: int) -> None:
    recipe = Recipe(options={"kernel_size": 5, "activation": "tanh"}, seed=1)
    (report,) = apply_many([str(data / name)], str(data / "out.npy"), recipe, keep_going=True)
    document = checked(report)
    assert isinstance(report.cause, kind)
    assert (document["status"], document["error"]["code"]) == ("failed", code)
    assert document["error"]["message"] == str(report.cause)
    assert "\n" not in document["error"]["message"]
    assert not (data / "out.npy").exists()


def test_a_failed_output(data: Path) -> None:
    (data / "out.npy").write_bytes(b"mine")
    recipe = Recipe(options={"kernel_size": 5}, seed=1)
    (report,) = apply_many([str(data / "two.npy")], str(data / "out.npy"), recipe)
    document = checked(report)
    assert isinstance(report.cause, OutputError)
    assert (document["status"], document["error"]["code"]) == ("failed", 4)
    assert (data / "out.npy").read_bytes() == b"mine"


def test_a_batch_of_all_kinds(data: Path) -> None:
    names = ["two.npy", "bad.npy", "counts.npy", "short.npy", "hurt.npy"]
    recipe = Recipe(given=(LayerSpec(kernel_size=5, depth_multiplier=2), WEIGHTS))
    inputs = [str(data / name) for name in names]
    document = [
        checked(report)
        for report in apply_many(inputs, None, recipe, directory=str(data / "out"), keep_going=True)
    ]
    assert [entry["status"] for entry in document] == ["ok", "failed", "ok", "failed", "ok"]
    assert [entry["input"]["address"] for entry in document] == inputs


def test_apply_file(data: Path) -> None:
    layer = LayerSpec(kernel_size=5, depth_multiplier=2, padding="same", strides=2, name="ünï\u202e")
    document = checked(apply_file(str(data / "day.h5"), str(data / "out.h5::/smooth"), layer, WEIGHTS))
    assert document["layer"]["name"] == "ünï\u202e"
    assert document["padding"] == {"left": 1, "right": 2}
    assert document["input"] == {
        "address": f"{data / 'day.h5'}::/imu/acc",
        "shape": [50, 3],
        "dtype": "float64",
    }
    assert document["nonfinite"]["input"] == 2
    with h5py.File(data / "out.h5") as file:
        assert file["smooth"].shape == (25, 6)
        assert file["smooth"].attrs["sampling_rate"] == 25.0


def test_a_slice_is_what_came_in(data: Path) -> None:
    recipe = Recipe(options={"kernel_size": 3}, seed=1)
    settings = Settings(steps=slice(10, 20))
    (report,) = apply_many([str(data / "batch.npy")], str(data / "out.npy"), recipe, settings)
    document = checked(report)
    assert document["input"]["shape"] == [4, 10, 3]
    assert document["output"]["shape"] == [4, 8, 3]


class TestSchema:
    def test_is_a_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(schema())

    def test_has_the_reports_fields(self) -> None:
        properties = schema()["properties"]
        assert set(properties) == set(schema()["required"]) == set(Report().to_json())
        fields = {field.name for field in dataclasses.fields(Report)} - {"cause"}
        assert set(properties) == fields | {"schema_version", "version"}
        # Whether strides and dilation go together is no setting of Keras's.
        layer = {field.name for field in dataclasses.fields(LayerSpec)} - {"allow_strided_dilation"}
        assert set(properties["layer"]["required"]) == layer == set(SETTINGS)
        assert set(properties["layer_source"]["required"]) == layer

    def sample(self) -> Json:
        return Report(
            status="ok",
            input=array_entry("a.npy", (3, 2), np.dtype("f4")),
            output=array_entry("b.npy", (3, 2), np.dtype("f4"), 24),
            weights={"address": None, "kernel_shape": [1, 2, 1], "bias_shape": None, "sha256": "0" * 64},
            padding={"left": 0, "right": 0},
            effective_kernel_size=1,
            algorithm={"name": "direct", "reason": "asked for", "backend": "numpy"},
            nonfinite={"input": 0, "output": 0},
            losses={"depthwise": 0.0, "bias": 0.0, "activity": 0.0, "total": 0.0},
            seconds=0.1,
        ).to_json()

    def edits(self) -> Iterator[tuple[str, Any]]:
        yield "status", "done"
        yield "schema_version", 2
        yield "input", None
        yield "input", {"address": "a", "shape": [-1]}
        yield "output", {"address": "a", "more": 1}
        yield "output", {}
        yield "layer", {}
        yield "layer_source", dict.fromkeys(SETTINGS, "guessed")
        yield "weights", {"address": "a", "kernel_shape": [1], "bias_shape": None, "sha256": "no"}
        yield "padding", {"left": 1}
        yield "effective_kernel_size", 0
        yield "algorithm", {"name": "direct", "reason": "asked for"}
        yield "algorithm", {"name": "direct", "reason": "asked for", "backend": "compiled"}
        yield "nonfinite", {"input": 1.5, "output": 0}
        yield "losses", {"total": 0}
        yield "seconds", -1
        yield "error", {"message": "x"}
        yield "notes", [1]
        yield "cause", "x"

    def test_takes_a_report_and_refuses_others(self) -> None:
        validator().validate(self.sample())
        for key, value in self.edits():
            assert not validator().is_valid(self.sample() | {key: value}), (key, value)
        for key in schema()["required"]:
            entry = self.sample()
            del entry[key]
            assert not validator().is_valid(entry), key
