"""Files side by side: the same bits and reports as one after another, and nothing left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers_cli import contents, names, npy_bytes, run, run_process, save, start, until
from recordings import X, Y

from dwconv_cli import LayerError, LayerSpec, Recipe, Report, Settings, Weights, apply_many
from dwconv_cli.interrupts import SIGNALS, end_by_signal, file_creation
from dwconv_cli.jobs import job as job_module
from dwconv_cli.jobs import plan as plan_module
from dwconv_cli.jobs import settings as settings_module
from dwconv_cli.jobs.side_by_side import AHEAD, Unwanted, side_by_side

COUNT = 12
RECIPE = Recipe(given=(LayerSpec(kernel_size=2), Weights(np.ones((2, 1, 1), "f4"), None, shared=True)))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of all formats and sizes, made once."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(3)
    for number in range(COUNT):
        # The first ones take longest, so that others overtake them.
        x = rng.standard_normal((150_000 if number < 2 else 50 + number, 3)).astype("f4")
        save(folder / f"{number:02}.npy", x)
        np.savez(folder / f"{number:02}.npz", x=x[:40], y=x[:9])
        with h5py.File(folder / f"{number:02}.h5", "w") as file:
            file.create_dataset("imu/acc", data=x, chunks=(5000, 3) if number < 2 else (50, 3)).attrs[
                "fs"
            ] = 50
            file["imu/gyro"] = x[::-1]
    return folder


@pytest.fixture
def place(place: Path, recordings: Path) -> Path:
    """The working directory, with the recordings in ``in``."""
    shutil.copytree(recordings, place / "in")
    return place


INPUTS = "in/*.npy in/*.npz::* in/*.h5::/imu/*"


def lasting(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reports without what differs from run to run."""
    return [{key: value for key, value in report.items() if key != "seconds"} for report in reports]


def unfinished(folder: Path) -> list[str]:
    """Temporary files, at any depth."""
    return [path.name for path in folder.rglob(".*.tmp")]


@pytest.mark.parametrize("more", ["", "--threads 1 --memory-limit 1MiB", "--report r.ndjson"])
def test_the_same_bits_and_reports_as_with_one_job(place: Path, more: str) -> None:
    results = []
    for jobs in (1, 3):
        ran = run(f"apply {INPUTS} -k k.npy --padding same -j {jobs} --json --output-dir out {more}").done()
        results.append((lasting(ran.reports), contents(sorted((place / "out").iterdir()))))
        if "--report" in more:
            assert (place / "r.ndjson").read_bytes() == ran.out
            (place / "r.ndjson").unlink()
        (place / "out").rename(place / f"out{jobs}")
    assert [report["status"] for report in results[0][0]] == ["ok"] * 5 * COUNT
    assert results[0][0] == results[1][0]
    assert results[0][1].keys() == results[1][1].keys()
    assert results[0][1] == results[1][1]


def test_the_table_comes_in_the_order_of_the_inputs(place: Path) -> None:
    ran = run(f"apply {INPUTS} -k k.npy --jobs 4 --output-dir out")
    alone = run(f"apply {INPUTS} -k k.npy --output-dir out --overwrite")
    rows = [[line.split()[0] for line in each.err.splitlines()] for each in (ran, alone)]
    assert [name.split("/")[0] for name in rows[0]] == ["in"] * (len(rows[0]) - 1) + [str(len(rows[0]) - 1)]
    assert rows[0] == rows[1]


def test_dry_runs_and_what_is_done_already(place: Path) -> None:
    line = f"apply {INPUTS} -k k.npy --json --output-dir out"
    planned = run(f"{line} -j 3 --dry-run").done().reports
    assert [report["status"] for report in planned] == ["planned"] * 5 * COUNT
    assert not (place / "out").exists()
    run("apply in/1*.npy -k k.npy -q --output-dir out").done()
    one, three = (run(f"{line} -j {jobs} --skip-existing --dry-run").done().reports for jobs in (1, 3))
    assert lasting(one) == lasting(three)
    assert sum(report["status"] == "skipped" for report in three) == 2


