"""``dwconv inspect`` as its users meet it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import h5py
import jsonschema
import numpy as np
import pytest
from helpers_cli import run, run_process, run_python, run_shell, save

from dwconv_cli.cli.render import byte_count, fit, report_table, table, title
from dwconv_cli.jobs.report import schema

KERAS = Path(__file__).parent / "golden" / "keras" / "keras3"
DOCUMENTED = "--kernel-size 3 --strides 3 --padding same --depth-multiplier 3"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def place(place: Path) -> Path:
    x = np.arange(60, dtype="<f4").reshape(10, 6)
    save(place / "rec.npy", x)
    save(place / "batch.npy", np.zeros((4, 10, 12), "i2"))
    save(place / "taps.npy", np.full(4, 0.25))
    np.savez(place / "layer.npz", kernel=np.ones((3, 6, 2), "f4"), bias=np.zeros(12, "f4"))
    with h5py.File(place / "rec.h5", "w") as file:
        for name in ("a", "b"):
            file.create_dataset(f"{name}/acc", data=x, chunks=(5, 6), compression="gzip")
        file["a/acc"].attrs["unit\x1b[31m"] = "m/s\n\x1b]0;owned\x07"
    return place


SHAPES = [
    (f"--input-shape 4,10,12 {DOCUMENTED}", "4,4,36"),
    (f"--input-shape '(4, 10, 12)' {DOCUMENTED}", "4,4,36"),
    ("--input-shape (10,) --kernel-size 3", "8"),
    (f"--input-shape 4,12,10 {DOCUMENTED} --data-format channels_first", "4,36,4"),
    (f"batch.npy {DOCUMENTED}", "4,4,36"),
    ("rec.npy", "10,6"),
    ("rec.npy batch.npy", "10,6\n4,10,12"),
    ("rec.h5::/*/acc", "10,6\n10,6"),
    ("rec.npy --slice 2:7", "5,6"),
    ("rec.npy --slice 2:7 -k taps.npy", "2,6"),
    ("layer.npz", "3,6,2"),
    ("rec.npy -w layer.npz --padding causal", "10,12"),
    ("-k taps.npy", "4"),
    ("rec.h5", "10,6\n10,6"),
    ("--input-shape 10,6 --config layer.json", "7,6"),
]


@pytest.mark.parametrize("line, shapes", SHAPES)
def test_bare_shapes(place: Path, line: str, shapes: str) -> None:
    config = {"class_name": "DepthwiseConv1D", "config": {"kernel_size": [4], "padding": "valid"}}
    (place / "layer.json").write_text(json.dumps(config))
    assert run(f"inspect {line} --shape").noted().out.decode() == shapes + "\n"


ERRORS = [
    ("", 2, "nothing to inspect"),
    ("--input-shape 1,2,3,4 --kernel-size 3", 2, "rank 4"),
    ("--input-shape 4,ten --kernel-size 3", 2, "4,ten"),
    ("--input-shape 4,0,3 --kernel-size 3", 2, "4,0,3"),
    ("--input-shape 4,10,12", 2, "needs a layer"),
    ("rec.npy --input-shape 4,10,12 --kernel-size 3", 2, "leave out"),
    ("--input-shape 2,6 --kernel-size 3", 2, "too few"),
    ("--input-shape 9,6 --kernel-size 3 --strides 2 --dilation-rate 2", 2, "strides"),
    ("rec.npy --strides 2", 2, "--strides says nothing"),
    ("rec.npy --no-bias", 2, "--no-bias says nothing"),
    ("rec.npy --seed 2", 2, "--seed"),
    ("-k taps.npy -w layer.npz", 2, "exclude"),
    ("rec.npy -b taps.npy", 2, "--bias"),
    ("batch.npy -w layer.npz", 2, "batch.npy"),
    ("rec.npy --json --shape", 2, "exclude"),
    ("-k taps.npy --stats", 2, "--stats"),
    ("rec.npy --fs 0", 2, "--fs"),
    ("rec.npy --fs nan", 2, "--fs"),
    ("- -k -", 2, "standard input"),
    ("rec.npy --slice 20:", 2, "--slice 20:"),
    ("nope.npy", 3, "nope.npy: no such file"),
    ("*.nope", 3, "no file matches"),
    ("rec.h5::/c", 3, "/c"),
    ("rec.h5 --stats", 3, "/a/acc"),
    ("layer.json", 3, "suffix"),
    ("bad.npy", 3, "not an .npy file"),
    ("sub::x", 3, "sub/x"),
    ("-k nope.npy", 3, "nope.npy"),
]


@pytest.mark.parametrize("line, code, words", ERRORS)
def test_errors(place: Path, line: str, code: int, words: str) -> None:
    (place / "layer.json").write_text("{}")
    (place / "bad.npy").write_bytes(b"no array at all")
    (place / "sub").mkdir()
    ran = run(f"inspect {line}").failed(code, words)
    assert ran.out == b""


def test_earlier_answers_stand(place: Path) -> None:
    ran = run("inspect rec.npy nope.npy batch.npy --shape").failed(3, "nope.npy")
    assert ran.out == b"10,6\n"


JSON_CASES = {
    "data": "rec.npy",
    "dataset": "rec.h5::/a/acc --stats",
    "check": "rec.npy -w layer.npz --fs 50",
    "shape": f"--input-shape 4,10,12 {DOCUMENTED}",
    "weights": "layer.npz",
    "kernel": "-k taps.npy --dilation-rate 2",
    "file": "rec.h5",
    "directory": ".",
    "model": f"{KERAS}/functional.keras",
    "layer": f"{KERAS}/functional.keras::conv_a",
}
SHARED = ("output", "layer", "padding", "effective_kernel_size", "algorithm", "notes")


@pytest.mark.parametrize("line", JSON_CASES.values(), ids=JSON_CASES)
def test_json_shares_the_keys_of_reports(place: Path, line: str) -> None:
    (report,) = run(f"inspect {line} --json").done().reports
    whole = schema()
    parts = {key: whole["properties"][key] for key in SHARED}
    checked = {"$defs": whole["$defs"], "properties": parts}
    if report["kind"] in ("data", "shape"):
        parts["input"] = whole["properties"]["input"]
    if report["kind"] == "weights" and report["weights"]["address"]:
        parts["weights"] = whole["properties"]["weights"]
    jsonschema.validate(report, checked)
    assert report["schema_version"] == 1


def test_json_values(place: Path) -> None:
    ran = run("inspect rec.npy batch.npy -k taps.npy --fs 50 --json")
    one, two = ran.done().reports
    assert one["input"] == {"address": "rec.npy", "shape": [10, 6], "dtype": "float32"}
    assert one["output"] == {"address": None, "shape": [7, 6], "dtype": "float64", "nbytes": 336}
    assert one["delay"] == {"steps": -1.5, "seconds": -0.03}
    assert (one["receptive_field"], one["padding"]) == (4, {"left": 0, "right": 0})
    assert two["output"]["shape"] == [4, 7, 12]


def test_kernel_as_people_see_it(place: Path) -> None:
    text = run("inspect -k taps.npy --fs 100").done().out.decode()
    # |H| = |sin(4x) / (4 sin(x))| = cos(x) cos(2x) with x = pi f, which is sqrt(1/2) where 2c^3 - c is, c = cos(x).
    edge = 100 * np.arccos(np.roots([2, 0, -1, -(0.5**0.5)]).real.max()) / np.pi
    for words in ("taps.npy", "(4,) float64", "-3 dB (Hz)", f"{edge:.5g}", "1.5 steps (0.015 s)", "████"):
        assert words in text


def test_design_as_people_see_it() -> None:
    line = "inspect --kernel-size 5 --depthwise-initializer moving_average --fs 100 --json"
    (report,) = run(line).done().reports
    assert report["channels"][0]["dc_gain"] == pytest.approx(1)
    assert report["channels"][0]["group_delay"] == {"steps": 2.0, "seconds": 0.02}


def test_alike_channels_share_a_row(place: Path) -> None:
    text = run("inspect layer.npz").done().out.decode()
    assert "0-11" in text
    assert text.count("▆") + text.count("█") > 0


def test_check_as_people_see_it(place: Path) -> None:
    text = run(f"inspect batch.npy {DOCUMENTED}").done().out.decode()
    rows = {line[2:].split("  ")[0]: line.split("  ")[-1].strip() for line in text.splitlines()[1:]}
    assert rows["shape"] == "(4, 10, 12): batch of 4, 10 steps, 12 channels"
    assert rows["output"] == "(4, 4, 36) float32, 2304 bytes"
    assert rows["padding"] == "1 left, 1 right"
    assert rows["effective kernel size"] == "3"
    assert rows["receptive field"] == "3 steps"
    assert rows["delay"] == "0 steps: the output is in time with the input"
    assert rows["algorithm"]
    assert rows["layer"] == "kernel_size 3, strides 3, padding same, depth_multiplier 3"


def test_stats_as_people_see_them(place: Path) -> None:
    text = run("inspect rec.npy --stats --fs 5").done().out.decode()
    head, first = text.splitlines()[-7:-5]
    assert head.split() == ["channel", "min", "max", "mean", "std", "nan", "inf"]
    # 0, 6, ..., 54: the variance of 0 ... 9 is 99/12.
    assert first.split() == ["0", "0", "54", "27", f"{6 * (99 / 12) ** 0.5:.6g}", "0", "0"]
    assert "2 s" in text


def test_names_from_files_are_escaped(place: Path) -> None:
    ran = run("inspect rec.h5::/a/acc").done()
    text = ran.out.decode()
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"@unit\x1b[31m" in text
    assert r"m/s\n\x1b]0;owned\x07" in text
    assert "\x1b" not in run("inspect rec.h5::/a/acc --json").done().out.decode()


def test_model_as_people_see_it() -> None:
    text = run(f"inspect {KERAS}/functional.keras").done().out.decode()
    lines = [line.split() for line in text.splitlines()]
    assert lines[2] == [
        "conv_a",
        "(3,",
        "3,",
        "2)",
        "1",
        "valid",
        "1",
        "channels_last",
        "relu",
        "yes",
        "float32",
    ]
    assert lines[3][-3:] == ["LeakyReLU(negative_slope=0.1)", "no", "float32"]


def test_standard_input(place: Path) -> None:
    raw = (place / "rec.npy").read_bytes()
    assert run("inspect - --shape", stdin=raw).done().out == b"10,6\n"
    # The header is enough: nothing else comes.
    assert run("inspect - -k taps.npy --shape", stdin=raw[:128]).done().out == b"7,6\n"
    (report,) = run("inspect - --stats --json", stdin=raw).done().reports
    assert report["input"]["address"] == "-"
    assert report["stats"][0]["max"] == 54
    run("inspect - --stats", stdin=raw[:-1]).failed(3, "too early")


def test_keras_home_decides_the_data_format(place: Path) -> None:
    (place / "keras.json").write_text('{"image_data_format": "channels_first"}')
    (report,) = run("inspect rec.npy --stats --json", keras_home=place).done().reports
    assert len(report["stats"]) == 10
    (report,) = run("inspect rec.npy -k taps.npy --json", keras_home=place).done().reports
    assert report["output"]["shape"] == [10, 3]
    assert any("keras.json" in note for note in report["notes"])


def test_help_is_light() -> None:
    code = (
        "import sys; from dwconv_cli.cli import main\n"
        "try: main(['inspect', '--help'])\n"
        "finally: sys.stderr.write(' '.join(sys.modules))"
    )
    ran = run_python(code)
    assert b"--input-shape" in ran.out
    assert not {"numpy", "rich", "h5py", "scipy"} & set(ran.err.split())


def test_streams(place: Path) -> None:
    run_shell("dwconv inspect rec.npy > /dev/full").failed(4, "standard output", "no space")
    closed = run_shell("(sleep 0.2; dwconv inspect rec.h5) | true; exit ${PIPESTATUS[0]}")
    assert (closed.code, closed.err) == (141, "")
    plain = run_process("inspect -k taps.npy", env={"PYTHONIOENCODING": "ascii"}).done()
    assert b"####" in plain.out


def written(*args: Any, stream: io.StringIO, **options: Any) -> str:
    table(*args, stream, **options)
    return stream.getvalue()


def test_table() -> None:
    rows = [("a", "1"), ("bcd", "-22.5")]
    assert written(rows, stream=io.StringIO()) == "  a    1\n  bcd  -22.5\n"
    text = written(rows, stream=io.StringIO(), head=("name", "count"))
    assert text == "  name  count\n  a         1\n  bcd   -22.5\n"
    assert written([], stream=io.StringIO()) == ""


def test_colour_on_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("[red]name[/red]", "va\x1blue")]
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = written(rows, stream=Terminal())
    assert "\x1b[" in shown
    assert "[red]name[/red]" in shown
    assert r"va\x1blue" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in written(rows, stream=Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in written(rows, stream=Terminal())
    stream = Terminal()
    title("x\x1b", stream)
    assert stream.getvalue() == "x\\x1b\n"


def test_fit_and_size() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert fit("é▁█\u202e\udcff", stream) == "\\xe9_#\\u202e\\udcff"
    assert fit("é▁█", io.StringIO()) == "é▁█"
    assert [byte_count(n) for n in (0, 10239, 10240, 11 << 20)] == [
        "0 bytes",
        "10239 bytes",
        "10240 bytes (10.0 KiB)",
        "11534336 bytes (11.0 MiB)",
    ]


def test_report_table(place: Path) -> None:
    ran = run("apply rec.npy -k taps.npy -o out.npy --json")
    (report,) = ran.done().reports
    report |= {"nonfinite": {"input": 1, "output": 4}, "notes": ["mind this"]}
    stream = io.StringIO()
    report_table(report, stream, verbose=True)
    text = stream.getvalue()
    for words in (
        "rec.npy -> out.npy: ok",
        "(10, 6) float32",
        "(7, 6) float64, 336 bytes",
        "0 left, 0 right",
        "effective kernel size  4",
        f"{report['algorithm']['name']} ({report['algorithm']['backend']}): {report['algorithm']['reason']}",
        "1 in, 4 out",
        "mind this",
    ):
        assert words in text, words
    brief = io.StringIO()
    report_table(report, brief)
    assert report["algorithm"]["reason"] not in brief.getvalue()


@pytest.mark.parametrize("status", ["skipped", "failed"])
def test_report_table_of_little(status: str) -> None:
    report = {
        "status": status,
        "input": {"address": "a.npy"},
        "output": {"address": "b.npy"} if status == "skipped" else None,
        "error": {"code": 3, "message": "a.npy: gone"} if status == "failed" else None,
    }
    stream = io.StringIO()
    report_table(json.loads(json.dumps(report)), stream)
    lines = stream.getvalue().splitlines()
    assert lines[0] in ("a.npy -> b.npy: skipped", "a.npy: failed")
    assert ("a.npy: gone" in stream.getvalue()) == (status == "failed")


@pytest.fixture
def broken(place: Path) -> Path:
    """The place, with a file among its recordings that is none."""
    (place / "n.npy").write_bytes(b"bad")
    return place


def test_keep_going_describes_the_rest(broken: Path) -> None:
    line = "inspect rec.npy n.npy no.npy no*.npy batch.npy"
    run(line).failed(3, "n.npy")
    ran = run(f"{line} --keep-going")
    assert ran.code == 1
    errors = [text.split(": ")[2] for text in ran.err.splitlines()]
    assert errors == ["n.npy", "no.npy", "no*.npy"]
    assert [text for text in ran.out.decode().splitlines() if not text.startswith(" ")] == [
        "rec.npy",
        "",
        "batch.npy",
    ]
    ran = run(f"{line} --keep-going --shape")
    assert (ran.code, ran.out) == (1, b"10,6\n4,10,12\n")
    ran = run(f"{line} --keep-going --json")
    assert ran.code == 1
    assert [report["kind"] for report in ran.reports] == ["data", "failed", "failed", "failed", "data"]
    assert ran.reports[1]["input"] == {"address": "n.npy"}
    assert ran.reports[1]["error"]["code"] == 3
    assert ran.reports[1]["error"]["message"] in ran.err
    assert run("inspect rec.npy batch.npy --keep-going --shape").done().out == b"10,6\n4,10,12\n"


def test_keep_going_says_once_that_weights_cannot_be_read(broken: Path) -> None:
    run("inspect rec.npy batch.npy -k gone.npy --keep-going").failed(3, "gone.npy")


def test_keep_going_with_weights_that_fit_some(broken: Path) -> None:
    ran = run("inspect batch.npy rec.npy -w layer.npz --keep-going --shape")
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 1
    assert [line.split(": ")[1] for line in ran.err.splitlines()] == ["error", "note"]


def test_keep_going_replays_the_rest(broken: Path) -> None:
    run("apply rec.npy -q -k taps.npy -o out.h5").done()
    ran = run("inspect n.npy out.h5 --replay --keep-going")
    assert ran.code == 1
    assert ran.out.startswith(b"dwconv apply rec.npy")
    assert len(ran.err.splitlines()) == 1
