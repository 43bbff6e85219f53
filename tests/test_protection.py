"""Nothing that a run reads is replaced by what it writes, and no name in a file leads an output elsewhere."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import contents, npy_bytes, run, run_shell, save

from dwconv_cli.errors import LayerError, UnsafeFileError
from dwconv_cli.jobs.naming import targets
from dwconv_cli.storage.formats import Address

X = np.arange(60, dtype="f4").reshape(20, 3)
Y = X[1:] + X[:-1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inner = tmp_path / "work"
    inner.mkdir()
    monkeypatch.chdir(inner)
    save(inner / "k.npy", np.ones(2, "f4"))
    (inner / "out").mkdir()
    return inner


def everything(folder: Path) -> dict[Path, bytes]:
    return contents(path for path in sorted(folder.rglob("*")) if path.is_file())


# Names that lead elsewhere


@pytest.mark.parametrize(
    "template",
    [
        "out/{dataset}/y.npy",
        "{dataset}",
        "{dataset}/y.npy",
        "out/.{dataset}/y.npy",
        "out/{stem}{dataset}.npy",
    ],
)
@pytest.mark.parametrize(
    "kind, dataset",
    [(kind, name) for kind in ("hdf5", "npz") for name in ("..", "-", "a/..", "../..")]
    # HDF5 has no such names.
    + [("npz", "."), ("npz", "/")],
)
def test_names_inside_a_file_stay_below_the_template(
    here: Path, template: str, kind: str, dataset: str
) -> None:
    name = "in.h5" if kind == "hdf5" else "in.npz"
    if kind == "hdf5":
        with h5py.File(name, "w") as file:
            # As h5py writes paths, these would be other places.
            group = file
            *groups, last = dataset.split("/")
            for part in groups:
                group = h5py.Group(h5py.h5g.create(group.id, part.encode()))
            space = h5py.h5s.create_simple(X.shape)
            data = h5py.h5d.create(group.id, last.encode(), h5py.h5t.IEEE_F32LE, space)
            h5py.Dataset(data)[...] = X
    else:
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr(f"{dataset}.npy", npy_bytes(X))
    before = everything(here.parent)
    ran = run("apply", f"{name}::*" if dataset.count("/") == 0 else f"{name}::**", "-k", "k.npy", "-q",
              "-o", template, "--output-format", "npy")  # fmt: skip
    assert ran.out == b""
    made = {path for path in everything(here.parent) if path not in before}
    assert all(path.is_relative_to(here / template.partition("{")[0]) for path in made)
    assert len(made) == (ran.code == 0)
    if ran.code:
        ran.failed(ran.code, name)
        assert ran.code in (2, 3)


@pytest.mark.parametrize(
    "source, template, wanted",
    [
        ("../d/rec.npy", "out/{parent}/{name}", "out/d/rec.npy"),
        ("/d/e/rec.npy", "out/{parent}/{name}", "out/d/e/rec.npy"),
        ("d/../../e/rec.npy", "out/{parent}_{name}", "out/d/e_rec.npy"),
        ("rec.npy", "out/{parent}_{name}", "out/_rec.npy"),
        ("rec.npy", "out/{parent}/{name}", "out/rec.npy"),
        ("rec.npy", "{parent}_{name}", "_rec.npy"),
        ("../d/rec.npy", "{parent}/f_{name}", "../d/f_rec.npy"),
        ("/d/rec.npy", "{parent}_f/{name}", "/d_f/rec.npy"),
        ("/rec.npy", "{parent}/f_{name}", "//f_rec.npy"),
        ("../d/rec.npy", "all.h5::/{parent}/{stem}", "all.h5::/d/rec"),
        ("rec.npy", "{dataset}/y.npy", "y.npy"),
        ("a.h5::/-", "./{dataset}", "./-"),
        ("a.h5::/..", "out.h5", "out.h5::/.."),
        ("a.h5::/..", "{stem}_{dataset}.npy", "a_...npy"),
        ("a.h5::/x/..", "{dataset}.npy", "x_...npy"),
    ],
)
def test_values_in_templates(source: str, template: str, wanted: str) -> None:
    (target,) = targets([Address.parse(source)], template, None, "npy" if template == "./{dataset}" else None)
    assert str(target.output) == wanted


@pytest.mark.parametrize(
    "source, template, error",
    [
        ("a.h5::/..", "out/{dataset}/y.npy", UnsafeFileError),
        ("a.h5::/../x", "out.npz", UnsafeFileError),
        ("a.h5::/..", "out.npz::{dataset}/x", UnsafeFileError),
        ("a.h5::/-", "{dataset}", UnsafeFileError),
        ("a.npy", "out/{dataset}", LayerError),
        ("..", "out/{name}/x.npy", UnsafeFileError),
    ],
)
def test_values_that_are_refused(source: str, template: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        targets([Address.parse(source)], template)


# What the run reads


def test_the_kernel_among_the_outputs(here: Path) -> None:
    save(here / "rec.npy", X)
    for where in (("--output-dir", "."), ("-o", "{name}"), ("-o", "./{stem}.npy")):
        (here / "d").mkdir(exist_ok=True)
        save(here / "d" / "k.npy", X)
        before = everything(here)
        run("apply", "d/*.npy", "-q", "-k", "k.npy", "--overwrite", *where).failed(4, "k.npy")
        assert everything(here) == before


@pytest.mark.parametrize("way", ["-k", "-b", "-w", "--config", "--files-from", "keras.json"])
@pytest.mark.parametrize("written", ["output", "template", "report"])
def test_everything_else_that_is_read(here: Path, way: str, written: str) -> None:
    save(here / "rec.npy", X)
    save(here / "b.npy", np.zeros(3, "f4"))
    np.savez("w.npz", kernel=np.ones((2, 3, 1), "f4"))
    (here / "c.json").write_text("{}")
    (here / "l.txt").write_text("rec.npy\n")
    (here / "keras.json").write_text('{"image_data_format": "channels_last"}')
    read = {"-k": "k.npy", "-b": "b.npy", "-w": "w.npz", "--config": "c.json", "--files-from": "l.txt"}
    path = read.get(way, way)
    weights = () if way in ("-k", "-w") else ("-k", "k.npy")
    told = (way, path) if way in read else ()
    inputs = () if way == "--files-from" else ("rec.npy",)
    stem, suffix = os.path.splitext(path)
    os.link(path, "other_name")
    where = {
        "output": ("-o", "other_name"),
        "template": ("-o", f"{stem}{suffix}"),
        "report": ("-o", "o.npy", "--report", "other_name"),
    }[written]
    before = everything(here)
    run("apply", *inputs, "-q", *weights, *told, *where, "--output-format", "npy", "--overwrite", keras_home=here).failed(4, "write to another name")  # fmt: skip
    assert everything(here) == before


@pytest.mark.parametrize("keep", [(), ("--keep-going",)], ids=str)
@pytest.mark.parametrize("lost", [(), ("none*.npy",)], ids=str)
def test_a_report_in_the_place_of_an_input_that_a_wildcard_matches(
    here: Path, keep: tuple[str, ...], lost: tuple[str, ...]
) -> None:
    save(here / "rec1.npy", X)
    save(here / "rec2.npy", X)
    os.link("rec2.npy", "link")
    arguments = ("apply", *lost, "rec*.npy", "-q", "-k", "k.npy", "--output-dir", "out", "--overwrite", *keep)
    before = everything(here)
    for report in ("rec2.npy", "link", "./rec1.npy"):
        run(*arguments, "--report", report).failed(4, "input rec")
        assert everything(here) == before
    if not lost:
        run(*arguments, "--report", "out/rec1.npy").failed(4, "out/rec1.npy")
        assert everything(here) == before


def test_an_output_among_inputs_that_a_wildcard_matches(here: Path) -> None:
    for number in (1, 2):
        save(here / f"rec{number}.npy", X * number)
    (here / "out" / "rec1.npy").symlink_to("../rec2.npy")
    before = everything(here)
    run("apply", "rec*.npy", "-q", "-k", "k.npy", "--output-dir", "out", "--overwrite").failed(4, "rec2.npy")
    assert everything(here) == before


@pytest.mark.parametrize("how", ["virtual", "external link"])
def test_files_in_which_an_input_lies(here: Path, how: str) -> None:
    with h5py.File("source.h5", "w") as file:
        file["x"] = X
    with h5py.File("in.h5", "w") as file:
        if how == "virtual":
            layout = h5py.VirtualLayout(X.shape, "f4")
            layout[...] = h5py.VirtualSource("source.h5", "x", X.shape)
            file.create_virtual_dataset("x", layout)
        else:
            file["x"] = h5py.ExternalLink("source.h5", "/x")
    before = everything(here)
    arguments = ("apply", "in.h5::/x", "--allow-external", "-q", "-k", "k.npy", "--overwrite", "-o")
    run(*arguments, "source.h5").failed(4, "source.h5")
    assert everything(here) == before
    run(*arguments, "out/y.h5").done()


def test_standard_output_that_is_the_input(here: Path) -> None:
    save(here / "rec.npy", X)
    ran = run_shell("$D apply rec.npy -q -k k.npy -o - >> rec.npy", here)
    ran.failed(4, "same")
    assert (here / "rec.npy").read_bytes() == npy_bytes(X)


@pytest.mark.parametrize("option", ["--like", "--bias", "--config"])
def test_weights_in_the_place_of_what_they_are_made_of(here: Path, option: str) -> None:
    save(here / "rec.npy", X)
    save(here / "b.npy", np.zeros(1, "f4"))
    (here / "c.json").write_text(json.dumps({"kernel_size": 3}))
    path = {"--like": "rec.npy", "--bias": "b.npy", "--config": "c.json"}[option]
    more = {"--like": ["--kernel-size", 3], "--bias": ["--from", "k.npy"], "--config": ["--channels", 3]}[
        option
    ]
    os.link(path, "other.npy")
    before = everything(here)
    run("init-weights", option, path, *more, "-q", "--no-bias", "--overwrite", "-o", "other.npy").failed(
        4, "write to another name"
    )
    assert everything(here) == before
