"""Every piece of advice in an error message is typed here, and works."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
from helpers_cli import ROOT, run, save

from dwconv_cli.cli import COMMANDS, group

X = np.arange(60, dtype="f4").reshape(20, 3) - 30
SOURCE = ROOT / "dwconv_cli"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, tables and weights of every kind, made once."""
    folder = tmp_path_factory.mktemp("advice")
    with contextlib.chdir(folder):
        save(folder / "rec.npy", X)
        save(folder / "turned.npy", X.T)
        save(folder / "k.npy", np.ones(2, "f4"))
        save(folder / "k3.npy", np.ones((2, 3), "f4"))
        save(folder / "bias3.npy", np.zeros(3, "f4"))
        save(folder / "old.npy", X)
        Path("s.raw").write_bytes(np.arange(40, dtype="<i2").tobytes())
        Path("t.txt").write_text("time acc\n0 1.5\n1 2\n2 4\n")
        Path("plain.txt").write_text("0 1.5\n1 2\n2 4\n")
        Path("commas.txt").write_text("0,1.5\n1,2\n2,4\n")
        Path("empty").mkdir()
        for day in (folder / "d", folder / "e"):
            day.mkdir()
            save(day / "rec.npy", X)
            for name in ("a.h5", ".b.h5"):
                with h5py.File(day / name, "w") as file:
                    file["imu/x"] = file["imu/y"] = file["z"] = X
        np.savez("a.npz", one=X, two=X)
        np.savez("ks.npz", one=np.ones((2, 3), "f4"), two=np.ones((4, 3), "f4"))
        np.savez("w.npz", kernel=np.ones((2, 3, 1), "f4"))
        run("init-weights --kernel-size 3 --channels 3 -q -o model.keras").done()
        run("init-weights --kernel-size 3 --channels 3 -q -o m.weights.h5").done()
        for key in ("activation", "activity_regularizer", "depthwise_initializer", "bias_constraint"):
            with_somebodys_own(key)
    return folder