def test_the_first_failure_is_the_command_s(place: Path) -> None:
    # The slow ones before it are finished, though a later one fails sooner.
    (place / "in" / "05.npy").write_bytes(b"no npy")
    (place / "in" / "03.npy").write_bytes(b"no npy")
    line = "apply in/*.npy -k k.npy --json --output-dir out"
    ran = run(f"{line} -j 4").failed(3, "in/03.npy")
    assert [report["status"] for report in ran.reports] == ["ok"] * 3 + ["failed"]
    done = names(place / "out")
    assert done[:3] == ["00.npy", "01.npy", "02.npy"]
    assert "03.npy" not in done
    # What was begun before it failed may be there, not what comes later.
    assert len(done) <= 4 + AHEAD
    again = run(f"{line} --overwrite").failed(3, "in/03.npy")
    assert lasting(again.reports) == lasting(ran.reports)


def test_going_on_after_failures(place: Path) -> None:
    for name in ("00", "07", "11"):
        (place / "in" / f"{name}.npy").write_bytes(b"no npy")
        (place / "in" / f"{name}.h5").write_bytes(b"\x89HDF\r\n\x1a\nno more")
    datasets = " ".join(f"in/{number:02}.h5::/imu/acc" for number in range(COUNT))
    line = f"apply in/*.npy {datasets} -k k.npy --keep-going --json --output-dir out --overwrite"
    # A process of its own, since HDF5 would write past Python's standard error.
    one, three = run(f"{line} -j 1"), run_process(f"{line} -j 3")
    for ran in (one, three):
        assert ran.code == 1
        # HDF5 itself has nothing to say.
        assert [line.split(":")[:3] for line in ran.err.splitlines()] == [
            ["dwconv", " error", f" in/{name}{suffix}"]
            for suffix in (".npy", ".h5")
            for name in ("00", "07", "11")
        ]
    assert lasting(one.reports) == lasting(three.reports)
    assert len(names(place / "out")) == 2 * COUNT - 6


def test_one_output_file_for_many_under_several_names(place: Path) -> None:
    (place / "out").mkdir()
    for number in (0, 1, 2):
        (place / f"rec{number}").symlink_to("in")
    inputs = " ".join(
        f"rec{number}/{stem:02}.{suffix}"
        for stem in range(2, COUNT)
        for number in (0, 1, 2)
        for suffix in ("npy", "h5::/imu/acc")
    )
    # rec0/../out, rec1/../out and rec2/../out are one folder.
    output = "{parent}/../out/all{stem}.h5::/{parent}/{suffix}/{stem}"
    files = []
    for jobs in (1, 4):
        ran = run(f"apply {inputs} -k k.npy --json -j {jobs} -o {output}").done()
        assert len(ran.reports) == 60
        files.append(contents((place / "out").iterdir()))
        for path in files[-1]:
            path.unlink()
    assert files[0] == files[1]
    assert len(files[0]) == 10


def test_adding_to_an_existing_file(place: Path) -> None:
    for jobs in (1, 3):
        run(f"apply in/00.npy -k k.npy -q -o all{jobs}.h5::/first").done()
        run(f"apply in/*.npy -k k.npy -q -j {jobs} -o all{jobs}.h5::/{{stem}}").done()
        with h5py.File(f"all{jobs}.h5") as file:
            assert len(file) == COUNT + 1
            for number in range(COUNT):
                x = np.load(f"in/{number:02}.npy")
                assert np.array_equal(file[f"{number:02}"][()], x[1:] + x[:-1])


def test_threads_and_memory_are_shared_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, memory = [], []

    class Conv(plan_module.Convolution):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            threads.append(self.threads)

    class Transfer(job_module.Transfer):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            memory.append(options["memory"])

    monkeypatch.setattr(plan_module, "Convolution", Conv)
    monkeypatch.setattr(job_module, "Transfer", Transfer)
    monkeypatch.setattr(settings_module, "available", lambda: 9)

    def shares(options: str) -> tuple[set[int], set[int]]:
        threads.clear()
        memory.clear()
        run(f"apply -k k.npy -q --overwrite --output-dir out {options}").done()
        return set(threads), set(memory)

    assert shares("in/*.npy -j 2") == ({4}, {128 << 20})
    assert shares("in/*.npy -j 2 --threads 6 --memory-limit 8MiB") == ({3}, {4 << 20})
    assert shares("in/*.npy -j 4 --threads 3 --memory-limit 2MiB") == ({1}, {1 << 20})
    # There is nobody to share with.
    assert shares("in/00.npy -j 4 --threads 3") == ({3}, {256 << 20})
    assert shares("in/00.npy in/01.npy -j 9 --threads 4") == ({2}, {128 << 20})


