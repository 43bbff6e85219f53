"""Which output belongs to which input, and which pairs are refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import names, npy_bytes, run, save
from recordings import X, Y

from dwconv_cli.errors import LayerError, OutputError
from dwconv_cli.jobs.naming import targets
from dwconv_cli.storage.address import Address


def paired(
    source: str, output: str | None, directory: str | None = None, format_name: str | None = None
) -> str:
    (target,) = targets([Address.parse(source)], output, directory, format_name)
    return str(target.output)


@pytest.mark.parametrize(
    "source, template, output",
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
def test_templates(source: str, template: str, output: str) -> None:
    assert paired(source, template) == output


@pytest.mark.parametrize(
    "source, format_name, output",
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
def test_directories(source: str, format_name: str | None, output: str) -> None:
    assert paired(source, None, "out", format_name) == output


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
        (["d/a.npy", "e/a.npz", "d/./a.npy"], None, "out"),
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


@pytest.mark.parametrize("output", ["out.txt", "out", "out.npy::x", "out.csv::x", ""])
def test_outputs_of_no_format(output: str) -> None:
    with pytest.raises(OutputError):
        paired("a.npy", output)


# Output and input are the same


@pytest.mark.parametrize(
    "setup, source, output",
    [
        ("true", "x.npy", "x.npy"),
        ("mkdir d", "x.npy", "d/../x.npy"),
        ("ln -s x.npy o.npy", "x.npy", "o.npy"),
        ("ln x.npy o.npy", "x.npy", "o.npy"),
        ("ln -s x.npy l.npy", "l.npy", "x.npy"),
        ("ln -s . e", "x.npy", "e/x.npy"),
    ],
)
def test_an_output_that_is_its_input(place: Path, setup: str, source: str, output: str) -> None:
    subprocess.run(setup.split(), check=True)
    for more in ("", "--overwrite", "--dry-run --overwrite"):
        run(f"apply {source} -q -k k.npy -o {output} {more}").failed(4, "same")
    assert (place / "x.npy").read_bytes() == npy_bytes(X)


def test_an_output_directory_that_is_the_inputs(place: Path) -> None:
    run("apply x.npy -q -k k.npy --output-dir . --overwrite").failed(4, "same")
    assert (place / "x.npy").read_bytes() == npy_bytes(X)


def test_an_input_among_the_outputs_of_others(place: Path) -> None:
    save(place / "1.npy", X)
    save(place / "2.npy", 2 * X)
    (place / "out").mkdir()
    # The first would be written over the second before that is read.
    (place / "out" / "1.npy").symlink_to("../2.npy")
    run("apply 1.npy 2.npy -q -k k.npy --output-dir out --overwrite").failed(4, "2.npy, too")
    assert (place / "2.npy").read_bytes() == npy_bytes(2 * X)
    with h5py.File(place / "a.h5", "w") as file:
        file["x"] = file["y"] = X
    line = "apply a.h5::/x a.h5::/y -q -k k.npy --overwrite"
    before = (place / "a.h5").read_bytes()
    (place / "x.h5").symlink_to("a.h5")
    (place / "y.h5").symlink_to("a.h5")
    run(f"{line} -o {{dataset}}.h5::/y").failed(4, "a.h5::/y, too")
    run(f"{line} -o a.h5").failed(4, "same")
    run(f"{line} -o a.h5::/y{{dataset}}").done()
    assert (place / "a.h5").read_bytes() != before


@pytest.mark.parametrize("output", ["out.h5", "out.npz", "out.h5::/{stem}", "out.npz::{stem}"])
def test_names_that_are_no_utf_8(place: Path, output: str) -> None:
    source = os.fsdecode(b"r\xff\xc3\xbc.npy")
    save(place / source, X)
    line = f"apply {source} -q -k k.npy -o {output}"
    run(line).done()
    path = output.partition("::")[0]
    with h5py.File(path) if path.endswith("h5") else np.load(path) as file:
        assert list(file) == ["r\\xffü"]
        np.testing.assert_array_equal(file["r\\xffü"][...], Y)
    run(f"{line} --skip-existing").done()
    run(line).failed(4, "exists")


# Through the command line


@pytest.fixture
def days(place: Path) -> Path:
    """The working directory, with recordings of two days."""
    for number in (1, 2):
        (place / f"day{number}").mkdir()
        with h5py.File(f"day{number}/rec.h5", "w") as file:
            file["imu/acc"] = number * X
            file["imu/gyro"] = -number * X
    return place


def test_a_template_for_each_dataset_of_each_file(days: Path) -> None:
    (days / "out").mkdir()
    run("apply day*/rec.h5::/imu/* -q -k k.npy -o out/{parent}_{dataset}.npy").done()
    assert names(days / "out") == [f"day{n}_imu_{what}.npy" for n in (1, 2) for what in ("acc", "gyro")]
    np.testing.assert_array_equal(np.load("out/day2_imu_gyro.npy"), -2 * Y)


def test_all_into_one_file(days: Path) -> None:
    run("apply day*/rec.h5::/imu/* -q -k k.npy -o all.h5::/{parent}/{dataset}").done()
    with h5py.File("all.h5") as file:
        assert sorted(file["day1/imu"]) == ["acc", "gyro"]
        np.testing.assert_array_equal(file["day2/imu/acc"][...], 2 * Y)


def test_output_directories_keep_datasets_together(days: Path) -> None:
    run("apply day1/rec.h5::*/* -q -k k.npy --output-dir out").done()
    with h5py.File("out/rec.h5") as file:
        np.testing.assert_array_equal(file["imu/gyro"][...], -Y)


@pytest.mark.parametrize(
    "sources, outputs",
    [
        ("d/x.npy d/y.npy", "x.npy y.npy"),
        ("a/x.npy b/x.npy", "a/x.npy b/x.npy"),
        ("a/x.npy b/y.npy", "x.npy y.npy"),
        ("/data/2024/a/x.npy /data/2024/b/c/x.npy", "a/x.npy b/c/x.npy"),
        ("d/x.npy d/a/x.npy ./d/b/../y.npy", "x.npy a/x.npy y.npy"),
        ("../x.npy ../../x.npy", "{here}/x.npy x.npy"),
        ("../a/x.npy {cwd}/../b/x.npy", "a/x.npy b/x.npy"),
        ("- a/x.npy b/x.npy", "stdin.npy a/x.npy b/x.npy"),
        ("- a/x.npy", "stdin.npy x.npy"),
        ("a/r.h5::/p a/r.h5::/q b/r.h5::/p", "a/r.h5::/p a/r.h5::/q b/r.h5::/p"),
    ],
)
def test_names_that_repeat_keep_their_tree_below_the_common_root(
    place: Path, sources: str, outputs: str
) -> None:
    fields = {"cwd": str(place), "here": place.parent.name}
    pairs = targets([Address.parse(one) for one in sources.format(**fields).split()], None, "out")
    assert [str(pair.output) for pair in pairs] == [f"out/{one}" for one in outputs.format(**fields).split()]


def test_recordings_of_one_name_in_several_directories(days: Path) -> None:
    run("apply day*/rec.h5::/imu/acc -q -k k.npy --output-dir both").done()
    assert names(days / "both") == ["day1", "day2"]
    with h5py.File("both/day2/rec.h5") as file:
        np.testing.assert_array_equal(file["imu/acc"][...], 2 * Y)


def test_templates_make_their_directories(days: Path) -> None:
    run("apply day1/rec.h5::/imu/acc -q -k k.npy -o new/{parent}/{stem}.npy").done()
    np.testing.assert_array_equal(np.load("new/day1/rec.npy"), Y)
    run("apply day1/rec.h5::/imu/acc -q -k k.npy -o other/rec.npy").failed(4, "directory")
    assert not (days / "other").exists()
