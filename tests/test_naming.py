"""Which output belongs to which input, and which pairs are refused."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import names, npy_bytes, run, save

from dwconv_cli.errors import LayerError, OutputError
from dwconv_cli.jobs.naming import targets
from dwconv_cli.storage.address import Address

X = np.arange(60, dtype="f4").reshape(20, 3)
Y = X[1:] + X[:-1]


def paired(source: str, output: str | None, directory: str | None = None, given: str | None = None) -> str:
    (target,) = targets([Address.parse(source)], output, directory, given)
    return str(target.output)


@pytest.mark.parametrize(
    "source, output, wanted",
    [
        ("d/rec.npy", "out.npy", "out.npy"),
        ("d/rec.npy", "{stem}_f{suffix}", "rec_f.npy"),
        ("d/rec.npy", "{parent}/f_{name}", "d/f_rec.npy"),
        ("rec.npy", "{parent}/f_{name}", "./f_rec.npy"),
        ("d/e/rec.npy", "{parent}/{stem}.h5::/{stem}", "d/e/rec.h5::/rec"),
        ("d/rec.h5::/imu/acc", "{stem}_{dataset}.npy", "rec_imu_acc.npy"),
        ("d/rec.h5::/imu/acc", "{stem}.h5::{dataset}", "rec.h5::/imu/acc"),
        ("d/rec.h5::/imu/acc", "{stem}.h5::/f/{dataset}", "rec.h5::/f/imu/acc"),
        ("d/rec.h5::/imu/acc", "out.h5", "out.h5::/imu/acc"),
        ("d/rec.h5::/imu/acc", "out.npz", "out.npz::imu/acc"),
        ("d/rec.npz::acc", "out.h5", "out.h5::/acc"),
        ("d/rec.npy", "out.h5", "out.h5::/rec"),
        ("d/rec.npy", "out.npz", "out.npz::rec"),
        ("d/rec.npy", "{{x}}.npy", "{x}.npy"),
        ("-", "out.npy", "out.npy"),
        ("-", "out.h5", "out.h5::/stdin"),
        ("d/a.b.npy", "{stem}{suffix}", "a.b.npy"),
        ("d/rec.npy", "-", "-"),
    ],
)
def test_templates(source: str, output: str, wanted: str) -> None:
    assert paired(source, output) == wanted


@pytest.mark.parametrize(
    "source, given, wanted",
    [
        ("d/rec.npy", None, "out/rec.npy"),
        ("d/rec.h5::/imu/acc", None, "out/rec.h5::/imu/acc"),
        ("d/rec.npz::acc", None, "out/rec.npz::acc"),
        ("d/rec.npy", "hdf5", "out/rec.h5::/rec"),
        ("d/rec.h5::/acc", "npz", "out/rec.npz::acc"),
        ("d/rec.h5::/acc", "npy", "out/rec.npy"),
        ("-", None, "out/stdin.npy"),
    ],
)
def test_directories(source: str, given: str | None, wanted: str) -> None:
    assert paired(source, None, "out", given) == wanted


@pytest.mark.parametrize(
    "template",
    [
        "{foo}.npy",
        "{}.npy",
        "{0}.npy",
        "{stem",
        "stem}.npy",
        "{stem!r}.npy",
        "{stem:>9}.npy",
        "{stem.real}.npy",
        "{stem[0]}.npy",
    ],
)
def test_templates_that_are_wrong(template: str) -> None:
    with pytest.raises(LayerError, match="template"):
        paired("rec.npy", template)


@pytest.mark.parametrize("text", ["{name}", "{0.__class__}", "{", "}"])
def test_names_of_files_are_no_templates(text: str) -> None:
    assert paired(f"{text}.npy", "f_{name}") == f"f_{text}.npy"


@pytest.mark.parametrize(
    "sources, output, directory",
    [
        (["a.npy", "b.npy"], "out.npy", None),
        (["a.npy", "b.npy"], "out.h5::/x", None),
        (["d/a.npy", "e/a.npy"], None, "out"),
        (["d/a.npy", "e/a.npy"], "out/{name}", None),
        (["a.npy", "a.npy"], None, "out"),
        (["a.npy", "./a.npy"], None, "out"),
        (["a.h5::/x/y", "a.h5::/x_y"], "{dataset}.npy", None),
        (["d/a.npy", "e/a.npy"], "out.npz", None),
        (["a.npy", "b.npy"], "{parent}/out.npy", None),
    ],
)
def test_two_inputs_with_one_output(sources: list[str], output: str | None, directory: str | None) -> None:
    with pytest.raises(LayerError, match="both"):
        targets([Address.parse(source) for source in sources], output, directory)


def test_one_output_through_two_links(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "e").symlink_to("d")
    with pytest.raises(LayerError, match="both"):
        targets([Address("d/a.npy"), Address("e/b.npy")], f"{tmp_path}/{{parent}}/out.npy")


def test_many_inputs_cannot_share_standard_output() -> None:
    with pytest.raises(LayerError, match="standard output"):
        targets([Address("a.npy"), Address("b.npy")], "-")


@pytest.mark.parametrize("output", ["out.txt", "out", "out.npy::x", "out.csv", ""])
def test_outputs_of_no_format(output: str) -> None:
    with pytest.raises(OutputError):
        paired("a.npy", output)


# Output and input are the same


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    return save(tmp_path / "k.npy", np.ones(2, "f4"))


@pytest.mark.parametrize(
    "how", ["path", "dots", "symlink", "hard link", "input by symlink", "directory by symlink"]
)
@pytest.mark.parametrize("more", [(), ("--overwrite",), ("--dry-run", "--overwrite")], ids=str)
def test_an_output_that_is_its_input(tmp_path: Path, kernel: Path, how: str, more: tuple[str, ...]) -> None:
    rec = source = save(tmp_path / "rec.npy", X)
    out = tmp_path / "out.npy"
    match how:
        case "path":
            out = rec
        case "dots":
            (tmp_path / "d").mkdir()
            out = tmp_path / "d" / ".." / "rec.npy"
        case "symlink":
            out.symlink_to("rec.npy")
        case "hard link":
            os.link(rec, out)
        case "input by symlink":
            source, out = tmp_path / "link.npy", rec
            source.symlink_to("rec.npy")
        case "directory by symlink":
            (tmp_path / "e").symlink_to(tmp_path)
            out = tmp_path / "e" / "rec.npy"
    run("apply", source, "-q", "-k", kernel, "-o", out, *more).failed(4, "same")
    assert rec.read_bytes() == npy_bytes(X)


def test_an_output_directory_that_is_the_inputs(tmp_path: Path, kernel: Path) -> None:
    rec = save(tmp_path / "rec.npy", X)
    run("apply", rec, "-q", "-k", kernel, "--output-dir", tmp_path, "--overwrite").failed(4, "same")
    assert rec.read_bytes() == npy_bytes(X)


def test_an_input_among_the_outputs_of_others(tmp_path: Path, kernel: Path) -> None:
    one, two = save(tmp_path / "1.npy", X), save(tmp_path / "2.npy", 2 * X)
    (tmp_path / "out").mkdir()
    # The first would be written over the second before that is read.
    (tmp_path / "out" / "1.npy").symlink_to("../2.npy")
    run("apply", one, two, "-q", "-k", kernel, "--output-dir", tmp_path / "out", "--overwrite").failed(
        4, "2.npy, too"
    )
    assert two.read_bytes() == npy_bytes(2 * X)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = file["y"] = X
    arguments = (
        "apply",
        f"{tmp_path}/a.h5::/x",
        f"{tmp_path}/a.h5::/y",
        "-q",
        "-k",
        kernel,
        "--overwrite",
        "-o",
    )
    before = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "x.h5").symlink_to("a.h5")
    (tmp_path / "y.h5").symlink_to("a.h5")
    run(*arguments, f"{tmp_path}/{{dataset}}.h5::/y").failed(4, "a.h5::/y, too")
    run(*arguments, f"{tmp_path}/a.h5").failed(4, "same")
    run(*arguments, f"{tmp_path}/a.h5::/y{{dataset}}").done()
    assert (tmp_path / "a.h5").read_bytes() != before


@pytest.mark.parametrize("option", ["-k", "-w", "--config", "--files-from"])
def test_an_output_that_is_read_otherwise(tmp_path: Path, kernel: Path, option: str) -> None:
    rec = save(tmp_path / "rec.npy", X)
    np.savez(tmp_path / "w.npz", kernel=np.ones((2, 3, 1), "f4"))
    (tmp_path / "c.json").write_text("{}")
    (tmp_path / "l.txt").write_text(f"{rec}\n")
    target = {
        "-k": kernel,
        "-w": tmp_path / "w.npz",
        "--config": tmp_path / "c.json",
        "--files-from": tmp_path / "l.txt",
    }[option]
    before = target.read_bytes()
    more = () if option in ("-k", "-w") else ("-k", kernel)
    inputs = () if option == "--files-from" else (rec,)
    arguments = ("apply", *inputs, "-q", option, target, *more, "--overwrite", "--output-format", "npy")
    run(*arguments, "-o", target).failed(4, target.name)
    run(*arguments, "-o", tmp_path / "o.npy", "--report", target).failed(4, target.name)
    run(*arguments, "-o", tmp_path / "o.npy", "--report", rec).failed(4, "rec.npy")
    run(*arguments, "-o", tmp_path / "o.npy", "--report", tmp_path / "o.npy").failed(4, "o.npy")
    assert target.read_bytes() == before
    assert rec.read_bytes() == npy_bytes(X)
    assert not (tmp_path / "o.npy").exists()


@pytest.mark.parametrize("output", ["out.h5", "out.npz", "out.h5::/{stem}", "out.npz::{stem}"])
def test_names_that_are_no_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Path, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    source = os.fsdecode(b"r\xff\xc3\xbc.npy")
    save(tmp_path / source, X)
    arguments = ("apply", source, "-q", "-k", kernel, "-o", output)
    run(*arguments).done()
    path = output.partition("::")[0]
    with h5py.File(path) if path.endswith("h5") else np.load(path) as file:
        assert list(file) == ["r\\xffü"]
        np.testing.assert_array_equal(file["r\\xffü"][...], Y)
    run(*arguments, "--skip-existing").done()
    run(*arguments).failed(4, "exists")


# Through the command line


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "k.npy", np.ones(2, "f4"))
    for number in (1, 2):
        (tmp_path / f"day{number}").mkdir()
        with h5py.File(f"day{number}/rec.h5", "w") as file:
            file["imu/acc"] = number * X
            file["imu/gyro"] = -number * X
    return tmp_path


def test_a_template_for_each_dataset_of_each_file(days: Path) -> None:
    (days / "out").mkdir()
    run("apply", "day*/rec.h5::/imu/*", "-q", "-k", "k.npy", "-o", "out/{parent}_{dataset}.npy").done()
    assert names(days / "out") == [f"day{n}_imu_{what}.npy" for n in (1, 2) for what in ("acc", "gyro")]
    np.testing.assert_array_equal(np.load("out/day2_imu_gyro.npy"), -2 * Y)


def test_all_into_one_file(days: Path) -> None:
    run("apply", "day*/rec.h5::/imu/*", "-q", "-k", "k.npy", "-o", "all.h5::/{parent}/{dataset}").done()
    with h5py.File("all.h5") as file:
        assert sorted(file["day1/imu"]) == ["acc", "gyro"]
        np.testing.assert_array_equal(file["day2/imu/acc"][...], 2 * Y)


def test_output_directories_keep_datasets_together(days: Path) -> None:
    run("apply", "day1/rec.h5::*/*", "-q", "-k", "k.npy", "--output-dir", "out").done()
    with h5py.File("out/rec.h5") as file:
        np.testing.assert_array_equal(file["imu/gyro"][...], -Y)
    run("apply", "day*/rec.h5::/imu/acc", "-q", "-k", "k.npy", "--output-dir", "both").failed(
        2, "both be written"
    )
    assert not (days / "both").exists()


def test_templates_make_their_directories(days: Path) -> None:
    run("apply", "day1/rec.h5::/imu/acc", "-q", "-k", "k.npy", "-o", "new/{parent}/{stem}.npy").done()
    np.testing.assert_array_equal(np.load("new/day1/rec.npy"), Y)
    run("apply", "day1/rec.h5::/imu/acc", "-q", "-k", "k.npy", "-o", "other/rec.npy").failed(4, "directory")
    assert not (days / "other").exists()