@pytest.mark.parametrize("jobs", [0, -1, "two"])
def test_jobs_that_cannot_be(place: Path, jobs: object) -> None:
    run(f"apply in/00.npy -k k.npy -o o.npy -j {jobs}").failed(2, "--jobs")
    if isinstance(jobs, int):
        with pytest.raises(LayerError, match="jobs must be a whole number of at least 1"):
            Settings(jobs=jobs)


def test_standard_input_beside_files(place: Path) -> None:
    line = "apply in/00.npy - in/02.npy -k k.npy --json -j 3 --output-dir out"
    ran = run(line, stdin=npy_bytes(X)).done()
    assert [report["input"]["address"] for report in ran.reports] == ["in/00.npy", "-", "in/02.npy"]
    assert np.array_equal(np.load("out/stdin.npy"), Y)
    with pytest.raises(LayerError, match="share standard input"):
        list(apply_many(["-", "in/00.npy", "-"], None, RECIPE, Settings(jobs=2, dry_run=True)))


def test_nothing_is_left_when_nobody_asks_for_more(place: Path) -> None:
    begun = threading.Event()

    def slowly(address: str, done: int, total: int) -> None:
        if "00" not in address:
            begun.set()
            time.sleep(0.05)

    before = threading.active_count()
    settings = Settings(jobs=3, memory_limit=3 << 20, progress=slowly)
    reports = apply_many([f"in/{n:02}.npy" for n in (2, 0, 1)], None, RECIPE, settings, directory="out")
    assert next(reports).status == "ok"
    begun.wait(10)
    reports.close()
    assert threading.active_count() <= before + 1
    assert unfinished(place) == []
    assert "01.npy" not in names(place / "out")


