"""Completion in shells: what is offered, how it is quoted, and that the scripts work in a real bash, zsh and fish."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers_cli import environment, read_terminal, run, run_process, run_python

from dwconv_cli.cli import COMPLETION, catalogue_names
from dwconv_cli.cli.shells import SHELLS, quoted
from dwconv_cli.layer.catalogues.activations import ACTIVATIONS
from dwconv_cli.layer.catalogues.constraints import CONSTRAINTS
from dwconv_cli.layer.catalogues.designs import DESIGNS
from dwconv_cli.layer.catalogues.initializers import INITIALIZERS
from dwconv_cli.layer.catalogues.regularizers import REGULARIZERS

HOSTILE = (
    "a b",
    "$(touch x)",
    "`id`",
    "a;b",
    "a&b",
    "a|b",
    "it's",
    'say "hi"',
    "a\\b",
    "com,ma",
    "*",
    "~",
    "µ",
    "#",
)
CATALOGUES = {
    "ACTIVATIONS": ACTIVATIONS,
    "CONSTRAINTS": CONSTRAINTS,
    "DESIGNS": DESIGNS,
    "INITIALIZERS": INITIALIZERS,
    "REGULARIZERS": REGULARIZERS,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of every kind that has names inside."""
    folder = tmp_path_factory.mktemp("files")
    with h5py.File(folder / "rec.h5", "w") as file:
        for name in ("/imu/acc", "/imu/gyro", "/time"):
            file[name] = np.zeros(4)
        file["/text"] = "no array"
    shutil.copy(folder / "rec.h5", folder / "my rec.h5")
    np.savez(folder / "all.npz", acc=np.zeros(3), **{name: np.zeros(3) for name in HOSTILE})  # type: ignore[arg-type]
    np.savez(folder / "layer.npz", kernel=np.zeros((3, 2, 1)))
    run("init-weights -q --kernel-size 3 --channels 2 -o", folder / "model.keras").done()
    return folder


