"""Run rows of trials and print how many went well."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from faults.bench import ROOT, Bench, Skip, Trial

# Row -> the module that has it.
ROWS = {
    "crash points": "crash",
    "injected errors": "errors",
    "full disk": "disk",
    "malformed": "malformed",
    "mutants": "mutants",
    "unsafe": "unsafe",
    "signals": "signals",
    "races": "races",
    "memory": "memory",
    "batch": "batch",
    "properties": "properties",
    "mutation check": "mutation",
}


class Outcome(NamedTuple):
    """What became of a row: trials that went well, all, the faults, and why trials were left out."""

    good: int
    total: int
    faults: list[Trial]
    skipped: list[str]


def run_row(name: str, bench: Bench, tell: Callable[[Trial], object] = lambda trial: None) -> Outcome:
    """All trials of a row; each fault is told of as soon as it is found."""
    trials: Iterator[Trial | Skip] = import_module(f"faults.{ROWS[name]}").rows(bench)
    good, faults, skipped = 0, [], []
    try:
        for trial in trials:
            if isinstance(trial, Skip):
                skipped.append(str(trial))
            elif trial.fault is None:
                good += 1
            else:
                faults.append(trial)
                tell(trial)
    except Skip as why:
        skipped.append(str(why))
    return Outcome(good, good + len(faults), faults, skipped)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows that were asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--row", action="append", choices=ROWS, help="only this one; may be repeated")
    parser.add_argument("--count", type=int, help="trials of each kind, at most")
    parser.add_argument("--case", action="append", help="only this kind of output; may be repeated")
    parser.add_argument("--folder", type=Path, help="where to make files (the system's folder for such)")
    parser.add_argument("--package", type=Path, default=ROOT, help="the folder that holds dwconv_cli")
    parser.add_argument("--fail-fast", action="store_true", help="end with the first fault")
    options = parser.parse_args(arguments)
    failed = False
    for name in options.row or ROWS:
        begun = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="faults-", dir=options.folder) as folder,
            Bench(Path(folder), options.package.resolve(), options.count, options.case) as bench,
        ):
            try:
                outcome = run_row(name, bench, _Printer(options.fail_fast))
            except _Enough:
                print(f"{name}: ended with the first fault", flush=True)
                failed = True
                continue
        failed = failed or bool(outcome.faults)
        print(f"{name}: {outcome.good} of {outcome.total} ({time.monotonic() - begun:.0f} s)", flush=True)
        for why in outcome.skipped:
            print(f"    skipped: {why}", flush=True)
    return int(failed)


class _Enough(Exception):  # noqa: N818 - it is no error
    pass


class _Printer:
    """Prints the faults of a row."""

    def __init__(self, fail_fast: bool) -> None:
        self._fail_fast = fail_fast

    def __call__(self, trial: Trial) -> None:
        print(f"    FAILED {trial.name}: {trial.fault}", flush=True)
        if self._fail_fast:
            raise _Enough


if __name__ == "__main__":
    sys.exit(main())