def test_an_interrupt_leaves_nothing_in_python_either(place: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(address: str, done: int, total: int) -> None:
        if "01" in address:
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.2)

    settings = Settings(jobs=3, memory_limit=3 << 20, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(apply_many(["in/0*.npy"], None, RECIPE, settings, directory="out"))
    assert unfinished(place) == []
    assert "01.npy" not in names(place / "out")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("output", ["--output-dir out", "-o out/{stem}.h5::/y"], ids=["npy", "h5"])
def test_signals_leave_nothing_half_written(place: Path, number: int, code: int, output: str) -> None:
    # The last input never comes, so that the run does not end before the signal.
    os.mkfifo("in/stalled.npy")
    (place / "out").mkdir()
    draw = random.Random(code)
    with start(f"apply in/*.npy -k k.npy -q -j 4 --memory-limit 4MiB {output}") as process:
        # In the middle: the first output is there, or its temporary file.
        until(lambda: names(place / "out"))
        time.sleep(draw.uniform(0, 0.05))
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == code
    assert unfinished(place) == []
    for path in (place / "out").iterdir():
        x = np.load(place / "in" / f"{path.stem}.npy")
        if path.suffix == ".npy":
            y = np.load(path)
        else:
            with h5py.File(path) as file:
                y = file["y"][()]
        assert np.array_equal(y, x[1:] + x[:-1])


def test_a_stalled_pipe_does_not_keep_an_error_from_ending_it(place: Path) -> None:
    for name in ("bad.npy", "stalled.npy"):
        os.mkfifo(name)
    stalled = os.open("stalled.npy", os.O_RDWR)
    with start("apply bad.npy stalled.npy -k k.npy -j 2 --output-dir out") as process:
        os.write(stalled, (place / "in" / "05.npy").read_bytes()[:300])
        bad = os.open("bad.npy", os.O_WRONLY)
        until(lambda: unfinished(place))
        os.write(bad, b"no npy")
        os.close(bad)
        assert process.stderr is not None
        assert process.stderr.read().startswith(b"dwconv: error: bad.npy")
    os.close(stalled)
    assert process.returncode == 3
    assert names(place / "out") == []


# The window


def test_few_are_begun_ahead_and_results_come_in_order() -> None:
    jobs, total = 3, 400
    lock, first = threading.Lock(), threading.Event()
    begun: list[int] = []
    at_once = most = consumed = ahead = 0

    def work(item: int, go_on: Callable[[], None]) -> int:
        nonlocal at_once, most, ahead
        with lock:
            at_once += 1
            most = max(most, at_once)
            begun.append(item)
            ahead = max(ahead, len(begun) - consumed)
        if item == 0:
            first.wait(10)
        time.sleep(random.random() / 2000)
        with lock:
            at_once -= 1
        return item

    results = side_by_side(work, range(total), jobs, lambda result: False)
    threading.Timer(0.3, first.set).start()
    for number, result in enumerate(results):
        assert result == number
        if number == 0:
            assert len(begun) <= 2 * jobs + AHEAD
        consumed = number + 1
    assert consumed == total
    assert most == jobs
    # One more than was taken: the consumer counts when it has got it.
    assert ahead <= jobs + AHEAD + 1


def test_the_last_result_comes_when_no_work_goes_on() -> None:
    running: set[int] = set()
    finished: list[int] = []

    def work(item: int, go_on: Callable[[], None]) -> int:
        running.add(item)
        try:
            for _ in range(0 if item < 3 else 2000):
                time.sleep(0.002)
                go_on()
        finally:
            running.discard(item)
        finished.append(item)
        return item

    assert list(side_by_side(work, range(1000), 4, lambda result: result == 2)) == [0, 1, 2]
    assert not running
    assert sorted(finished) == [0, 1, 2]


def test_nothing_is_begun_after_the_last_result_is_known() -> None:
    begun: list[int] = []

    def work(item: int, go_on: Callable[[], None]) -> int:
        begun.append(item)
        time.sleep({0: 0.3, 1: 0}.get(item, 0.02))
        return item

    assert list(side_by_side(work, range(100), 3, lambda result: result == 1)) == [0, 1]
    assert len(begun) <= 4


def test_an_error_comes_in_its_place() -> None:
    def work(item: int, go_on: Callable[[], None]) -> int:
        if item == 3:
            raise ZeroDivisionError
        time.sleep(0.05 if item == 1 else 0)
        return item

    results = side_by_side(work, range(50), 4, lambda result: False)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_without_memory_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    results = side_by_side(lambda item, go_on: item, range(50), 4, lambda result: result == 30)
    assert list(results) == list(range(31))


def test_nobody_takes_being_unwanted_for_an_error() -> None:
    assert not issubclass(Unwanted, Exception)


def test_a_signal_waits_for_a_file_that_is_just_being_created(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def create(name: str) -> None:
        with file_creation:
            begun.set()
            go_on.wait(5)
            order.append(name)

    monkeypatch.setattr(os, "_exit", lambda code: order.append("ended"))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    first, second = (threading.Thread(target=create, args=(name,)) for name in ("first", "second"))
    first.start()
    begun.wait(5)
    threading.Timer(0.05, go_on.set).start()
    try:
        end_by_signal(signal.SIGTERM)
        second.start()
        time.sleep(0.05)
        assert order == ["first", "ended"]
    finally:
        file_creation.release()
        for number, handler in before.items():
            signal.signal(number, handler)
    first.join(5)
    second.join(5)
    assert order == ["first", "ended", "second"]


def test_reports_are_of_python_s_caller_too(place: Path) -> None:
    reports: list[Report] = list(
        apply_many(["in/0*.npy"], "{stem}.h5::/y", RECIPE, Settings(jobs=4, threads=2))
    )
    assert [report.input["address"] for report in reports] == [f"in/0{n}.npy" for n in range(10)]
    assert {report.status for report in reports} == {"ok"}