@pytest.fixture
def files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder as the working directory."""
    monkeypatch.chdir(folder)
    return folder


def offers(line: str, word: str | None = None) -> list[str]:
    """What bash is offered for a line, of which readline replaces `word`, or the last word."""
    variables = {
        COMPLETION: "bash_complete",
        "COMP_LINE": line,
        "COMP_POINT": str(len(os.fsencode(line))),
        "COMP_WORD": line.rpartition(" ")[2] if word is None else word,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        ran = run("").done()
    return os.fsdecode(ran.out).splitlines()


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("dwconv insp", None, ["plain,inspect"]),
        ("dwconv apply --kernel-s", None, ["plain,--kernel-size"]),
        ("dwconv apply --padding ", None, ["plain,valid", "plain,same", "plain,causal"]),
        ("dwconv apply --padding=ca", "ca", ["plain,causal"]),
        ("dwconv apply --padding=ca", None, ["plain,--padding=causal"]),
        ("dwconv apply --nan e", None, ["plain,error"]),
        ("dwconv apply --activation leaky", None, ["plain,leaky_relu", "open,leaky_relu\\("]),
        ("dwconv apply --activation 'leaky_relu(", None, ["open,leaky_relu(negative_slope="]),
        ("dwconv apply --design lowp", None, ["plain,lowpass", "open,lowpass\\("]),
        ("dwconv apply --design 'lowpass(5, tr", "lowpass(5, tr", ["open,lowpass(5, transition="]),
        ("dwconv apply --compression b", None, ["plain,blosc"]),
        ("dwconv list de", None, ["plain,designs"]),
        ("dwconv compare rec.h5::/t", "/t", ["plain,/time"]),
        ("dwconv apply --depthwise-constraint u", None, ["plain,unit_norm", "open,unit_norm\\("]),
        ("dwconv apply --depthwise-initializer he_", None, ["plain,he_normal", "plain,he_uniform"]),
        ("dwconv apply --bias-regularizer l2", None, ["plain,l2", "open,l2\\("]),
        ("dwconv init-weights --output-layout t", None, ["plain,torch"]),
        ("dwconv apply - --raw f4", None, ["plain,f4"]),
        ("dwconv apply re", None, ["file,re"]),
        ("dwconv apply --output-dir o", None, ["dir,o"]),
        ("dwconv apply x.npy --report r", None, ["file,r"]),
        ("dwconv apply --kernel-size ", None, []),
        # Readline replaces what stands behind the last colon.
        ("dwconv apply rec.h5::", "", ["plain,/imu/acc", "plain,/imu/gyro", "plain,/time"]),
        ("dwconv apply rec.h5::/imu/g", "/imu/g", ["plain,/imu/gyro"]),
        ("dwconv apply rec.h5::imu/g", "imu/g", ["plain,imu/gyro"]),
        ("dwconv apply rec.h5:", "", ["plain,:/imu/acc", "plain,:/imu/gyro", "plain,:/time"]),
        # Where a user took the colon out of COMP_WORDBREAKS, it replaces the whole word.
        ("dwconv apply rec.h5::/imu/g", None, ["plain,rec.h5::/imu/gyro"]),
        ("dwconv apply my\\ rec.h5::/t", "/t", ["plain,/time"]),
        ("dwconv apply 'my rec.h5::/t", "my rec.h5::/t", ["plain,my rec.h5::/time"]),
        ("dwconv apply --kernel=rec.h5::/t", "/t", ["plain,/time"]),
        ("A=1 dwconv apply -k layer.npz::", "", ["plain,kernel"]),
        ("dwconv apply -w model.keras::d", "d", ["plain,depthwise_conv1d"]),
        ("dwconv inspect model.keras::", "", ["plain,depthwise_conv1d"]),
        ("dwconv apply --no-such rec.h5::/t", "/t", ["plain,/time"]),
        # Nothing is there, and nobody is told.
        ("dwconv apply absent.h5::", "", []),
        ("dwconv apply rec.h5::/z", "/z", []),
        ("dwconv --version ", None, None),
        ("dwconv no-such-command x", None, []),
    ],
)
def test_offers(files: Path, line: str, word: str | None, expected: list[str] | None) -> None:
    found = offers(line, word)
    assert found == expected if expected is not None else "plain,apply" in found


@pytest.mark.parametrize("name", ["bad.h5", "bad.npz", "bad.keras", "bad.npy", "bad.weights.h5"])
def test_broken_files_offer_nothing(files: Path, name: str) -> None:
    Path(name).write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x07" * 500)
    assert offers(f"dwconv apply {name}::", "") == []


def test_a_pipe_is_not_waited_for(files: Path) -> None:
    os.mkfifo("pipe.npz")
    assert offers("dwconv apply pipe.npz::", "") == []


def test_names_that_command_terminals_are_left_out(files: Path) -> None:
    np.savez("odd.npz", good=np.zeros(2), **{"\x1b[2J": np.zeros(2), "a\nb": np.zeros(2)})  # type: ignore[arg-type]
    assert offers("dwconv apply odd.npz::", "") == ["plain,good"]


@pytest.mark.parametrize("name", CATALOGUES)
def test_table_of_names(name: str) -> None:
    catalogue = CATALOGUES[name]
    expected = {entry: tuple(catalogue.arguments(entry)) for entry in catalogue.names()}
    assert dict(getattr(catalogue_names, name)) == expected


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_bash_reads_quoted_names_as_they_are(quote: str) -> None:
    script = "\n".join(f"printf '%s\\n' {quote}x{quoted(name, quote)}{quote}" for name in HOSTILE)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"x{name}" for name in HOSTILE]
    assert done.stderr == ""


@pytest.mark.parametrize("line", ["dwconv ap", "dwconv apply --padding s", "dwconv apply --activation r"])
def test_offers_are_quick(line: str) -> None:
    program = "import atexit, runpy, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    variables = {
        COMPLETION: "bash_complete",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_WORD": "x",
    }
    ran = run_python(program + "runpy.run_module('dwconv_cli', run_name='__main__')", env=variables)
    assert ran.code == 0
    assert ran.out
    assert not {name.partition(".")[0] for name in ran.err.split()} & {"numpy", "h5py", "scipy", "rich"}


@pytest.mark.parametrize(
    ("words", "count", "expected"),
    [
        ("dwconv ap", 1, b"plain,apply"),
        ("dwconv\napply\n--paddin", 2, b"plain,--padding"),
        ("dwconv\napply\n--padding", 3, b"plain,valid\nplain,same\nplain,causal"),
    ],
)
def test_words_without_a_line(
    monkeypatch: pytest.MonkeyPatch, words: str, count: int, expected: bytes
) -> None:
    """As click's own script for bash hands them over."""
    monkeypatch.setenv(COMPLETION, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(count))
    assert run("").done().out == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts(shell: str) -> None:
    script = run(f"completion {shell}").done().out
    assert run_process("", env={COMPLETION: f"{shell}_source"}).done().out == script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, check=True, capture_output=True)