def with_somebodys_own(key: str) -> None:
    """Copy the model, with an object of somebody's own under `key` of its layer."""
    own = {"module": "mine", "class_name": "Own", "config": {}, "registered_name": "mine>Own"}
    with zipfile.ZipFile("model.keras") as source, zipfile.ZipFile(f"{key}.keras", "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][-1]["config"][key] = own
                content = json.dumps(config).encode()
            copy.writestr(name, content)


def replaced(old: str, new: str) -> Callable[[list[str], re.Match[str]], list[str]]:
    """Type `new`, with groups of the advice, in place of `old`."""
    return lambda words, advice: [advice.expand(new) if word == old else word for word in words]


def added(*more: str) -> Callable[[list[str], re.Match[str]], list[str]]:
    """Type more, with groups of the advice."""
    return lambda words, advice: [*words, *(advice.expand(word) for word in more)]


def left_out(option: str, count: int = 2) -> Callable[[list[str], re.Match[str]], list[str]]:
    """Leave an option out, with its value."""

    def edit(words: list[str], advice: re.Match[str]) -> list[str]:
        at = words.index(option)
        return words[:at] + words[at + count :]

    return edit


CASES: list[tuple[str, str, Callable[[list[str], re.Match[str]], list[str]]]] = [
    # One colon, names in files.
    ("apply d/a.h5:/z -k k.npy -o o.npy", r"write (\S+::\S+)", replaced("d/a.h5:/z", r"\1")),
    ("apply d/a.h5:/imu/* -k k.npy -o o.h5", r"write (\S+::\S+)", replaced("d/a.h5:/imu/*", r"\1")),
    ("apply rec.npy -k a.npz:one -o o.npy --padding same", r"write (\S+::\S+)", replaced("a.npz:one", r"\1")),
    ("apply rec.npy -w model.keras:depthwise_conv1d -o o.npy", r"write (\S+::\S+)", replaced("model.keras:depthwise_conv1d", r"\1")),
    ("apply rec.npy -k k.npy -o o.h5:/x", r"write (\S+::\S+)", replaced("o.h5:/x", r"\1")),
    ("apply d/a.h5 -k k.npy -o o.h5", r"or all with '(\S+)'", replaced("d/a.h5", r"\1")),
    ("apply d/a.h5 -k k.npy -o o.h5", r"name one after '(::)'.*: (/[a-z/]+)", replaced("d/a.h5", r"d/a.h5\1\2")),
    ("apply d/a.h5::/x* -k k.npy -o o.h5", r"'(\S+)' is all", replaced("d/a.h5::/x*", r"\1")),
    ("apply a.npz -k k.npy -o o.npz", r"or all with '(\S+)'", replaced("a.npz", r"\1")),
    # Weights.
    ("apply rec.npy -k model.keras -o o.npy", r"give it with (--weights)", replaced("-k", r"\1")),
    ("apply rec.npy -k m.weights.h5 -o o.npy", r"give it with (--weights)", replaced("-k", r"\1")),
    ("apply rec.npy -k w.npz -b k.npy -w w.npz -o o.npy", r"exclude each other", lambda w, a: ["apply", "rec.npy", "-w", "w.npz", "-o", "o.npy"]),
    ("apply rec.npy -w k3.npy -o o.npy", r"give a kernel with (--kernel)", replaced("-w", r"\1")),
    ("apply rec.npy -w ks.npz -o o.npy", r"with (--kernel), e\.g\. (\S+)", lambda w, a: [*w[:2], a[1], a[2], *w[4:]]),
    ("init-weights --from ks.npz -o o.npz", r"name one after '(::)'.*: (\w+)", replaced("ks.npz", r"ks.npz\1\2")),
    ("apply rec.npy -o o.npy", r"(--kernel) FILE", added(r"\1", "k.npy")),
    ("apply rec.npy -o o.npy", r"(--weights) FILE", added(r"\1", "w.npz")),
    ("apply rec.npy -o o.npy", r"(--kernel-size) K", added(r"\1", "3")),
    ("apply rec.npy -w w.npz -b k3.npy -o o.npy", r"or leave out (--bias)", left_out("-b")),
    ("apply turned.npy -k k3.npy -o o.npy", r"say (--data-format) (\w+)", added(r"\1", r"\2")),
    ("inspect turned.npy -k k3.npy", r"say (--data-format) (\w+)", added(r"\1", r"\2")),
    ("inspect --input-shape 3,20 -k k3.npy", r"say (--data-format) (\w+)", added(r"\1", r"\2")),
    ("apply rec.npy -k k.npy --use-bias -o o.npy", r"give one with (--bias)", added(r"\1", "bias3.npy")),
    ("apply rec.npy -k k.npy --seed 1 -o o.npy", r"leave out one of them", left_out("--seed")),
    ("init-weights -o o.npz --channels 3", r"(--kernel-size) K", added(r"\1", "3")),
    ("init-weights -o o.npz --channels 3", r"(--from) FILE", added(r"\1", "k.npy")),
    ("init-weights -o o.npz --kernel-size 3", r"(--channels) C", added(r"\1", "3")),
    ("init-weights -o o.npz --kernel-size 3", r"(--like) INPUT", added(r"\1", "rec.npy")),
    ("init-weights -o o.npz --kernel-size 3 --channels 3 -b k.npy", r"or leave out (--bias)", left_out("-b")),
    ("init-weights -o o.npz --from w.npz -b k.npy", r"leave it out", left_out("-b")),
    ("init-weights -o old.npy --from k.npy", r"use (--overwrite)", added(r"\1")),
    ("init-weights -o o.npy --kernel-size 3 --channels 3 --bias-initializer ones", r"or (--no-bias)", added(r"\1")),
    ("inspect rec.npy --padding same", r"(--kernel-size) K", added(r"\1", "3")),
    *[(f"{line} {key}.keras", rf"give (--{option}) NAME", added(r"\1", value))
      for key, option, value in (("activation", "activation", "relu"), ("bias_constraint", "bias-constraint", "non_neg"), ("activity_regularizer", "activity-regularizer", "l2"))
      for line in ("apply rec.npy -o o.npy -w", "init-weights -o o.npz --from", "inspect rec.npy -w")],
    # Outputs.
    ("apply d/a.h5::/imu/* -k k.npy --output-format npy --output-dir out", r"(-o) '([^']+)'", lambda w, a: [*w[:-2], a[1], a[2]]),
    ("apply d/rec.npy e/rec.npy -k k.npy -o o.npy", r"(-o) '([^']+)'", replaced("o.npy", r"\2")),
    ("apply d/rec.npy e/rec.npy -k k.npy -o -", r"(-o) '([^']+)'", replaced("-", r"\2")),
    ("apply d/rec.npy e/rec.npy -k k.npy -o o.h5", r"(-o) '([^']+)'", replaced("o.h5", r"\2")),
    ("apply d/a.h5::/z e/a.h5::/z -k k.npy -o o.h5", r"(-o) '([^']+)'", replaced("o.h5", r"\2")),
    ("apply d/.b.h5::** e/.b.h5::** -k k.npy -o o.npz", r"(-o) '([^']+)'", replaced("o.npz", r"\2")),
    ("apply d/a.h5::/imu/* d/a.h5::/z -k k.npy -o {stem}.npy", r"(-o) '([^']+)'", replaced("{stem}.npy", r"\2")),
    ("apply ./rec.npy ../{here}/d/rec.npy -k k.npy -o o.npy", r"(-o) '([^']+)'", replaced("o.npy", r"\2")),
    ("apply rec.npy -k k.npy -o old.npy", r"use (--overwrite)", added(r"\1")),
    ("apply rec.npy -k k.npy -o old.npy", r"or (--skip-existing)", added(r"\1")),
    ("apply rec.npy -k k.npy -o empty", r"use (--output-dir)", replaced("-o", r"\1")),
    ("apply rec.npy -k k.npy", r"give (-o) FILE", added(r"\1", "o.npy")),
    ("apply rec.npy -k k.npy", r"(-o -) for standard output", added("-o", "-")),
    ("apply rec.npy -k k.npy", r"(--output-dir) DIR", added(r"\1", "out")),
    ("apply rec.npy -k k.npy -o o.xyz", r"say (--output-format) (npy)", added(r"\1", r"\2")),
    ("apply rec.npy -k k.npy -o o.npy --compression gzip", r"leave it out", left_out("--compression")),
    ("apply rec.npy -k k.npy -o o.npy --compression gzip --shuffle", r"write to an (.h5) file", replaced("o.npy", r"o\1")),
    ("apply rec.npy -k k.npy -o o.npy::x", r"leave out (::x)", replaced("o.npy::x", "o.npy")),
    ("apply rec.npy -k k.npy --output-dir out --overwrite --skip-existing", r"leave out one of them", left_out("--overwrite", 1)),
    # Inputs.
    ("apply d -k k.npy --output-dir out", r"e\.g\. '([^']+)'", replaced("d", r"\1")),
    ("apply rec.npy::x -k k.npy -o o.npy", r"leave out (::x)", replaced("rec.npy::x", "rec.npy")),
    ("apply rec.npy rec.npy -k k.npy --output-dir out", r"name it once", lambda w, a: [w[0], *w[2:]]),
    ("apply rec.npy -k k.npy -o o.npy --slice 1", r"e\.g\. \S+ or (:\d+)", replaced("1", r"\1")),
    ("apply rec.npy -k k.npy -o o.h5 --chunks x", r"is not like (\S+)", replaced("x", "10,3")),
]  # fmt: skip


@pytest.mark.parametrize(
    "line, pattern, edit", CASES, ids=[f"{line} -> {pattern}" for line, pattern, _ in CASES]
)
def test_advice_works_when_it_is_typed(
    here: Path, line: str, pattern: str, edit: Callable[[list[str], re.Match[str]], list[str]]
) -> None:
    line = line.replace("{here}", here.name)
    ran = run(line)
    assert ran.code in (2, 3, 4), (ran.code, ran.err)
    ran.failed(ran.code)
    advice = re.search(pattern, ran.err)
    assert advice, ran.err
    better = shlex.join(edit(shlex.split(line), advice))
    ran = run(better)
    assert ran.code == 0, (better, ran.err)


@pytest.mark.parametrize("name, skipped", [("t.txt", 1), ("plain.txt", 0)])
def test_texts_are_converted_as_the_message_says(here: Path, name: str, skipped: int) -> None:
    ran = run(f"apply {name} -k k.npy -o o.npy").failed(3, name, "python3 -c")
    _, option, program = shlex.split(ran.err.partition(" with: ")[2])
    assert option == "-c"
    exec(program, {})
    np.testing.assert_array_equal(
        np.load(name.rpartition(".")[0] + ".npy"), np.loadtxt(name, skiprows=skipped)
    )


def test_a_table_under_another_suffix_is_read_as_the_message_says(here: Path) -> None:
    ran = run("apply commas.txt -k k.npy -o o.npy").failed(3, "commas.txt", "--input-format csv")
    (option,) = re.findall("--input-format csv", ran.err)
    run(f"apply commas.txt {option} -k k.npy -o o.npy -q").done()


def test_headerless_samples(here: Path) -> None:
    samples = (here / "s.raw").read_bytes()
    ran = run("apply s.raw --raw i2 -k k.npy -o o.npy").failed(2, "write '-'", "< s.raw")
    assert ran.out == b""
    ran = run("apply - --raw i2 -k k.npy -o o.npy", stdin=samples)
    assert ran.code == 0
    assert "--channels C" in ran.err.splitlines()[0]
    assert np.load("o.npy").shape == (39, 1)
    run("apply - --raw i2 -k k.npy -o p.npy -q --channels 2", stdin=samples).done()
    assert np.load("p.npy").shape == (19, 2)


def test_an_initializer_of_somebodys_own_is_not_needed(here: Path) -> None:
    for line in ("apply rec.npy -o o.npy", "init-weights -o o.npz"):
        where = "-w" if line.startswith("apply") else "--from"
        ran = run(f"{line} {where} depthwise_initializer.keras")
        assert ran.code == 0, ran.err
        assert (
            "depthwise_initializer in depthwise_initializer.keras::depthwise_conv1d is not known" in ran.err
        )


def test_an_activation_is_kept_with_the_weights(here: Path) -> None:
    run("init-weights -q -o kept.npz --from k3.npy --activation relu").done()
    run("apply -q rec.npy -w kept.npz -o o.npy").done()
    run("apply -q rec.npy -k k3.npy --activation relu -o p.npy").done()
    np.testing.assert_array_equal(np.load("o.npy"), np.load("p.npy"))


# No message names an option that is not there


def options_of(name: str) -> set[str]:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return {word for option in command.params for word in (*option.opts, *option.secondary_opts)} | {"--help"}


def texts(path: Path) -> list[str]:
    """What a document says, or the strings of a module, with docstrings, since --help shows some of them."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        return text.splitlines()
    constants = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


TEXTS = [
    *SOURCE.rglob("*.py"),
    *SOURCE.rglob("*.json"),
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "ARCHITECTURE.md")),
]


@pytest.mark.parametrize("path", sorted(TEXTS), ids=lambda path: str(path.relative_to(ROOT)))
def test_options_in_texts_exist(path: Path) -> None:
    known = {"--version"}.union(*(options_of(name) for name in COMMANDS))
    for text in texts(path):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", text):
            assert option in known, (option, text)


@pytest.mark.parametrize(
    "options",
    [
        "--channels 3",
        "--kernel-size 3",
        "--kernel-size 3 --from k.npy",
        "--from nothing.npy",
        "--from d/a.h5",
        "--from a.npz",
        "--from a.npz::three",
        "--from activation.keras",
        "--from model.keras::no",
        "--from d/a.h5:/z",
        "--from t.txt",
        "--from k.npy --seed 1",
        "--from k.npy --use-bias",
        "--from k3.npy --channels 4",
        "--from k3.npy --like turned.npy",
        "--from k.npy --depth-multiplier 2",
        "--kernel-size 3 --channels 3 -b k.npy",
        "--from model.keras -b k.npy",
        "--kernel-size 3 --like nothing.npy",
        "--kernel-size 3 --like d/a.h5",
        "--kernel-size 3 --like model.keras",
        "--kernel-size 3 --like - --config -",
        "--kernel-size 0 --channels 3",
        "--kernel-size 3 --channels 3 -o old.npy",
        "--kernel-size 3 --channels 3 -o d",
        "--kernel-size 3 --channels 3 -o o.xyz",
        "--kernel-size 3 --channels 3 -o no/o.npz",
        f"--kernel-size {2**31 - 1} --channels {2**31 - 1}",
    ],
    ids=str,
)
def test_errors_of_init_weights_name_its_own_options(here: Path, options: str) -> None:
    ran = run(f"init-weights -o o.npz {options}")
    assert ran.code in (2, 3, 4, 5), ran.err
    message = ran.err.replace("python3 -c", "").replace("mkdir -p", "")
    named = set(re.findall(r"(?<![\w-])(?:--[a-z][a-z0-9-]*[a-z0-9]|-[a-z](?![\w-]))", message))
    assert named <= options_of("init-weights"), ran.err
