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
from recordings import X

from dwconv_cli.errors import LayerError, UnsafeFileError
from dwconv_cli.jobs.naming import targets
from dwconv_cli.storage.address import Address


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in a folder that nothing may be written to."""
    folder = tmp_path / "work"
    (folder / "out").mkdir(parents=True)
    monkeypatch.chdir(folder)
    save(folder / "k.npy", np.ones(2, "f4"))
    save(folder / "rec.npy", X)
    return folder


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
    members = "**" if "/" in dataset else "*"
    ran = run(f"apply {name}::{members} -k k.npy -q -o {template} --output-format npy")
    assert ran.out == b""
    outputs = {path for path in everything(here.parent) if path not in before}
    assert all(path.is_relative_to(here / template.partition("{")[0]) for path in outputs)
    assert len(outputs) == (ran.code == 0)
    if ran.code:
        ran.failed(ran.code, name)
        assert ran.code in (2, 3)


@pytest.mark.parametrize(
    "source, template, output",
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
def test_values_in_templates(source: str, template: str, output: str) -> None:
    (target,) = targets([Address.parse(source)], template, None, "npy" if template == "./{dataset}" else None)
    assert str(target.output) == output


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
    for where in ("--output-dir .", "-o {name}", "-o ./{stem}.npy"):
        (here / "d").mkdir(exist_ok=True)
        save(here / "d" / "k.npy", X)
        before = everything(here)
        run(f"apply d/*.npy -q -k k.npy --overwrite {where}").failed(4, "k.npy")
        assert everything(here) == before


@pytest.mark.parametrize(
    "options, path",
    [
        ("rec.npy -k k.npy", "k.npy"),
        ("rec.npy -k k.npy -b b.npy", "b.npy"),
        ("rec.npy -w w.npz", "w.npz"),
        ("rec.npy -k k.npy --config c.json", "c.json"),
        ("--files-from l.txt -k k.npy", "l.txt"),
        ("rec.npy -k k.npy", "keras.json"),
    ],
)
@pytest.mark.parametrize("output", ["-o other_name", "-o {path}", "-o o.npy --report other_name"])
def test_everything_else_that_is_read(here: Path, options: str, path: str, output: str) -> None:
    save(here / "b.npy", np.zeros(3, "f4"))
    np.savez("w.npz", kernel=np.ones((2, 3, 1), "f4"))
    (here / "c.json").write_text("{}")
    (here / "l.txt").write_text("rec.npy\n")
    (here / "keras.json").write_text('{"image_data_format": "channels_last"}')
    os.link(path, "other_name")
    before = everything(here)
    line = f"apply -q {options} {output.format(path=path)} --output-format npy --overwrite"
    run(line, keras_home=here).failed(4, "write to another name")
    assert everything(here) == before


@pytest.mark.parametrize("keep", ["", "--keep-going"])
@pytest.mark.parametrize("lost", ["", "none*.npy"])
def test_a_report_in_the_place_of_an_input_that_a_wildcard_matches(here: Path, keep: str, lost: str) -> None:
    save(here / "rec1.npy", X)
    save(here / "rec2.npy", X)
    os.link("rec2.npy", "link")
    (here / "rec.npy").unlink()
    line = f"apply {lost} rec*.npy -q -k k.npy --output-dir out --overwrite {keep}"
    before = everything(here)
    for report in ("rec2.npy", "link", "./rec1.npy"):
        run(f"{line} --report {report}").failed(4, "input rec")
        assert everything(here) == before
    if not lost:
        run(f"{line} --report out/rec1.npy").failed(4, "out/rec1.npy")
        assert everything(here) == before


def test_an_output_among_inputs_that_a_wildcard_matches(here: Path) -> None:
    for number in (1, 2):
        save(here / f"rec{number}.npy", X * number)
    (here / "out" / "rec1.npy").symlink_to("../rec2.npy")
    before = everything(here)
    run("apply rec*.npy -q -k k.npy --output-dir out --overwrite").failed(4, "rec2.npy")
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
    line = "apply in.h5::/x --allow-external -q -k k.npy --overwrite"
    run(f"{line} -o source.h5").failed(4, "source.h5")
    assert everything(here) == before
    run(f"{line} -o out/y.h5").done()


def test_standard_output_that_is_the_input(here: Path) -> None:
    run_shell("dwconv apply rec.npy -q -k k.npy -o - >> rec.npy").failed(4, "same")
    assert (here / "rec.npy").read_bytes() == npy_bytes(X)


@pytest.mark.parametrize(
    "options, path",
    [
        ("--like rec.npy --kernel-size 3", "rec.npy"),
        ("--bias b.npy --from k.npy", "b.npy"),
        ("--config c.json --channels 3", "c.json"),
    ],
)
def test_weights_in_the_place_of_what_they_are_made_of(here: Path, options: str, path: str) -> None:
    save(here / "b.npy", np.zeros(1, "f4"))
    (here / "c.json").write_text(json.dumps({"kernel_size": 3}))
    os.link(path, "other.npy")
    before = everything(here)
    line = f"init-weights {options} -q --no-bias --overwrite -o other.npy"
    run(line).failed(4, "write to another name")
    assert everything(here) == before