def test_wrong_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    run("completion tcsh").failed(2, "'tcsh'", "say dwconv completion bash|zsh|fish")
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    run("completion").failed(2, "say dwconv completion zsh")
    assert run_process("", env={COMPLETION: "tcsh_source"}).code == 1
    # Variables that a shell should have set are missing.
    assert run_process("", env={COMPLETION: "bash_complete"}).done().out == b""


def test_bash_function(files: Path, command_on_path: Path) -> None:
    """The function is called as bash does, and as scripts do that set its words alone."""
    script = r"""
        eval "$(dwconv completion bash)"
        complete -p dwconv
        show() { printf '[%s]' "${COMPREPLY[@]}"; echo; }
        COMP_WORDS=(dwconv apply rec.h5 :: /imu/g) COMP_CWORD=4; _dwconv_completion; show
        COMP_WORDS=(dwconv apply --padding "") COMP_CWORD=3; _dwconv_completion; show
        COMP_WORDS=(dw apply my) COMP_CWORD=2; _dwconv_completion dw my; show
        COMP_WORDS=(dwconv apply -k all.npz ::) COMP_CWORD=4; _dwconv_completion dwconv "" all.npz; show
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    first, *replies, hostile = done.stdout.splitlines()
    assert first == "complete -o nosort -F _dwconv_completion dwconv"
    assert replies == ["[/imu/gyro]", "[valid][same][causal]", "[my rec.h5]"]
    assert "[\\$\\(touch\\ x\\)]" in hostile


@pytest.fixture
def command_on_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `dwconv` on the path that runs this checkout."""
    script = tmp_path_factory.mktemp("bin") / "dwconv"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dwconv_cli "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    return script


def test_tab_in_an_interactive_bash(files: Path, command_on_path: Path) -> None:
    """Keys as a user hits them: the word that TAB completes reaches a command as one argument."""
    typed = [
        "dwconv apply 'my rec.h5::/imu/g",
        "dwconv apply -k all.npz::\\$",
        "dwconv apply my",
    ]
    Path("rc").write_text(
        'eval "$(dwconv completion bash)"\nshow() { printf \'<%s>\' "$@" >> shown; echo >> shown; }\n'
    )
    parent, child = pty.openpty()
    bash = subprocess.Popen(
        ["bash", "--rcfile", "rc", "-i"],
        stdin=child,
        stdout=child,
        stderr=child,
        env=environment({"TERM": "dumb", "INPUTRC": "/dev/null", "HISTFILE": "/dev/null"}),
        start_new_session=True,
    )
    os.close(child)
    for line in typed:
        # TAB; then Control-A leads to the start of the line, where another command is put before it.
        os.write(parent, f"{line}\t\x01show \n".encode())
    os.write(parent, b"exit\n")
    read_terminal(parent)
    assert bash.wait(20) == 0
    assert Path("shown").read_text().splitlines() == [
        "<dwconv><apply><my rec.h5::/imu/gyro>",
        "<dwconv><apply><-k><all.npz::$(touch x)>",
        "<dwconv><apply><my rec.h5>",
    ]
    assert not Path("x").exists()


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish(files: Path, command_on_path: Path) -> None:
    lines = ["dwconv apply rec.h5::/imu/g", "dwconv apply --padding=c", "dwconv apply -k all.npz::com"]
    script = "dwconv completion fish | source\n" + "".join(f"complete -C '{line}'\n" for line in lines)
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], env=environment(), capture_output=True, check=True
    )
    assert done.stdout.decode().split() == ["rec.h5::/imu/gyro", "--padding=causal", "all.npz::com,ma"]
