"""All contenders on all cases, each in its own process; a table and a JSON.

    python benchmarks/compare.py [--dtype float32] [--only 0,5] [--json benchmarks/results.json]

Compare by ratio only: a shared machine changes speed from minute to minute, which is why the contenders of one case
run one right after the other, and the plain copy with them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cases import CASES

HERE = Path(__file__).parent
NAMES = (
    "dwconv",
    "copy",
    "torch",
    "jax",
    "tensorflow",
    "onnxruntime",
    "oaconvolve",
    "upfirdn",
    "correlate1d",
)
PEERS = NAMES[2:]
# Seconds for one contender on one case.
LIMIT = 60
SLOWED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def measured(name: str, case: str, dtype: str, threads: int) -> dict[str, Any]:
    """One contender's figures, from a process of its own."""
    environment = {key: value for key, value in os.environ.items() if key not in SLOWED}
    environment |= {"BENCH_THREADS": str(threads)}
    if find_spec("dwconv_cli") is None:
        # The package beside this file has a compiled part only after an editable install.
        environment["PYTHONPATH"] = str(HERE.parent)
    command = [sys.executable, str(HERE / "peers.py"), name, case, dtype]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"more than {LIMIT} s"}
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"skipped": f"exit {done.returncode}"}
    return found


def versions() -> dict[str, str]:
    """What was compared, on what."""
    found = {"python": platform.python_version(), "processor": _processor(), "cores": str(os.cpu_count())}
    for package in ("numpy", "scipy", "torch", "jax", "tensorflow-cpu", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    pairs = dict(line.split("\t: ", 1) for line in lines if "\t: " in line)
    names = {key.strip(): value for key, value in pairs.items()}
    return f"{names.get('model name', '')}, family {names.get('cpu family')} model {names.get('model')}"


def table(rows: list[dict[str, Any]]) -> str:
    """Rates in 10^9 outputs a second, and two ratios, as Markdown."""
    shown = ("dwconv", "torch", "jax", "tensorflow", "onnxruntime", "scipy", "copy")
    lines = [
        "| case | dtype | " + " | ".join(shown) + " | to best peer | copy to ours |",
        "|---|---|" + "---|" * (len(shown) + 2),
    ]
    for row in rows:
        rates = row["rates"]
        cells = [f"{rates[name]:.3g}" if name in rates else "" for name in shown]
        ratios = [f"{row['to_best_peer']:.2f}", f"{row['copy_to_ours']:.1f}"]
        lines.append("| " + " | ".join([row["case"], row["dtype"], *cells, *ratios]) + " |")
    mean = math.exp(sum(math.log(row["to_best_peer"]) for row in rows) / len(rows))
    lines.append(
        f"\nGeometric mean of the ratio to the best peer: {mean:.2f}; smallest {min(r['to_best_peer'] for r in rows):.2f}."
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", default="float32,float64")
    parser.add_argument("--only", help="numbers of cases, e.g. 0,5")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    numbers = range(len(CASES)) if options.only is None else [int(text) for text in options.only.split(",")]
    rows = []
    for number in numbers:
        for dtype in options.dtype.split(","):
            case = CASES[number]
            figures = {
                name: measured(name, str(number), dtype, options.threads)
                for name in ("dwconv", "copy", *options.peers.split(","))
            }
            rates = {n: case.outputs / f["median"] / 1e9 for n, f in figures.items() if "median" in f}
            scipy = [rates.pop(name) for name in ("oaconvolve", "upfirdn", "correlate1d") if name in rates]
            if scipy:
                rates["scipy"] = max(scipy)
            best = max(
                (rate for name, rate in rates.items() if name not in ("dwconv", "copy")), default=math.nan
            )
            row = {
                "case": str(case),
                "dtype": dtype,
                "rates": rates,
                "to_best_peer": rates["dwconv"] / best,
                "copy_to_ours": rates["copy"] / rates["dwconv"],
                "figures": figures,
            }
            rows.append(row)
            print(
                f"{row['case']:40} {dtype} " + " ".join(f"{n} {r:.3g}" for n, r in rates.items()), flush=True
            )
    print("\n" + table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps({"versions": versions(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
